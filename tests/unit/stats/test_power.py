"""Plans against the published table, scipy, and seeded experiments."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from lrbench.stats.power import (
    least_effect,
    noether_seeds,
    pooled_sd,
    power_at,
    sd_bound,
    seeds_for,
)


@pytest.mark.parametrize(
    ("effect", "at_80", "at_90"),
    [
        (0.5, 34, 44),
        (0.75, 16, 21),
        (1, 10, 13),
        (1.25, 8, 9),
        (1.5, 6, 7),
        (2, 5, 5),
        (3, 4, 4),
    ],
)
def test_seeds_are_those_of_the_published_table(effect: float, at_80: int, at_90: int) -> None:
    """reference/schedules.md §7.4."""
    assert (seeds_for(effect), seeds_for(effect, power=0.9)) == (at_80, at_90)


@pytest.mark.parametrize(
    ("effect", "n"),
    [
        (0.3, 4),
        (1.0, 10),
        (0.5, 34),
        (3.0, 4),
        (0.0, 7),
        (2.0, 2),
        (0.05, 3000),
        (1e-3, 10**7),
    ],
)
def test_power_is_that_of_the_noncentral_t(effect: float, n: int) -> None:
    critical = scipy.stats.t.ppf(0.975, n - 1)
    shifted = scipy.stats.nct(n - 1, effect * n**0.5)
    assert power_at(effect, n) == pytest.approx(shifted.sf(critical) + shifted.cdf(-critical))


@pytest.mark.parametrize("n", [2, 3, 10, 100, 4000, 10**6])
def test_power_is_a_number_and_grows_with_the_effect(n: int) -> None:
    effects = np.concatenate([[0.0], np.geomspace(1e-3, 1e3, 60)]) / n**0.5
    found = np.array([power_at(effect, n) for effect in effects])
    assert found[0] == pytest.approx(0.05, rel=1e-6)
    assert (np.diff(found) >= -1e-12).all()
    assert found[-1] == pytest.approx(1)


@pytest.mark.parametrize("level", [0.95, 0.995])
@pytest.mark.parametrize("effect", [0.05, 0.4, 1.1, 2.5])
def test_the_seeds_are_enough_and_one_less_is_not(effect: float, level: float) -> None:
    n = seeds_for(effect, level=level)
    assert power_at(effect, n, level=level) >= 0.8 > power_at(effect, n - 1, level=level)
    assert least_effect(n, level=level) <= effect < least_effect(n - 1, level=level)


@pytest.mark.parametrize("n", [3, 5, 10, 20])
def test_of_four_pilots_in_five_the_bound_is_above_the_truth(n: int) -> None:
    sd = np.random.default_rng(n).normal(0, 3, (20_000, n)).std(axis=1, ddof=1)
    assert np.mean(sd_bound(1.0, n - 1) * sd >= 3) == pytest.approx(0.8, abs=0.012)
    assert sd_bound(2.0, n - 1, 0.9) == pytest.approx(
        2 * ((n - 1) / scipy.stats.chi2.ppf(0.1, n - 1)) ** 0.5
    )


def test_a_pooled_spread_is_about_each_mean() -> None:
    draw = np.random.default_rng(0)
    groups = [draw.normal(mean, 2, n) for mean, n in ((0, 3), (50, 8), (-9, 5))]
    pooled, freedom = pooled_sd((float(g.std(ddof=1)), len(g)) for g in groups)
    within = np.concatenate([g - g.mean() for g in groups])
    assert freedom == 13
    assert pooled == pytest.approx((within @ within / 13) ** 0.5)


def test_pairs_for_a_probability_are_the_published_ones() -> None:
    """reference/schedules.md §7.4."""
    assert [noether_seeds(p) for p in (0.7, 0.75, 0.8, 0.9)] == [46, 29, 21, 12]
    assert noether_seeds(0.75, power=0.8) == 17
