"""Times of which some are only known to be longer than the run: curves, means, tests.

Like :func:`~lrbench.stats.censored.time_to_target`, with each run's own budget: a run that was
observed for 300 updates says nothing of what happens after them, and all it can say before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from lrbench.stats.aggregate import describe
from lrbench.stats.interval import Interval


@dataclass(frozen=True)
class Survival:
    """Share of the runs that have not reached the target yet, as a step function (Kaplan–Meier).

    Parameters
    ----------
    n : int
        Runs.
    times : tuple of int, in updates
        Where the share falls: the distinct times at which a run got there, ascending.
    shares : tuple of float in [0, 1]
        From that time on; 1 before the first.
    low, high : tuple of float or None
        Pointwise intervals (Greenwood's variance of ``log(-log S)``); None where the share is 0.
    at_risk, reached : tuple of int
        Runs observed up to that time and not there before; those of them that got there at it.
    """

    n: int
    times: tuple[int, ...]
    shares: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    at_risk: tuple[int, ...]
    reached: tuple[int, ...]


def kaplan_meier(
    times: Sequence[int | None], budgets: Sequence[int], level: float = 0.95
) -> Survival:
    """Estimate the share of runs that take longer, from runs of which some were cut off.

    Parameters
    ----------
    times : sequence of n int or None, in updates
        When each run reached the target; None, or a time past its budget, if it did not.
    budgets : sequence of n int, in updates
        How long each run was observed. The budget must have nothing to do with how the run went: a
        run that was stopped because it did badly, or diverged, is not cut off but never arrives,
        and has the full budget here.
    level : float in (0, 1)

    Examples
    --------
    >>> found = kaplan_meier([10, None, 30, 40], [50, 20, 50, 50])
    >>> found.times, found.shares, found.at_risk
    ((10, 30, 40), (0.75, 0.375, 0.0), (4, 2, 1))

    References
    ----------
    Kaplan & Meier 1958, J. Am. Stat. Assoc. 53(282): 457-481; Kalbfleisch & Prentice 1980 for the
    interval.
    """
    observed, is_hit = _observed(times, budgets)
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, greenwood = 1.0, 0.0
    rows = []
    for time in np.unique(observed[is_hit]):
        at_risk = int(np.count_nonzero(observed >= time))
        reached = int(np.count_nonzero(is_hit & (observed == time)))
        share *= 1 - reached / at_risk
        low = high = None
        if reached < at_risk:
            greenwood += reached / (at_risk * (at_risk - reached))
            reach = z * math.sqrt(greenwood) / abs(math.log(share))
            low, high = share ** math.exp(reach), share ** math.exp(-reach)
        rows.append((int(time), share, low, high, at_risk, reached))
    columns = zip(*rows, strict=True) if rows else ((),) * 6
    return Survival(len(observed), *columns)


def restricted_times(times: Sequence[int | None], budget: int) -> tuple[float, ...]:
    """``min(time, budget)`` of each run, which can be averaged and compared like a loss.

    Examples
    --------
    >>> restricted_times([40, None, 130], 100)
    (40.0, 100.0, 100.0)
    """
    return tuple(float(budget if time is None else min(time, budget)) for time in times)


def restricted_mean(
    times: Sequence[int | None], budgets: Sequence[int], level: float = 0.95
) -> Interval | None:
    """Mean updates to the target within the shortest budget, with its Student-t interval.

    The interval ends where the times do, at 0 and at the budget.

    All runs are observed up to the shortest budget, so that nothing is censored before it: the area
    under the curve of :func:`kaplan_meier` up to there is this mean, and its interval needs no
    large sample.

    Examples
    --------
    >>> found = restricted_mean([40, 60, None], [100, 100, 100])
    >>> round(found.value, 2), round(found.low, 1), round(found.high, 1)
    (66.67, 0.0, 100.0)
    """
    if not budgets:
        return None
    budget = min(budgets)
    found = describe(restricted_times(times, budget), level)
    assert found.mean is not None
    if found.low is None or found.high is None:
        return Interval(found.mean)
    return Interval(found.mean, max(found.low, 0.0), min(found.high, float(budget)))


def log_rank(
    times: Sequence[int | None],
    budgets: Sequence[int],
    other_times: Sequence[int | None],
    other_budgets: Sequence[int],
) -> float | None:
    """Two-sided p that two arms reach the target equally fast, whenever they do.

    Pairs are not looked at: with the same seeds in both arms
    :func:`~lrbench.stats.contrast.contrast` of :func:`restricted_times` finds more. The normal
    approximation is for ten runs an arm and more.

    Returns
    -------
    float or None
        None where no run got there, or all at once.

    Examples
    --------
    >>> round(log_rank([10, 20, 30], [99] * 3, [40, 50, None], [99] * 3), 4)
    0.0246

    References
    ----------
    Mantel 1966, Cancer Chemother. Rep. 50(3): 163-170.
    """
    one, one_hit = _observed(times, budgets)
    two, two_hit = _observed(other_times, other_budgets)
    more, variance = 0.0, 0.0
    for time in np.unique(np.concatenate([one[one_hit], two[two_hit]])):
        risk, other_risk = (np.count_nonzero(arm >= time) for arm in (one, two))
        hits = np.count_nonzero(one_hit & (one == time))
        n, all_hits = risk + other_risk, hits + np.count_nonzero(two_hit & (two == time))
        more += hits - all_hits * risk / n
        if n > 1:
            variance += all_hits * (n - all_hits) * risk * other_risk / (n * n * (n - 1))
    if not variance:
        return None
    return math.erfc(abs(more) / math.sqrt(2 * variance))


def _observed(
    times: Sequence[int | None], budgets: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """How long each run was looked at, and whether it got there then."""
    pairs = list(zip(times, budgets, strict=True))
    is_hit = [time is not None and time <= budget for time, budget in pairs]
    until = [budget if time is None else min(time, budget) for time, budget in pairs]
    return np.array(until, dtype=np.int64), np.array(is_hit, dtype=bool)
