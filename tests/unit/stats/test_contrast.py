"""Verdicts on pairs of arms: scipy, brute force, hand-computed cases, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from lrbench.stats.contrast import contrast, contrast_family
from lrbench.stats.power import least_effect

LOSSES = st.lists(st.tuples(st.floats(0.01, 10), st.floats(0.01, 10)), min_size=1, max_size=12).map(
    lambda pairs: ([a for a, _ in pairs], [b for _, b in pairs])
)


def arms(n: int, shift: float = 0.0, seed: int = 0) -> tuple[list[float], list[float]]:
    """A baseline and another arm that has less loss by ``shift``; correlated about 0.8."""
    draw = np.random.default_rng([seed, n])
    shared = draw.normal(2, 0.2, n)
    noise = draw.normal(0, 0.1, (2, n))
    return (shared + noise[0]).tolist(), (shared + noise[1] - shift).tolist()


@pytest.mark.parametrize("n", [2, 3, 5, 20])
@pytest.mark.parametrize("level", [0.95, 0.9])
def test_figures_are_those_of_scipy(n: int, level: float) -> None:
    baseline, other = arms(n, 0.1)
    found = contrast(baseline, other, level=level)
    expected = scipy.stats.ttest_rel(baseline, other)
    interval = expected.confidence_interval(level)
    assert found.difference is not None
    assert (found.difference.low, found.difference.high) == pytest.approx(tuple(interval))
    assert found.p == pytest.approx(expected.pvalue)
    logs = scipy.stats.ttest_rel(np.log(other), np.log(baseline)).confidence_interval(level)
    assert found.ratio is not None
    assert found.ratio.value == pytest.approx(scipy.stats.gmean(np.divide(other, baseline)))
    assert (found.ratio.low, found.ratio.high) == pytest.approx(tuple(np.exp(logs)))
    d = np.subtract(baseline, other)
    assert found.effect == pytest.approx(d.mean() / d.std(ddof=1))
    assert found.least_effect == pytest.approx(least_effect(n, level=level) * d.std(ddof=1))
    if n > 2:
        assert found.correlation == pytest.approx(scipy.stats.pearsonr(baseline, other).statistic)


@given(LOSSES)
def test_arms_that_change_places_change_signs_and_nothing_else(
    pair: tuple[list[float], list[float]],
) -> None:
    there, back = contrast(*pair), contrast(*reversed(pair))
    assert back.differences == tuple(-d or 0.0 for d in there.differences)
    assert back.improvement.value == pytest.approx(1 - there.improvement.value)
    turned = {"better": "worse", "worse": "better"}
    assert back.verdict == turned.get(there.verdict, there.verdict)
    assert back.p == (there.p and pytest.approx(there.p))
    assert back.permutation.p == there.permutation.p


@given(LOSSES, st.randoms(use_true_random=False))
def test_the_order_of_the_seeds_is_nothing(pair: tuple[list[float], list[float]], draw) -> None:  # type: ignore[no-untyped-def]
    places = list(range(len(pair[0])))
    draw.shuffle(places)
    one, two = contrast(*pair), contrast(*([arm[k] for k in places] for arm in pair))
    assert (one.verdict, one.improvement) == (two.verdict, two.improvement)
    assert (one.p, one.permutation.p) == (two.p, two.permutation.p)


def test_of_an_accuracy_more_is_better() -> None:
    low, high = arms(8)[0], [value + 0.5 + 0.01 * k for k, value in enumerate(arms(8)[0])]
    assert contrast(low, high).verdict == "worse"
    assert contrast(low, high, smaller_is_better=False).verdict == "better"
    # The ratio is of the values, whichever way is better.
    assert contrast(low, high).ratio == contrast(low, high, smaller_is_better=False).ratio


def test_the_permutation_test_is_refused_with_the_seeds_that_could() -> None:
    assert contrast(*arms(5, 1.0)).permutation.p is None
    assert contrast(*arms(5, 1.0)).permutation.seeds_needed == 6
    assert contrast(*arms(6, 1.0)).permutation.p == 2 / 2**6
    # One of ten is judged at 0.005 first: 2 / 2^8 is more.
    ten = contrast_family([contrast(*arms(8, 1.0, seed)) for seed in range(10)])
    assert {(one.permutation.p, one.permutation.seeds_needed) for one in ten} == {(None, 9)}


def test_a_family_is_judged_by_holm_from_the_unadjusted_values() -> None:
    single = [contrast(*arms(9, shift, k)) for k, shift in enumerate((0.3, 0.12, 0.1, 0.0))]
    p = sorted(one.p or 0 for one in single)
    expected = np.maximum.accumulate([min(1, value * (4 - k)) for k, value in enumerate(p)])
    family = contrast_family(single)
    assert sorted(one.p_adjusted or 0 for one in family) == pytest.approx(expected.tolist())
    assert [one.p for one in family] == [one.p for one in single]
    assert {one.family for one in family} == {4}
    assert any(a.verdict != b.verdict for a, b in zip(family, single, strict=True))
    for one, alone in zip(family, single, strict=True):
        assert one.difference == alone.difference
        sd = np.std(one.differences, ddof=1)
        assert one.least_effect == pytest.approx(least_effect(9, level=1 - 0.05 / 4) * sd)
    # Judged again in another family nothing is left of the first.
    assert contrast_family(family) == family
    assert contrast_family([family[2]]) == [single[2]]


def test_what_has_no_test_does_not_count() -> None:
    same = contrast([1.0, 2.0], [1.0, 2.0])
    alone = contrast([1.0], [0.5])
    one = contrast(*arms(5, 0.1))
    assert contrast_family([same, one, alone]) == [same, one, alone]
    assert (same.verdict, alone.verdict) == ("identical", "undecided")
    assert contrast_family([]) == []


def test_equivalence_needs_a_margin_and_is_told_by_two_one_sided_tests() -> None:
    baseline, other = arms(12, 0.01)
    d = np.subtract(baseline, other)
    assert contrast(baseline, other).equivalence is None
    for margin in (0.02, 0.1, 0.3):
        found = contrast(baseline, other, margin=margin)
        expected = max(
            scipy.stats.ttest_1samp(d, -margin, alternative="greater").pvalue,
            scipy.stats.ttest_1samp(d, margin, alternative="less").pvalue,
        )
        interval = scipy.stats.ttest_1samp(d, 0).confidence_interval(0.9)
        assert found.equivalence is not None
        assert found.equivalence.interval is not None
        bounds = found.equivalence.interval.low, found.equivalence.interval.high
        assert found.equivalence.p == pytest.approx(expected)
        assert bounds == pytest.approx(tuple(interval))
        inside = -margin < interval.low and interval.high < margin
        assert (found.verdict == "equivalent") == inside
    assert found.verdict == "equivalent"


def test_a_sure_difference_within_the_margin_is_equivalent() -> None:
    draw = np.random.default_rng(0)
    baseline = draw.normal(1, 0.1, 10)
    other = baseline - draw.normal(0.01, 0.002, 10)
    assert contrast(baseline.tolist(), other.tolist()).verdict == "better"
    assert contrast(baseline.tolist(), other.tolist(), margin=0.1).verdict == "equivalent"
    assert contrast(baseline.tolist(), other.tolist(), margin=0.005).verdict == "better"


def test_equivalences_are_a_family_too() -> None:
    single = [contrast(*arms(6, 0.0, k), margin=0.2) for k in range(8)]
    family = contrast_family(single)
    values = [one.equivalence.p for one in single if one.equivalence and one.equivalence.p]
    smallest = min(values)
    assert min(
        one.equivalence.p_adjusted
        for one in family
        if one.equivalence and one.equivalence.p_adjusted
    ) == pytest.approx(8 * smallest)
    count = [one.verdict for one in single].count("equivalent")
    assert [one.verdict for one in family].count("equivalent") < count


def test_a_diverged_run_ranks_worst_and_leaves_no_mean() -> None:
    baseline, other = arms(7, 1.0)
    lost: list[float | None] = [*other[:-1], None]
    found = contrast(baseline, lost, margin=0.1)
    assert found.differences[-1] == -math.inf
    assert (found.difference, found.ratio, found.correlation, found.effect) == (None,) * 4
    assert (found.least_effect, found.permutation.p, found.test) == (None, None, "sign")
    assert found.equivalence is not None
    assert found.equivalence.p is None
    assert found.improvement.value == pytest.approx(6 / 7)
    assert found.p == pytest.approx(scipy.stats.binomtest(6, 7).pvalue)
    assert found.verdict == "undecided"
    assert contrast([None] * 7, other).verdict == "better"
    assert contrast(baseline, [None] * 7).verdict == "worse"
    # A loss that is no number is a diverged run, whatever its record says.
    assert contrast(baseline, [*other[:-1], math.inf], margin=0.1) == found
    assert contrast(baseline, [*other[:-1], math.nan], margin=0.1) == found


def test_a_run_that_diverged_in_both_arms_is_a_tie_and_leaves_no_mean() -> None:
    found = contrast([None, 1.0, 2.0], [None, 0.9, 1.7])
    assert found.differences == (0.0, pytest.approx(0.1), pytest.approx(0.3))
    assert (found.difference, found.test) == (None, "sign")
    assert found.improvement.value == pytest.approx(2.5 / 3)
    assert contrast([None, None], [None, None]).verdict == "undecided"
    assert contrast([None, 1.0], [None, 1.0]).verdict == "identical"


def test_a_spread_of_rounding_is_no_evidence() -> None:
    # As decimals each of these differences is 0.1; as floats they are not quite.
    found = contrast([0.3, 0.7, 1.1], [0.2, 0.6, 1.0])
    assert len(set(found.differences)) > 1
    assert (found.verdict, found.p, found.effect) == ("undecided", None, None)
    assert found.difference is not None
    assert (found.difference.value, found.difference.low) == (pytest.approx(0.1), None)
    assert contrast([0.3, 0.7, 1.1], [0.2, 0.6, 0.9999]).p is not None


def test_the_probability_of_improvement_counts_ties_half() -> None:
    found = contrast([1.0, 1.0, 1.0, 1.0], [0.5, 0.4, 1.0, 2.0]).improvement
    assert found.value == 2.5 / 4
    two, three = (scipy.stats.binomtest(k, 4).proportion_ci(0.95, "exact") for k in (2, 3))
    assert found.low is not None
    assert found.high is not None
    assert two.low < found.low < three.low
    assert two.high < found.high < three.high
    wins = contrast([1.0] * 5, [0.5, 0.6, 0.7, 0.8, 1.1]).improvement
    expected = scipy.stats.binomtest(4, 5).proportion_ci(0.95, "exact")
    assert (wins.low, wins.high) == pytest.approx((expected.low, expected.high))


def test_losses_that_are_not_positive_have_no_ratio() -> None:
    assert contrast([1.0, 2.0], [0.5, 0.0]).ratio is None
    assert contrast([1.0, 2.0], [0.5, 1.0]).ratio == replace(
        contrast([1.0, 2.0], [0.5, 1.0]).ratio, value=pytest.approx(0.5)
    )
