"""Function and gradient scheme against slow second versions, on losses and cosines."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lrbench.errors import TriggerError
from lrbench.triggers.base import Observation
from triggering import counted, courses, fired, make, slow_indices


def windows(numbers: list[float], n: int) -> list[Observation]:
    """Each window's numbers as losses, and as cosines as far as they are in [-1, 1]."""
    return [
        Observation(
            k + n,
            1.0,
            tuple(numbers[k : k + n]),
            cosines=tuple(max(-1.0, min(1.0, x)) for x in numbers[k : k + n]),
        )
        for k in range(0, len(numbers) - n + 1, n)
    ]


def error_of_mean(numbers: tuple[float, ...]) -> float:
    if len(numbers) < 3:
        return 0.0
    return float(np.var(numbers, ddof=1) / counted(list(np.asarray(numbers) - np.mean(numbers))))


@settings(deadline=None, max_examples=80)
@given(
    courses(96),
    st.sampled_from([1, 2, 4, 8]),
    st.sampled_from([0.0, 1e-3, 0.1]),
    st.sampled_from([0.0, 2.0]),
    st.integers(1, 3),
    st.sampled_from([8, 25]),
)
def test_the_function_scheme_fires_where_the_slow_version_does(
    losses: list[float], n: int, rtol: float, margin: float, consecutive: int, refractory: int
) -> None:
    margins: list[float] = []

    def judge(history: list[Observation]) -> bool:
        if len(history) <= consecutive:
            return False
        rises = []
        for k in range(len(history) - consecutive, len(history)):
            old, new = history[k - 1].train_losses, history[k].train_losses
            noise = margin * math.sqrt(error_of_mean(old) + error_of_mean(new))
            gap = np.mean(new) - np.mean(old) - max(rtol * abs(np.mean(old)), noise)
            margins.append(abs(gap) / np.mean(old))
            rises.append(gap > 0)
        return all(rises)

    trigger = make(
        "function_scheme",
        window=n,
        rtol=rtol,
        margin=margin,
        consecutive=consecutive,
        refractory=refractory,
        max_restarts=3,
        spike_factor=1e9,
    )
    watched = windows(losses, n)
    due = slow_indices(judge, watched, every=n, refractory=refractory, reserve=100)
    assume(min(margins, default=1.0) > 1e-12)
    assert [index for index, *_ in fired(trigger, watched)] == due


@settings(deadline=None, max_examples=80)
@given(
    courses(96),
    st.sampled_from([5, 8, 24]),
    st.sampled_from([0.0, 1.0, 2.0]),
    st.integers(1, 3),
    st.sampled_from([-1.0, -0.3]),
)
def test_the_gradient_scheme_fires_where_the_slow_version_does(
    numbers: list[float], n: int, margin: float, consecutive: int, shift: float
) -> None:
    watched = windows([number * 0.5 + shift for number in numbers], n)
    margins: list[float] = []

    def judge(history: list[Observation]) -> bool:
        against = []
        for one in history[-consecutive:]:
            cosines = np.array(one.cosines)
            gap = cosines.mean() + margin / math.sqrt(counted(list(cosines - cosines.mean())))
            margins.append(abs(gap))
            against.append(gap < 0)
        return len(against) == consecutive and all(against)

    trigger = make(
        "gradient_scheme",
        window=n,
        margin=margin,
        consecutive=consecutive,
        refractory=25,
        max_restarts=3,
    )
    due = slow_indices(judge, watched, every=n, refractory=25, reserve=100)
    assume(min(margins, default=1.0) > 1e-9)
    assert [index for index, *_ in fired(trigger, watched)] == due


@settings(deadline=None)
@given(courses(60, noises=(0.0, 0.1)))
def test_for_full_batches_any_rise_resets_that_was_made_after_the_last(
    losses: list[float],
) -> None:
    trigger = make("function_scheme", deterministic=True, max_restarts=99)
    due: list[int] = []
    for k in range(1, 60):
        # Loss k - 1 is known after update k - 1, and the reset is before update k: loss k was
        # already decided.
        if losses[k] > losses[k - 1] and k - 1 not in due:
            due.append(k)
    assert [index for index, *_ in fired(trigger, windows(losses, 1))] == due


def test_a_rise_that_goes_on_by_itself_resets_once_and_not_twice() -> None:
    # It turns round two updates after the first rise, as weights do that were reset in between.
    losses = [3.0, 2.0, 1.0, 1.1, 1.3, 1.2, 1.0]
    trigger = make("function_scheme", deterministic=True)
    assert [index for index, *_ in fired(trigger, windows(losses, 1))] == [3]


@given(st.lists(st.floats(-1, 1), min_size=60, max_size=60))
def test_for_full_batches_any_momentum_that_leads_uphill_is_reset(cosines: list[float]) -> None:
    trigger = make("gradient_scheme", deterministic=True, max_restarts=99)
    uphill = [k for k, cosine in enumerate(cosines) if cosine < 0]
    assert [index for index, *_ in fired(trigger, windows(cosines, 1))] == uphill


def test_for_full_batches_a_huge_rise_is_no_spike() -> None:
    trigger = make("function_scheme", deterministic=True)
    assert [index for index, *_ in fired(trigger, windows([1.0, 1e9, 1.0], 1))] == [1]


@pytest.mark.parametrize("level", [1.0, 0.0, -3.7, 1e-12, 1e12, 0.1])
@pytest.mark.parametrize("deterministic", [True, False])
def test_a_constant_loss_has_not_risen(level: float, deterministic: bool) -> None:
    own = {"deterministic": True} if deterministic else {"window": 3, "rtol": 0.0}
    trigger = make("function_scheme", **own)
    assert fired(trigger, windows([level] * 90, trigger.every)) == []


