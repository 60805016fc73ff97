"""Schedules with warm restarts: they fall, jump back to the peak, and fall again."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from fractions import Fraction
from itertools import accumulate, pairwise
from math import inf
from typing import Literal

from lrbench.errors import ScheduleError
from lrbench.schedules.base import (
    Cycles,
    Schedule,
    Steps,
    require,
    require_decay,
    require_fraction,
    require_steps,
)
from lrbench.schedules.decay import half_cosine

Tail = Literal["truncate", "stretch", "hold"]

DEFAULT_CYCLES = 3


def sgdr(
    *,
    first_cycle_steps: Steps | None = None,
    cycle_mult: float = 2.0,
    peak_decay: float = 1.0,
    final_factor: float = 0.0,
    num_cycles: int | None = None,
    tail: Tail = "truncate",
    total_steps: int | None = None,
) -> Schedule:
    """Half a cosine from the peak to ``final_factor``, restarted at the end of every cycle.

    Cycle i has ``T_i = round(first_cycle_steps * cycle_mult**i)`` updates and begins at
    ``b_i = T_0 + … + T_{i-1}``. At position ``k = t - b_i`` of it, with
    ``p_i = final_factor + (1 - final_factor) * peak_decay**i``,
    ``f(t) = final_factor + (p_i - final_factor) * (1 + cos(pi * k / T_i)) / 2``.

    Parameters
    ----------
    first_cycle_steps : int in [1, inf), in updates, optional
        Length of the first cycle; the paper's T_0. Default: such that ``num_cycles`` cycles
        (3 if that is not given either) fill ``total_steps`` exactly, each at most a step off its
        share.
    cycle_mult : float in [1, inf), default 2.0
        Each cycle is this many times as long as the one before; the paper's T_mult.
    peak_decay : float in (0, 1], default 1.0
        What each restart multiplies the height above ``final_factor`` by.
    final_factor : float in [0, 1], default 0.0
        Where every cycle ends, as a fraction of the base learning rate; the paper's eta_min.
    num_cycles : int in [1, inf), optional
        No restart after so many cycles. Default: no end, where ``first_cycle_steps`` is given.
    tail : {"truncate", "stretch", "hold"}
        What becomes of the steps that full cycles leave over at the end of the run: one more
        cycle, cut short; the last full cycle made longer by them; ``final_factor`` held. After
        ``num_cycles`` cycles there is no further one to cut short, and ``final_factor`` holds.
    total_steps : int in [1, inf), optional
        Length of the run. Without it, cycles go on for ever and there is no tail.

    Returns
    -------
    Schedule
        Every cycle starts exactly at its peak; boundaries are integer sums.

    Raises
    ------
    ScheduleError
        An argument is outside its interval, or the cycles do not fit the run.

    Examples
    --------
    >>> factor = sgdr(first_cycle_steps=2, cycle_mult=2)
    >>> [round(factor(step), 4) for step in range(7)]
    [1.0, 0.5, 1.0, 0.8536, 0.5, 0.1464, 1.0]
    >>> factor.restarts(total_steps=10)
    (2, 6)
    >>> sgdr(total_steps=70).restarts(70)
    (10, 30)

    References
    ----------
    Loshchilov & Hutter 2017, SGDR (arXiv:1608.03983), eq. 5 and §3.
    """
    require(1.0 <= cycle_mult < inf, "cycle_mult", "must be finite and at least 1", cycle_mult)
    require_decay("peak_decay", peak_decay)
    require_fraction("final_factor", final_factor)
    require(num_cycles is None or num_cycles >= 1, "num_cycles", "must be at least 1", num_cycles)

    # As it is written: 1.1 means 11/10, not the binary number next to it.
    mult = Fraction(str(cycle_mult))
    if first_cycle_steps is not None:
        require_steps("first_cycle", first_cycle_steps)
        start = _growing(first_cycle_steps, mult, num_cycles)
        if total_steps is not None:
            _require_a_full_cycle(first_cycle_steps, total_steps)
            start = _with_tail(start, total_steps, tail)
    elif total_steps is not None:
        start = _filling(total_steps, num_cycles or DEFAULT_CYCLES, mult)
    else:
        raise ScheduleError("must be given where the run has no end", key="first_cycle", got=None)

    boundaries: list[int] = [0]  # grown on demand; what it holds depends on nothing but `start`

    def factor(step: int) -> float:
        while boundaries[-1] <= step:
            following = start(len(boundaries))
            if following is None:
                return final_factor
            boundaries.append(following)
        cycle = bisect_right(boundaries, step) - 1
        begin, end = boundaries[cycle], boundaries[cycle + 1]
        height = (1.0 - final_factor) * peak_decay**cycle
        return final_factor + height * half_cosine((step - begin) / (end - begin))

    return Schedule(factor, Cycles(_without_end(start)), _notes(start, total_steps, final_factor))


Boundary = Callable[[int], int | None]
"""First step of cycle i; for the cycle after the last one, the end of the last one."""


def _growing(first: int, mult: Fraction, num_cycles: int | None) -> Boundary:
    sums = [0]
    # The next cycle's exact length as a fraction that is never reduced: reducing numbers of
    # thousands of digits is what would take time.
    numerator, denominator = first, 1

    def start(index: int) -> int | None:
        nonlocal numerator, denominator
        if num_cycles is not None and index > num_cycles:
            return None
        while len(sums) <= index:
            sums.append(sums[-1] + _rounded(numerator, denominator))
            numerator *= mult.numerator
            denominator *= mult.denominator
        return sums[index]

    return start


def _rounded(numerator: int, denominator: int) -> int:
    """The nearest whole number, of two equally near the even one, as ``round`` does."""
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest + whole % 2 > denominator)


def _filling(total_steps: int, num_cycles: int, mult: Fraction) -> Boundary:
    relation = f"must leave every cycle at least one of the {total_steps} steps"
    require(num_cycles <= total_steps, "num_cycles", relation, num_cycles)
    parts = [Fraction(0), *accumulate(mult**cycle for cycle in range(num_cycles))]
    # Rounded from the exact share each, so errors do not add up and the last end is the run's.
    ends = [round(total_steps * part / parts[-1]) for part in parts]
    shortest = min(b - a for a, b in pairwise(ends))
    require(shortest >= 1, "num_cycles", relation, num_cycles)
    return lambda index: ends[index] if index <= num_cycles else None


def _with_tail(start: Boundary, total_steps: int, tail: Tail) -> Boundary:
    full = 0
    while (end := start(full + 1)) is not None and end <= total_steps:
        full += 1
    ends = [start(index) or 0 for index in range(full + 1)]
    if tail == "stretch":
        ends[-1] = total_steps
    if tail == "truncate":
        return start
    return lambda index: ends[index] if index <= full else None


def _require_a_full_cycle(first: int, total_steps: int) -> None:
    relation = f"must not be longer than the {total_steps} steps it restarts in"
    require(first <= total_steps, "first_cycle", relation, first, "schedule=cosine")


def _without_end(start: Boundary) -> Boundary:
    """A boundary that is only the end of the last cycle begins no cycle."""
    return lambda index: start(index) if start(index + 1) is not None else None


def _notes(start: Boundary, total_steps: int | None, final_factor: float) -> tuple[str, ...]:
    notes = []
    if total_steps is not None:
        cycle = 0
        while (end := start(cycle + 1)) is not None and end < total_steps:
            cycle += 1
        if end is None:
            held = total_steps - (start(cycle) or 0)
            notes.append(f"{final_factor:g} is held for the last {held} steps")
        elif end > total_steps:
            notes.append(f"cycle {cycle} is cut short at {total_steps - (start(cycle) or 0)} steps")
    return tuple(notes)
