"""Schedules made of schedules."""

from __future__ import annotations

from typing import Literal

from lrbench.schedules.base import Cycles, Schedule, require

WarmupForm = Literal["first", "zero", "open"]


def warmup(after: Schedule, *, warmup_steps: int, form: WarmupForm = "first") -> Schedule:
    """A straight ramp of ``warmup_steps`` updates up to the first value of ``after``.

    With ``r`` the ramp, ``f(t) = r(t) * after(0)`` for ``t < warmup_steps`` and
    ``f(t) = after(t - warmup_steps)`` from then on. The ramp is ``(t + 1) / W`` for ``"first"``
    (the peak is the ramp's last step), ``t / W`` for ``"zero"`` (the first update is made with
    rate 0) and ``(t + 1) / (W + 1)`` for ``"open"`` (the peak is reached once, after the ramp).

    Parameters
    ----------
    after : Schedule
        Sees its own steps, from 0.
    warmup_steps : int in [0, inf), in updates
        0 is no warmup.
    form : {"first", "zero", "open"}

    Returns
    -------
    Schedule
        Cycles and restarts are those of ``after``, moved; the ramp belongs to its first cycle.

    Raises
    ------
    ScheduleError
        ``warmup_steps`` is negative.

    Examples
    --------
    >>> from lrbench.schedules.decay import linear
    >>> factor = warmup(linear(decay_steps=4), warmup_steps=2)
    >>> [factor(step) for step in range(6)]
    [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    require(warmup_steps >= 0, "warmup", "must not be negative", warmup_steps)
    if warmup_steps == 0:
        return after
    peak = after(0)

    def factor(step: int) -> float:
        if step >= warmup_steps:
            return after(step - warmup_steps)
        if form == "zero":
            return peak * (step / warmup_steps)
        if form == "open":
            return peak * ((step + 1) / (warmup_steps + 1))
        return peak * ((step + 1) / warmup_steps)

    def start(index: int) -> int | None:
        begin = after.cycles.start(index)
        return begin if begin is None or index == 0 else begin + warmup_steps

    note = f"warmup of {warmup_steps} steps, form '{form}', first factor {factor(0):g}"
    return Schedule(factor, Cycles(start), (note, *after.notes))
