"""Reference of the schedules that are given step by step: drops, and tables of values."""

from __future__ import annotations

from fractions import Fraction

from lrbench.checks.reference.exact import Exact, Formula, Given
from lrbench.checks.reference.numbers import Number, power


def step(given: Given) -> Exact:
    """``gamma ** floor(t / step_size)``."""
    size, gamma = given.length("step_size"), given.number("gamma", 0.1)
    return Exact(lambda step: power(gamma, step // size))


def multistep(given: Given) -> Exact:
    """``gamma`` to the number of milestones at or before the step."""
    milestones, gamma = given.value("milestones"), given.number("gamma", 0.1)
    return Exact(lambda step: power(gamma, sum(place <= step for place in milestones)))


def table(given: Given) -> Exact:
    """The row at or before the step, or the straight line from it to the next row."""
    rows = {
        step: Fraction(factor)
        for step, factor in zip(given.value("steps"), given.value("factors"), strict=True)
    }
    is_line = given.word("between", "hold") == "linear"
    places = sorted(rows)

    def factor(step: int) -> Number:
        if step in rows:
            return rows[step]
        left = max(place for place in places if place < step)
        right = min((place for place in places if place > step), default=None)
        if right is None or not is_line:
            return rows[left]
        return rows[left] + (rows[right] - rows[left]) * Fraction(step - left, right - left)

    starts = given.value("cycle_starts", (0,))
    return Exact(factor, tuple(start for start in starts if 0 < start < given.steps))


DROPS: dict[str, Formula] = {"step": step, "multistep": multistep, "table": table}
