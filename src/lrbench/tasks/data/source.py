"""What a dataset function returns: the arrays of all samples, and how they want to be treated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lrbench.tasks.base import Kind

Indices = NDArray[np.int64]

Part = Literal["train", "val", "test"]

Standardise = Literal["features", "pixels", "none"]
"""``features``: every input feature gets mean 0 and standard deviation 1. ``pixels``: every channel
does, over all its pixels. ``none``: inputs stay as they are. Means and deviations are those of the
training part alone."""


@dataclass(frozen=True)
class Source:
    """A dataset as it came: not split, not standardised, in any numeric dtype.

    Parameters
    ----------
    inputs : ndarray of shape (n, features), (n, channels, height, width) or (n, length) for tokens
    targets : ndarray of shape (n,), integers 0 … classes-1, for a classification; (n, outputs) else
    kind : Kind
    standardise : Standardise
        Targets of a regression are standardised as well, each output by itself.
    provenance : mapping of str to JSON values
        What is known beyond the catalogue's source and licence.
    vocab_size : int, optional
        Given when inputs are tokens in [0, vocab_size).
    num_classes : int, optional
        Given when a class may have no sample here; else the largest label decides.
    parts : mapping of "train", "val", "test" to ndarray of int64
        Parts the source itself fixes, as sample indices. Samples in none of them are divided among
        the other parts.
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]
    kind: Kind
    standardise: Standardise
    provenance: Mapping[str, Any] = field(default_factory=dict)
    vocab_size: int | None = None
    num_classes: int | None = None
    parts: Mapping[Part, Indices] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def num_outputs(self) -> int:
        """Classes of a classification, target dimensions of a regression, 1 for an objective."""
        if self.kind == "classification":
            return self.num_classes or int(self.targets.max()) + 1
        return int(self.targets.shape[1])
