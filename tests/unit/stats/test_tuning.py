"""Best of k, winner's curse, basins of the learning rate, results that are too alike."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lrbench.stats.basin import basin
from lrbench.stats.best_of import best_of_k
from lrbench.stats.underdispersion import too_alike_p
from lrbench.stats.winner import expected_maximum, winners_curse


@given(st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=1, max_size=7), st.booleans())
def test_best_of_k_is_the_mean_over_all_subsets(trials: list[int | None], smaller: bool) -> None:
    best, worst = (min, math.inf) if smaller else (max, -math.inf)
    found = best_of_k(trials, smaller_is_better=smaller)
    values = [worst if trial is None else trial for trial in trials]
    for k, expected in enumerate(found, start=1):
        mean = np.mean([best(subset) for subset in itertools.combinations(values, k)])
        assert expected == (pytest.approx(mean) if math.isfinite(mean) else None)


def test_best_of_k_is_not_biased_where_drawing_again_would_be() -> None:
    draw = np.random.default_rng(0)
    cases, n, k = 4000, 6, 4
    truth = -expected_maximum(k)
    sample = draw.normal(size=(cases, n))
    found = np.mean([best_of_k(row.tolist())[k - 1] for row in sample])
    again = np.mean([row[draw.integers(0, n, k)].min() for row in sample])
    assert found == pytest.approx(truth, abs=0.04)
    assert again > truth + 0.1


def test_the_largest_of_few_normal_numbers_has_a_closed_form() -> None:
    assert expected_maximum(1) == pytest.approx(0, abs=1e-12)
    assert expected_maximum(2) == pytest.approx(1 / math.pi**0.5)
    assert expected_maximum(3) == pytest.approx(1.5 / math.pi**0.5)
    assert expected_maximum(4) == pytest.approx(
        3 / math.pi**0.5 * (0.5 + math.asin(1 / 3) / math.pi), rel=1e-9
    )


@pytest.mark.parametrize(
    ("count", "published"), [(2, 0.56), (5, 1.17), (10, 1.54), (20, 1.87), (50, 2.25), (100, 2.51)]
)
def test_the_curse_is_the_published_one(count: int, published: float) -> None:
    """reference/schedules.md §7.5."""
    assert winners_curse(count, 2.0) == pytest.approx(2 * published, abs=0.02)


def test_what_arms_share_does_not_choose() -> None:
    draw = np.random.default_rng(1)
    shared = draw.normal(size=(50_000, 1))
    arms = 0.8**0.5 * shared + 0.2**0.5 * draw.normal(size=(50_000, 7))
    assert winners_curse(7, 1.0, 0.8) == pytest.approx(arms.max(axis=1).mean(), abs=0.015)


def test_a_basin_ends_where_the_straight_line_crosses_the_tolerance() -> None:
    # Over log10 of the rate: 0.5 at -3, 0.3 at -2, 0.2 at -1, 0.6 at 0.
    found = basin([1.0, 0.01, 0.001, 0.1], [0.6, 0.3, 0.5, 0.2], tolerance=0.2)
    assert found is not None
    assert (found.best_rate, found.best_loss, found.edge) == (0.1, 0.2, None)
    assert found.low == pytest.approx(10**-2.5)
    assert found.high == pytest.approx(10**-0.5)
    assert found.decades == pytest.approx(2)
    assert (found.is_open_low, found.is_open_high) == (False, False)


@given(st.floats(0.01, 0.9), st.floats(-2, 2))
def test_of_a_valley_of_straight_sides_the_width_is_the_tolerance(
    tolerance: float, centre: float
) -> None:
    rates = [10.0 ** (centre + k) for k in range(-3, 4)]
    found = basin(rates, [abs(k) for k in range(-3, 4)], tolerance)
    assert found is not None
    assert found.decades == pytest.approx(2 * tolerance)
    assert found.best_rate == pytest.approx(10**centre)


def test_the_end_of_the_grid_is_no_end_of_the_basin() -> None:
    falling = basin([0.1, 0.2, 0.4], [0.5, 0.4, 0.3], 0.15)
    assert falling is not None
    assert (falling.edge, falling.is_open_low, falling.is_open_high) == ("highest", False, True)
    assert falling.high == 0.4
    flat = basin([0.1, 0.2, 0.4], [0.3, 0.3, 0.3], 0.0)
    assert flat is not None
    assert (flat.best_rate, flat.is_open_low, flat.is_open_high) == (0.1, True, True)
    assert flat.decades == pytest.approx(math.log10(4))
    alone = basin([0.1], [0.3], 0.1)
    assert alone is not None
    assert (alone.decades, alone.edge) == (0.0, "lowest")


def test_a_basin_stops_before_a_rate_that_diverges() -> None:
    found = basin([0.1, 0.2, 0.4, 0.8], [0.4, 0.3, None, 0.3], 1.0)
    assert found is not None
    assert (found.high, found.is_open_high, found.is_open_low) == (0.2, False, True)
    assert basin([0.1, 0.2], [None, math.nan], 1.0) is None


@pytest.mark.parametrize("seeds", [3, 5, 20])
def test_chance_is_not_called_too_alike_more_often_than_said(seeds: int) -> None:
    draw = np.random.default_rng(seeds)
    runs = draw.normal(0.3, 1, (3000, 6, seeds))
    means, errors = runs.mean(axis=2), runs.std(axis=2, ddof=1) / seeds**0.5
    found = np.array([too_alike_p(*case) for case in zip(means, errors, strict=True)])
    assert np.mean(found <= 0.05) <= 0.06
    assert np.mean(found <= 0.5) > 0.2


def test_copies_are_called_too_alike() -> None:
    found = too_alike_p([0.1, 0.1001, 0.0999, 0.1], [0.05] * 4)
    assert found is not None
    assert found < 1e-5
    assert too_alike_p([0.1, 0.1], [0.05] * 2) is None
    values, errors = [0.1, 0.4, -0.2], [0.1, 0.2, 0.3]
    weights = [1 / e**2 for e in errors]
    mean = np.average(values, weights=weights)
    q = sum(w * (v - mean) ** 2 for v, w in zip(values, weights, strict=True))
    assert too_alike_p(values, errors) == pytest.approx(scipy.stats.chi2.cdf(q, 2))
