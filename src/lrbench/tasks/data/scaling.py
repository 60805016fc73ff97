"""Standardising: means and deviations of the training part, applied to every part."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrbench.tasks.data.source import Indices, Source


def standardised(source: Source, train: Indices) -> tuple[NDArray[Any], NDArray[Any]]:
    """Inputs and targets of all samples, as a model takes them.

    Parameters
    ----------
    source : Source
    train : ndarray of int64
        The samples whose statistics count.

    Returns
    -------
    inputs : ndarray of float32, or int64 for tokens
    targets : ndarray of shape (n,), int64, for a classification; (n, outputs), float32, else
    """
    inputs: NDArray[Any]
    if source.vocab_size is not None:
        inputs = source.inputs.astype(np.int64)
    elif source.standardise == "features":
        inputs = _standardise(source.inputs, train, axes=(0,))
    elif source.standardise == "pixels":
        inputs = _standardise(source.inputs, train, axes=(0, 2, 3))
    else:
        inputs = source.inputs.astype(np.float32)

    if source.kind == "classification":
        return inputs, source.targets.astype(np.int64)
    if source.kind == "regression":
        return inputs, _standardise(source.targets, train, axes=(0,))
    return inputs, source.targets.astype(np.float32)


def _standardise(
    values: NDArray[Any], train: Indices, axes: tuple[int, ...]
) -> NDArray[np.float32]:
    seen = values[train]
    mean = seen.mean(axis=axes, dtype=np.float64, keepdims=True)
    deviation = seen.std(axis=axes, dtype=np.float64, keepdims=True)
    # A constant is told by its extremes: its computed deviation may be rounding error, not 0.
    lowest = seen.min(axis=axes, keepdims=True)
    constant = (lowest == seen.max(axis=axes, keepdims=True)) | (deviation == 0.0)
    centre = np.where(constant, lowest, mean)
    scaled: NDArray[np.float64] = (values - centre) / np.where(constant, 1.0, deviation)
    return scaled.astype(np.float32)
