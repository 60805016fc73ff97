"""Arms over many tasks: on what share of them an arm is at most so many times the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """One arm's share of the tasks, as a step function of the factor.

    Parameters
    ----------
    factors : tuple of float in [1, inf)
        Where the share grows, ascending; from each on it has the value beside it.
    shares : tuple of float in (0, 1]
        Empty for an arm that solved no task.
    """

    factors: tuple[float, ...]
    shares: tuple[float, ...]

    def at(self, factor: float) -> float:
        """Share of the tasks on which the arm's cost is at most ``factor`` times the lowest."""
        return max(
            (s for f, s in zip(self.factors, self.shares, strict=True) if f <= factor), default=0.0
        )


def performance_profiles(costs: Sequence[Sequence[float | None]]) -> tuple[Profile, ...]:
    """One profile an arm, of costs (updates to a target, losses) on several tasks.

    An arm's profile depends on which others are there: where one of them is left out the best may
    be another, and two arms may change places. Only who is best often, the share at 1, is to be
    read off, and how far each is from solving all, its last share.

    Parameters
    ----------
    costs : sequence of tasks, each a sequence of one float in (0, inf) or None an arm
        None where the arm did not get there. A task that no arm solved counts for all of them.

    Examples
    --------
    >>> one, two = performance_profiles([[100.0, 150.0], [90.0, 30.0], [50.0, None]])
    >>> one
    Profile(factors=(1.0, 3.0), shares=(0.6666666666666666, 1.0))
    >>> two.at(1.0), two.at(1.5), two.at(100.0)
    (0.3333333333333333, 0.6666666666666666, 0.6666666666666666)

    References
    ----------
    Dolan & Moré 2002, Math. Program. 91: 201-213; Gould & Scott 2016, ACM TOMS 43(2): 15, for what
    they do not say.
    """
    if not costs:
        return ()
    ratios: list[list[float]] = [[] for _ in costs[0]]
    for task in costs:
        best = min((cost for cost in task if cost is not None), default=math.inf)
        for arm, cost in zip(ratios, task, strict=True):
            if cost is not None:
                arm.append(cost / best)
    return tuple(_profile(arm, len(costs)) for arm in ratios)


def _profile(ratios: Sequence[float], tasks: int) -> Profile:
    factors = sorted(set(ratios))
    return Profile(
        tuple(factors), tuple(sum(r <= factor for r in ratios) / tasks for factor in factors)
    )
