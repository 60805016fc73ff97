"""Every metric against a slow, obvious second version and against numbers worked out by hand."""

from __future__ import annotations

import math
import statistics
from dataclasses import asdict, fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.restarts.metrics import (
    LossResponse,
    carry_peak,
    depth_trend,
    effective_step,
    finite_part,
    gain,
    loss_response,
    ratio,
    smoothing_window,
    trailing_mean,
)

# Eighths, of which sums are exact: equal means are equal to the last bit, and do come up.
LOSSES = st.lists(st.integers(0, 12).map(lambda n: n / 8), min_size=1, max_size=70)
WINDOWS = st.integers(1, 30)


def obvious_mean(losses: list[float], t: int, window: int) -> float:
    return statistics.fmean(losses[max(0, t - window + 1) : t + 1])


def obvious_response(before: list[float], after: list[float], window: int) -> LossResponse:
    last = before[-window:]
    level = statistics.fmean(last)
    sd = statistics.stdev(last) if len(last) > 1 else None
    smooth = [obvious_mean(after, t, window) for t in range(len(after))]
    peak = max(range(len(smooth)), key=lambda k: (smooth[k], -k))
    height = smooth[peak] - level
    recovered = [k for k in range(max(peak, window), len(smooth)) if smooth[k] <= level]
    return LossResponse(
        level=level,
        sd=sd,
        height=height,
        relative=height / level if level else None,
        z=height / sd * math.sqrt(window) if sd else None,
        steps_to_peak=peak,
        recovery_steps=min(recovered, default=None),
        recovery_censored_at=None if recovered else len(after),
        overshoot_area=sum(max(0.0, value - level) for value in smooth),
    )


def agree(ours: LossResponse, obvious: LossResponse) -> None:
    for field in fields(LossResponse):
        expected = getattr(obvious, field.name)
        if isinstance(expected, float):
            expected = pytest.approx(expected, rel=1e-12, abs=1e-12)
        assert getattr(ours, field.name) == expected, field.name


def test_the_window_is_a_twentieth_of_the_cycle_rounded_up_and_at_least_20_updates():
    lengths = {1: 20, 100: 20, 400: 20, 401: 21, 420: 21, 421: 22, 10_000: 500}
    assert {length: smoothing_window(length) for length in lengths} == lengths


@given(LOSSES, WINDOWS)
def test_the_trailing_mean_is_that_of_the_last_few_values(losses, window):
    expected = [obvious_mean(losses, t, window) for t in range(len(losses))]
    assert trailing_mean(np.array(losses), window) == pytest.approx(expected, rel=1e-14)


def test_a_million_updates_leave_no_drift_and_a_spike_no_trace():
    losses = np.full(1_000_000, 0.1)
    losses[::7] = 0.3
    losses[500] = 1e30
    means = trailing_mean(losses, 70)
    assert means[570:] == pytest.approx((10 * 0.3 + 60 * 0.1) / 70, rel=1e-14)
    assert (means[500:570] > 1e28).all()


@given(LOSSES, LOSSES, WINDOWS)
def test_the_response_of_the_loss_is_what_a_plain_reading_of_the_definitions_gives(
    before, after, window
):
    ours = loss_response(np.array(before), np.array(after), window)
    agree(ours, obvious_response(before, after, window))


def test_a_response_worked_out_by_hand():
    # s = 4, 6, 7, 4, 2, 1, 1.5; the level is 2 and its sd sqrt(2).
    ours = loss_response(
        np.array([50.0, 1.0, 3.0]), np.array([4.0, 8.0, 6.0, 2.0, 2.0, 0.0, 3.0]), 2
    )
    agree(
        ours,
        LossResponse(
            level=2.0,
            sd=math.sqrt(2),
            height=5.0,
            relative=2.5,
            z=5.0,
            steps_to_peak=2,
            recovery_steps=4,
            overshoot_area=2.0 + 4 + 5 + 2,
        ),
    )


def test_recovery_is_not_looked_for_before_the_window_is_full():
    before, after = np.array([1.0, 1.0, 1.0]), np.zeros(5)
    assert loss_response(before, after, 3).recovery_steps == 3
    assert loss_response(before, after[:3], 3).recovery_censored_at == 3


def test_recovery_is_looked_for_after_the_peak_only():
    after = np.array([3.0, 1.0, 1.0, 9.0, 9.0, 2.0, 2.0])
    response = loss_response(np.array([2.0]), after, 1)
    assert (response.steps_to_peak, response.recovery_steps) == (3, 5)


def test_a_loss_that_never_comes_back_is_censored_at_the_end_of_its_cycle():
    response = loss_response(np.ones(20), np.full(60, 1.5), 20)
    assert response.recovery_steps is None
    assert response.recovery_censored_at == 60


def test_a_short_cycle_before_gives_what_it_has():
    response = loss_response(np.array([2.0, 4.0]), np.full(30, 5.0), 20)
    assert (response.level, response.height) == (3.0, 2.0)
    assert response.z == pytest.approx(2 / math.sqrt(2) * math.sqrt(20))
    assert loss_response(np.array([2.0]), np.full(30, 5.0), 20).sd is None


