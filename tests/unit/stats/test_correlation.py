"""Coefficients, intervals and p against scipy, brute force, and how often the intervals hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from lrbench.stats.correlation import correlate, mean_ranks, pearson


@pytest.mark.parametrize("n", [4, 7, 8, 9, 40])
def test_both_are_those_of_scipy(n: int) -> None:
    draw = np.random.default_rng(n)
    x = draw.integers(0, 8, n).astype(float)
    y = x + draw.normal(0, 2, n)
    found = correlate(x.tolist(), y.tolist())
    linear = scipy.stats.pearsonr(x, y)
    interval = linear.confidence_interval(0.95)
    assert found.n == n
    assert found.pearson is not None
    assert found.spearman is not None
    assert found.pearson.value == pytest.approx(linear.statistic)
    assert found.pearson_p == pytest.approx(linear.pvalue)
    assert (found.pearson.low, found.pearson.high) == pytest.approx(tuple(interval))
    monotone = scipy.stats.spearmanr(x, y)
    assert found.spearman.value == pytest.approx(monotone.statistic)
    if n > 8:
        assert found.spearman_p == pytest.approx(monotone.pvalue)
    else:
        exact = scipy.stats.permutation_test(
            (y,),
            lambda order: scipy.stats.spearmanr(x, order).statistic if order.ndim == 1 else None,
            permutation_type="pairings",
            n_resamples=300,
            rng=0,
            vectorized=False,
        )
        assert found.spearman_p == pytest.approx(exact.pvalue, abs=0.1)


def test_the_exact_p_of_four_in_order_is_two_of_twenty_four() -> None:
    assert correlate([1, 2, 3, 4], [1, 4, 9, 16]).spearman_p == 2 / 24


def test_ranks_are_those_of_scipy() -> None:
    values = np.random.default_rng(0).integers(0, 5, 20).astype(float)
    assert mean_ranks(values.tolist()).tolist() == scipy.stats.rankdata(values).tolist()
    assert mean_ranks([math.inf, 1.0, math.inf]).tolist() == [2.5, 1.0, 2.5]


def test_few_points_have_no_interval_and_what_does_not_vary_no_correlation() -> None:
    assert correlate([1, 2], [1, 2]).pearson is None
    three = correlate([1, 2, 3], [1, 2, 2.5]).pearson
    assert three is not None
    assert three.low is None
    assert correlate([1, 2, 3, 4], [0.1] * 4).pearson is None
    assert pearson([1e300, 2e300, 3e300], [1e-300, 3e-300, 2e-300]) == pytest.approx(0.5)


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_an_interval_holds_in_nineteen_of_twenty_cases(rho: float) -> None:
    draw = np.random.default_rng(5)
    n, cases = 10, 1500
    linear = monotone = 0
    # Spearman's of a normal pair (Pearson 1907).
    truth = 6 / math.pi * math.asin(rho / 2)
    for _ in range(cases):
        x = draw.normal(size=n)
        y = rho * x + (1 - rho**2) ** 0.5 * draw.normal(size=n)
        found = correlate(x.tolist(), y.tolist())
        assert found.pearson is not None
        assert found.spearman is not None
        linear += found.pearson.low <= rho <= found.pearson.high  # type: ignore[operator]
        monotone += found.spearman.low <= truth <= found.spearman.high  # type: ignore[operator]
    assert linear / cases == pytest.approx(0.95, abs=0.02)
    assert monotone / cases == pytest.approx(0.95, abs=0.025)
