"""The sign-flip test against all sign patterns counted one by one, and against scipy."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lrbench.stats.permutation import MOST_EXACT, sign_flip, sign_flip_p, sign_flip_seeds


def counted(differences: list[int]) -> Fraction:
    """By the definition: every pattern, in integers."""
    observed = abs(sum(differences))
    patterns = list(itertools.product((1, -1), repeat=len(differences)))
    sums = (sum(s * d for s, d in zip(signs, differences, strict=True)) for signs in patterns)
    return Fraction(sum(abs(total) >= observed for total in sums), len(patterns))


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=9))
def test_it_is_exact(differences: list[int]) -> None:
    # Tenths are no binary fractions: ties have to be found in spite of rounding.
    assert sign_flip_p([d / 10 for d in differences]) == float(counted(differences))


@pytest.mark.parametrize("n", [6, 10])
def test_it_is_that_of_scipy(n: int) -> None:
    sample = np.random.default_rng(n).normal(0.5, 1, n)
    expected = scipy.stats.permutation_test(
        (sample,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip_p(sample.tolist()) == pytest.approx(expected.pvalue, abs=1e-12)


def counted_by_integers(differences: list[int]) -> float:
    """By the distribution of the sum, of which integers have a small one."""
    ways = {0: 1}
    for d in differences:
        further: dict[int, int] = {}
        for total, count in ways.items():
            for sign in (1, -1):
                further[total + sign * d] = further.get(total + sign * d, 0) + count
        ways = further
    observed = abs(sum(differences))
    return sum(c for total, c in ways.items() if abs(total) >= observed) / 2 ** len(differences)


@pytest.mark.parametrize("n", [12, 20, 31, MOST_EXACT])
def test_of_many_it_is_exact_too(n: int) -> None:
    differences = np.random.default_rng(n).integers(-30, 50, n).tolist()
    expected = counted_by_integers(differences)
    assert 1e-8 < expected < 0.9999
    zeros = [0.0] * 5
    assert sign_flip_p([*(d / 10 for d in differences), *zeros]) == pytest.approx(
        expected, rel=1e-12
    )


def test_beyond_the_exact_it_is_drawn_and_nearly_the_same() -> None:
    differences = np.random.default_rng(1).integers(-30, 40, MOST_EXACT + 4).tolist()
    exact = counted_by_integers(differences)
    found = sign_flip_p([float(d) for d in differences])
    assert 0.002 < exact < 0.9
    assert found == pytest.approx(exact, abs=4 * math.sqrt(exact / 1e5))
    assert found == sign_flip_p([float(d) for d in differences])
    # The observed pattern is one of those drawn, so that p is never 0.
    assert sign_flip_p([1.0 + k for k in range(40)]) == 1 / 100_001


@pytest.mark.parametrize(("level", "needed"), [(0.95, 6), (0.9, 5), (0.75, 3), (0.99, 8)])
def test_seeds_needed_are_the_fewest_that_reach_the_level(level: float, needed: int) -> None:
    assert sign_flip_seeds(level) == needed
    assert counted([1] * needed) <= 1 - level + 1e-12
    assert counted([1] * (needed - 1)) > 1 - level
    assert sign_flip([1.0] * needed, level).p == float(counted([1] * needed))
    assert sign_flip([1.0] * (needed - 1), level).p is None


def test_no_difference_at_all_is_the_least_extreme() -> None:
    assert sign_flip_p([0.0] * 7) == 1.0
