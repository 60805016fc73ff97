"""Schedules that rise and fall again and again, from the bottom: cyclical learning rates."""

from __future__ import annotations

from collections.abc import Callable

from lrbench.schedules.base import (
    Cycles,
    Schedule,
    Steps,
    require_decay,
    require_fraction,
    require_steps,
)


def triangular(
    *, half_cycle_steps: Steps, down_steps: Steps | None = None, min_factor: float = 0.25
) -> Schedule:
    """Straight up from ``min_factor`` to 1 and straight down, over and over.

    With ``x`` the distance of ``t`` from the nearest peak, in half cycles,
    ``f(t) = min_factor + (1 - min_factor) * (1 - x)``.

    Parameters
    ----------
    half_cycle_steps : int in [1, inf), in updates
        Length of the way up; the paper's stepsize.
    down_steps : int in [1, inf), in updates, optional
        Length of the way down. Default: as the way up.
    min_factor : float in [0, 1], default 0.25
        Fraction of the base learning rate at the bottom, where every cycle begins.

    Returns
    -------
    Schedule
        Its cycles begin at the bottom. The rate never jumps, so they are no warm restarts.

    Raises
    ------
    ScheduleError
        An argument is outside its interval. Nothing is clamped.

    Examples
    --------
    >>> factor = triangular(half_cycle_steps=2, min_factor=0.0)
    >>> [factor(t) for t in range(6)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.5]

    Notes
    -----
    torch's ``CyclicLR`` has ``base_lr`` and ``max_lr`` in place of the optimizer's rate, and moves
    the momentum too unless it is told not to.

    References
    ----------
    Smith 2017, cyclical learning rates (arXiv:1506.01186), §3.1; base_lr is ``min_factor`` and
    max_lr is 1, both times the base learning rate.
    """
    return _triangles(half_cycle_steps, down_steps, min_factor, lambda step, cycle: 1.0)


def triangular2(
    *, half_cycle_steps: Steps, down_steps: Steps | None = None, min_factor: float = 0.25
) -> Schedule:
    """Triangular cycles, each half as high as the one before.

    With ``x`` the distance of ``t`` from the nearest peak, in half cycles, and ``i`` the number of
    the cycle from 0, ``f(t) = min_factor + (1 - min_factor) * (1 - x) * 2**-i``.

    Parameters
    ----------
    half_cycle_steps : int in [1, inf), in updates
        Length of the way up; the paper's stepsize.
    down_steps : int in [1, inf), in updates, optional
        Length of the way down. Default: as the way up.
    min_factor : float in [0, 1], default 0.25
        Fraction of the base learning rate at the bottom, where every cycle begins.

    Returns
    -------
    Schedule
        Its cycles begin at the bottom. The rate never jumps, so they are no warm restarts.

    Raises
    ------
    ScheduleError
        An argument is outside its interval. Nothing is clamped.

    Examples
    --------
    >>> factor = triangular2(half_cycle_steps=1, min_factor=0.0)
    >>> [factor(t) for t in range(6)]
    [0.0, 1.0, 0.0, 0.5, 0.0, 0.25]

    References
    ----------
    Smith 2017, cyclical learning rates (arXiv:1506.01186), §3.1.
    """
    return _triangles(half_cycle_steps, down_steps, min_factor, lambda step, cycle: 0.5**cycle)


def exp_range(
    *,
    half_cycle_steps: Steps,
    down_steps: Steps | None = None,
    min_factor: float = 0.25,
    gamma: float = 0.99994,
) -> Schedule:
    """Triangular cycles under a decaying exponential.

    With ``x`` the distance of ``t`` from the nearest peak, in half cycles,
    ``f(t) = min_factor + (1 - min_factor) * (1 - x) * gamma**t``.

    Parameters
    ----------
    half_cycle_steps : int in [1, inf), in updates
        Length of the way up; the paper's stepsize.
    down_steps : int in [1, inf), in updates, optional
        Length of the way down. Default: as the way up.
    min_factor : float in [0, 1], default 0.25
        Fraction of the base learning rate at the bottom, where every cycle begins.
    gamma : float in (0, 1], default 0.99994
        What every step multiplies the height by.

    Returns
    -------
    Schedule
        Its cycles begin at the bottom. The rate never jumps, so they are no warm restarts.

    Raises
    ------
    ScheduleError
        An argument is outside its interval. Nothing is clamped.

    Examples
    --------
    >>> factor = exp_range(half_cycle_steps=1, min_factor=0.0, gamma=0.5)
    >>> [factor(t) for t in range(4)]
    [0.0, 0.5, 0.0, 0.125]

    References
    ----------
    Smith 2017, cyclical learning rates (arXiv:1506.01186), §3.1.
    """
    require_decay("gamma", gamma)
    return _triangles(half_cycle_steps, down_steps, min_factor, lambda step, cycle: gamma**step)


def _triangles(
    up: int,
    down: int | None,
    min_factor: float,
    height_of: Callable[[int, int], float],
) -> Schedule:
    """Triangles whose height above the bottom is ``height_of(step, cycle)``."""
    require_steps("half_cycle", up)
    down = up if down is None else down
    require_steps("down", down)
    require_fraction("min_factor", min_factor)
    length = up + down

    def factor(step: int) -> float:
        cycle, position = divmod(step, length)
        part = position / up if position <= up else (length - position) / down
        return min_factor + (1.0 - min_factor) * (part * height_of(step, cycle))

    return Schedule(
        factor,
        Cycles(lambda index: index * length, are_restarts=False),
        conventions=(
            f"start: every cycle begins at the bottom, {min_factor:g}",
            "no end: the cycles go on, and the run ends wherever it does in one",
        ),
    )
