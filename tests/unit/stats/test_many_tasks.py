"""Ranks, critical differences and profiles over tasks: scipy, published tables, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from lrbench.stats.profiles import performance_profiles
from lrbench.stats.ranks import critical_difference, rank_arms, tasks_needed


@pytest.mark.parametrize(("tasks", "arms"), [(5, 3), (8, 4), (12, 11)])
def test_friedmans_statistic_is_that_of_scipy(tasks: int, arms: int) -> None:
    # Small integers: there are ties.
    values = np.random.default_rng(tasks).integers(0, 6, (tasks, arms)).astype(float)
    square = scipy.stats.friedmanchisquare(*values.T).statistic
    f = (tasks - 1) * square / (tasks * (arms - 1) - square)
    expected = scipy.stats.f.sf(f, arms - 1, (arms - 1) * (tasks - 1))
    found = rank_arms(values.tolist())
    assert found.p == pytest.approx(expected)
    assert found.mean_ranks == pytest.approx(scipy.stats.rankdata(values, axis=1).mean(0).tolist())


@pytest.mark.parametrize(
    ("arms", "quantile"), [(3, 2.343), (4, 2.569), (5, 2.728), (8, 3.031), (10, 3.164)]
)
def test_critical_differences_are_from_the_published_quantiles(arms: int, quantile: float) -> None:
    """Demšar 2006, table 5 (a)."""
    expected = quantile * (arms * (arms + 1) / (6 * 30)) ** 0.5
    assert critical_difference(arms, 30) == pytest.approx(expected, rel=3e-4)


def test_few_tasks_are_refused_with_the_number_that_would_do() -> None:
    always = [[1.0, 2.0, 3.0, 4.0]]
    found = rank_arms(always * 4)
    assert (found.mean_ranks, found.tasks_needed) == ((1.0, 2.0, 3.0, 4.0), 5)
    assert (found.p, found.critical_difference, found.different) == (None, None, ())
    enough = rank_arms(always * 5)
    assert enough.p == 0.0
    assert enough.critical_difference == pytest.approx(2.569 * (20 / 30) ** 0.5, rel=1e-3)
    assert enough.different == ((0, 2), (0, 3), (1, 3)) or enough.different == ((0, 3),)
    assert enough.different == tuple(
        (a, b) for a in range(4) for b in range(4) if b - a >= (enough.critical_difference or 9)
    )
    assert tasks_needed(10) == 5
    assert tasks_needed(3, 0.9999) > 5


def test_of_two_arms_it_is_the_sign_test() -> None:
    values = [[0.1, 0.2]] * 7 + [[0.2, 0.1]]
    found = rank_arms(values)
    assert found.p == pytest.approx(scipy.stats.binomtest(1, 8).pvalue)
    assert found.critical_difference is None
    assert rank_arms([[0.2, 0.1]] * 6).different == ((1, 0),)
    assert rank_arms([[0.2, 0.1]] * 5).p is None


def test_an_arm_that_diverged_ranks_worst_whichever_way_is_better() -> None:
    for smaller in (True, False):
        found = rank_arms([[None, 0.5, 0.7]], smaller_is_better=smaller)
        assert found.mean_ranks[0] == 3.0
    assert rank_arms([[None, 0.5, None]]).mean_ranks == (2.5, 1.0, 2.5)


def test_arms_that_tie_everywhere_do_not_differ() -> None:
    assert rank_arms([[1.0, 1.0, 1.0]] * 6).p == 1.0


def test_of_equal_arms_some_pair_differs_in_at_most_one_case_of_twenty() -> None:
    draw = np.random.default_rng(0)
    for tasks, arms in ((5, 3), (6, 5)):
        wrong = sum(
            bool(rank_arms(draw.normal(size=(tasks, arms)).tolist()).different) for _ in range(600)
        )
        assert 1 <= wrong <= 30


def test_profiles_by_hand() -> None:
    fast, slow, none = performance_profiles(
        [[10.0, 20.0, None], [10.0, 5.0, None], [8.0, 8.0, None], [None, None, None]]
    )
    assert (fast.factors, fast.shares) == ((1.0, 2.0), (0.5, 0.75))
    assert (slow.factors, slow.shares) == ((1.0, 2.0), (0.5, 0.75))
    assert (none.factors, none.at(1e9)) == ((), 0.0)
    assert (fast.at(1.0), fast.at(1.99), fast.at(2.0)) == (0.5, 0.5, 0.75)
    assert performance_profiles([]) == ()


def test_a_profile_counts_what_it_says() -> None:
    costs = np.random.default_rng(1).lognormal(size=(30, 4))
    ratios = costs / costs.min(axis=1, keepdims=True)
    for place, profile in enumerate(performance_profiles(costs.tolist())):
        for factor in (1.0, 1.3, 2.0, 9.0):
            assert profile.at(factor) == pytest.approx(np.mean(ratios[:, place] <= factor))
