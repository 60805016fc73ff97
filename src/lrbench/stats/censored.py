"""Steps to a target that not every run reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TimeToTarget:
    """When runs reached a target, those that did not being censored at the budget.

    Parameters
    ----------
    reached, n : int
        ``reached`` of ``n`` runs got there within the budget.
    budget : int or None, in updates
        Up to where every run was observed; None of no runs.
    median : float or None, in updates
        None where half of the runs or more did not get there, so that it lies past the budget.
    restricted_mean : float or None, in updates
        Mean of ``min(time, budget)``: the mean time if all got there, a lower bound of it if not.
    """

    reached: int
    n: int
    budget: int | None = None
    median: float | None = None
    restricted_mean: float | None = None


def time_to_target(times: Sequence[int | None], budgets: Sequence[int]) -> TimeToTarget:
    """Summarise times of which some are only known to be longer than the budget.

    Parameters
    ----------
    times : sequence of length n, in updates
        ``None`` for a run that did not reach the target.
    budgets : sequence of length n, in updates
        How long each run was observed. Where they differ all are cut to the shortest, so that a
        longer budget is no advantage.

    Returns
    -------
    TimeToTarget

    Examples
    --------
    >>> time_to_target([40, 60, None], [100, 100, 100])
    TimeToTarget(reached=2, n=3, budget=100, median=60.0, restricted_mean=66.66666666666667)
    """
    if not budgets:
        return TimeToTarget(0, 0)
    budget = min(budgets)
    hits = np.array([time if time is not None and time <= budget else np.inf for time in times])
    middle = float(np.median(hits))
    return TimeToTarget(
        reached=int(np.isfinite(hits).sum()),
        n=len(hits),
        budget=budget,
        median=middle if np.isfinite(middle) else None,
        restricted_mean=float(np.minimum(hits, budget).mean()),
    )
