"""Reference of the schedule that was frozen: looked up event by event, at every step anew."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from lrbench.checks.reference.exact import Exact, Given
from lrbench.checks.reference.numbers import Number, wide


def frozen(given: Given, inner: Callable[[Any, int], Exact]) -> Exact:
    """Each cycle's schedule times its height; in the last part of the run below a line to 0.

    Parameters
    ----------
    inner : callable
        The reference of a schedule, as a setting gives it, for a number of steps.
    """
    events = list(given.value("events", ()))
    restarts = [event["step"] for event in events if event["action"] == "restart"]
    decays = [event["step"] for event in events if event["action"] == "decay"]
    resets = [event["step"] for event in events if event["action"] == "reset"]
    most = given.value("num_cycles", len(restarts) + 1)
    fall, drop = given.number("peak_decay", 0.8), given.number("decay_factor", 0.1)
    kept = (1 - given.decimal("final_fraction", 0.25)) * given.steps
    line_begins = -int(-kept // 1)
    starts = [0, *restarts]
    lengths = [(given.steps - start) // (most - i) for i, start in enumerate(starts)]
    cycles = [inner(given.value("of"), length) for length in lengths]

    def own(step: int) -> Number:
        cycle = sum(start <= step for start in restarts)
        since = [at for at in decays if starts[cycle] <= at <= step]
        return cycles[cycle].factor(step - starts[cycle]) * fall**cycle * drop ** len(since)

    def factor(step: int) -> Number:
        if step < line_begins or line_begins == given.steps:
            return own(step)
        if step >= given.steps:
            return Fraction(0)
        part = Fraction(given.steps - step, given.steps - line_begins)
        return min(own(step), own(line_begins) * part, key=wide)

    return Exact(factor, tuple(sorted([*restarts, *resets])))
