"""Restarts that rise to the rate instead of jumping there."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from itertools import pairwise

from lrbench.schedules.base import Schedule, require
from lrbench.schedules.compose import ramp


def rewarmed(schedule: Schedule, steps: int, total_steps: int) -> Schedule:
    """``schedule``, its rate rising over ``steps`` updates where a warm restart has it jump.

    With b the first step of a cycle, s = f(b - 1) and W = ``steps``, at position k < W of the cycle
    ``f'(b + k) = min(f(b + k), s + (f(b + k) - s) * (k + 1) / W)``, and f itself from then on. So
    the rise begins above the rate before the restart, is never above the schedule, and has joined
    it with its last update, as the warmup ``first`` does; a rise over one update is a jump.

    Parameters
    ----------
    schedule : Schedule
    steps : int in [0, shortest cycle], updates
        0: the rate jumps.
    total_steps : int in [1, inf)
        Length of the run.

    Returns
    -------
    Schedule
        With the same cycles. Where only the optimizer's state restarts, the rate stays as it is.

    Raises
    ------
    ScheduleError
        The rise is longer than a cycle that begins with it.

    Examples
    --------
    >>> from lrbench.schedules.restarts import sgdr
    >>> jumps = sgdr(cycle_lengths=(4, 4), shape="linear", total_steps=8)
    >>> factor = rewarmed(jumps, 2, 8)
    >>> [factor(step) for step in range(8)]
    [1.0, 0.75, 0.5, 0.25, 0.625, 0.75, 0.5, 0.25]
    """
    require(steps >= 0, "restart.rewarm", "must not be negative", steps)
    starts = schedule.restarts(total_steps)
    if schedule.planned is not None:
        jumps = {restart.step for restart in schedule.planned if restart.action == "restart"}
        starts = tuple(start for start in starts if start in jumps)
    if steps == 0 or not starts:
        return schedule
    shortest = min(b - a for a, b in pairwise((*starts, total_steps)))
    relation = f"must not be longer than the shortest cycle after a restart ({shortest} steps)"
    require(steps <= shortest, "restart.rewarm", relation, steps, f"restart.rewarm={shortest}")

    def factor(step: int) -> float:
        value = schedule(step)
        index = bisect_right(starts, step) - 1
        if index < 0 or step >= starts[index] + steps:
            return value
        before = schedule(starts[index] - 1)
        height = ramp(step - starts[index], steps, "first")
        return min(value, before + (value - before) * height)

    words = f"re-warm: over {steps} steps after a restart, form first: (k+1)/W of the way up"
    return replace(schedule, factor=factor, conventions=(*schedule.conventions, words))
