"""What counts as close, and where nothing is said."""

from __future__ import annotations

import math

import pytest

from lrbench.stats.closeness import judge_early_losses, judge_final, judge_first_loss


@pytest.mark.parametrize("loss", [1e-6, 1.0, -3.0, 1e9])
@pytest.mark.parametrize(("factor", "holds"), [(0.99, True), (1.01, False)])
def test_the_first_loss_may_be_off_by_a_hundred_thousandth(
    loss: float, factor: float, holds: bool
) -> None:
    for sign in (-1, 1):
        verdict = judge_first_loss([loss, 5.0], [loss * (1 + sign * factor * 1e-5), 6.0])
        assert verdict.holds is holds
        assert verdict.figure == pytest.approx(factor * 1e-5, rel=1e-6)
    assert "1e-05" in verdict.tolerance


@pytest.mark.parametrize("step", range(10))
def test_each_of_the_first_ten_losses_counts_and_the_eleventh_does_not(step: int) -> None:
    recorded = [1.0 + t for t in range(11)]
    other = list(recorded)
    other[step] *= 1.0011
    verdict = judge_early_losses(recorded, other)
    assert verdict.holds is False
    assert verdict.figure == pytest.approx(0.0011)
    assert judge_early_losses(recorded, [*recorded[:10], 99.0]).holds is True
    other[step] = recorded[step] * 1.0009
    assert judge_early_losses(recorded, other).holds is True


def test_a_short_run_is_held_against_as_many_updates() -> None:
    verdict = judge_early_losses([1.0, 2.0, 3.0], [1.0, 2.0])
    assert (verdict.holds, verdict.what) == (True, "losses of the first 2 updates")
    assert judge_early_losses([], [1.0]).holds is None
    assert judge_first_loss([1.0], []).holds is None


@pytest.mark.parametrize(
    ("recorded", "other", "holds"),
    [
        (0.0, 0.0, True),
        (0.0, 1e-300, False),
        (math.nan, math.nan, True),
        (math.inf, math.inf, True),
        (math.inf, -math.inf, False),
        (1.0, math.nan, False),
        (math.nan, 1.0, False),
        (1.0, math.inf, False),
    ],
)
def test_what_has_no_relative_size_must_be_the_same(
    recorded: float, other: float, holds: bool
) -> None:
    assert judge_first_loss([recorded], [other]).holds is holds


def test_the_end_is_measured_by_the_spread_over_seeds() -> None:
    # The sample 1, 2, 3, 4 has a standard deviation of sqrt(5 / 3).
    sd = math.sqrt(5 / 3)
    for other, holds in ((1 + 0.99 * sd, True), (1 - 0.99 * sd, True), (1 + 1.01 * sd, False)):
        verdict = judge_final(1.0, other, [2.0, 3.0, 4.0])
        assert verdict.holds is holds
        assert verdict.limit == pytest.approx(sd, rel=1e-12)
        assert verdict.figure == abs(other - 1.0)
    assert "1.29 over 4" in verdict.tolerance


def test_without_enough_seeds_or_an_end_nothing_is_judged() -> None:
    few = judge_final(1.0, 1.5, [2.0, 3.0])
    assert (few.holds, few.figure) == (None, 0.5)
    assert few.why == "there are 2 other seeds of the arm, and 3 are needed"
    for pair in ((None, 1.0), (1.0, None)):
        assert judge_final(*pair, [1.0] * 5).holds is None
