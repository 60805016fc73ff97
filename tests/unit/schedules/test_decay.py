"""Schedules that only fall, against their closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.schedules.base import Endpoint, Schedule
from lrbench.schedules.decay import (
    constant,
    cosine,
    exponential,
    half_cosine,
    linear,
    multistep,
    step,
)

unhurried = settings(deadline=None)  # a busy machine is no failure
CLOSED_FORM = {"rel": 1e-12, "abs": 0}
BOTH_ENDPOINTS = pytest.mark.parametrize("endpoint", ["exclusive", "inclusive"])
TO_ZERO = pytest.mark.parametrize("builder", [linear, cosine])
lengths = st.integers(1, 400)


@TO_ZERO
@unhurried
@given(steps=lengths)
def test_an_exclusive_fall_to_zero_has_area_half_of_one_step_more(
    builder: Callable[..., Schedule], steps: int
) -> None:
    area = builder(decay_steps=steps).area(steps) * steps
    assert area == pytest.approx((steps + 1) / 2, **CLOSED_FORM)


@TO_ZERO
@unhurried
@given(steps=st.integers(2, 400))
def test_an_inclusive_fall_to_zero_has_area_half_of_its_length(
    builder: Callable[..., Schedule], steps: int
) -> None:
    area = builder(decay_steps=steps, endpoint="inclusive").area(steps) * steps
    assert area == pytest.approx(steps / 2, **CLOSED_FORM)


@TO_ZERO
@unhurried
@given(steps=lengths, low=st.floats(0.0, 1.0))
def test_a_floor_lifts_the_area_in_proportion(
    builder: Callable[..., Schedule], steps: int, low: float
) -> None:
    area = builder(decay_steps=steps, final_factor=low).area(steps)
    assert area == pytest.approx(low + (1 - low) * (steps + 1) / (2 * steps), **CLOSED_FORM)


@TO_ZERO
@unhurried
@given(steps=st.integers(2, 400), low=st.floats(0.0, 0.99))
def test_the_end_value_lies_after_the_last_step_or_at_it(
    builder: Callable[..., Schedule], steps: int, low: float
) -> None:
    exclusive = builder(decay_steps=steps, final_factor=low)
    inclusive = builder(decay_steps=steps, final_factor=low, endpoint="inclusive")
    assert exclusive(0) == inclusive(0) == 1.0
    assert exclusive(steps - 1) > low
    assert exclusive(steps) == low
    assert inclusive(steps - 2) > low
    assert inclusive(steps - 1) == low


@TO_ZERO
@BOTH_ENDPOINTS
def test_past_the_end_the_final_factor_holds(
    builder: Callable[..., Schedule], endpoint: Endpoint
) -> None:
    factor = builder(decay_steps=10, final_factor=0.3, endpoint=endpoint)
    # A cosine that went on would be back at the peak at step 20.
    assert {factor(t) for t in range(10, 45)} == {0.3}


@TO_ZERO
@unhurried
@given(steps=st.integers(2, 200))
def test_an_inclusive_fall_is_an_exclusive_one_a_step_shorter(
    builder: Callable[..., Schedule], steps: int
) -> None:
    inclusive = builder(decay_steps=steps, endpoint="inclusive")
    exclusive = builder(decay_steps=steps - 1)
    assert [inclusive(t) for t in range(steps + 3)] == [exclusive(t) for t in range(steps + 3)]


@TO_ZERO
def test_only_an_inclusive_end_is_remarked_on(builder: Callable[..., Schedule]) -> None:
    (note,) = builder(decay_steps=4, final_factor=0.25, endpoint="inclusive").notes
    assert note == "the last update of the decay has factor 0.25"
    assert builder(decay_steps=4, final_factor=0.25).notes == ()


@unhurried
@given(steps=lengths, low=st.floats(0.0, 1.0))
def test_linear_falls_by_the_same_amount_every_step(steps: int, low: float) -> None:
    factor = linear(decay_steps=steps, final_factor=low)
    for t in range(steps):
        assert factor(t) == pytest.approx(((steps - t) + low * t) / steps, **CLOSED_FORM)


@unhurried
@given(steps=lengths, low=st.floats(0.0, 1.0))
def test_cosine_is_the_squared_cosine_of_half_the_angle(steps: int, low: float) -> None:
    # (1 + cos x) / 2 = cos(x / 2)^2. Its error is absolute, an ulp of the peak, hence `abs`.
    factor = cosine(decay_steps=steps, final_factor=low)
    for t in range(steps):
        squared = math.cos(math.pi * t / (2 * steps)) ** 2
        assert factor(t) == pytest.approx(low + (1 - low) * squared, rel=1e-12, abs=1e-15)


def test_the_last_executed_cosine_is_2_47_over_the_square_of_the_length() -> None:
    for steps in (10, 100, 1000):
        last = math.sin(math.pi / (2 * steps)) ** 2
        assert cosine(decay_steps=steps)(steps - 1) == pytest.approx(last, rel=1e-9, abs=0)
    assert cosine(decay_steps=10)(9) == pytest.approx(0.0244717, abs=5e-8)


def test_half_a_cosine_is_exact_at_both_ends() -> None:
    assert half_cosine(0.0) == 1.0
    assert half_cosine(1.0) == 0.0
    assert half_cosine(0.5) == pytest.approx(0.5, rel=1e-15)
    assert half_cosine(1 / 3) == pytest.approx(0.75, rel=1e-15)


@unhurried
@given(steps=lengths, low=st.floats(1e-9, 1.0))
def test_exponential_reaches_its_final_factor_exactly_and_holds_it(steps: int, low: float) -> None:
    factor = exponential(decay_steps=steps, final_factor=low)
    assert factor(0) == 1.0
    assert factor(steps) == factor(steps + 1) == factor(10 * steps) == low


@unhurried
@given(steps=st.integers(2, 400), low=st.floats(1e-9, 0.9))
def test_exponential_has_the_same_ratio_between_all_neighbours(steps: int, low: float) -> None:
    factor = exponential(decay_steps=steps, final_factor=low)
    ratio = math.exp(math.log(low) / steps)
    for t in range(steps):
        assert factor(t + 1) / factor(t) == pytest.approx(ratio, **CLOSED_FORM)


def test_exponential_has_the_area_of_a_geometric_series() -> None:
    steps, low = 50, 0.01
    ratio = low ** (1 / steps)
    area = exponential(decay_steps=steps).area(steps) * steps
    assert area == pytest.approx((1 - low) / (1 - ratio), **CLOSED_FORM)


def test_constant_is_the_base_rate_for_ever() -> None:
    factor = constant()
    assert [factor(t) for t in (0, 1, 10**9)] == [1.0, 1.0, 1.0]
    assert factor.area(17) == 1.0


def test_step_drops_at_each_multiple_of_its_size() -> None:
    factor = step(step_size_steps=3, gamma=0.5)
    assert [factor(t) for t in range(10)] == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]


@unhurried
@given(size=st.integers(1, 50), gamma=st.floats(0.1, 0.9), drops=st.integers(1, 6))
def test_step_multiplies_by_gamma_between_one_step_and_the_next(
    size: int, gamma: float, drops: int
) -> None:
    factor = step(step_size_steps=size, gamma=gamma)
    before, after = factor(drops * size - 1), factor(drops * size)
    assert before == pytest.approx(math.prod([gamma] * (drops - 1)), **CLOSED_FORM)
    assert after == pytest.approx(before * gamma, **CLOSED_FORM)


def test_step_area_is_the_mean_of_its_levels() -> None:
    assert step(step_size_steps=5, gamma=0.5).area(15) == pytest.approx((1 + 0.5 + 0.25) / 3)


@unhurried
@given(at=st.integers(1, 300))
def test_a_milestone_is_the_first_step_with_the_lower_rate(at: int) -> None:
    factor = multistep(milestones=(at,), gamma=0.1)
    # timm drops at m - 1, keras at m + 1.
    assert (factor(at - 1), factor(at), factor(at + 1)) == (1.0, 0.1, 0.1)


def test_milestones_drop_once_each() -> None:
    factor = multistep(milestones=(2, 3, 6), gamma=0.5)
    assert [factor(t) for t in range(8)] == [1, 1, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125]


@unhurried
@given(size=st.integers(1, 20), gamma=st.floats(0.1, 1.0))
def test_milestones_at_every_multiple_are_a_step_schedule(size: int, gamma: float) -> None:
    drops = multistep(milestones=tuple(range(size, 6 * size, size)), gamma=gamma)
    steps = step(step_size_steps=size, gamma=gamma)
    assert [drops(t) for t in range(6 * size)] == [steps(t) for t in range(6 * size)]


def test_a_very_long_fall_of_drops_ends_at_zero_and_not_in_an_error() -> None:
    assert step(step_size_steps=1, gamma=0.1)(10**6) == 0.0
