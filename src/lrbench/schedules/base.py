"""The contract of a schedule.

*Step t is the number of updates already made; ``schedule(t)`` is the factor of the next one; a run
has exactly ``total_steps`` of them.* A factor multiplies the optimizer's base learning rate, so any
schedule composes with any rate. Values are Python floats (float64) and depend on the step alone.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from typing import Literal, NewType

from lrbench.errors import ScheduleError
from lrbench.schedules.events import PlannedRestart

Steps = NewType("Steps", int)
"""A length in updates. A builder's ``decay_steps: Steps`` is the setting ``decay`` of the config,
where it may be written in updates, epochs (``"10ep"``) or as part of the run (``"20%"``)."""

NO_STEPS = Steps(0)

Endpoint = Literal["exclusive", "inclusive"]
"""Whether the end value of a decay over T steps belongs to step T (never taken by a run of T steps)
or to step T - 1."""


@dataclass(frozen=True)
class Cycles:
    """Where cycles begin, as integers.

    Parameters
    ----------
    start : callable, int -> int or None
        First step of cycle i, or ``None`` if there is no such cycle. Increasing; ``start(0) == 0``.
    are_restarts : bool
        Whether every start but the first is a warm restart. Triangular cycles begin where the one
        before ended, without a jump, and restart nothing.
    end : callable, int -> int or None, optional
        First step after cycle i, where that is not the start of the next: after the last of them
        an end may be held. Default: cycles follow each other, and the last has no end.
    """

    start: Callable[[int], int | None]
    are_restarts: bool = True
    end: Callable[[int], int | None] | None = None

    def starts(self) -> Iterator[int]:
        """The first steps of all cycles, in order; endless where the cycles are."""
        for index in count():
            start = self.start(index)
            if start is None:
                return
            yield start

    def length(self, index: int) -> int | None:
        """Length of cycle ``index`` in updates; None if it has no end."""
        start = self.start(index)
        end = self.end(index) if self.end else self.start(index + 1)
        return None if start is None or end is None else end - start

    def moved(self, steps: int) -> Cycles:
        """The same ones ``steps`` later; the first reaches back to step 0."""

        def start(index: int) -> int | None:
            begin = self.start(index)
            return begin if begin is None or index == 0 else begin + steps

        def end(index: int) -> int | None:
            stop = self.end(index) if self.end else self.start(index + 1)
            return None if stop is None else stop + steps

        return Cycles(start, self.are_restarts, end)

    def before(self, total_steps: int) -> tuple[int, ...]:
        """First steps of the cycles that begin in a run of ``total_steps`` updates."""
        return tuple(takewhile(lambda start: start < total_steps, self.starts()))


def no_cycles(index: int) -> int | None:
    """One cycle, the whole run."""
    return 0 if index == 0 else None


@dataclass(frozen=True)
class Schedule:
    """A learning-rate schedule.

    Parameters
    ----------
    factor : callable, int -> float
        Pure: the same step gives the same float whatever was asked before. Finite and >= 0.
    cycles : Cycles
        Where its cycles begin, and whether that is a warm restart.
    conventions : tuple of str
        The rules libraries differ on, in words: warmup form, end point, past the end, tail.
    notes : tuple of str
        What these very settings came to and a reader should know: a cycle cut short, a length that
        ends after the run.
    planned : tuple of PlannedRestart, optional
        Its restarts with their causes, where something else than the schedule itself has decided on
        them. Default: it has, and every cycle was planned to last until the next.
    """

    factor: Callable[[int], float]
    cycles: Cycles = Cycles(no_cycles)
    conventions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    planned: tuple[PlannedRestart, ...] | None = None

    def __call__(self, step: int) -> float:
        return self.factor(step)

    def restarts(self, total_steps: int) -> tuple[int, ...]:
        """Steps of a run of ``total_steps`` updates at which a warm restart happens."""
        return self.cycles.before(total_steps)[1:] if self.cycles.are_restarts else ()

    def cycle(self, step: int) -> int:
        """Number of the cycle that ``step`` belongs to, from 0."""
        return len(self.cycles.before(step + 1)) - 1

    def area(self, total_steps: int) -> float:
        """Mean factor over a run of ``total_steps`` updates."""
        return math.fsum(map(self.factor, range(total_steps))) / total_steps


def piecewise(boundaries: Sequence[int], step: int) -> int:
    """How many of the sorted ``boundaries`` lie at or before ``step``."""
    return bisect_right(boundaries, step)


def progress(step: int, steps: int, endpoint: Endpoint) -> float:
    """Part of a decay over ``steps`` updates that lies behind ``step``, in [0, 1]."""
    last = steps - 1 if endpoint == "inclusive" else steps
    return 1.0 if step >= last else step / last


def end_in_words(final_factor: float, endpoint: Endpoint = "exclusive") -> tuple[str, ...]:
    """The conventions of a decay that ends: which update gets the end value, and what follows."""
    where = {
        "exclusive": "lies one update after the last of the decay",
        "inclusive": "is that of the decay's last update",
    }[endpoint]
    return (
        f"end: the factor {final_factor:g} {where} (endpoint {endpoint})",
        f"past the end: {final_factor:g} is held",
    )


def require(holds: bool, key: str, relation: str, got: object, remedy: str | None = None) -> None:
    """Raise :class:`ScheduleError` unless the relation holds. Nothing is ever clamped."""
    if not holds:
        raise ScheduleError(relation, key=key, got=got, remedy=remedy)


def require_steps(key: str, steps: int) -> None:
    """A length must be at least one update."""
    require(steps >= 1, key, "must be at least 1 step", steps)


def require_fraction(key: str, value: float) -> None:
    """A fraction must lie in [0, 1]."""
    require(0.0 <= value <= 1.0, key, "must lie in [0, 1]", value)


def require_positive(key: str, value: float) -> None:
    """A number must be finite and above 0."""
    require(0.0 < value < math.inf, key, "must be finite and above 0", value)


def require_decay(key: str, value: float) -> None:
    """A multiplier applied again and again must lie in (0, 1]."""
    require(0.0 < value <= 1.0, key, "must lie in (0, 1]", value)
