"""Every shape in which a rate falls, from a peak to an end while progress goes from 0 to 1."""

from __future__ import annotations

from fractions import Fraction

from lrbench.checks.reference.exact import Given
from lrbench.checks.reference.numbers import (
    Number,
    between,
    half_cosine,
    part_behind,
    power,
    root,
    tanh,
)

TENTH = Fraction(1, 10)


def tanh_height(done: Number, lower: Number = -6, upper: Number = 3) -> Number:
    """Hsueh et al. 2019, eq. 4."""
    return (1 - tanh(lower * (1 - done) + upper * done)) / 2


def rex_height(done: Number, bend: Number = Fraction(1, 2)) -> Number:
    """Chen, Wolfe & Kyrillidis 2022, eq. 3, with its 1/2 as ``bend``."""
    return (1 - done) / ((1 - bend) + bend * (1 - done))


def height(shape: str, done: Number, exponent: Number) -> Number:
    """Height above the end, 1 at the peak, for the shapes that are one."""
    match shape:
        case "linear":
            return 1 - done
        case "cosine":
            return half_cosine(done)
        case "polynomial":
            return power(1 - done, exponent)
        case "1-sqrt":
            return 1 - root(done)
        case "power":
            return 1 - power(done, exponent)
        case "square":
            return 1 - done * done
        case "mirror_cosine":
            return -half_cosine(done) + 2 * (1 - done)
        case "tanh":
            return tanh_height(done)
        case "rex":
            return rex_height(done)
        case "normalized_exponential":
            return (power(TENTH, done) - TENTH) * Fraction(10, 9)
    raise KeyError(shape)


def fall(shape: str, peak: Number, end: Number, done: Number, exponent: Number) -> Number:
    """The factor at progress ``done``, in [0, 1].

    Three shapes are no heights but means of peak and end weighted by progress: the geometric one,
    the harmonic one, and that of the power -2.
    """
    match shape:
        case "exponential":
            return power(peak, 1 - done) * power(end, done)
        case "inverse_linear":
            return 1 / ((1 - done) * (1 / peak) + done * (1 / end))
        case "inverse_sqrt":
            return 1 / root((1 - done) * (1 / peak**2) + done * (1 / end**2))
    return between(peak, end, height(shape, done, exponent))


def cooled(given: Given, peak: Number, end: Number, step: int, steps: int, shape: str) -> Number:
    """``step`` of a fall over ``steps`` updates, as ``power`` and ``endpoint`` are given."""
    done = part_behind(step, steps, given.endpoint)
    return fall(given.word("shape", shape), peak, end, done, given.number("power", 1.0))
