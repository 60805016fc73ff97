from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.stats.aggregate import Estimate, describe, t_quantile


def test_three_values_are_described_as_by_hand():
    estimate = describe([1.0, 2.0, 6.0])
    assert (estimate.n, estimate.mean, estimate.median) == (3, 3.0, 2.0)
    assert (estimate.minimum, estimate.maximum) == (1.0, 6.0)
    assert estimate.variance == 7.0  # (4 + 1 + 9) / (3 - 1)
    assert estimate.sd == math.sqrt(7)
    half_width = 4.302652729911275 * math.sqrt(7) / math.sqrt(3)
    assert estimate.low == pytest.approx(3 - half_width, rel=1e-9)
    assert estimate.high == pytest.approx(3 + half_width, rel=1e-9)


@pytest.mark.parametrize(
    ("freedom", "level", "quantile"),
    [(1, 0.95, 12.706205), (4, 0.95, 2.776445), (9, 0.9, 1.833113)],
)
def test_t_quantiles_are_those_of_the_tables(freedom, level, quantile):
    assert t_quantile(freedom, level) == pytest.approx(quantile, rel=1e-6)


def test_one_value_has_no_variance_and_no_interval():
    estimate = describe([0.25])
    assert (estimate.mean, estimate.median, estimate.minimum, estimate.maximum) == (0.25,) * 4
    assert estimate.variance is estimate.sd is estimate.low is estimate.high is None


def test_no_values_have_nothing():
    assert describe([]) == Estimate(0)


@given(st.floats(-1e300, 1e300), st.integers(2, 20))
def test_equal_values_have_a_variance_of_exactly_zero(value, n):
    estimate = describe([value] * n)
    assert (estimate.mean, estimate.variance) == (value, 0.0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12), st.randoms())
def test_the_order_of_the_runs_changes_no_bit(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    assert describe(shuffled) == describe(values)


def test_losses_near_the_end_of_the_range_do_not_raise():
    assert describe([1e308, 1.5e308]).mean == pytest.approx(1.25e308)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_intervals_cover_the_mean_as_often_as_they_say(n):
    samples = np.random.default_rng(7).normal(1.0, 0.3, size=(2000, n))
    covered = sum(e.low <= 1.0 <= e.high for e in map(describe, samples))
    assert covered / 2000 == pytest.approx(0.95, abs=0.02)
