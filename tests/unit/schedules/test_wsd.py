"""Schedules that hold the peak and cool down."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.errors import ScheduleError
from lrbench.schedules.shapes import SHAPES, Shape, curve
from lrbench.schedules.wsd import knee, slanted_triangle, wsd

unhurried = settings(deadline=None, max_examples=30)  # a busy machine is no failure


@pytest.mark.parametrize("shape", SHAPES)
@unhurried
@given(total=st.integers(1, 100), part=st.floats(0.0, 1.0), low=st.floats(0.01, 1.0))
def test_wsd_is_one_and_then_falls_in_its_shape(
    shape: Shape, total: int, part: float, low: float
) -> None:
    cooldown = round(part * total)
    factor = wsd(
        cooldown_steps=cooldown, shape=shape, power=2.5, final_factor=low, total_steps=total
    )
    fall = curve(shape, power=2.5, final_factor=low)
    for t in range(total):
        into = t - (total - cooldown)
        expected = 1.0 if into < 0 else fall(1.0, low, into / cooldown)
        assert factor(t) == pytest.approx(expected, rel=1e-12)


def test_the_default_cooldown_is_one_minus_the_root() -> None:
    factor = wsd(cooldown_steps=4, total_steps=20)
    assert [factor(t) for t in (0, 15, 16)] == [1.0, 1.0, 1.0]
    falling = [1 - math.sqrt(k / 4) for k in (1, 2, 3)]
    assert [factor(t) for t in (17, 18, 19, 20, 21)] == pytest.approx([*falling, 0.0, 0.0])


def test_an_inclusive_cooldown_has_its_end_at_the_last_step_of_the_run() -> None:
    factor = wsd(
        cooldown_steps=5, shape="linear", final_factor=0.2, endpoint="inclusive", total_steps=9
    )
    expected = [1.0, 1.0, 1.0, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2, 0.2]
    assert [factor(t) for t in range(10)] == pytest.approx(expected, rel=1e-12)
    assert factor.conventions[0].endswith("that of the decay's last update (endpoint inclusive)")


def test_without_a_cooldown_the_peak_has_no_end() -> None:
    factor = wsd(cooldown_steps=0, total_steps=10)
    assert {factor(t) for t in range(50)} == {1.0}
    assert factor.conventions == ("no end: there is no cooldown",)


@pytest.mark.parametrize("cooldown", [-1, 11])
def test_a_cooldown_must_fit_the_run(cooldown: int) -> None:
    with pytest.raises(ScheduleError, match=r"cooldown must lie in \[0, 10\], the steps"):
        wsd(cooldown_steps=cooldown, total_steps=10)


@pytest.mark.parametrize(
    ("shape", "part", "area"),
    [("linear", 0.2, 1 - 0.2 + 0.2 / 2), ("1-sqrt", 0.2, 1 - 0.2 + 0.2 / 3), ("1-sqrt", 1, 1 / 3)],
)
def test_the_area_of_wsd_is_what_the_cooldown_leaves_and_its_part(
    shape: Shape, part: float, area: float
) -> None:
    total = 100_000
    factor = wsd(cooldown_steps=round(part * total), shape=shape, total_steps=total)
    assert factor.area(total) == pytest.approx(area, rel=0, abs=1e-5)


@unhurried
@given(total=st.integers(2, 100), low=st.floats(0.0, 1.0), data=st.data())
def test_a_knee_holds_and_then_is_linear(total: int, low: float, data: st.DataObject) -> None:
    explore = data.draw(st.integers(0, total - 1))
    factor = knee(explore_steps=explore, final_factor=low, total_steps=total)
    rest = total - explore
    line = [1.0 - (1.0 - low) * t / rest for t in range(rest)]
    expected = [*[1.0] * explore, *line, *[low] * 5]
    assert [factor(t) for t in range(total + 5)] == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("explore", [-1, 10, 11])
def test_a_knee_must_leave_the_run_a_step_to_fall(explore: int) -> None:
    assert knee(explore_steps=9, total_steps=10)(9) == 1.0
    with pytest.raises(ScheduleError) as caught:
        knee(explore_steps=explore, total_steps=10)
    assert (caught.value.problems[0].key, caught.value.problems[0].got) == ("explore", explore)


@pytest.mark.parametrize(("total", "fraction"), [(100, 0.1), (1000, 0.1), (40, 0.25)])
def test_the_slanted_triangle_is_that_of_the_paper(total: int, fraction: float) -> None:
    ratio = 32.0
    cut = math.floor(total * fraction)
    factor = slanted_triangle(cut_steps=cut, ratio=ratio, total_steps=total)
    for t in range(total):
        u = t / cut if t < cut else 1 - (t - cut) / (cut * (1 / fraction - 1))
        assert factor(t) == pytest.approx((1 + u * (ratio - 1)) / ratio, rel=1e-12)
    assert (factor(0), factor(cut)) == (1 / 32, 1.0)
    assert factor(total) == factor(total + 99) == 1 / 32


@unhurried
@given(cut=st.integers(1, 50), fall=st.integers(1, 50), ratio=st.floats(1.5, 100.0))
def test_the_slanted_triangle_is_straight_on_both_sides(cut: int, fall: int, ratio: float) -> None:
    factor = slanted_triangle(cut_steps=cut, ratio=ratio, total_steps=cut + fall)
    height = 1 - 1 / ratio
    for t in range(cut):
        assert factor(t + 1) - factor(t) == pytest.approx(height / cut, rel=1e-9)
    for t in range(cut, cut + fall):
        assert factor(t) - factor(t + 1) == pytest.approx(height / fall, rel=1e-9)


@pytest.mark.parametrize(
    ("key", "arguments"),
    [
        ("cut", {"cut_steps": 0}),
        ("cut", {"cut_steps": 10}),
        ("ratio", {"cut_steps": 2, "ratio": 0.9}),
        ("ratio", {"cut_steps": 2, "ratio": math.inf}),
    ],
)
def test_a_slanted_triangle_needs_a_cut_inside_the_run(
    key: str, arguments: dict[str, float]
) -> None:
    with pytest.raises(ScheduleError) as caught:
        slanted_triangle(total_steps=10, **arguments)  # type: ignore[arg-type]
    assert caught.value.problems[0].key == key
