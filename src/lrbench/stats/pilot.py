"""How far paired differences spread, learned from arms that were trained before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lrbench.stats.aggregate import describe
from lrbench.stats.correlation import pearson
from lrbench.stats.power import CONFIDENCE, pooled_sd, sd_bound


@dataclass(frozen=True)
class Pair:
    """Two arms of a pilot on the seeds they share.

    Parameters
    ----------
    baseline, other : str
    n : int
        Seeds that both have, without runs that diverged.
    sd : float
        Of the paired differences.
    correlation : float or None
        Of the arms over the seeds.
    diverged : int
        Seeds on which a run diverged, which are in no figure.
    """

    baseline: str
    other: str
    n: int
    sd: float
    correlation: float | None
    diverged: int


@dataclass(frozen=True)
class Spread:
    """The standard deviation of paired differences, of several pairs of arms together.

    Parameters
    ----------
    sd : float
        Pooled.
    bound : float
        Which the true one is below with a confidence of 80 %.
    freedom : int
        Degrees of freedom the bound is taken with: those of the longest pair alone. Pairs share
        seeds and arms, so that they are not independent, and their sum would promise too much.
    pairs : tuple of Pair
    """

    sd: float
    bound: float
    freedom: int
    pairs: tuple[Pair, ...]


def spread_of(
    arms: Mapping[str, Mapping[int, float | None]], pairs: Sequence[tuple[str, str]]
) -> Spread | None:
    """Learn the spread from these pairs of arms.

    Parameters
    ----------
    arms : mapping of name to mapping of seed to float or None
        A value a run; None of one that diverged.
    pairs : sequence of (baseline, other)

    Returns
    -------
    Spread or None
        None where no pair has two seeds in common, or all differences are the same. Pairs without
        a spread are left out: arms that are the same run say nothing of others.

    Examples
    --------
    >>> arms = {"a": {0: 1.0, 1: 2.0, 2: 3.0}, "b": {0: 0.5, 1: 1.7, 2: 2.3, 3: 2.0}}
    >>> found = spread_of(arms, [("a", "b")])
    >>> round(found.sd, 4), round(found.bound, 4), found.freedom, found.pairs[0].n
    (0.2, 0.4234, 2, 3)
    """
    known = [pair for names in pairs if (pair := _pair(arms, *names)) is not None]
    if not known:
        return None
    sd, _ = pooled_sd((pair.sd, pair.n) for pair in known)
    freedom = max(pair.n for pair in known) - 1
    return Spread(sd, sd_bound(sd, freedom, CONFIDENCE), freedom, tuple(known))


def _pair(arms: Mapping[str, Mapping[int, float | None]], baseline: str, other: str) -> Pair | None:
    one, two = arms[baseline], arms[other]
    shared = sorted(one.keys() & two.keys())
    values = [(a, b) for s in shared if (a := one[s]) is not None and (b := two[s]) is not None]
    found = describe([a - b for a, b in values])
    if not found.sd:
        return None
    correlation = pearson(*zip(*values, strict=True))
    return Pair(baseline, other, found.n, found.sd, correlation, len(shared) - len(values))
