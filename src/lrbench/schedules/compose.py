"""Schedules made of schedules: a warmup before one, one after the other, one scaled."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Literal

from lrbench.schedules.base import (
    Cycles,
    Schedule,
    Steps,
    piecewise,
    require,
    require_fraction,
    require_positive,
)

RampForm = Literal["first", "zero", "open", "cosine", "1-sqrt"]
"""How a rate rises over a number of updates: see :func:`ramp`."""

WarmupForm = Literal[RampForm, "exponential"]
"""And the one that never ends."""

_RAMPS = {
    "first": "(t+1)/W",
    "zero": "t/W, so the first update changes nothing",
    "open": "(t+1)/(W+1)",
    "cosine": "(1-cos(pi t/W))/2",
    "1-sqrt": "1-sqrt(1-t/W)",
    "exponential": "1-exp(-2(t+1)/W), which goes on after the warmup and never quite reaches 1",
}


def ramp(step: int, steps: int, form: WarmupForm) -> float:
    """Height in [0, 1] of a warmup of ``steps`` updates at ``step``.

    ``first`` is ``(t + 1) / W`` (the peak is the ramp's last step), ``zero`` is ``t / W`` (the
    first update is made with rate 0), ``open`` is ``(t + 1) / (W + 1)`` (the peak is reached once,
    after the ramp); ``cosine`` and ``1-sqrt`` begin at 0 as well. ``exponential`` is
    ``1 - exp(-2 * (t + 1) / W)``, which with ``W = 2 / (1 - beta2)`` is Adam's untuned
    exponential warmup.

    References
    ----------
    Ma & Yarats 2021, on the adequacy of untuned warmup (arXiv:1910.04209), eq. 6.
    """
    if form == "exponential":
        return -math.expm1(-2.0 * (step + 1) / steps)
    if step >= steps:
        return 1.0
    if form == "zero":
        return step / steps
    if form == "open":
        return (step + 1) / (steps + 1)
    if form == "cosine":
        return 0.5 * (1.0 - math.cos(math.pi * (step / steps)))
    if form == "1-sqrt":
        return 1.0 - math.sqrt(1.0 - step / steps)
    return (step + 1) / steps


def warmup(
    after: Schedule,
    *,
    warmup_steps: int,
    warmup_form: WarmupForm = "first",
    warmup_start: float = 0.0,
) -> Schedule:
    """A ramp of ``warmup_steps`` updates up to the first value of ``after``.

    With ``r`` the :func:`ramp` and ``h(t) = s + (1 - s) * r(t)``, ``s`` being ``warmup_start``:
    ``f(t) = h(t) * after(0)`` for ``t < warmup_steps`` and ``f(t) = after(t - warmup_steps)`` from
    then on; the exponential ramp goes on, ``f(t) = h(t) * after(t - warmup_steps)``.

    Parameters
    ----------
    after : Schedule
        Sees its own steps, from 0.
    warmup_steps : int in [0, inf), in updates
        0 is no warmup.
    warmup_form : {"first", "zero", "open", "cosine", "1-sqrt", "exponential"}
        Of the ramp.
    warmup_start : float in [0, 1], default 0.0
        Where the ramp begins, as a fraction of its end.

    Returns
    -------
    Schedule
        Cycles and restarts are those of ``after``, moved; the ramp belongs to its first cycle.

    Raises
    ------
    ScheduleError
        ``warmup_steps`` is negative, or the start is no fraction.

    Examples
    --------
    >>> from lrbench.schedules.decay import linear
    >>> factor = warmup(linear(decay_steps=4), warmup_steps=2)
    >>> [factor(step) for step in range(6)]
    [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    require(warmup_steps >= 0, "warmup", "must not be negative", warmup_steps)
    require_fraction("warmup_start", warmup_start)
    if warmup_steps == 0:
        return after
    peak = after(0)

    def height(step: int) -> float:
        return warmup_start + (1.0 - warmup_start) * ramp(step, warmup_steps, warmup_form)

    def factor(step: int) -> float:
        if step < warmup_steps:
            return peak * height(step)
        value = after(step - warmup_steps)
        return value * height(step) if warmup_form == "exponential" else value

    begins = f" from {warmup_start:g} of the peak" if warmup_start else ""
    words = f"warmup: {warmup_steps} steps{begins}, form {warmup_form}: {_RAMPS[warmup_form]}"
    planned = after.planned and tuple(
        replace(restart, step=restart.step + warmup_steps) for restart in after.planned
    )
    return replace(
        after,
        factor=factor,
        planned=planned,
        cycles=after.cycles.moved(warmup_steps),
        conventions=(words, *after.conventions),
    )


def sequence(
    *,
    pieces: tuple[Schedule, ...],
    boundaries: tuple[Steps, ...],
    restart: bool = False,
) -> Schedule:
    """Schedules one after the other; each sees its own steps, from 0.

    ``f(t) = pieces[i](t - b_i)`` for ``b_i <= t < b_{i+1}``, with ``b_0 = 0`` and the others the
    ``boundaries``; the last piece has no end.

    Parameters
    ----------
    pieces : sequence of Schedule, at least one
        In a configuration a list such as ``[{name: linear, final_factor: 0.5}, cosine]``: names of
        lrbench's own, with what differs from their defaults. Lengths count within the piece:
        ``20%`` is of the piece, and a piece's null ``decay`` is the whole piece.
    boundaries : sequence of int in [1, inf), in updates, strictly increasing
        First steps of all pieces but the first.
    restart : bool, default False
        Whether a new piece is a warm restart.

    Returns
    -------
    Schedule
        Restarts are those of the pieces, moved, and the boundaries where ``restart`` is true.

    Raises
    ------
    ScheduleError
        There is not one boundary between every two pieces, or they do not increase.

    Examples
    --------
    >>> from lrbench.schedules.decay import constant, linear
    >>> factor = sequence(pieces=(linear(decay_steps=2), constant()), boundaries=(2,))
    >>> [factor(step) for step in range(4)]
    [1.0, 0.5, 1.0, 1.0]

    Notes
    -----
    As torch's ``SequentialLR`` and optax' ``join_schedules``, whose milestones and boundaries are
    these.
    """
    require(len(pieces) > 0, "pieces", "must name at least one schedule", list(pieces))
    starts = (0, *boundaries)
    given = list(boundaries)
    number = f"must name a step between every two of {len(pieces)} pieces, {len(pieces) - 1} in all"
    require(len(starts) == len(pieces), "boundaries", number, given)
    increasing = all(a < b for a, b in pairwise(starts))
    require(increasing, "boundaries", "must increase strictly, from step 1 or later", given)

    def factor(step: int) -> float:
        index = piecewise(starts, step) - 1
        return pieces[index](step - starts[index])

    @cache
    def begun() -> list[int]:
        """Starts of the cycles up to the last piece's first; that piece may have no end of them."""
        found = [0]
        for index, (begin, end) in enumerate(pairwise(starts)):
            found += [begin + step for step in pieces[index].restarts(end - begin)]
            if restart:
                found.append(end)
        return found

    def start(index: int) -> int | None:
        known = begun()
        if index < len(known):
            return known[index]
        if not pieces[-1].cycles.are_restarts:
            return None
        local = pieces[-1].cycles.start(index - len(known) + 1)
        return None if local is None else starts[-1] + local

    parts = tuple(
        f"piece {index} from step {begin}: {words}"
        for index, (begin, piece) in enumerate(zip(starts, pieces, strict=True))
        for words in piece.conventions
    )
    notes = tuple(note for piece in pieces for note in piece.notes)
    return Schedule(factor, Cycles(start), parts, notes)


def scaled(*, of: Schedule, scale_factor: float) -> Schedule:
    """Another schedule, every factor multiplied by the same number.

    ``f(t) = scale_factor * of(t)``

    Parameters
    ----------
    of : Schedule
        In a configuration the name of one of lrbench's, or a mapping such as
        ``{name: step, gamma: 0.5}``.
    scale_factor : float in (0, inf)
        What every factor is multiplied by.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        ``scale_factor`` is not positive.

    Examples
    --------
    >>> from lrbench.schedules.decay import linear
    >>> factor = scaled(of=linear(decay_steps=2), scale_factor=0.5)
    >>> [factor(step) for step in range(3)]
    [0.5, 0.25, 0.0]
    """
    require_positive("scale_factor", scale_factor)
    words = f"scale: the schedule described here, every factor multiplied by {scale_factor:g}"
    return replace(
        of,
        factor=lambda step: scale_factor * of(step),
        conventions=(*of.conventions, words),
    )
