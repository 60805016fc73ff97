"""Reference of the decays over a known length, by the formulas of their documentation."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from lrbench.checks.reference.exact import Exact, Formula, Given
from lrbench.checks.reference.numbers import Number, between, half_cosine, part_behind, power
from lrbench.checks.reference.shapes import cooled, rex_height, tanh_height

ONE = Fraction(1)


def constant(given: Given) -> Exact:
    """1."""
    return Exact(lambda step: ONE)


def linear(given: Given) -> Exact:
    """``final + (1 - final) * (1 - p)``."""
    return _falling(given, lambda done: 1 - done)


def polynomial(given: Given) -> Exact:
    """``final + (1 - final) * (1 - p)**power``."""
    exponent = given.number("power", 2.0)
    return _falling(given, lambda done: power(1 - done, exponent))


def cosine(given: Given) -> Exact:
    """``final + (1 - final) * ((1 + cos(pi p)) / 2)**exponent``."""
    exponent = given.number("exponent", 1.0)
    return _falling(given, lambda done: power(half_cosine(done), exponent))


def k_decay(given: Given) -> Exact:
    """The cosine or the polynomial of ``p**k``."""
    k, exponent = given.number("k", 1.5), given.number("power", 1.0)
    if given.word("base", "cosine") == "cosine":
        return _falling(given, lambda done: half_cosine(power(done, k)))
    return _falling(given, lambda done: power(1 - power(done, k), exponent))


def tanh(given: Given) -> Exact:
    """``final + (1 - final) * (1 - tanh(lower * (1 - p) + upper * p)) / 2``."""
    lower, upper = given.number("lower", -6.0), given.number("upper", 3.0)
    return _falling(given, lambda done: tanh_height(done, lower, upper))


def rex(given: Given) -> Exact:
    """``final + (1 - final) * (1 - p) / ((1 - bend) + bend * (1 - p))``."""
    bend = given.number("bend", 0.5)
    return _falling(given, lambda done: rex_height(done, bend))


def inverse_time(given: Given) -> Exact:
    """``1 / (1 + (1 / final - 1) * p)``."""
    slope = 1 / given.number("final_factor", 0.1) - 1
    decay, endpoint = given.decay, given.endpoint
    return Exact(lambda step: 1 / (1 + slope * part_behind(step, decay, endpoint)))


def exponential(given: Given) -> Exact:
    """``final**p``, or ``gamma**t`` without an end."""
    if given.has("gamma"):
        gamma = given.number("gamma", 1.0)
        return Exact(lambda step: power(gamma, step))
    final, decay = given.number("final_factor", 0.01), given.decay
    return Exact(lambda step: power(final, Fraction(min(step, decay), decay)))


def wsd(given: Given) -> Exact:
    """1, and a fall over the last ``cooldown`` steps."""
    cooldown, final = given.length("cooldown"), given.number("final_factor", 0.0)
    start = given.steps - cooldown

    def factor(step: int) -> Number:
        if step < start or cooldown == 0:
            return ONE
        return cooled(given, ONE, final, step - start, cooldown, "1-sqrt")

    return Exact(factor)


def knee(given: Given) -> Exact:
    """1 for ``explore`` steps, then a straight line to the end of the run."""
    explore, final = given.length("explore"), given.number("final_factor", 0.0)

    def factor(step: int) -> Number:
        if step < explore:
            return ONE
        done = part_behind(step - explore, given.steps - explore, given.endpoint)
        return between(ONE, final, 1 - done)

    return Exact(factor)


def slanted_triangle(given: Given) -> Exact:
    """``(1 + u * (ratio - 1)) / ratio``, with ``u`` up to 1 at the cut and down to 0."""
    cut, ratio, total = given.length("cut"), given.number("ratio", 32.0), given.steps

    def factor(step: int) -> Number:
        up = Fraction(step, cut) if step < cut else 1 - Fraction(step - cut, total - cut)
        return (1 + max(up, Fraction(0)) * (ratio - 1)) / ratio

    return Exact(factor)


def _falling(given: Given, height: Callable[[Number], Number]) -> Exact:
    """From 1 to the final factor, as high above it as ``height`` says of the progress."""
    final, decay, endpoint = given.number("final_factor", 0.0), given.decay, given.endpoint
    return Exact(lambda step: between(ONE, final, height(part_behind(step, decay, endpoint))))


DECAYS: dict[str, Formula] = {
    "constant": constant,
    "linear": linear,
    "polynomial": polynomial,
    "cosine": cosine,
    "k_decay": k_decay,
    "tanh": tanh,
    "rex": rex,
    "inverse_time": inverse_time,
    "exponential": exponential,
    "wsd": wsd,
    "knee": knee,
    "slanted_triangle": slanted_triangle,
}
