"""Reference of the warmups: the rise itself, and the one shared by schedules."""

from __future__ import annotations

from fractions import Fraction

from lrbench.checks.reference.exact import Exact
from lrbench.checks.reference.numbers import Number, exp, half_cosine, root


def ramp(step: int, steps: int, form: str) -> Number:
    """Height of a warmup of ``steps`` updates at ``step``."""
    match form:
        case "first":
            return Fraction(step + 1, steps)
        case "zero":
            return Fraction(step, steps)
        case "open":
            return Fraction(step + 1, steps + 1)
        case "cosine":
            return 1 - half_cosine(Fraction(step, steps))
        case "1-sqrt":
            return 1 - root(1 - Fraction(step, steps))
        case "exponential":
            return 1 - exp(Fraction(-2 * (step + 1), steps))
    raise KeyError(form)


def warmed_up(after: Exact, steps: int, form: str, start: Fraction) -> Exact:
    """``after`` behind a ramp from ``start`` to its first value; the exponential ramp goes on."""
    if steps == 0:
        return after

    def factor(step: int) -> Number:
        if step >= steps and form != "exponential":
            return after.factor(step - steps)
        rise = start + (1 - start) * ramp(step, steps, form)
        return rise * after.factor(max(0, step - steps))

    return Exact(factor, tuple(restart + steps for restart in after.restarts))