@pytest.mark.parametrize("sign", [1, -1])
def test_losses_of_either_sign_rise_upwards(sign: int) -> None:
    trigger = make("function_scheme", window=2, rtol=0.01, consecutive=2)
    rising = [sign * 1.0 + 0.02 * k for k in range(40)]
    assert fired(trigger, windows(rising, 2))[0][0] == 2
    assert fired(trigger, windows(rising[::-1], 2)) == []


def test_a_rise_within_the_tolerance_is_none_however_often() -> None:
    rising = [1.004 ** (k // 2) for k in range(90)]
    assert fired(make("function_scheme", window=2, rtol=0.005), windows(rising, 2)) == []
    assert fired(make("function_scheme", window=2, rtol=0.003), windows(rising, 2)) != []


def test_a_rise_that_the_noise_of_a_window_makes_is_none() -> None:
    wave = [1.0, -1.0, -1.0, 1.0]
    rising = [10 + 0.03 * (k // 8) + wave[k % 4] for k in range(96)]
    own = {"window": 8, "rtol": 1e-3, "consecutive": 1}
    assert fired(make("function_scheme", **own), windows(rising, 8)) == []
    assert fired(make("function_scheme", margin=0.0, **own), windows(rising, 8)) != []


def test_single_spikes_are_left_out_of_a_window_and_not_most_of_it() -> None:
    own = {"window": 4, "consecutive": 1, "margin": 0.0}
    flat = [1.0] * 40
    spiked = list(flat)
    spiked[9] = 50.0
    assert fired(make("function_scheme", **own), windows(spiked, 4)) == []
    risen = [1.0] * 8 + [50.0] * 8
    assert fired(make("function_scheme", **own), windows(risen, 4))[0][:3] == (2, "reset", 50.0)


def test_cosines_are_held_against_the_signed_margin() -> None:
    # Sixteen independent cosines: below -2 / 4 it fires, and not merely below 0.
    trigger = make("gradient_scheme", window=16, consecutive=2, max_restarts=1)
    for mean, is_low in [(-0.49, False), (-0.51, True), (0.51, False)]:
        cosines = [mean + 0.1 * (-1) ** k for k in range(48)]
        found = [index for index, *_ in fired(trigger, windows(cosines, 16))]
        assert found == ([1] if is_low else [])
    low, limit = fired(trigger, windows([-0.6, -0.62] * 24, 16))[0][2:]
    assert (low, limit) == (pytest.approx(-0.61), -0.5)


def test_cosines_that_are_alike_count_as_fewer() -> None:
    blocks = [-0.6 + 0.1 * (-1) ** (k // 8) for k in range(32)]
    mixed = [-0.6 + 0.1 * (-1) ** k for k in range(32)]
    trigger = make("gradient_scheme", window=16, consecutive=2)
    assert fired(trigger, windows(mixed, 16)) != []
    assert fired(trigger, windows(blocks, 16)) == []


def test_a_window_above_the_margin_begins_the_count_anew() -> None:
    trigger = make("gradient_scheme", window=5, consecutive=2)
    found = fired(trigger, windows([*[-1.0] * 5, *[0.2] * 5, *[-1.0] * 10], 5))
    assert [index for index, *_ in found] == [3]


def test_where_there_is_no_momentum_yet_there_is_nothing_to_lead_uphill() -> None:
    trigger = make("gradient_scheme", deterministic=True)
    one = windows([-0.5], 1)[0]
    assert fired(trigger, [replace(one, cosines=(None,))]) == []
    assert fired(trigger, [one]) != []


@pytest.mark.parametrize("name", ["function_scheme", "gradient_scheme"])
def test_only_the_state_is_reset_and_the_rate_goes_on(name: str) -> None:
    after = make(name).after
    assert after.only_resets
    assert (after.num_cycles, after.peak_decay, after.decay_factor) == (1, 1.0, 1.0)
    assert after.final_fraction == 0.0


@pytest.mark.parametrize(
    ("name", "settings", "key"),
    [
        ("function_scheme", {"rtol": -1.0}, "rtol"),
        ("function_scheme", {"margin": math.inf}, "margin"),
        ("function_scheme", {"consecutive": 0}, "consecutive"),
        ("function_scheme", {"spike_factor": 1.0}, "spike_factor"),
        ("function_scheme", {"window": 100}, "window"),
        ("function_scheme", {"window": 40}, "consecutive"),
        ("function_scheme", {"deterministic": True, "window": 3}, "window"),
        ("gradient_scheme", {"deterministic": True, "refractory": 3}, "refractory"),
        ("gradient_scheme", {"window": 4}, "window"),
        ("gradient_scheme", {"window": 9, "margin": 3.0}, "window"),
        ("gradient_scheme", {"consecutive": 6}, "consecutive"),
        ("gradient_scheme", {"final_fraction": 1.0}, "final_fraction"),
    ],
)
def test_settings_that_cannot_be_are_refused(name: str, settings: dict[str, Any], key: str) -> None:
    with pytest.raises(TriggerError) as refused:
        make(name, **settings)
    assert refused.value.problems[0].key == key


@pytest.mark.parametrize("margin", [0.0, 1.0, 2.5])
def test_the_shortest_window_offered_can_fire(margin: float) -> None:
    least = math.floor(margin**2) + 1
    trigger = make("gradient_scheme", window=least, margin=margin)
    assert fired(trigger, windows([-1.0] * 90, least)) != []
    if least > 1:
        with pytest.raises(TriggerError) as refused:
            make("gradient_scheme", window=least - 1, margin=margin)
        assert refused.value.problems[0].remedy == f".window={least}"
