"""The words data and models share: what a sample looks like, and a dataset ready for training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["classification", "regression", "objective"]
"""``classification``: integer targets, cross-entropy. ``regression``: real targets, mean squared
error. ``objective``: the model's output is itself the loss of a sample."""


@dataclass(frozen=True)
class DataInfo:
    """What a model must know about the data to be built.

    Parameters
    ----------
    kind : Kind
    input_shape : tuple of int
        Shape of one input, without the batch: (features,), (channels, height, width) or (length,)
        for tokens.
    num_outputs : int
        Classes of a classification, target dimensions of a regression, 1 for an objective.
    vocab_size : int, optional
        Given when inputs are integer tokens in [0, vocab_size).
    """

    kind: Kind
    input_shape: tuple[int, ...]
    num_outputs: int
    vocab_size: int | None = None


@dataclass(frozen=True)
class Split:
    """One part of a dataset.

    Parameters
    ----------
    inputs : ndarray of shape (n, *input_shape), float32, or int64 for tokens
    targets : ndarray of shape (n,), int64, for a classification; (n, num_outputs), float32, else
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True)
class Prepared:
    """A dataset ready for training: split, standardised, fingerprinted.

    Parameters
    ----------
    info : DataInfo
    train, val, test : Split
        The test part is quarantined: nothing trains on it or selects by it.
    provenance : mapping
        Source, licence, and for files their names, sizes and sha256.
    notices : tuple of str
        What a person should know, such as samples that occur in two splits.
    sample_digests : ndarray of shape (len(train), 32), uint8
        sha256 of each training sample: its input bytes, then its target bytes.
    digest : str
        sha256 over all that decides the numbers: kind, shapes, and every sample of every split in
        order.
    split_digest : str
        sha256 over which source sample went to which split, in order.
    """

    info: DataInfo
    train: Split
    val: Split
    test: Split
    provenance: Mapping[str, Any]
    sample_digests: NDArray[np.uint8]
    digest: str
    split_digest: str
    notices: tuple[str, ...] = field(default=())
