"""Curves between a peak and an end."""

from __future__ import annotations

import math
from itertools import pairwise

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.errors import ScheduleError
from lrbench.schedules.shapes import SHAPES, Shape, curve, falling_tanh, reflected

unhurried = settings(deadline=None, max_examples=30)  # a busy machine is no failure
MEANS = ["exponential", "inverse_linear", "inverse_sqrt"]
HEIGHTS = [shape for shape in SHAPES if shape not in MEANS]
EVERY_SHAPE = pytest.mark.parametrize("shape", SHAPES)

# Heights at a quarter and at three quarters, from the formulas of the reference.
QUARTERS: dict[Shape, tuple[float, float]] = {
    "linear": (0.75, 0.25),
    "cosine": ((1 + math.sqrt(0.5)) / 2, (1 - math.sqrt(0.5)) / 2),
    "polynomial": (0.75**3, 0.25**3),
    "1-sqrt": (0.5, 1 - math.sqrt(0.75)),
    "power": (1 - 0.25**3, 1 - 0.75**3),
    "square": (1 - 1 / 16, 1 - 9 / 16),
    "mirror_cosine": (1.5 - (1 + math.sqrt(0.5)) / 2, 0.5 - (1 - math.sqrt(0.5)) / 2),
    "tanh": ((1 - math.tanh(-3.75)) / 2, (1 - math.tanh(0.75)) / 2),
    "rex": (0.75 / 0.875, 0.25 / 0.625),
    "normalized_exponential": ((0.1**0.25 - 0.1) / 0.9, (0.1**0.75 - 0.1) / 0.9),
}


def test_the_shapes_are_those_and_no_others() -> None:
    assert {*QUARTERS, *MEANS} == set(SHAPES)


@pytest.mark.parametrize("shape", HEIGHTS)
@unhurried
@given(peak=st.floats(0.1, 10.0), end=st.floats(0.0, 0.1))
def test_a_height_lies_between_end_and_peak_as_its_formula_says(
    shape: Shape, peak: float, end: float
) -> None:
    factor = curve(shape, power=3.0)
    for done, height in zip((0.25, 0.75), QUARTERS[shape], strict=True):
        assert factor(peak, end, done) == pytest.approx(end + (peak - end) * height, rel=1e-12)


@unhurried
@given(peak=st.floats(0.1, 10.0), end=st.floats(0.001, 0.1), done=st.floats(0.01, 0.99))
def test_three_shapes_are_means_of_peak_and_end(peak: float, end: float, done: float) -> None:
    geometric, harmonic, square = (curve(shape, final_factor=end) for shape in MEANS)  # type: ignore[arg-type]
    logs = (1 - done) * math.log(peak) + done * math.log(end)
    assert math.log(geometric(peak, end, done)) == pytest.approx(logs, rel=1e-12, abs=1e-12)
    assert 1 / harmonic(peak, end, done) == pytest.approx((1 - done) / peak + done / end)
    expected = (1 - done) / peak**2 + done / end**2
    assert square(peak, end, done) ** -2 == pytest.approx(expected, rel=1e-12)


@EVERY_SHAPE
@unhurried
@given(peak=st.floats(0.5, 3.0), end=st.floats(1e-6, 0.4))
def test_the_peak_is_exact_at_the_start_and_the_end_at_the_end(
    shape: Shape, peak: float, end: float
) -> None:
    factor = curve(shape, power=2.5, final_factor=end)
    if shape == "tanh":
        low, high = 1 / (1 + math.exp(6)), 1 / (1 + math.exp(-12))
        both = factor(peak, end, 0.0), factor(peak, end, 1.0)
        assert both == pytest.approx((end + (peak - end) * high, end + (peak - end) * low))
    else:
        assert (factor(peak, end, 0.0), factor(peak, end, 1.0)) == (peak, end)


@EVERY_SHAPE
def test_every_shape_falls_all_the_way(shape: Shape) -> None:
    factor = curve(shape, power=2.5, final_factor=0.01)
    heights = [factor(1.0, 0.01, done / 200) for done in range(201)]
    assert all(a > b for a, b in pairwise(heights))


@unhurried
@given(power=st.floats(0.2, 5.0), done=st.floats(0.01, 0.99))
def test_power_and_polynomial_are_each_others_mirror_images(power: float, done: float) -> None:
    inner, outer = curve("power", power=power), curve("polynomial", power=power)
    assert inner(1.0, 0.0, done) == pytest.approx(1.0 - outer(1.0, 0.0, 1.0 - done), abs=1e-12)


def test_a_half_power_is_one_minus_the_root_and_a_second_is_the_square() -> None:
    for done in (0.1, 0.37, 0.9):
        root, square = curve("power", power=0.5), curve("power", power=2.0)
        assert root(1.0, 0.0, done) == pytest.approx(curve("1-sqrt")(1.0, 0.0, done), rel=1e-12)
        assert square(1.0, 0.0, done) == pytest.approx(curve("square")(1.0, 0.0, done), rel=1e-12)


@pytest.mark.parametrize("shape", [s for s in SHAPES if s not in ("power", "polynomial")])
def test_the_power_has_no_effect_on_the_others(shape: Shape) -> None:
    one, two = curve(shape, final_factor=0.1), curve(shape, power=2.0, final_factor=0.1)
    assert [one(1.0, 0.1, q / 8) for q in range(9)] == [two(1.0, 0.1, q / 8) for q in range(9)]


@pytest.mark.parametrize("shape", MEANS)
@pytest.mark.parametrize("end", [0.0, -0.1, math.nan])
def test_a_mean_with_nothing_is_refused(shape: Shape, end: float) -> None:
    with pytest.raises(ScheduleError) as caught:
        curve(shape, final_factor=end)
    (problem,) = caught.value.problems
    relation = f"must be above 0 where the shape is {shape}"
    assert (problem.key, problem.relation) == ("final_factor", relation)


@EVERY_SHAPE
@pytest.mark.parametrize("power", [0.0, -1.0, math.inf, math.nan])
def test_a_power_that_is_not_positive_is_refused_for_every_shape(
    shape: Shape, power: float
) -> None:
    with pytest.raises(ScheduleError) as caught:
        curve(shape, power=power, final_factor=0.1)
    assert caught.value.problems[0].key == "power"


def test_the_tangent_crosses_half_where_its_argument_is_zero() -> None:
    assert falling_tanh(2 / 3) == pytest.approx(0.5, abs=1e-15)
    assert falling_tanh(0.5, -4.0, 4.0) == 0.5


def test_the_reflected_exponential_bends_as_asked() -> None:
    assert reflected(0.5) == pytest.approx(2 / 3, rel=1e-15)
    assert reflected(0.5, 0.0) == 0.5
    assert reflected(0.5, 0.9) == pytest.approx(0.5 / 0.55, rel=1e-15)


@pytest.mark.parametrize("shape", MEANS)
def test_a_mean_with_a_tiny_end_is_a_number_still(shape: Shape) -> None:
    factor = curve(shape, final_factor=1e-200)
    values = [factor(1.0, 1e-200, done / 4) for done in range(5)]
    assert all(a > b > 0.0 for a, b in pairwise(values))


@pytest.mark.parametrize("place", [-400.0, -30.0, -6.0, -1e-9, 0.0, 0.5, 3.0, 20.0, 300.0])
def test_the_falling_tangent_keeps_its_digits_where_the_tangent_is_near_one(place: float) -> None:
    with mpmath.workdps(500):
        due = float((1 - mpmath.tanh(mpmath.mpf(place))) / 2)
    assert falling_tanh(0.0, place, 500.0) == pytest.approx(due, rel=1e-14, abs=0)
