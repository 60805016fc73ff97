"""Where the cycles of a schedule begin and end: whole numbers, summed and looked up, never computed
back from a logarithm.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from math import inf
from typing import Literal, NamedTuple

from lrbench.errors import ScheduleError
from lrbench.schedules.base import Cycles, Endpoint, Schedule, require, require_steps

Tail = Literal["truncate", "stretch", "hold"]
"""What becomes of the steps that full cycles leave over at the end of the run."""

Boundary = Callable[[int], int | None]
"""First step of cycle i; for the cycle after the last one, the end of the last one."""

DEFAULT_CYCLES = 3


class Place(NamedTuple):
    """A step as its cycle sees it: number of the cycle, steps since its start, its length."""

    cycle: int
    position: int
    length: int


class CyclePlan:
    """Cycles, each with its first step and its length.

    Parameters
    ----------
    start : Boundary
    """

    def __init__(self, start: Boundary) -> None:
        self.start = start
        # Grown on demand; what it holds depends on nothing but `start`.
        self._known: list[int] = [0]

    def place(self, step: int) -> Place | None:
        """Where ``step`` lies; None after the end of the last cycle."""
        known = self._known
        while known[-1] <= step:
            following = self.start(len(known))
            if following is None:
                return None
            known.append(following)
        cycle = bisect_right(known, step) - 1
        return Place(cycle, step - known[cycle], known[cycle + 1] - known[cycle])

    @property
    def cycles(self) -> Cycles:
        """Their first steps; a boundary that is only the end of the last cycle begins none."""
        start = self.start
        return Cycles(
            lambda index: start(index) if start(index + 1) is not None else None,
            end=lambda index: start(index + 1),
        )

    def shortest(self, total_steps: int | None) -> int:
        """Length of the shortest cycle that begins in the run; of an endless one the first."""
        begun = self.cycles.before(total_steps) if total_steps else (0,)
        return min(place.length for place in map(self.place, begun) if place is not None)

    def tail_notes(self, total_steps: int | None, held: str) -> tuple[str, ...]:
        """What became of the steps that full cycles leave over."""
        if total_steps is None:
            return ()
        cycle = 0
        while (end := self.start(cycle + 1)) is not None and end < total_steps:
            cycle += 1
        left = total_steps - (self.start(cycle) or 0)
        if end is None:
            return (f"{held} is held for the last {left} steps",)
        return (f"cycle {cycle} is cut short at {left} steps",) if end > total_steps else ()


def plan_cycles(
    *,
    first_cycle: int | None,
    cycle_mult: float,
    num_cycles: int | None,
    lengths: Sequence[int] | None,
    tail: Tail,
    total_steps: int | None,
) -> CyclePlan:
    """The cycles of a run.

    Parameters
    ----------
    first_cycle : int in [1, inf), optional
        Cycle i has ``round(first_cycle * cycle_mult**i)`` steps. Default: such that ``num_cycles``
        cycles (3 if that is not given either) fill ``total_steps``, each at most a step off its
        share.
    cycle_mult : float in [1, inf)
    num_cycles : int in [1, inf), optional
    lengths : sequence of int in [1, inf), optional
        All lengths, one by one, in place of the three before.
    tail : {"truncate", "stretch", "hold"}
        One more cycle, cut short; the last full cycle made longer; nothing more.
    total_steps : int in [1, inf), optional
        Length of the run. Without it, cycles go on for ever and there is no tail.

    Raises
    ------
    ScheduleError
        An argument is outside its interval, or the cycles do not fit the run.
    """
    require(1.0 <= cycle_mult < inf, "cycle_mult", "must be finite and at least 1", cycle_mult)
    require(num_cycles is None or num_cycles >= 1, "num_cycles", "must be at least 1", num_cycles)
    # As it is written: 1.1 means 11/10, not the binary number next to it.
    mult = Fraction(str(cycle_mult))
    if lengths is not None:
        together = "must be null where cycle_lengths are given"
        require(first_cycle is None, "first_cycle", together, first_cycle)
        require(num_cycles is None, "num_cycles", together, num_cycles)
        return CyclePlan(_with_tail(_listed(lengths, total_steps), total_steps, tail))
    if first_cycle is not None:
        require_steps("first_cycle", first_cycle)
        relation = f"must not be longer than the {total_steps} steps it restarts in"
        fits = total_steps is None or first_cycle <= total_steps
        require(fits, "first_cycle", relation, first_cycle, "schedule=cosine")
        return CyclePlan(_with_tail(_growing(first_cycle, mult, num_cycles), total_steps, tail))
    if total_steps is None:
        raise ScheduleError("must be given where the run has no end", key="first_cycle", got=None)
    return CyclePlan(_filling(total_steps, num_cycles or DEFAULT_CYCLES, mult))


def _listed(lengths: Sequence[int], total_steps: int | None) -> Boundary:
    given = list(lengths)
    require(len(given) > 0, "cycle_lengths", "must name at least one length", given)
    require(min(given) >= 1, "cycle_lengths", "must each be at least 1 step", given)
    relation = f"must begin with a cycle that fits the {total_steps} steps of the schedule"
    require(total_steps is None or given[0] <= total_steps, "cycle_lengths", relation, given)
    ends = [0, *accumulate(given)]
    return lambda index: ends[index] if index < len(ends) else None


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


def _with_tail(start: Boundary, total_steps: int | None, tail: Tail) -> Boundary:
    if total_steps is None or tail == "truncate":
        return start
    full = 0
    while (end := start(full + 1)) is not None and end <= total_steps:
        full += 1
    ends = [start(index) or 0 for index in range(full + 1)]
    if tail == "stretch":
        ends[-1] = total_steps
    return lambda index: ends[index] if index <= full else None


def restarted(
    plan: CyclePlan,
    within: Callable[[Place], float],
    final_factor: float,
    endpoint: Endpoint,
    tail: Tail,
    total_steps: int | None,
) -> Schedule:
    """The schedule that is ``within`` in every cycle, and holds ``final_factor`` after the last."""

    def factor(step: int) -> float:
        place = plan.place(step)
        return final_factor if place is None else within(place)

    ends = {
        "exclusive": f"a cycle's end {final_factor:g} would be the next cycle's first step",
        "inclusive": f"every cycle's last update has {final_factor:g}",
    }[endpoint]
    tails = {
        "truncate": f"a cycle too long is cut short; after the last one {final_factor:g} is held",
        "stretch": "the last full cycle is stretched to the end of the run",
        "hold": f"after the last full cycle {final_factor:g} is held",
    }[tail]
    return Schedule(
        factor,
        plan.cycles,
        conventions=(f"end: {ends} (endpoint {endpoint})", f"tail: {tails} (tail {tail})"),
        notes=plan.tail_notes(total_steps, f"{final_factor:g}"),
    )
