"""Which sample goes to which part: drawn from one named stream, every class in proportion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from lrbench import streams
from lrbench.errors import DataError
from lrbench.tasks.data.fingerprint import whole_digest
from lrbench.tasks.data.source import Indices, Source

Share = Annotated[float, Field(gt=0, lt=1)]


class Parts(NamedTuple):
    """Sample indices of each part, ascending, int64."""

    train: Indices
    val: Indices
    test: Indices


def divide(
    source: Source, split_root: int, /, *, val_fraction: Share = 0.2, test_fraction: Share = 0.2
) -> Parts:
    """Divide the samples, as the source fixes it or else at random.

    The random order is a function of ``split_root`` and the source's own digest. Counts are
    integer arithmetic on the decimal fractions, so no rounding differs between machines. In a
    classification each class is divided in proportion (largest remainders), training keeps one of
    every class, and a class of three or more is in every part if that part has room for all.

    Parameters
    ----------
    source : Source
        Parts that it fixes are taken over; only what is left is divided.
    split_root : int
        Root seed of the split stream.
    val_fraction : float in (0, 1), default 0.2
        Share of the divided samples used to select by.
    test_fraction : float in (0, 1), default 0.2
        Share of the divided samples held back. Has no effect when the source fixes its test part.

    Raises
    ------
    DataError
        The fractions leave nothing to train on, or a part would be empty.
    """
    fixed = source.parts
    if {"train", "val", "test"} <= fixed.keys():
        return Parts(fixed["train"], fixed["val"], fixed["test"])
    shares = {"val": _exact(val_fraction), "test": _exact(test_fraction)}
    if sum(shares.values()) >= 1:
        raise DataError(
            f"must leave a share for training beside test_fraction ({test_fraction})",
            key="val_fraction",
            got=val_fraction,
            remedy="dataset.val_fraction=0.2 dataset.test_fraction=0.2",
        )

    held_out = fixed.get("test", np.empty(0, np.int64))
    free = np.setdiff1d(np.arange(len(source)), held_out)
    digest = whole_digest(source.kind, [source.inputs, source.targets])
    shuffle = streams.stream(split_root, "split", digest)
    shuffled = free[shuffle.permutation(len(free))]
    labels = source.targets[shuffled] if source.kind == "classification" else np.zeros(len(free))

    classes = [shuffled[labels == label] for label in np.unique(labels)]
    sizes = [len(members) for members in classes]
    # One sample of a class is left for training, and one more for validation if there are three.
    room = [max(0, size - (2 if size >= 3 else 1)) for size in sizes]
    test = [0] * len(sizes) if "test" in fixed else counts_per_class(sizes, shares["test"], room)
    room = [max(0, size - taken - 1) for size, taken in zip(sizes, test, strict=True)]
    val = counts_per_class(sizes, shares["val"], room)

    cuts = [np.split(members, [t, t + v]) for members, t, v in zip(classes, test, val, strict=True)]
    drawn_test, drawn_val, drawn_train = (
        np.sort(np.concatenate(part)) for part in zip(*cuts, strict=True)
    )
    parts = Parts(drawn_train, drawn_val, held_out if "test" in fixed else drawn_test)
    _require_samples(parts, len(source))
    return parts


def counts_per_class(sizes: Sequence[int], share: Fraction, most: Sequence[int]) -> list[int]:
    """How many samples of each class make up a part, by largest remainders.

    The counts add up to the share of all samples, rounded, as far as ``most`` allows. Every class
    of three or more has at least one if there is one for all such classes.

    Parameters
    ----------
    sizes : sequence of int
        Samples of each class.
    share : Fraction
        The part's share of all samples.
    most : sequence of int
        Samples of each class that may be taken.
    """
    total = math.floor(sum(sizes) * share + Fraction(1, 2))
    one_for_all = sum(size >= 3 for size in sizes) <= total
    least = [
        int(one_for_all and size >= 3 and bound > 0)
        for size, bound in zip(sizes, most, strict=True)
    ]
    counts = [
        min(max(math.floor(size * share), low), high)
        for size, low, high in zip(sizes, least, most, strict=True)
    ]

    def owed(c: int) -> int:
        """What class ``c`` lacks of its exact share, in units of 1/denominator."""
        return sizes[c] * share.numerator - counts[c] * share.denominator

    while (missing := total - sum(counts)) != 0:
        step = 1 if missing > 0 else -1
        bounds = most if step > 0 else least
        movable = [c for c, count in enumerate(counts) if count != bounds[c]]
        if not movable:
            break
        counts[max(movable, key=lambda c: step * owed(c))] += step
    return counts


def _exact(share: float) -> Fraction:
    """The fraction as it was typed: 0.2 is a fifth."""
    return Fraction(repr(float(share)))


def _require_samples(parts: Parts, num_samples: int) -> None:
    for name, part in parts._asdict().items():
        if len(part) == 0:
            raise DataError(
                f"must leave no part empty, and with {num_samples} samples the {name} part is",
                remedy="a larger dataset.val_fraction or dataset.test_fraction, or more samples",
            )
