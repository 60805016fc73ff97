"""The trigger of drowned gradients against a slow second version, and on known noise."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lrbench.errors import TriggerError
from lrbench.triggers.base import Observation
from triggering import fired, make, slow_indices

NO_SPIKES = {"spike_factor": 1e9, "gate": None, "every": 1}


def estimates(squares: list[float], traces: list[float]) -> list[Observation]:
    pairs = zip(squares, traces, strict=True)
    return [
        Observation(k + 1, 0.0, (), gradient_square=square, gradient_trace=trace)
        for k, (square, trace) in enumerate(pairs)
    ]


def draws(seed: int, ratio: float, noise: float, rho: float, length: int = 90) -> list[Observation]:
    """Estimates with a batch of 10, whose signal is ``ratio`` of the noise; the level falls."""
    chance, shift, found = random.Random(seed), 0.0, []
    for k in range(length):
        shift = rho * shift + math.sqrt(1 - rho**2) * chance.gauss(0, 1)
        level = math.exp(-0.05 * k)
        found.append((level * (ratio + noise * shift) / 10, level * chance.uniform(0.5, 1.5)))
    squares, traces = zip(*found, strict=True)
    return estimates(list(squares), list(traces))


def highest(told: list[Observation], half_life: float, margin: float) -> float:
    """The ratio of the averages and its margin, every weight and every unit written out."""
    traces = [one.gradient_trace or 0.0 for one in told]
    units = [traces[0]]
    for k in range(1, len(told)):
        ages = np.arange(k - 1, -1, -1)
        weights = 0.5 ** (ages / min(5.0, half_life))
        units.append(float(np.average(traces[:k], weights=weights)))
    x = np.array([10 * (one.gradient_square or 0.0) for one in told]) / units
    y = np.array(traces) / units
    w = 0.5 ** (np.arange(len(told) - 1, -1, -1) / half_life)
    ratio = (w @ x) / (w @ y)
    rest = x - ratio * y
    squares = w**2 @ rest**2
    products = (w**2)[1:] @ (rest[1:] * rest[:-1])
    rho = min(max(products / squares, 0.0), 0.99) if squares > 0 else 0.0
    error = math.sqrt(squares * (1 + rho) / (1 - rho)) / (w @ y)
    return float(ratio + margin * error)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32),
    st.sampled_from([0.0, 0.02, 0.2]),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.sampled_from([0.0, 0.7]),
    st.integers(1, 4),
    st.sampled_from([1.0, 5.0, 20.0]),
    st.sampled_from([0.0, 1.0, 2.0]),
    st.sampled_from([3, 8]),
)
def test_it_fires_where_the_slow_version_does(
    seed: int,
    ratio: float,
    noise: float,
    rho: float,
    patience: int,
    noise_ratio: float,
    margin: float,
    half_life: int,
) -> None:
    margins: list[float] = []

    def judge(history: list[Observation]) -> bool:
        if len(history) < half_life + patience - 1:
            return False
        # What the last ``patience`` evaluations came to, each with what was known then.
        ends = range(len(history) - patience + 1, len(history) + 1)
        values = [highest(history[:end], half_life, margin) for end in ends]
        margins.extend(abs(value - 1 / noise_ratio) for value in values)
        return all(value < 1 / noise_ratio for value in values)

    trigger = make(
        "snr",
        patience=patience,
        noise_ratio=noise_ratio,
        margin=margin,
        half_life=half_life,
        refractory=9,
        **NO_SPIKES,
    )
    watched = draws(seed, ratio, noise, rho)
    due = slow_indices(judge, watched, refractory=9)
    assume(min(margins, default=1.0) > 1e-7)
    assert [index for index, *_ in fired(trigger, watched)] == due


@pytest.mark.parametrize("patience", [1, 5])
@pytest.mark.parametrize("half_life", [1, 6])
def test_pure_noise_fires_at_the_patience_once_an_average_is_one(
    patience: int, half_life: int
) -> None:
    trigger = make("snr", patience=patience, half_life=half_life, every=1)
    watched = estimates([0.0] * 74, [1.0] * 74)
    assert fired(trigger, watched)[0][:2] == (half_life + patience - 2, "decay")


def test_the_limit_is_the_number_of_batches_that_the_noise_scale_is() -> None:
    # The noise scale is 1 / 0.005 = 200 samples, 20 batches of 10.
    assert fired(make("snr", every=1), estimates([0.0051] * 74, [1.0] * 74)) == []
    found = fired(make("snr", every=1), estimates([0.0049] * 74, [1.0] * 74))
    assert found[0][2:] == (pytest.approx(0.049, abs=1e-6), 0.05)
    assert fired(make("snr", every=1, noise_ratio=30), estimates([0.0049] * 74, [1.0] * 74)) == []


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_the_unit_of_the_gradient_does_not_matter(scale: float) -> None:
    watched = draws(3, 0.0, 0.1, 0.0)
    scaled = estimates(
        [scale * (one.gradient_square or 0) for one in watched],
        [scale * (one.gradient_trace or 0) for one in watched],
    )
    settings = {"noise_ratio": 5.0, "half_life": 8, "every": 1}
    found = [index for index, *_ in fired(make("snr", **settings), watched)]
    assert found
    assert [index for index, *_ in fired(make("snr", **settings), scaled)] == found


def test_averages_are_taken_before_their_ratio() -> None:
    # Single ratios: 0.01 / 0.01 = 1 and 0 / 2 = 0, on average 0.5; of the averages: 0.005.
    squares = [0.001, 0.0] * 37
    traces = [0.01, 2.0] * 37
    trigger = make("snr", every=1, half_life=12, margin=0.0, spike_factor=1e9)
    assert fired(trigger, estimates(squares, traces)) != []


def test_large_early_gradients_do_not_rule_for_long() -> None:
    # A thousand times as large for ten evaluations, with a strong signal.
    squares, traces = [100.0] * 10 + [0.0] * 64, [1000.0] * 10 + [1.0] * 64
    assert fired(make("snr", every=1, half_life=12, margin=0.0), estimates(squares, traces)) != []


def test_noise_of_the_estimates_alone_seldom_fires() -> None:
    # The signal is twice the limit, and each estimate off by ten times the limit.
    settings = {"half_life": 12, "every": 1, "patience": 1}
    found = {
        margin: sum(
            bool(fired(make("snr", margin=margin, **settings), draws(seed, 0.1, 0.5, 0.0, 20)))
            for seed in range(40)
        )
        for margin in (0.0, 2.0)
    }
    assert found[0.0] > 15
    assert found[2.0] <= 4


def test_a_signal_that_goes_up_and_down_around_0_is_no_run_of_outliers() -> None:
    # Estimates of nothing have both signs, and those above 0 count as those below do.
    chance = random.Random(5)
    squares = [chance.choice([-0.1, 0.2]) for _ in range(74)]
    assert fired(make("snr", every=1, half_life=12), estimates(squares, [1.0] * 74)) == []


def test_no_noise_is_no_reason() -> None:
    assert fired(make("snr", every=1), estimates([0.0] * 74, [0.0] * 74)) == []


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"noise_ratio": 0.0}, "noise_ratio"),
        ({"noise_ratio": math.inf}, "noise_ratio"),
        ({"margin": -1.0}, "margin"),
        ({"patience": 0}, "patience"),
        ({"patience": 68}, "patience"),
        ({"half_life": 0}, "half_life"),
        ({"half_life": 100}, "half_life"),
        ({"spike_factor": 1.0}, "spike_factor"),
        ({"every": 100}, "every"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(TriggerError) as refused:
        make("snr", **settings)
    assert refused.value.problems[0].key == key
