"""Schedules that only fall, against their closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.errors import ScheduleError
from lrbench.schedules.annealing import cosine, k_decay, rex, tanh
from lrbench.schedules.base import Endpoint, Schedule
from lrbench.schedules.decay import constant, exponential, inverse_time, linear, polynomial
from lrbench.schedules.drops import multistep, step
from lrbench.schedules.shapes import half_cosine

unhurried = settings(deadline=None, max_examples=30)  # a busy machine is no failure
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
def test_the_conventions_say_where_the_end_lies_and_what_follows(
    builder: Callable[..., Schedule],
) -> None:
    end, past = builder(decay_steps=4, final_factor=0.25).conventions
    assert (
        end
        == "end: the factor 0.25 lies one update after the last of the decay (endpoint exclusive)"
    )
    assert past == "past the end: 0.25 is held"
    end, _ = builder(decay_steps=4, final_factor=0.25, endpoint="inclusive").conventions
    assert end == "end: the factor 0.25 is that of the decay's last update (endpoint inclusive)"


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


@unhurried
@given(steps=lengths, power=st.floats(0.1, 5.0), low=st.floats(0.0, 1.0))
def test_polynomial_is_a_power_of_the_straight_line(steps: int, power: float, low: float) -> None:
    factor = polynomial(decay_steps=steps, power=power, final_factor=low)
    for t in range(steps):
        height = math.exp(power * math.log((steps - t) / steps))
        assert factor(t) == pytest.approx(low + (1 - low) * height, **CLOSED_FORM)


def test_a_polynomial_of_power_one_is_linear_and_its_default_is_two() -> None:
    line = linear(decay_steps=7)
    first = polynomial(decay_steps=7, power=1.0)
    assert [first(t) for t in range(9)] == [line(t) for t in range(9)]
    assert polynomial(decay_steps=4)(2) == 0.25


@unhurried
@given(steps=lengths, exponent=st.floats(0.2, 5.0))
def test_a_cosine_may_be_raised_to_a_power(steps: int, exponent: float) -> None:
    plain = cosine(decay_steps=steps)
    raised = cosine(decay_steps=steps, exponent=exponent, final_factor=0.2)
    for t in range(steps):
        expected = 0.2 + 0.8 * math.exp(exponent * math.log(plain(t)))
        assert raised(t) == pytest.approx(expected, rel=1e-12)


@unhurried
@given(steps=lengths, k=st.floats(0.3, 5.0))
def test_k_decay_bends_the_clock_and_nothing_else(steps: int, k: float) -> None:
    bent = k_decay(decay_steps=steps, k=k, final_factor=0.1)
    poly = k_decay(decay_steps=steps, k=k, base="polynomial", power=2.0)
    for t in range(steps):
        clock = (t / steps) ** k
        squared = math.cos(math.pi * clock / 2) ** 2
        assert bent(t) == pytest.approx(0.1 + 0.9 * squared, rel=1e-12)
        assert poly(t) == pytest.approx((1 - clock) ** 2, rel=1e-9, abs=1e-15)


def test_a_straight_clock_is_the_cosine() -> None:
    straight, plain = k_decay(decay_steps=11, k=1.0), cosine(decay_steps=11)
    assert [straight(t) for t in range(13)] == [plain(t) for t in range(13)]
    assert k_decay(decay_steps=11)(5) > plain(5) + 0.1


@unhurried
@given(steps=lengths, low=st.floats(0.001, 0.9))
def test_inverse_time_has_a_straight_reciprocal(steps: int, low: float) -> None:
    factor = inverse_time(decay_steps=steps, final_factor=low)
    k = (1 / low - 1) / steps
    for t in range(steps + 1):
        assert 1 / factor(t) == pytest.approx(1 + k * t, rel=1e-12)


def test_inverse_time_ends_at_a_tenth_unless_told_otherwise() -> None:
    factor = inverse_time(decay_steps=9)
    assert [factor(t) for t in (0, 1, 9, 50)] == pytest.approx([1.0, 0.5, 0.1, 0.1], rel=1e-12)


@unhurried
@given(steps=st.integers(2, 400), low=st.floats(-8.0, -0.5), high=st.floats(0.5, 8.0))
def test_tanh_is_a_logistic_of_twice_the_argument(steps: int, low: float, high: float) -> None:
    factor = tanh(decay_steps=steps, lower=low, upper=high, final_factor=0.1)
    for t in range(steps + 1):
        argument = low * (1 - t / steps) + high * t / steps
        logistic = 1 / (1 + math.exp(2 * argument))
        assert factor(t) == pytest.approx(0.1 + 0.9 * logistic, rel=1e-12)
    assert factor(steps + 9) == factor(steps)


def test_tanh_says_that_it_reaches_neither_peak_nor_end() -> None:
    start, end, past = tanh(decay_steps=10).conventions
    assert start == "start: the first factor is 0.9999939, as the curve does not reach 1"
    assert end.startswith("end: the curve ends at 0.002472623 and does not reach 0 (")
    assert past == "past the end: 0.002472623 is held"


@unhurried
@given(steps=lengths, low=st.floats(0.0, 1.0), bend=st.floats(0.0, 0.99))
def test_rex_is_the_reflected_exponential(steps: int, low: float, bend: float) -> None:
    factor = rex(decay_steps=steps, bend=bend, final_factor=low)
    for t in range(steps):
        left = (steps - t) / steps
        assert factor(t) == pytest.approx(low + (1 - low) * left / (1 - bend + bend * left))


def test_rex_of_the_paper_is_1_minus_p_over_1_minus_half_p_and_unbent_it_is_linear() -> None:
    paper, line = rex(decay_steps=10), rex(decay_steps=10, bend=0.0)
    for t in range(10):
        p = t / 10
        assert paper(t) == pytest.approx((1 - p) / (1 - p / 2), rel=1e-12)
        assert line(t) == pytest.approx(1 - p, rel=1e-12)


@unhurried
@given(gamma=st.floats(0.5, 1.0), t=st.integers(0, 300))
def test_an_exponential_by_its_ratio_has_no_end(gamma: float, t: int) -> None:
    factor = exponential(gamma=gamma)
    assert factor(t) == pytest.approx(math.exp(t * math.log(gamma)), rel=1e-12)
    assert factor.conventions == ("no end: it falls for ever",)


def test_an_exponential_by_its_ratio_is_the_one_with_that_root() -> None:
    by_ratio, by_end = exponential(gamma=0.01 ** (1 / 50)), exponential(total_steps=50)
    ratios = [by_ratio(t) for t in range(51)]
    assert ratios == pytest.approx([by_end(t) for t in range(51)], rel=1e-12)
    assert (by_end(51), by_ratio(100)) == (0.01, pytest.approx(1e-4, rel=1e-12))


@pytest.mark.parametrize(("key", "given"), [("decay", 5), ("final_factor", 0.1)])
def test_a_ratio_and_what_it_replaces_are_not_given_together(key: str, given: float) -> None:
    keyword = "decay_steps" if key == "decay" else key
    with pytest.raises(ScheduleError) as caught:
        exponential(gamma=0.9, **{keyword: given})  # type: ignore[arg-type]
    (problem,) = caught.value.problems
    assert (problem.key, problem.got) == (key, given)


def test_an_exponential_without_a_length_or_a_ratio_is_refused() -> None:
    with pytest.raises(ScheduleError, match="decay must be given where gamma is not"):
        exponential()
