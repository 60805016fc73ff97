"""The slope trigger against lines fitted by numpy and tests of scipy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lrbench.errors import TriggerError
from lrbench.triggers.base import Observation
from lrbench.triggers.slope import falls, incomplete_beta, student_below
from triggering import averages, counted, courses, indices, make, slow_indices, stream

NO_SPIKES = {"spike_factor": 1e9, "gate": None}


def line(levels: list[float]) -> tuple[float, float]:
    """Slope and p of its fall, from a fit and a t-test with as many as are independent."""
    n, x = len(levels), np.arange(len(levels))
    slope, middle = np.polyfit(x, levels, 1)
    residuals = np.asarray(levels) - (slope * x + middle)
    own = counted(list(residuals))
    if own <= 2:
        return float(slope), 1.0
    variance = residuals @ residuals / (n - 2) * n / own / (n * x.var())
    return float(slope), float(scipy.stats.t.cdf(slope / math.sqrt(variance), own - 2))


@given(courses(40), st.sampled_from([5, 12, 40]))
def test_slope_and_p_are_those_of_scipy(values: list[float], n: int) -> None:
    levels = values[:n]
    assume(np.ptp(levels) > 1e-6)
    slope, p = falls(levels)
    due_slope, due_p = line(levels)
    assert slope == pytest.approx(due_slope, rel=1e-6, abs=1e-9 * max(levels))
    residuals = np.asarray(levels) - np.poly1d(np.polyfit(np.arange(n), levels, 1))(np.arange(n))
    # Rounding is all that is left of a straight line, and says nothing of its neighbours.
    assume(np.abs(residuals).max() > 1e-6 * max(levels))
    assume(abs(counted(list(residuals)) - 2) > 1e-6)
    assert p == pytest.approx(due_p, rel=1e-6, abs=1e-9)


def test_p_of_independent_residuals_is_that_of_a_plain_regression() -> None:
    # Residuals that alternate have no positive correlation: nothing is to be corrected.
    levels = [5 - 0.01 * k + 0.1 * (-1) ** k for k in range(20)]
    plain = scipy.stats.linregress(range(20), levels, alternative="less")
    slope, p = falls(levels)
    assert slope == pytest.approx(plain.slope, rel=1e-12)
    assert p == pytest.approx(plain.pvalue, rel=1e-9)


@given(st.floats(-40, 40), st.floats(0.01, 1000))
def test_student_is_that_of_scipy(t: float, freedom: float) -> None:
    due = scipy.stats.t.cdf(t, freedom)
    assert student_below(t, freedom) == pytest.approx(due, rel=1e-9, abs=1e-15)


@given(st.floats(0.005, 500), st.floats(0.005, 500), st.floats(1e-300, 1))
def test_the_incomplete_beta_function_is_that_of_scipy(a: float, b: float, x: float) -> None:
    due = scipy.special.betainc(a, b, x)
    assert incomplete_beta(a, b, x) == pytest.approx(due, rel=1e-9, abs=1e-14)


@settings(deadline=None, max_examples=60)
@given(
    courses(noises=(0.01, 0.1, 0.5)),
    st.sampled_from([5, 9, 20]),
    st.sampled_from([1e-3, 0.05]),
    st.sampled_from([0.05, 0.5]),
    st.sampled_from([1, 3]),
)
def test_it_fires_where_the_slow_version_does(
    losses: list[float], n: int, rtol: float, level: float, half_life: int
) -> None:
    margins: list[float] = []

    def judge(history: list[Observation]) -> bool:
        levels = averages([one.train_losses[0] for one in history], half_life)[-n:]
        if len(levels) < n:
            return False
        slope, p = line(levels)
        change, limit = slope * n, -rtol * abs(levels[-1])
        margins.append(abs(change - limit) / levels[-1])
        if change > limit:
            margins.append(abs(p - level))
        return bool(change > limit and p > level)

    settings: dict[str, Any] = {"evaluations": n, "rtol": rtol, "level": level, "refractory": 11}
    trigger = make("plateau_slope", every=1, half_life=half_life, **settings, **NO_SPIKES)
    due = slow_indices(judge, stream(trigger, losses), refractory=11)
    assume(min(margins, default=1.0) > 1e-7)
    assert indices(trigger, losses) == due


@pytest.mark.parametrize("watch", ["train", "val"])
@pytest.mark.parametrize("evaluations", [5, 17])
@pytest.mark.parametrize("level", [1.0, 0.0, -3.7, 1e-12, 1e12, 0.1])
def test_a_constant_loss_fires_as_soon_as_there_are_enough(
    watch: str, evaluations: int, level: float
) -> None:
    trigger = make("plateau_slope", watch=watch, evaluations=evaluations)
    assert indices(trigger, [level] * 74)[0] == evaluations - 1


def test_a_loss_that_falls_by_more_than_the_tolerance_never_fires() -> None:
    # Over 10 evaluations it falls by 1.8 %.
    losses = [(1 - 2e-3) ** k for k in range(74)]
    settings = {"evaluations": 10, "watch": "val"}
    assert indices(make("plateau_slope", rtol=0.015, **settings), losses) == []
    # Within the tolerance the test still shows that it falls.
    assert indices(make("plateau_slope", rtol=0.03, level=0.5, **settings), losses) == []


def test_a_slow_geometric_decay_fires_where_the_line_has_become_flat() -> None:
    losses = [0.2 + 0.8**k for k in range(70)]

    def is_flat(k: int) -> bool:
        last = losses[k - 19 : k + 1]
        slope, p = line(last)
        return slope * 20 > -0.01 * last[-1] and p > 0.05

    due = next(k for k in range(19, 70) if is_flat(k))
    assert 30 < due < 60
    trigger = make("plateau_slope", watch="val", evaluations=20, rtol=0.01)
    assert indices(trigger, losses)[0] == due


def test_residuals_that_are_alike_count_as_fewer() -> None:
    levels = [0.2 + 0.8**k for k in range(20)]
    plain = scipy.stats.linregress(range(20), levels, alternative="less").pvalue
    assert plain < 1e-4
    assert 0.05 < falls(levels)[1] < 0.1


def test_a_negative_loss_that_rises_is_no_fall() -> None:
    losses = [-1 + 0.05 * k for k in range(30)]
    trigger = make("plateau_slope", watch="val", evaluations=6)
    assert indices(trigger, losses)[0] == 5
    assert indices(trigger, [-1 - 0.05 * k for k in range(30)]) == []


def test_a_fall_that_noise_hides_is_a_plateau_and_one_it_does_not_is_none() -> None:
    wave = [0.5, -0.5, -0.5, 0.5]
    losses = [10 - 0.01 * k + wave[k % 4] for k in range(24)]
    trigger = make("plateau_slope", watch="val", evaluations=24, rtol=0.5)
    assert indices(trigger, losses) == [23]
    steep = [10 - 0.1 * k + wave[k % 4] for k in range(24)]
    assert indices(trigger, steep) == []


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"evaluations": 4}, "evaluations"),
        ({"evaluations": 75}, "evaluations"),
        ({"level": 0.0}, "level"),
        ({"level": 1.0}, "level"),
        ({"rtol": math.inf}, "rtol"),
        ({"watch": "val", "half_life": 3}, "half_life"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(TriggerError) as refused:
        make("plateau_slope", **settings)
    assert refused.value.problems[0].key == key
