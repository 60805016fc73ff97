"""Wrong labels on purpose: noise that training sees, and nothing that it is judged by."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lrbench import streams
from lrbench.tasks.data.fingerprint import whole_digest
from lrbench.tasks.data.source import Indices, Source

NoiseShare = Annotated[float, Field(ge=0, lt=1)]


def relabelled(
    source: Source, train: Indices, split_root: int, /, *, label_noise: NoiseShare = 0.0
) -> NDArray[Any]:
    """The targets of a classification, a share of the training ones replaced by other classes.

    How many is exact, ``label_noise`` of the training samples rounded to the nearest whole number.
    Which they are, and to which other class each goes, every one equally likely, is drawn from a
    stream of its own (purpose ``noise``), a function of ``split_root`` and the source's digest: the
    split is the same with noise and without. Validation and test labels stay as they are.

    Parameters
    ----------
    source : Source
        A classification.
    train : ndarray of int64
        The samples that train.
    split_root : int
        Root seed of the split stream, which says what the training samples are.
    label_noise : float in [0, 1), default 0.0
        Share of the training labels that are wrong.

    Returns
    -------
    ndarray of shape (n,), of the source's dtype
    """
    count = int(Fraction(repr(float(label_noise))) * len(train) + Fraction(1, 2))
    targets = source.targets.copy()
    if count == 0:
        return targets
    digest = whole_digest(source.kind, [source.inputs, source.targets])
    order = streams.stream(split_root, "noise", "labels", digest, "which")
    chosen = np.sort(train[order.permutation(len(train))[:count]])
    classes = source.num_outputs
    shifts = streams.stream(split_root, "noise", "labels", digest, "to").uniform(count)
    targets[chosen] = (targets[chosen] + 1 + (shifts * (classes - 1)).astype(np.int64)) % classes
    return targets
