"""Variance ratios of paired samples: the identity they rest on, and how often they hold."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from lrbench.stats.variances import variance_ratio


def pair(n: int, rho: float, scale: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng([seed, n])
    x, y = draw.normal(size=(2, n))
    return x, scale * (rho * x + (1 - rho**2) ** 0.5 * y)


@pytest.mark.parametrize("rho", [0.0, 0.7, -0.5])
@pytest.mark.parametrize("n", [3, 8, 30])
def test_its_p_is_that_of_the_correlation_of_sum_and_difference(n: int, rho: float) -> None:
    before, after = pair(n, rho, 1.7)
    found = variance_ratio(before.tolist(), after.tolist())
    expected = scipy.stats.pearsonr(before + after, after - before)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.ratio is not None
    assert found.ratio.value == pytest.approx(after.var() / before.var())
    assert found.correlation == pytest.approx(np.corrcoef(before, after)[0, 1])


@pytest.mark.parametrize("n", [3, 5, 12])
def test_the_bounds_are_the_ratios_that_would_just_not_be_rejected(n: int) -> None:
    before, after = pair(n, 0.6, 1.3)
    ratio = variance_ratio(before.tolist(), after.tolist()).ratio
    assert ratio is not None
    for bound in (ratio.low, ratio.high):
        assert bound is not None
        assert variance_ratio(before.tolist(), (after / bound**0.5).tolist()).p == pytest.approx(
            0.05
        )


def test_turned_round_it_is_its_inverse() -> None:
    before, after = pair(9, 0.5, 2.0)
    there = variance_ratio(before.tolist(), after.tolist()).ratio
    back = variance_ratio(after.tolist(), before.tolist()).ratio
    assert there is not None
    assert back is not None
    assert (back.value, back.low, back.high) == pytest.approx(
        (1 / there.value, 1 / (there.high or 0), 1 / (there.low or 0))
    )


@pytest.mark.parametrize(("n", "rho"), [(3, 0.8), (5, 0.0), (20, -0.4)])
def test_it_holds_in_nineteen_of_twenty_cases_whatever_the_correlation(n: int, rho: float) -> None:
    draw = np.random.default_rng([n, 7])
    x, y = draw.normal(size=(2, 1000, n))
    y = 3 * (rho * x + (1 - rho**2) ** 0.5 * y)
    held = 0
    for before, after in zip(x, y, strict=True):
        ratio = variance_ratio(before.tolist(), after.tolist()).ratio
        assert ratio is not None
        held += ratio.low <= 9 <= ratio.high  # type: ignore[operator]
    assert held / len(x) == pytest.approx(0.95, abs=0.022)


def test_what_does_not_vary_has_no_ratio() -> None:
    assert variance_ratio([1.0, 2.0], [1.0, 3.0]).ratio is None
    assert variance_ratio([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]).ratio is None
    line = variance_ratio([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
    assert line.ratio is not None
    assert (line.ratio.value, line.ratio.low, line.p) == (4.0, 4.0, 0.0)
