"""One rise and one fall, and the momentum beside them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.errors import ScheduleError
from lrbench.schedules.one_cycle import one_cycle, one_cycle_momentum

unhurried = settings(deadline=None, max_examples=30)  # a busy machine is no failure


def anneal(a: float, b: float, q: float) -> float:
    return b + (a - b) / 2 * (1 + math.cos(math.pi * q))


@unhurried
@given(total=st.integers(4, 120), data=st.data())
def test_two_phases_are_the_closed_form(total: int, data: st.DataObject) -> None:
    peak = data.draw(st.integers(1, total - 2))
    rate = one_cycle(peak_steps=peak, start_factor=0.1, final_factor=0.001, total_steps=total)
    momentum = one_cycle_momentum(peak_steps=peak, min_factor=0.9, total_steps=total)
    for t in range(total):
        if t <= peak:
            u = t / peak
            expected = anneal(0.1, 1.0, u), anneal(1.0, 0.9, u)
        else:
            v = (t - peak) / (total - 1 - peak)
            expected = anneal(1.0, 0.001, v), anneal(0.9, 1.0, v)
        assert (rate(t), momentum(t)) == pytest.approx(expected, rel=1e-12)


def test_a_straight_cycle_of_two_phases() -> None:
    rate = one_cycle(
        peak_steps=2, start_factor=0.5, final_factor=0.2, shape="linear", total_steps=7
    )
    expected = [0.5, 0.75, 1.0, 0.8, 0.6, 0.4, 0.2, 0.2, 0.2]
    assert [rate(t) for t in range(9)] == pytest.approx(expected, rel=1e-12)


def test_three_phases_come_down_as_long_as_they_rise_and_then_descend() -> None:
    rate = one_cycle(
        peak_steps=4,
        start_factor=0.2,
        final_factor=0.0,
        phases=3,
        shape="linear",
        total_steps=13,
    )
    up = [0.2, 0.4, 0.6, 0.8, 1.0]
    down = [0.8, 0.6, 0.4, 0.2]
    descent = [0.15, 0.1, 0.05, 0.0]
    got = [rate(t) for t in range(14)]
    assert got == pytest.approx([*up, *down, *descent, 0.0], rel=1e-12, abs=1e-15)


def test_the_momentum_of_three_phases_is_back_before_the_descent() -> None:
    momentum = one_cycle_momentum(
        peak_steps=2, min_factor=0.5, phases=3, shape="linear", total_steps=8
    )
    assert [momentum(t) for t in range(9)] == [1.0, 0.75, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0]


def test_three_curved_phases_meet_at_the_start_factor() -> None:
    rate = one_cycle(peak_steps=3, start_factor=0.3, final_factor=0.01, phases=3, total_steps=11)
    for t in range(11):
        expected = (
            anneal(0.3, 1.0, t / 3)
            if t <= 3
            else anneal(1.0, 0.3, (t - 3) / 3)
            if t <= 6
            else anneal(0.3, 0.01, (t - 6) / 4)
        )
        assert rate(t) == pytest.approx(expected, rel=1e-12)
    assert (rate(3), rate(6), rate(10)) == (1.0, 0.3, 0.01)


def test_an_exclusive_end_lies_one_step_later() -> None:
    inclusive = one_cycle(peak_steps=3, total_steps=11)
    exclusive = one_cycle(peak_steps=3, total_steps=10, endpoint="exclusive")
    assert [inclusive(t) for t in range(14)] == [exclusive(t) for t in range(14)]
    assert exclusive(9) > exclusive(10) == 4e-6


@unhurried
@given(total=st.integers(3, 120), data=st.data())
def test_the_peak_and_the_lowest_momentum_share_one_step(total: int, data: st.DataObject) -> None:
    peak = data.draw(st.integers(1, total - 2))
    rate = one_cycle(peak_steps=peak, total_steps=total)
    momentum = one_cycle_momentum(peak_steps=peak, total_steps=total)
    rates, momenta = [rate(t) for t in range(total)], [momentum(t) for t in range(total)]
    assert [t for t in range(total) if rates[t] == 1.0] == [peak]
    assert [t for t in range(total) if momenta[t] == 0.895] == [peak]
    assert (rates[0], rates[-1]) == (0.04, 4e-6)
    assert momenta[0] == momenta[-1] == 1.0


def test_the_defaults_are_a_25th_of_the_peak_and_momenta_of_95_and_85() -> None:
    rate = one_cycle(peak_steps=3, total_steps=10)
    assert (rate(0), rate(9)) == (1 / 25, pytest.approx(1 / 25 / 1e4, rel=1e-12))
    momentum = one_cycle_momentum(peak_steps=3, total_steps=10)
    assert 0.95 * momentum(3) == pytest.approx(0.85, abs=3e-4)


@pytest.mark.parametrize("builder", [one_cycle, one_cycle_momentum])
@pytest.mark.parametrize(
    ("endpoint", "phases", "most"),
    [("inclusive", 2, 8), ("exclusive", 2, 9), ("inclusive", 3, 4), ("exclusive", 3, 4)],
)
def test_the_phases_must_fit_the_run(builder, endpoint: str, phases: int, most: int) -> None:  # type: ignore[no-untyped-def]
    settings_ = {"endpoint": endpoint, "phases": phases, "total_steps": 10}
    builder(peak_steps=most, **settings_)
    for peak in (0, most + 1):
        with pytest.raises(ScheduleError) as caught:
            builder(peak_steps=peak, **settings_)
        (problem,) = caught.value.problems
        assert (problem.key, problem.got) == ("peak", peak)


def test_the_conventions_give_start_peak_and_end() -> None:
    start, end, past = one_cycle(peak_steps=3, total_steps=10).conventions
    assert start == "start: it begins at 0.04 and has its peak at step 3"
    assert end == "end: the factor 4e-06 is that of the last update (endpoint inclusive)"
    assert past == "past the end: 4e-06 is held"
    start, end, past = one_cycle_momentum(peak_steps=3, total_steps=10).conventions
    assert start == "start: it begins at 1 and is lowest, 0.895, at step 3"
    assert (end, past) == ("end: back at 1 (endpoint inclusive)", "past the end: 1 is held")
