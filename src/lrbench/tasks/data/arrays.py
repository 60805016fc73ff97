"""A user's own dataset: two arrays, checked once, their kind told from their dtypes and shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrbench.errors import DataError
from lrbench.tasks.base import Kind
from lrbench.tasks.data.source import Source, Standardise

KEY = "_target_"


def from_arrays(returned: object) -> Source:
    """The source made of what a user's function returned.

    Integer targets make a classification, real ones a regression. Integer inputs of shape
    (n, length) are tokens; other inputs are features, or images if their shape is
    (n, channels, height, width).

    Parameters
    ----------
    returned : pair of array-likes of equal length
        Inputs, then targets: (n,) integers 0 … classes-1, or (n,) or (n, outputs) real numbers.

    Raises
    ------
    DataError
        Not a pair, no samples, unequal lengths, another dtype or shape, a value that is not a
        finite float32 (the first such sample is named), a negative token, or labels that leave
        out a class.
    """
    if not isinstance(returned, tuple | list) or len(returned) != 2:
        raise DataError(
            "must return the pair (inputs, targets)", key=KEY, got=type(returned).__name__
        )
    inputs, targets = (
        _numeric(*pair) for pair in zip(("inputs", "targets"), returned, strict=True)
    )
    if len(inputs) != len(targets):
        raise DataError(
            "must return as many targets as inputs",
            key=KEY,
            got=f"{len(inputs)} inputs, {len(targets)} targets",
        )
    kind, targets = _kind(targets)
    standardise, vocab_size = _treatment(inputs)
    return Source(inputs, targets, kind, standardise, vocab_size=vocab_size)


def _numeric(role: str, given: object) -> NDArray[Any]:
    try:
        array = np.asarray(given)
    except ValueError:  # numpy's word for rows of unequal length
        raise DataError(f"must return {role} of one shape", key=KEY, got="ragged rows") from None
    if array.dtype.kind not in "biuf":
        raise DataError(
            f"must return {role} of real or integer numbers", key=KEY, got=f"dtype {array.dtype}"
        )
    if array.ndim == 0 or array.size == 0:
        raise DataError(
            f"must return at least one sample of {role}", key=KEY, got=f"shape {array.shape}"
        )
    with np.errstate(over="ignore"):  # what overflows float32 is reported like any infinity
        finite = np.isfinite(array.astype(np.float32)).reshape(len(array), -1).all(axis=1)
    if not finite.all():
        sample = int(np.argmin(finite))
        raise DataError(
            f"must return {role} that are finite in float32, and sample {sample} is not", key=KEY
        )
    return array


def _kind(targets: NDArray[Any]) -> tuple[Kind, NDArray[Any]]:
    if targets.dtype.kind == "f":
        if targets.ndim > 2:
            raise DataError(
                "must return real targets of shape (n,) or (n, outputs)", key=KEY, got=targets.shape
            )
        return "regression", targets.reshape(len(targets), -1)
    if targets.ndim != 1:
        raise DataError("must return integer targets of shape (n,)", key=KEY, got=targets.shape)
    labels = np.unique(targets)
    if not np.array_equal(labels, np.arange(len(labels))):
        shown = ", ".join(map(str, labels[:5].tolist())) + (" …" if len(labels) > 5 else "")
        raise DataError(
            f"must return labels 0 to {len(labels) - 1} for {len(labels)} classes",
            key=KEY,
            got=shown,
        )
    return "classification", targets


def _treatment(inputs: NDArray[Any]) -> tuple[Standardise, int | None]:
    """How the inputs are standardised, and their vocabulary if they are tokens."""
    if inputs.ndim == 2 and inputs.dtype.kind in "iu":
        if inputs.min() < 0:
            raise DataError("must return tokens from 0 upwards", key=KEY, got=int(inputs.min()))
        return "none", int(inputs.max()) + 1
    if inputs.ndim == 2:
        return "features", None
    if inputs.ndim == 4:
        return "pixels", None
    raise DataError(
        "must return inputs of shape (n, features), (n, channels, height, width) or, for tokens, "
        "(n, length)",
        key=KEY,
        got=inputs.shape,
    )
