"""Verdicts over seeds: closed forms, scipy, the published table, and how often nothing is found."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from lrbench.stats.paired import holm, paired, sign_test
from lrbench.stats.power import least_effect


@pytest.mark.parametrize("n", [2, 3, 10])
def test_interval_and_p_are_those_of_a_paired_t_test(n: int) -> None:
    draw = np.random.default_rng(n)
    control, restart = draw.normal(1, 0.1, n), draw.normal(0.9, 0.1, n)
    expected = scipy.stats.ttest_rel(control, restart)
    interval = expected.confidence_interval(0.95)
    found = paired(control.tolist(), restart.tolist())
    assert found.mean == pytest.approx(np.mean(control - restart))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.p == pytest.approx(expected.pvalue)
    assert found.test == "t"


def test_a_lower_loss_has_helped_and_a_higher_one_has_hurt() -> None:
    low, high = [0.50, 0.52, 0.51, 0.49], [0.60, 0.63, 0.60, 0.61]
    assert paired(high, low).judgement == "helped"
    assert paired(low, high).judgement == "hurt"
    # Of an accuracy it is the other way round.
    assert paired(high, low, smaller_is_better=False).judgement == "hurt"


def test_a_verdict_is_given_exactly_where_the_interval_excludes_zero() -> None:
    draw = np.random.default_rng(0)
    seen = set()
    for _ in range(300):
        found = paired(draw.normal(0.9, 1, 5).tolist(), draw.normal(0, 1, 5).tolist())
        assert found.low is not None
        assert found.high is not None
        expected = "helped" if found.low > 0 else "hurt" if found.high < 0 else "inconclusive"
        assert found.judgement == expected
        seen.add(expected)
    assert len(seen) >= 2


@pytest.mark.parametrize(
    ("n", "published"), [(3, 3.27), (5, 1.69), (8, 1.16), (10, 1.00), (20, 0.67)]
)
def test_least_effects_are_the_published_ones(n: int, published: float) -> None:
    """reference/schedules.md §7.4, which was simulated."""
    assert least_effect(n) == pytest.approx(published, abs=0.01)


def test_the_least_effect_is_found_as_often_as_it_promises() -> None:
    draw = np.random.default_rng(1)
    effect = least_effect(5)
    cases = draw.normal(effect, 1, (4000, 5))
    found = np.mean(scipy.stats.ttest_1samp(cases, 0, axis=1).pvalue <= 0.05)
    assert found == pytest.approx(0.8, abs=3 * math.sqrt(0.8 * 0.2 / 4000))


def test_the_least_effect_of_a_comparison_has_its_unit() -> None:
    one = paired([1.0, 2.0, 3.5], [0.9, 1.8, 3.0])
    ten = paired([10.0, 20.0, 35.0], [9.0, 18.0, 30.0])
    assert one.least_effect == pytest.approx(
        least_effect(3) * np.std([0.1, 0.2, 0.5], ddof=1), rel=1e-9
    )
    assert ten.least_effect == pytest.approx(10 * (one.least_effect or 0), rel=1e-9)


def test_where_nothing_helps_it_is_said_to_in_at_most_one_case_of_twenty() -> None:
    draw = np.random.default_rng(2026)
    verdicts = []
    for _ in range(200):
        shared = draw.normal(0.4, 0.05, 10)
        arms = [shared + draw.normal(0, 0.02, 10) for _ in range(2)]
        verdicts.append(paired(arms[0].tolist(), arms[1].tolist()).judgement)
    assert verdicts.count("helped") <= 10
    assert 1 <= verdicts.count("helped") + verdicts.count("hurt") <= 20


NULLS = {
    "normal": lambda draw, n: draw.normal(0, 1, n),
    "heavy tails": lambda draw, n: draw.standard_t(2, n),
    "heavier tails": lambda draw, n: draw.standard_cauchy(n),
    "skewed on either side": lambda draw, n: draw.exponential(1, n) - draw.exponential(1, n),
}
"""Differences that are as often positive as negative."""


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("name", NULLS)
def test_a_null_is_said_to_help_in_about_one_case_of_forty_whatever_its_tails(
    name: str, n: int
) -> None:
    draw = np.random.default_rng([n, *name.encode()])
    shared = draw.normal(0.4, 0.1, n)
    helped = hurt = 0
    for _ in range(200):
        found = paired((shared + NULLS[name](draw, n)).tolist(), shared.tolist())
        helped += found.judgement == "helped"
        hurt += found.judgement == "hurt"
    assert helped <= 10
    # A test that could not say anything would pass as well: with tails as these it says less.
    assert helped + hurt >= (1 if name == "normal" else 0)
    assert hurt <= 10


@pytest.mark.parametrize("n", [3, 5, 10])
def test_of_differences_as_large_as_the_least_effect_four_in_five_are_found(n: int) -> None:
    draw = np.random.default_rng(n)
    found = [
        paired(draw.normal(least_effect(n), 1, n).tolist(), [0.0] * n).judgement
        for _ in range(1000)
    ]
    spread = math.sqrt(0.8 * 0.2 / 1000)
    assert found.count("helped") / 1000 == pytest.approx(0.8, abs=3 * spread)
    assert found.count("hurt") <= 2


def test_policies_that_do_nothing_are_not_helped_by_being_many() -> None:
    draw = np.random.default_rng(7)
    wrong = plain = 0
    for _ in range(200):
        control = draw.normal(0, 1, 6).tolist()
        policies = [paired(control, draw.normal(0, 1, 6).tolist()) for _ in range(5)]
        plain += any(one.judgement != "inconclusive" for one in policies)
        wrong += any(one.judgement != "inconclusive" for one in holm(policies))
    assert wrong <= 16
    assert plain > wrong


def test_series_that_are_the_same_are_identical_whatever_their_number() -> None:
    for n in (1, 2, 10):
        found = paired([0.1 * k for k in range(n)], [0.1 * k for k in range(n)])
        assert (found.judgement, found.mean, found.p) == ("identical", 0.0, None)


def test_one_seed_has_a_difference_and_no_interval() -> None:
    found = paired([1.0], [0.25])
    assert (found.judgement, found.mean, found.low, found.least_effect) == (
        "inconclusive",
        0.75,
        None,
        None,
    )


def test_the_same_difference_in_every_seed_is_no_evidence() -> None:
    found = paired([1.0, 1.0, 1.0], [0.5, 0.5, 0.5])
    assert (found.judgement, found.mean, found.p) == ("inconclusive", 0.5, None)


def test_a_run_that_diverged_lost_and_takes_the_mean_with_it() -> None:
    restart: list[float | None] = [None, 0.4, 0.4]
    found = paired([0.5, 0.5, 0.5], restart)
    assert found.differences == (-math.inf, pytest.approx(0.1), pytest.approx(0.1))
    assert (found.mean, found.low, found.test, found.judgement) == (
        None,
        None,
        "sign",
        "inconclusive",
    )
    control: list[float | None] = [None] * 6
    assert paired(control, [0.5] * 6).judgement == "helped"
    assert paired([0.5] * 6, control).judgement == "hurt"
    assert paired([None, 1.0], [None, 1.0]).judgement == "identical"
    assert paired([0.9] * 6, control, smaller_is_better=False).judgement == "hurt"


def test_the_sign_test_is_the_binomial_one() -> None:
    for up, down in ((6, 0), (5, 1), (3, 3), (1, 7)):
        expected = scipy.stats.binomtest(up, up + down).pvalue
        assert sign_test([1.0] * up + [-1.0] * down + [0.0]) == pytest.approx(expected)


def test_holm_takes_as_many_as_are_left() -> None:
    draw = np.random.default_rng(3)
    zero = [0.0] * 8
    found = [paired(zero, draw.normal(-mean, 1, 8).tolist()) for mean in (3, 0.5, 1.0)]
    p = [one.p or 0.0 for one in found]
    order = np.argsort(p)
    expected = np.maximum.accumulate([min(1, p[place] * (3 - k)) for k, place in enumerate(order)])
    adjusted = [holm(found)[place].p for place in order]
    assert adjusted == pytest.approx(expected.tolist())


def test_holm_leaves_what_has_no_test_alone() -> None:
    one = paired([1.0, 2.1, 3.0], [0.9, 1.9, 2.9])
    same = paired([1.0, 2.0], [1.0, 2.0])
    assert holm([one, same]) == [one, same]
