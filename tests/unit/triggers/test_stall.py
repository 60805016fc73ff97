"""The trigger of weights that get nowhere, on ways that are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lrbench.errors import TriggerError
from lrbench.triggers.base import Observation
from triggering import courses, fired, make, slow_indices


def windows(ratios: list[float], n: int = 2, path: float = 3.0) -> list[Observation]:
    return [
        Observation((k + 1) * n, 0.0, (), displacement=ratio * path, path=path)
        for k, ratio in enumerate(ratios)
    ]


def walked(updates: np.ndarray, n: int) -> list[Observation]:
    """Windows of n updates, ``updates`` of shape (steps, weights)."""
    parts = [updates[k : k + n] for k in range(0, len(updates), n)]
    ways = [(part.sum(0), np.linalg.norm(part, axis=1).sum()) for part in parts]
    ratios = [float(np.linalg.norm(straight) / path) for straight, path in ways]
    return windows(ratios, n)


@settings(deadline=None, max_examples=80)
@given(
    courses(45),
    st.sampled_from([0.05, 0.3, 0.9]),
    st.integers(1, 5),
    st.sampled_from([2, 9, 20]),
    st.sampled_from([0.0, 0.3, 0.9]),
)
def test_it_fires_where_the_slow_version_does(
    ratios: list[float], threshold: float, patience: int, refractory: int, gate: float
) -> None:
    ratios = [min(ratio, 1.0) for ratio in ratios]
    assume(all(ratio != threshold for ratio in ratios))
    watched = windows(ratios)
    if gate:
        watched = [
            Observation(one.step, k % 7 / 6, (), displacement=one.displacement, path=one.path)
            for k, one in enumerate(watched)
        ]

    def judge(history: list[Observation]) -> bool:
        last = history[-patience:]
        ways = [(one.displacement or 0) / (one.path or 1) for one in last]
        return len(last) == patience and max(ways) < threshold

    trigger = make(
        "stall",
        window=2,
        threshold=threshold,
        patience=patience,
        refractory=refractory,
        gate=gate or None,
    )
    due = slow_indices(judge, watched, every=2, refractory=refractory, gate=gate or None)
    assert [index for index, *_ in fired(trigger, watched)] == due


@pytest.mark.parametrize("patience", [1, 2, 7])
def test_a_stall_fires_at_the_last_of_the_windows_in_a_row(patience: int) -> None:
    trigger = make("stall", window=2, patience=patience)
    assert fired(trigger, windows([0.01] * 30))[0][0] == patience - 1
    broken = [0.01] * (patience - 1) + [0.9] + [0.01] * 20
    assert fired(trigger, windows(broken))[0][0] == 2 * patience - 1


def test_a_straight_way_has_the_ratio_1_and_never_fires() -> None:
    straight = np.ones((80, 5)) * np.geomspace(1, 1e-6, 80)[:, None]
    watched = walked(straight, 4)
    assert [one.displacement for one in watched] == pytest.approx([one.path for one in watched])
    trigger = make("stall", window=4, threshold=0.999, patience=1)
    assert fired(trigger, watched) == []


def test_independent_updates_have_one_over_the_root_of_their_number() -> None:
    updates = np.random.default_rng(1).normal(size=(16 * 100, 1000))
    ratios = [(one.displacement or 0) / (one.path or 1) for one in walked(updates, 16)]
    assert np.mean(ratios) == pytest.approx(1 / 4, rel=0.01)


@pytest.mark.parametrize("momentum", [0.5, 0.9])
def test_momentum_makes_noise_straighter_by_what_is_told(momentum: float) -> None:
    draws, n = np.random.default_rng(2).normal(size=(400 * 20, 300)), 400
    updates = np.zeros_like(draws)
    for k in range(1, len(draws)):
        updates[k] = momentum * updates[k - 1] + draws[k]
    ratios = [(one.displacement or 0) / (one.path or 1) for one in walked(updates, n)[1:]]
    due = math.sqrt((1 + momentum) / ((1 - momentum) * n))
    assert np.mean(ratios) == pytest.approx(due, rel=0.05)


@pytest.mark.parametrize(
    ("window", "due"), [(4, 0.5), (25, 0.2), (100, 0.1), (400, 0.05), (900, 0.05)]
)
def test_the_usual_threshold_is_what_independent_updates_make(window: int, due: float) -> None:
    trigger = make("stall", 10000, window=window)
    assert trigger.threshold == due  # type: ignore[attr-defined]


def test_updates_that_take_each_other_back_stall_and_a_drift_does_not() -> None:
    chance = np.random.default_rng(3)
    noise = chance.normal(size=(640, 200))
    back = np.diff(noise, axis=0, prepend=0)
    drift = noise + 0.5
    trigger = make("stall", 640)
    assert trigger.every == 32
    assert fired(trigger, walked(back, 32))[0][0] == 1
    assert fired(trigger, walked(drift, 32)) == []


def test_one_large_update_is_in_the_way_as_well_and_no_stall() -> None:
    updates = np.ones((8, 3))
    updates[2] = 1e6
    assert fired(make("stall", window=4, patience=1), walked(updates, 4)) == []


def test_weights_that_did_not_move_are_no_stall_and_no_progress() -> None:
    trigger = make("stall", window=2, patience=2)
    rest = Observation(4, 0.0, (), displacement=0.0, path=0.0)
    low = windows([0.01] * 4)
    still = [low[0], rest, Observation(6, 0.0, (), displacement=0.01, path=1.0)]
    assert [index for index, *_ in fired(trigger, still)] == [2]
    nothing = [Observation(2 * k + 2, 0.0, (), displacement=0.0, path=0.0) for k in range(30)]
    assert fired(trigger, nothing) == []


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"window": 1}, "window"),
        ({"window": 100}, "window"),
        ({"threshold": 0.0}, "threshold"),
        ({"threshold": 1.0}, "threshold"),
        ({"patience": 0}, "patience"),
        ({"patience": 15}, "patience"),
        ({"gate": 1.5}, "gate"),
        ({"refractory": 4}, "refractory"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(TriggerError) as refused:
        make("stall", **settings)
    assert refused.value.problems[0].key == key