@given(st.floats(1e-6, 1e6), st.integers(1, 100), st.integers(1, 100), WINDOWS)
def test_a_loss_that_does_not_change_at_all_has_no_spike_and_recovers_at_once(
    loss, before, after, window
):
    response = loss_response(np.full(before, loss), np.full(after, loss), window)
    assert (response.level, response.height, response.overshoot_area) == (loss, 0, 0)
    assert response.z is None
    assert response.recovery_steps == (window if window < after else None)


@given(LOSSES, LOSSES, st.sampled_from([math.nan, math.inf, -math.inf]), LOSSES)
def test_a_cycle_that_diverges_is_measured_up_to_there(before, after, lost, rest):
    whole = loss_response(np.array(before), np.array([*after, lost, *rest]), 5)
    assert whole == loss_response(np.array(before), np.array(after), 5)


def test_a_restart_that_diverges_at_once_has_no_spike_and_is_censored_at_0():
    response = loss_response(np.array([1.0, 3.0]), np.array([math.nan]), 2)
    assert response == LossResponse(level=2.0, sd=math.sqrt(2), recovery_censored_at=0)


def test_without_finite_losses_before_there_is_nothing_to_compare():
    assert loss_response(np.zeros(0), np.ones(3), 2) == LossResponse()
    assert loss_response(np.array([1.0, math.nan]), np.ones(3), 2) == LossResponse()


@given(
    st.lists(st.floats(0, allow_infinity=False), min_size=1, max_size=6),
    st.lists(st.floats(), max_size=6),
)
def test_whatever_the_losses_no_metric_is_nan_or_infinite(before, after):
    values = asdict(loss_response(np.array(before), np.array(after), 3)).values()
    assert all(value is None or math.isfinite(value) for value in values)


def test_the_finite_part_ends_before_the_first_value_that_is_lost():
    assert finite_part(np.array([1.0, 2.0, math.nan, 3.0, math.inf])).tolist() == [1.0, 2.0]
    assert finite_part(np.array([1.0, 2.0])).tolist() == [1.0, 2.0]


def test_a_gain_is_positive_where_the_loss_is_lower_than_before():
    assert gain(0.75, 0.5) == 0.25
    assert gain(0.5, 0.75) == -0.25
    assert gain(None, 0.5) is gain(0.5, None) is None


def test_a_ratio_needs_a_positive_base():
    assert ratio(3.0, 2.0) == 1.5
    assert ratio(0.0, 2.0) == 0.0
    for value, base in [(1.0, 0.0), (None, 1.0), (1.0, None), (math.nan, 1.0), (1.0, math.nan)]:
        assert ratio(value, base) is None


def test_an_update_of_the_size_of_the_rate_in_each_number_is_an_effective_step_of_1():
    steps = effective_step(
        np.array([0.3, 0.6, 0.1]), np.array([0.1, 0.1, 0.0]), np.array([9, 9, 9])
    )
    assert steps[:2] == pytest.approx([1.0, 2.0])
    assert math.isnan(steps[2])


@given(st.lists(st.sampled_from([0.5, 1.0, 2.0, math.nan, math.inf]), max_size=20), st.data())
def test_a_peak_is_the_first_largest_finite_value_however_the_values_were_divided(values, data):
    split = data.draw(st.integers(0, len(values)))
    peak, at = np.full(1, -np.inf), np.full(1, np.nan)
    for part in (range(split), range(split, len(values))):
        block = np.array([[values[k]] for k in part]).reshape(-1, 1)
        peak, at = carry_peak(peak, at, block, np.array(part, dtype=float))
    known = [value for value in values if math.isfinite(value)]
    assert peak[0] == max(known, default=-math.inf)
    if known:
        assert at[0] == values.index(max(known))


@given(
    st.lists(st.tuples(st.integers(0, 9), st.floats(0.01, 100)), min_size=3, max_size=9).filter(
        lambda pairs: len({depth for depth, _ in pairs}) > 1
    )
)
def test_the_trend_over_depth_is_the_least_squares_slope_of_the_logarithm(pairs):
    depths, peaks = zip(*pairs, strict=True)
    slope = statistics.linear_regression(depths, [math.log(peak) for peak in peaks]).slope
    assert depth_trend(depths, peaks) == pytest.approx(slope, rel=1e-9, abs=1e-12)


def test_a_response_that_doubles_with_every_layer_has_a_trend_of_log_2():
    assert depth_trend([0, 1, 2, 3], [3.0, 6.0, 12.0, 24.0]) == pytest.approx(math.log(2))
    assert depth_trend([0, 2, 4], [1.0, 2.0, 4.0]) == pytest.approx(math.log(2) / 2)


def test_a_trend_needs_three_layers_of_more_than_one_depth_with_positive_peaks():
    assert depth_trend([0, 1], [1.0, 2.0]) is None
    assert depth_trend([0, 1, 2], [1.0, None, 2.0]) is None
    assert depth_trend([0, 1, 2, 3], [1.0, None, 4.0, 8.0]) == pytest.approx(math.log(2))
    assert depth_trend([0, 1, 2], [1.0, 0.0, 2.0]) is None
    assert depth_trend([1, 1, 1], [1.0, 2.0, 3.0]) is None
