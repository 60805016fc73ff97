"""Reference of the schedules for training that goes on."""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction

from lrbench.checks.reference.exact import Exact, Formula, Given
from lrbench.checks.reference.numbers import Number, power
from lrbench.checks.reference.ramps import ramp
from lrbench.checks.reference.shapes import cooled, fall

ONE = Fraction(1)


def rewarm(given: Given) -> Exact:
    """A warmup from 0 and a fall in every phase."""
    starts = [0, *given.value("starts", ())]
    warmup, form = given.length("rewarm"), given.word("rewarm_form", "first")
    final = given.number("final_factor", 0.1)

    def factor(step: int) -> Number:
        phase = bisect_right(starts, step) - 1
        start = starts[phase]
        end = starts[phase + 1] if phase + 1 < len(starts) else given.steps
        position = step - start
        if position < warmup:
            return ramp(position, warmup, form)
        return cooled(given, ONE, final, position - warmup, end - start - warmup, "cosine")

    return Exact(factor, tuple(start for start in starts if 0 < start < given.steps))


def infinite(given: Given) -> Exact:
    """A cooldown to a constant, and a constant ratio over the last steps."""
    cooldown, anneal = given.length("cooldown"), given.length("anneal")
    level, final = given.number("constant_factor", 0.3), given.number("final_factor", 0.01)
    shape = given.word("shape", "cosine")
    start = given.steps - anneal

    def factor(step: int) -> Number:
        if step < cooldown:
            return fall(shape, ONE, level, Fraction(step, cooldown), ONE)
        if anneal == 0 or step < start:
            return level
        done = Fraction(min(step - start, anneal), anneal)
        return level * power(final / level, done)

    return Exact(factor)


CONTINUAL: dict[str, Formula] = {"rewarm": rewarm, "infinite": infinite}
