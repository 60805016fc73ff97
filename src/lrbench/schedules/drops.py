"""Schedules that stay level between sudden drops."""

from __future__ import annotations

from itertools import pairwise

from lrbench.schedules.base import (
    Schedule,
    Steps,
    piecewise,
    require,
    require_decay,
    require_steps,
)


def step(*, step_size_steps: Steps, gamma: float = 0.1) -> Schedule:
    """A drop by ``gamma`` every so many updates.

    ``f(t) = gamma ** floor(t / step_size_steps)``

    Parameters
    ----------
    step_size_steps : int in [1, inf), in updates
        Update ``step_size_steps`` is the first with the lower rate.
    gamma : float in (0, 1], default 0.1
        What each drop multiplies the rate by.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        An argument is outside its interval. Nothing is clamped.

    Examples
    --------
    >>> factor = step(step_size_steps=2, gamma=0.5)
    >>> [factor(t) for t in range(6)]
    [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]

    References
    ----------
    He et al. 2016 (arXiv:1512.03385), §4.2: divided by 10 after fixed numbers of updates.
    """
    require_steps("step_size", step_size_steps)
    require_decay("gamma", gamma)
    return Schedule(
        lambda step: gamma ** (step // step_size_steps),
        conventions=("drops: the update a drop belongs to is the first with the lower rate",),
    )


def multistep(*, milestones: tuple[Steps, ...], gamma: float = 0.1) -> Schedule:
    """A drop by ``gamma`` at each milestone.

    ``f(t) = gamma ** (number of milestones m with m <= t)``

    Parameters
    ----------
    milestones : sequence of int in [1, inf), in updates, strictly increasing
        Update m is the first with the lower rate, as in torch and optax.
    gamma : float in (0, 1], default 0.1
        What each drop multiplies the rate by.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        An argument is outside its interval, or the milestones do not increase.

    Examples
    --------
    >>> factor = multistep(milestones=(2, 3), gamma=0.5)
    >>> [factor(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.25, 0.25]

    Notes
    -----
    timm drops one update earlier, Keras' ``PiecewiseConstantDecay`` one later. torch makes one
    drop by ``gamma**2`` of a milestone given twice, which is an error here.

    References
    ----------
    He et al. 2016 (arXiv:1512.03385), §4.2; Zagoruyko & Komodakis 2016 use gamma = 0.2.
    """
    drops = tuple(milestones)
    require(len(drops) > 0, "milestones", "must name at least one step", list(drops))
    require(drops[0] >= 1, "milestones", "must begin at step 1 or later", list(drops))
    increasing = all(a < b for a, b in pairwise(drops))
    require(increasing, "milestones", "must increase strictly", list(drops))
    require_decay("gamma", gamma)
    return Schedule(
        lambda step: gamma ** piecewise(drops, step),
        conventions=("drops: milestone m is the first update with the lower rate",),
    )
