"""Reference of the schedules that need no horizon, and of the cooldowns some of them may have."""

from __future__ import annotations

from fractions import Fraction

from lrbench.checks.reference.exact import Exact, Formula, Given
from lrbench.checks.reference.numbers import Number, power, root
from lrbench.checks.reference.ramps import ramp
from lrbench.checks.reference.shapes import fall


def inverse_sqrt(given: Given) -> Exact:
    """The ramp, then ``sqrt(W / t)``; the exponential ramp goes on."""
    warmup, form = given.length("warmup"), given.word("warmup_form", "first")
    start = given.number("warmup_start", 0.0)

    def factor(step: int) -> Number:
        fallen = Fraction(1) if step < warmup else root(Fraction(warmup, step))
        if step >= warmup and form != "exponential":
            return fallen
        return (start + (1 - start) * ramp(step, warmup, form)) * fallen

    return Exact(factor)


def noam(given: Given) -> Exact:
    """``c * min(s**-0.5, s * W**-1.5)`` with ``s = t + 1``."""
    warmup, scale = given.length("warmup"), given.number("scale_factor", 1.0)
    size = given.value("model_size")
    # With c = scale * sqrt(W) the roots of W cancel: sqrt(W / s), and s / W.
    peak = scale if size is None else scale * root(Fraction(1, size * warmup))

    def factor(step: int) -> Number:
        count = step + 1
        falls = count > warmup
        return peak * (root(Fraction(warmup, count)) if falls else Fraction(count, warmup))

    return Exact(factor)


def rsqrt(given: Given) -> Exact:
    """``1 / sqrt(1 + t / timescale)``, with a straight line to 0 over it at the end."""
    timescale, cooldown = given.length("timescale"), given.length("cooldown")

    def factor(step: int) -> Number:
        level = root(1 / (1 + Fraction(step, timescale)))
        left = given.steps - step
        return level if left >= cooldown else level * Fraction(max(left, 0), cooldown)

    # Without a cooldown nothing ends: every step has 0 or more left of it.
    if cooldown == 0:
        return Exact(lambda step: root(1 / (1 + Fraction(step, timescale))))
    return Exact(factor)


def power_law(given: Given) -> Exact:
    """``min(1, ((t + 1) / crossover)**-power)``, then a fall from where that is."""
    crossover, cooldown = given.length("crossover"), given.length("cooldown")
    exponent, final = given.number("power", 0.51), given.number("final_factor", 0.0)
    shape = given.word("shape", "normalized_exponential")
    start = given.steps - cooldown

    def law(step: int) -> Number:
        count = step + 1
        return Fraction(1) if count <= crossover else power(Fraction(count, crossover), -exponent)

    def factor(step: int) -> Number:
        if cooldown == 0 or step < start:
            return law(step)
        done = Fraction(min(step - start, cooldown), cooldown)
        return fall(shape, law(start), final, done, Fraction(1))

    return Exact(factor)


def anytime(given: Given) -> Exact:
    """``(timescale / (t + timescale)) ** power``."""
    timescale, exponent = given.length("timescale"), given.number("power", 0.5)
    return Exact(lambda step: power(Fraction(timescale, step + timescale), exponent))


HORIZON_FREE: dict[str, Formula] = {
    "inverse_sqrt": inverse_sqrt,
    "noam": noam,
    "rsqrt": rsqrt,
    "power": power_law,
    "anytime": anytime,
}
