"""Schedules that rise and fall again and again, from the bottom."""

from __future__ import annotations

from lrbench.schedules.base import Cycles, Schedule, Steps, require_fraction, require_steps


def triangular(*, half_cycle_steps: Steps, min_factor: float = 0.25) -> Schedule:
    """Straight up from ``min_factor`` to 1 and straight down, over and over.

    With ``x`` the distance of ``t`` from the nearest peak in half cycles,
    ``f(t) = min_factor + (1 - min_factor) * (1 - x)``.

    Parameters
    ----------
    half_cycle_steps : int in [1, inf), in updates
        Length of the way up, and of the way down; the paper's stepsize.
    min_factor : float in [0, 1], default 0.25
        Fraction of the base learning rate at the bottom, where every cycle begins.

    Returns
    -------
    Schedule
        Its cycles begin at the bottom. The rate never jumps, but each begins a new rise.

    Raises
    ------
    ScheduleError
        An argument is outside its interval. Nothing is clamped.

    Examples
    --------
    >>> factor = triangular(half_cycle_steps=2, min_factor=0.0)
    >>> [factor(t) for t in range(6)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.5]

    References
    ----------
    Smith 2017, cyclical learning rates (arXiv:1506.01186), §3.1; base_lr is ``min_factor`` and
    max_lr is 1, both times the base learning rate.
    """
    require_steps("half_cycle", half_cycle_steps)
    require_fraction("min_factor", min_factor)
    cycle = 2 * half_cycle_steps

    def factor(step: int) -> float:
        height = (half_cycle_steps - abs(step % cycle - half_cycle_steps)) / half_cycle_steps
        return min_factor + (1.0 - min_factor) * height

    return Schedule(
        factor, Cycles(lambda index: index * cycle), (f"every cycle begins at {min_factor:g}",)
    )
