"""The triangular schedules against Smith's formula and frozen values."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.schedules.base import Schedule
from lrbench.schedules.cyclic import exp_range, triangular, triangular2

unhurried = settings(deadline=None, max_examples=30)  # a busy machine is no failure


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


def test_cycles_begin_at_the_bottom_and_are_no_restarts() -> None:
    factor = triangular(half_cycle_steps=3)
    assert factor.cycles.before(19) == (0, 6, 12, 18)
    assert factor.cycles.before(18) == (0, 6, 12)
    assert [factor.cycle(t) for t in (0, 5, 6, 11, 12)] == [0, 0, 1, 1, 2]
    assert not factor.cycles.are_restarts
    assert factor.restarts(100) == ()


def test_the_conventions_say_that_it_starts_low_and_has_no_end() -> None:
    start, end = triangular(half_cycle_steps=3, min_factor=0.2).conventions
    assert start == "start: every cycle begins at the bottom, 0.2"
    assert end.startswith("no end: ")


def paper(t: int, half: int, low: float, scale: float) -> float:
    cycle = math.floor(1 + t / (2 * half))
    x = abs(t / half - 2 * cycle + 1)
    return low + (1 - low) * max(0.0, 1 - x) * scale


@unhurried
@given(half=st.integers(1, 60), low=st.floats(0.0, 1.0), gamma=st.floats(0.9, 1.0))
def test_its_relatives_scale_the_height_by_cycle_or_by_step(
    half: int, low: float, gamma: float
) -> None:
    halved = triangular2(half_cycle_steps=half, min_factor=low)
    decayed = exp_range(half_cycle_steps=half, min_factor=low, gamma=gamma)
    for t in range(5 * half):
        cycle = math.floor(1 + t / (2 * half))
        by_cycle = paper(t, half, low, 2.0 ** -(cycle - 1))
        by_step = paper(t, half, low, gamma**t)
        assert halved(t) == pytest.approx(by_cycle, rel=1e-12, abs=1e-15)
        assert decayed(t) == pytest.approx(by_step, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("builder", [triangular, triangular2, exp_range])
def test_the_way_down_may_have_another_length(builder: Callable[..., Schedule]) -> None:
    factor = builder(half_cycle_steps=2, down_steps=4, min_factor=0.0)
    straight = [0.0, 0.5, 1.0, 0.75, 0.5, 0.25]
    first = [factor(t) for t in range(6)]
    assert first == pytest.approx(straight, rel=1e-3)
    assert factor.cycles.before(13) == (0, 6, 12)
    assert factor(6) == 0.0
    peaks = {triangular: 1.0, triangular2: 0.5, exp_range: 0.99994**8}
    assert factor(8) == pytest.approx(peaks[builder], rel=1e-12)


def test_each_peak_of_triangular2_is_half_the_one_before_above_the_bottom() -> None:
    factor = triangular2(half_cycle_steps=4, min_factor=0.2)
    assert [factor(4 + 8 * cycle) for cycle in range(4)] == pytest.approx([1.0, 0.6, 0.4, 0.3])
    assert [factor(8 * cycle) for cycle in range(4)] == [0.2] * 4


def test_a_decayed_triangle_is_no_triangle_and_its_heights_follow_gamma_to_the_step() -> None:
    factor = exp_range(half_cycle_steps=4, min_factor=0.0, gamma=0.5)
    assert [factor(t) for t in range(5)] == [0.0, 0.25 / 2, 0.5 / 4, 0.75 / 8, 1 / 16]
