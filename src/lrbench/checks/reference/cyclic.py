"""Reference of the cyclical schedules: triangles over and over, and one cycle."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from lrbench.checks.reference.exact import Exact, Formula, Given
from lrbench.checks.reference.numbers import Number, between, half_cosine, power


def triangular(given: Given) -> Exact:
    """Every triangle is as high as the first."""
    return _triangles(given, lambda step, cycle: Fraction(1))


def triangular2(given: Given) -> Exact:
    """Every triangle is half as high as the one before."""
    return _triangles(given, lambda step, cycle: Fraction(1, 2**cycle))


def exp_range(given: Given) -> Exact:
    """The height is multiplied by ``gamma**t``."""
    gamma = given.number("gamma", 0.99994)
    return _triangles(given, lambda step, cycle: power(gamma, step))


def _triangles(given: Given, scale: Callable[[int, int], Number]) -> Exact:
    up = given.length("half_cycle")
    down, low = given.length("down", up), given.number("min_factor", 0.25)

    def factor(step: int) -> Number:
        cycle, position = divmod(step, up + down)
        rises = position <= up
        height = Fraction(position, up) if rises else Fraction(up + down - position, down)
        return low + (1 - low) * height * scale(step, cycle)

    return Exact(factor)


def one_cycle(given: Given) -> Exact:
    """From the start to 1 at the peak and down, by the start again where there are three phases."""
    start, final = given.number("start_factor", 0.04), given.number("final_factor", 4e-6)
    places, end = _phases(given)
    heights = (
        [start, Fraction(1), start, final] if len(places) == 3 else [start, Fraction(1), final]
    )
    return _way(given, [0, *places], heights, end)


def one_cycle_momentum(given: Given) -> Exact:
    """From 1 down to the least at the peak of the rate, and back."""
    low, one = given.number("min_factor", 0.895), Fraction(1)
    places, end = _phases(given)
    heights = [one, low, one, one] if len(places) == 3 else [one, low, one]
    return _way(given, [0, *places], heights, end)


def _phases(given: Given) -> tuple[list[int], int]:
    """The steps at which the phases end, and the last of them."""
    peak = given.length("peak")
    end = given.steps - (given.word("endpoint", "inclusive") == "inclusive")
    return ([peak, 2 * peak, end] if given.length("phases", 2) == 3 else [peak, end]), end


def _way(given: Given, places: list[int], heights: list[Number], end: int) -> Exact:
    """From height to height, in half cosines or straight lines; the last one holds."""
    is_line = given.word("shape", "cosine") == "linear"

    def factor(step: int) -> Number:
        if step >= end:
            return heights[-1]
        phase = max(i for i, place in enumerate(places) if place <= step)
        first, last = places[phase], places[phase + 1]
        done = Fraction(step - first, last - first)
        return between(
            heights[phase], heights[phase + 1], 1 - done if is_line else half_cosine(done)
        )

    return Exact(factor)


CYCLIC: dict[str, Formula] = {
    "triangular": triangular,
    "triangular2": triangular2,
    "exp_range": exp_range,
    "one_cycle": one_cycle,
    "one_cycle_momentum": one_cycle_momentum,
}
