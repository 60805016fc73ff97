"""Arithmetic of the reference: fractions where a formula is rational, 50 digits where it is not."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath

DIGITS = 50

Number = Any
"""A Fraction, or a number of mpmath; the two may be added and multiplied."""

_wide = mpmath.MPContext()
_wide.dps = DIGITS


def wide(number: Number) -> Number:
    """``number`` with :data:`DIGITS` digits, where fractions cannot go on."""
    return _wide.convert(number)


def double(number: Number) -> float:
    """The float64 nearest to ``number``."""
    return float(number)


def decimal(number: float) -> Fraction:
    """What was written: a tenth for the float 0.1."""
    return Fraction(str(number))


def power(base: Number, exponent: Number) -> Number:
    """``base ** exponent``; 1 for the exponent 0, whatever the base."""
    if exponent == 0:
        return Fraction(1)
    return wide(base) ** wide(exponent)


def root(number: Number) -> Number:
    """The square root."""
    return _wide.sqrt(wide(number))


def tanh(number: Number) -> Number:
    """The hyperbolic tangent."""
    return _wide.tanh(wide(number))


def exp(number: Number) -> Number:
    """The exponential."""
    return _wide.exp(wide(number))


def half_cosine(part: Number) -> Number:
    """``(1 + cos(pi * part)) / 2``, from 1 at 0 to 0 at 1."""
    return (1 + _wide.cospi(wide(part))) / 2


def between(start: Number, end: Number, height: Number) -> Number:
    """``end`` at height 0, ``start`` at height 1."""
    return end + (start - end) * height


def part_behind(step: int, steps: int, endpoint: str) -> Fraction:
    """Progress of a fall over ``steps`` updates: 1 at step ``steps``, or at the one before."""
    last = steps if endpoint == "exclusive" else steps - 1
    return Fraction(1) if step >= last else Fraction(step, last)


def round_half_even(numerator: int, denominator: int) -> int:
    """The nearest whole number; of two equally near, the even one."""
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))


def miss(measured: float, due: Number) -> float:
    """``measured - due``, subtracted before anything is rounded."""
    return double(wide(Fraction(measured)) - wide(due))
