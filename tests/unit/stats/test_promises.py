"""What the statistics promise, in simulated experiments: coverage, false verdicts, power.

Experiments are many and judged all at once where a formula can be; what is judged call by call is
slow. ``scripts/simulate_statistics.py`` measures the same with more of them.
"""

from __future__ import annotations

import numpy as np
import pytest

from lrbench.stats.aggregate import t_quantile
from lrbench.stats.contrast import Contrast, contrast, contrast_family
from lrbench.stats.equivalence import tost
from lrbench.stats.improvement import improvement
from lrbench.stats.paired import paired
from lrbench.stats.power import power_at, sd_bound, seeds_for

Array = np.ndarray


def t_values(differences: Array) -> Array:
    sd = differences.std(axis=-1, ddof=1)
    return np.asarray(differences.mean(axis=-1) / (sd / differences.shape[-1] ** 0.5))


@pytest.mark.parametrize("n", range(3, 21))
def test_the_interval_holds_in_94_to_96_of_100_cases(n: int) -> None:
    draw = np.random.default_rng([1, n])
    inside = np.abs(t_values(draw.normal(size=(20_000, n)))) <= t_quantile(n - 1, 0.95)
    assert 0.94 <= inside.mean() <= 0.96
    # The reach is that of the intervals.
    one = draw.normal(size=n)
    found = contrast(one.tolist(), [0.0] * n).difference
    assert found is not None
    assert (found.low is not None and found.low <= 0 <= (found.high or 0)) == bool(
        abs(t_values(one)) <= t_quantile(n - 1, 0.95)
    )


@pytest.mark.slow
@pytest.mark.parametrize("n", [3, 5, 10, 20])
def test_the_interval_of_a_contrast_holds_as_often(n: int) -> None:
    draw = np.random.default_rng([2, n])
    held = 0
    for shared in draw.normal(0.4, 0.1, (4000, n)):
        found = paired((shared + draw.normal(0.03, 0.02, n)).tolist(), shared.tolist())
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.03 <= found.high
    assert 0.94 <= held / 4000 <= 0.96


def null_family(draw: np.random.Generator, n: int) -> list[Contrast]:
    """Ten arms that are no different from their baseline, on seeds they share."""
    arms = draw.normal(size=(11, n)) + draw.normal(size=n)
    return contrast_family([contrast(arms[0].tolist(), arm.tolist()) for arm in arms[1:]])


@pytest.mark.parametrize("n", [3, 5, 10, 20])
def test_of_ten_equal_arms_any_differs_in_at_most_one_family_of_twenty(n: int) -> None:
    """Where every null is true Holm rejects any only if the first step does."""
    draw = np.random.default_rng([3, n])
    arms = draw.normal(size=(20_000, 11, n))
    t = np.abs(t_values(arms[:, :1] - arms[:, 1:]))
    assert 0.035 <= (t > t_quantile(n - 1, 1 - 0.05 / 10)).any(axis=1).mean() <= 0.05
    family = null_family(draw, n)
    smallest = min(one.p or 1.0 for one in family)
    any_verdict = any(one.verdict != "undecided" for one in family)
    assert any_verdict == (10 * smallest <= 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("n", [3, 5, 10])
def test_families_of_contrasts_are_wrong_as_seldom(n: int) -> None:
    draw = np.random.default_rng([4, n])
    families = [null_family(draw, n) for _ in range(800)]
    wrong = np.mean([any(one.verdict != "undecided" for one in family) for family in families])
    # 5 % and two standard errors of eight hundred.
    assert 0.02 <= wrong <= 0.066
    flips = [
        any((one.permutation.p_adjusted or 1.0) <= 0.05 for one in family) for family in families
    ]
    assert np.mean(flips) <= 0.066


def test_some_true_effects_do_not_make_the_others_false_verdicts() -> None:
    """Five arms are better; the other five are judged at the levels that are left."""
    draw = np.random.default_rng(5)
    wrong = found = 0
    for _ in range(60):
        arms = draw.normal(size=(11, 6))
        arms[6:] -= 6
        family = contrast_family([contrast(arms[0].tolist(), arm.tolist()) for arm in arms[1:]])
        wrong += any(one.verdict != "undecided" for one in family[:5])
        found += sum(one.verdict == "better" for one in family[5:])
    assert wrong <= 7
    assert found > 240


@pytest.mark.parametrize("effect", [0.4, 0.75, 1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("family", [1, 10])
def test_a_plan_has_the_power_it_says_within_three_points(effect: float, family: int) -> None:
    level = 1 - 0.05 / family
    n = seeds_for(effect, level=level)
    draw = np.random.default_rng([6, n])
    t = np.abs(t_values(draw.normal(effect, 1, (20_000, n))))
    found = np.mean(t > t_quantile(n - 1, level))
    assert found == pytest.approx(power_at(effect, n, level=level), abs=0.03)
    assert found >= 0.79


@pytest.mark.parametrize("pilot", [3, 5, 10])
def test_of_plans_from_the_upper_bound_four_in_five_are_large_enough(pilot: int) -> None:
    sd = np.random.default_rng([7, pilot]).normal(size=(400, pilot)).std(axis=1, ddof=1)
    enough = seeds_for(0.75)
    by_bound = [seeds_for(0.75 / (sd_bound(1.0, pilot - 1) * s)) for s in sd]
    assert 0.76 <= np.mean(np.array(by_bound) >= enough) <= 0.9
    by_estimate = [seeds_for(0.75 / s) for s in sd]
    assert np.mean(np.array(by_estimate) >= enough) < 0.6


@pytest.mark.parametrize("n", [3, 5, 10, 20])
def test_a_difference_of_the_margin_is_called_equivalent_in_at_most_one_case_of_twenty(
    n: int,
) -> None:
    draw = np.random.default_rng([8, n])
    cases = draw.normal(1, 1, (2000, n))
    found = [tost(case, 1.0).p for case in cases.tolist()]
    wrong = np.mean([p is not None and p <= 0.05 for p in found])
    assert 0.02 <= wrong <= 0.06
    # Equal arms are found to be, with seeds enough.
    equal = [tost(case, 1.0).p for case in (cases - 1)[:300].tolist()]
    assert np.mean([p is not None and p <= 0.05 for p in equal]) > (0.9 if n == 20 else 0.1)


@pytest.mark.parametrize("ties", [0.0, 0.3])
@pytest.mark.parametrize("n", [3, 5, 10, 20])
def test_the_probability_of_improvement_is_in_its_interval_at_least_as_often_as_said(
    n: int, ties: float
) -> None:
    draw = np.random.default_rng([9, n])
    for win in np.linspace(0, 1 - ties, 8):
        truth = win + ties / 2
        u = draw.random((3000, n))
        outcomes = np.sort((u < win).astype(float) - (u >= win + ties), axis=1)
        kinds, counts = np.unique(outcomes, axis=0, return_counts=True)
        found = [improvement(kind.tolist()) for kind in kinds]
        held = [(f.low or 0) <= truth + 1e-12 and truth - 1e-12 <= (f.high or 0) for f in found]
        assert np.average(held, weights=counts) >= 0.95
