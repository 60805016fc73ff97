"""The sign-flip test: what the mean difference would be if the names of the arms meant nothing.

It assumes no distribution, only that under the null each seed's difference could as well have had
the other sign. It stands beside Student's t as a check of its assumption, and is refused where even
the most extreme outcome, 2 of 2^n sign patterns, does not reach the level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

MOST_EXACT: Final = 32
"""Differences up to which all sign patterns are counted, four thousand million of them."""

DRAWS: Final = 100_000
"""Sign patterns drawn beyond: a p of 0.05 is then known to 0.0014 (95 %)."""


@dataclass(frozen=True)
class Permutation:
    """What the sign-flip test says, or what it would need to say anything.

    Parameters
    ----------
    p : float or None
        Two-sided; None where the level is out of reach, or a run diverged.
    seeds_needed : int
        The fewest seeds with which it can reach the level, in the family it is judged in.
    p_adjusted : float or None
        Holm's, over the family.
    """

    p: float | None
    seeds_needed: int
    p_adjusted: float | None = None


def sign_flip_p(differences: Sequence[float]) -> float:
    """Share of the sign patterns whose mean is at least as far from 0 as the one observed.

    Exact up to 32 differences that are not 0; beyond, from 100,000 patterns drawn from a fixed
    seed, the observed one counted among them so that p is never 0.

    Parameters
    ----------
    differences : sequence of n finite floats

    Examples
    --------
    >>> sign_flip_p([1.0, 2.0, 3.0]), sign_flip_p([1.0, -1.0])
    (0.25, 1.0)

    References
    ----------
    Fisher 1935, The Design of Experiments, §21; Phipson & Smyth 2010, Stat. Appl. Genet. Mol. Biol.
    9(1): 39, for the observed pattern.
    """
    sizes = np.abs([d for d in differences if d])
    observed = abs(math.fsum(differences))
    # Sums of the same numbers in another order differ by rounding; they are ties.
    threshold = observed - 1e-12 * float(sizes.sum())
    if len(sizes) > MOST_EXACT:
        return _drawn(sizes, threshold)
    # A pattern is one of each half of the differences, so those beyond the threshold are counted by
    # looking up, for every sum of the one half, how many of the other are far enough from it.
    half = len(sizes) // 2
    one, two = _signed_sums(sizes[:half]), _signed_sums(sizes[half:])
    above = len(two) * len(one) - int(np.searchsorted(two, threshold - one, "left").sum())
    # The sums lie evenly about 0; where everything is as far, both sides are all there is.
    return min(1.0, 2 * above / (len(one) * len(two))) if threshold > 0 else 1.0


def sign_flip_seeds(level: float) -> int:
    """The fewest differences with which the smallest p, ``2 / 2**n``, reaches ``1 - level``.

    Examples
    --------
    >>> sign_flip_seeds(0.95), sign_flip_seeds(0.995)
    (6, 9)
    """
    n = 1
    while 2.0 ** (1 - n) > (1 - level) * (1 + 1e-9):
        n += 1
    return n


def sign_flip(differences: Sequence[float], level: float) -> Permutation:
    """The test, or its refusal.

    Parameters
    ----------
    differences : sequence of n floats
        Infinite ones are refused: flipped, they would decide every sum.
    level : float in (0, 1)

    Examples
    --------
    >>> sign_flip([1.0, 2.0, 3.0], 0.95)
    Permutation(p=None, seeds_needed=6, p_adjusted=None)
    """
    needed = sign_flip_seeds(level)
    if len(differences) < needed or any(math.isinf(d) for d in differences):
        return Permutation(None, needed)
    p = sign_flip_p(differences)
    return Permutation(p, needed, p)


def _signed_sums(sizes: np.ndarray) -> np.ndarray:
    """Sums under all sign patterns, ascending, shape (2^len(sizes),)."""
    sums = np.zeros(1)
    for size in sizes:
        # Two ascending halves, which a stable sort merges; neighbours are then looked up fast too.
        sums = np.sort(np.concatenate([sums - size, sums + size]), kind="stable")
    return sums


def _drawn(sizes: np.ndarray, threshold: float) -> float:
    draw = np.random.default_rng(0)
    as_extreme, block = 0, 10_000
    for _ in range(DRAWS // block):
        signs = draw.integers(0, 2, (block, len(sizes)), dtype=np.int8)
        # Of signs s in {0, 1} the sum is 2 s·d - sum d.
        sums = 2 * (signs @ sizes) - sizes.sum()
        as_extreme += int(np.count_nonzero(np.abs(sums) >= threshold))
    return (1 + as_extreme) / (1 + DRAWS)
