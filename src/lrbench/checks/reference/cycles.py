"""Reference of where cycles begin: whole numbers, added up one after the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import accumulate, islice, pairwise, takewhile
from typing import NamedTuple

from lrbench.checks.reference.exact import Given
from lrbench.checks.reference.numbers import round_half_even


class Place(NamedTuple):
    """A step as its cycle sees it; ``end`` is where the cycle ends, were it not cut short."""

    cycle: int
    position: int
    length: int
    end: int


class Edges:
    """First steps of all cycles, and behind the last cycle its end; endless where they are."""

    def __init__(self, lengths: Iterable[int]) -> None:
        self._rest = accumulate(lengths, initial=0)
        self._known: list[int] = [next(self._rest)]

    def place(self, step: int) -> Place | None:
        """The cycle of a step; None behind the last one."""
        while self._known[-1] <= step:
            following = next(self._rest, None)
            if following is None:
                return None
            self._known.append(following)
        index = bisect_right(self._known, step) - 1
        start, end = self._known[index : index + 2]
        return Place(index, step - start, end - start, end)

    def restarts(self, steps: int) -> tuple[int, ...]:
        """First steps, below ``steps``, of all cycles but the first."""
        cycles = (self.place(step) for step in self._starts())
        starts = (place.end - place.length for place in cycles if place)
        return tuple(islice(takewhile(lambda start: start < steps, starts), 1, None))

    def _starts(self) -> Iterator[int]:
        place = self.place(0)
        while place is not None:
            yield place.end - place.length
            place = self.place(place.end)


def edges(given: Given, cycle_mult: float) -> Edges:
    """The cycles that the settings ask for."""
    mult, tail = given.decimal("cycle_mult", cycle_mult), given.word("tail", "truncate")
    count = given.value("num_cycles")
    lengths: Iterable[int]
    if given.has("cycle_lengths"):
        lengths = given.value("cycle_lengths")
    elif given.has("first_cycle"):
        lengths = islice(_growing(given.length("first_cycle"), mult), count)
    else:
        lengths = _filling(given.steps, mult, count or 3)
    if tail == "truncate":
        return Edges(lengths)
    full = list(_full(lengths, given.steps))
    if tail == "stretch":
        full[-1] += given.steps - sum(full)
    return Edges(full)


def _growing(first: int, mult: Fraction) -> Iterator[int]:
    """``round(first * mult**i)`` for every i."""
    top, bottom = first, 1
    while True:
        yield round_half_even(top, bottom)
        top, bottom = top * mult.numerator, bottom * mult.denominator


def _full(lengths: Iterable[int], steps: int) -> Iterator[int]:
    """Those of the cycles that lie in the run from end to end."""
    end = 0
    for length in lengths:
        end += length
        if end > steps:
            return
        yield length


def _filling(steps: int, mult: Fraction, count: int) -> list[int]:
    """``count`` lengths with the sum ``steps``, from boundaries rounded to the nearest step."""
    shares = list(accumulate((mult**i for i in range(count)), initial=Fraction(0)))
    places = [steps * share / shares[-1] for share in shares]
    rounded = [round_half_even(place.numerator, place.denominator) for place in places]
    return [b - a for a, b in pairwise(rounded)]
