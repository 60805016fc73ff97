"""Curves and tests of censored times: scipy, hand-computed cases, and areas."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from lrbench.stats.censored import time_to_target
from lrbench.stats.survival import kaplan_meier, log_rank, restricted_mean, restricted_times

Arm = tuple[list[int | None], list[int]]


def arm(seed: int, n: int = 25, scale: float = 100) -> Arm:
    draw = np.random.default_rng(seed)
    times = draw.exponential(scale, n).astype(int) + 1
    budgets = draw.integers(50, 250, n)
    hits = [int(t) if t <= b else None for t, b in zip(times, budgets, strict=True)]
    return hits, budgets.tolist()


def censored(arm: Arm) -> scipy.stats.CensoredData:
    pairs = list(zip(*arm, strict=True))
    return scipy.stats.CensoredData(
        uncensored=[t for t, _ in pairs if t is not None],
        right=[b for t, b in pairs if t is None],
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_curve_is_that_of_scipy(seed: int) -> None:
    found = kaplan_meier(*arm(seed))
    expected = scipy.stats.ecdf(censored(arm(seed))).sf
    interval = expected.confidence_interval(0.95, method="log-log")
    times = np.array(found.times)
    assert found.shares == pytest.approx(expected.evaluate(times).tolist())
    low = [0.0 if value is None else value for value in found.low]
    assert low[:-1] == pytest.approx(interval.low.evaluate(times)[:-1].tolist())
    high = [0.0 if value is None else value for value in found.high]
    assert high[:-1] == pytest.approx(interval.high.evaluate(times)[:-1].tolist())
    assert sum(found.reached) == sum(time is not None for time in arm(seed)[0])


@pytest.mark.parametrize("seed", range(4))
def test_the_log_rank_test_is_that_of_scipy(seed: int) -> None:
    one, two = arm(seed), arm(seed + 50, 18, 160)
    expected = scipy.stats.logrank(censored(one), censored(two)).pvalue
    assert log_rank(*one, *two) == pytest.approx(expected)
    assert log_rank(*two, *one) == pytest.approx(expected)


def test_the_curve_by_hand() -> None:
    # Two of five get there at 10; one is cut off at 15; of the two left one gets there at 20.
    found = kaplan_meier([10, 10, None, 20, None], [99, 99, 15, 99, 60])
    assert (found.times, found.at_risk, found.reached) == ((10, 20), (5, 2), (2, 1))
    assert found.shares == pytest.approx((3 / 5, 3 / 10))
    assert found.low[0] is not None
    # A run cut off where another gets there was still being looked at.
    assert kaplan_meier([10, None], [99, 10]).shares == (0.5,)


def test_a_time_past_the_budget_was_not_seen() -> None:
    assert kaplan_meier([40, 70], [50, 50]) == kaplan_meier([40, None], [50, 50])


def test_the_restricted_mean_is_the_area_under_the_curve() -> None:
    times: list[int | None] = [30, 55, 80, None, 12, None]
    curve = kaplan_meier(times, [100] * 6)
    edges = np.array([0, *curve.times, 100])
    area = np.diff(edges) @ np.array([1.0, *curve.shares])
    found = restricted_mean(times, [100] * 6)
    assert found is not None
    assert found.value == pytest.approx(area)
    assert found.value == time_to_target(times, [100] * 6).restricted_mean
    interval = scipy.stats.ttest_1samp(restricted_times(times, 100), 0).confidence_interval()
    assert interval.high > 100
    assert (found.low, found.high) == pytest.approx((interval.low, 100))


def test_where_no_run_gets_there_nothing_is_tested() -> None:
    never: Arm = ([None, None], [10, 10])
    assert log_rank(*never, *never) is None
    assert kaplan_meier(*never).shares == ()
    assert kaplan_meier([], []).n == 0
    assert restricted_mean([], []) is None
    found = restricted_mean(*never)
    assert found is not None
    assert found.value == 10
