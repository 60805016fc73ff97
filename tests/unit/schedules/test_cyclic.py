"""The triangular schedule against Smith's formula and frozen values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.schedules.cyclic import triangular

unhurried = settings(deadline=None)  # a busy machine is no failure


def test_triangular_climbs_from_the_bottom_and_comes_down_again() -> None:
    factor = triangular(half_cycle_steps=4, min_factor=0.1)
    cycle = [0.1, 0.325, 0.55, 0.775, 1.0, 0.775, 0.55, 0.325]
    assert [factor(t) for t in range(17)] == pytest.approx([*cycle, *cycle, 0.1], rel=1e-12)


def test_the_shortest_triangle_alternates_between_bottom_and_top() -> None:
    factor = triangular(half_cycle_steps=1)
    assert [factor(t) for t in range(5)] == [0.25, 1.0, 0.25, 1.0, 0.25]


@unhurried
@given(half=st.integers(1, 300), low=st.floats(0.0, 1.0), cycle=st.integers(0, 50))
def test_the_peak_and_the_bottom_are_exact_in_every_cycle(
    half: int, low: float, cycle: int
) -> None:
    factor = triangular(half_cycle_steps=half, min_factor=low)
    assert factor(2 * half * cycle) == low
    assert factor(2 * half * cycle + half) == 1.0


@unhurried
@given(half=st.integers(1, 60), low=st.floats(0.0, 1.0))
def test_triangular_is_the_formula_of_the_paper(half: int, low: float) -> None:
    factor = triangular(half_cycle_steps=half, min_factor=low)
    for t in range(5 * half):
        cycle = math.floor(1 + t / (2 * half))
        x = abs(t / half - 2 * cycle + 1)
        # x is known to an ulp of t / half <= 5.
        expected = low + (1 - low) * max(0.0, 1 - x)
        assert factor(t) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@unhurried
@given(half=st.integers(1, 60), low=st.floats(0.0, 1.0), cycles=st.integers(1, 4))
def test_whole_triangles_have_their_middle_as_area(half: int, low: float, cycles: int) -> None:
    area = triangular(half_cycle_steps=half, min_factor=low).area(2 * half * cycles)
    assert area == pytest.approx((1 + low) / 2, rel=1e-12)


def test_cycles_begin_at_the_bottom() -> None:
    factor = triangular(half_cycle_steps=3)
    assert factor.restarts(19) == (6, 12, 18)
    assert factor.restarts(18) == (6, 12)
    assert [factor.cycle(t) for t in (0, 5, 6, 11, 12)] == [0, 0, 1, 1, 2]


def test_the_note_says_that_it_starts_low() -> None:
    assert triangular(half_cycle_steps=3, min_factor=0.2).notes == ("every cycle begins at 0.2",)
