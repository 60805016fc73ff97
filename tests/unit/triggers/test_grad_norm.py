"""The trigger of vanished gradients against a slow second version, and on known courses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lrbench.errors import TriggerError
from lrbench.triggers.base import Observation
from triggering import averages, courses, fired, indices, make, seen, slow_indices, stream

NO_SPIKES = {"spike_factor": 1e9, "gate": None, "every": 1}


def with_heats(watched: Sequence[Observation], heats: Sequence[float]) -> list[Observation]:
    return [replace(one, heat=heat) for one, heat in zip(watched, heats, strict=True)]


@settings(deadline=None, max_examples=80)
@given(
    courses(),
    st.integers(0, 12),
    st.integers(1, 5),
    st.sampled_from([0.1, 0.5, 0.9]),
    st.sampled_from([0.04, 0.2, 0.5]),
    st.sampled_from([1, 4]),
    st.booleans(),
)
def test_it_fires_where_the_slow_version_does(
    norms: list[float],
    warmup: int,
    patience: int,
    fraction: float,
    reference: float,
    half_life: int,
    times_root_rate: bool,
) -> None:
    m = math.ceil(reference * 25)  # of a cycle of 100 // 4 updates
    heats = [min((k + 1) / (warmup + 1), (95 - k) / (94 - warmup)) for k in range(90)]
    margins: list[float] = []

    def judge(history: list[Observation]) -> bool:
        begin = 0
        for i in range(1, len(history)):
            if i - begin < m and history[i].heat > history[i - 1].heat:
                begin = i
        told = history[begin:]
        norms = [one.grad_norms[0] * (one.heat**0.5 if times_root_rate else 1) for one in told]
        levels = averages(norms, half_life)
        if len(levels) < m + patience:
            return False
        limit = fraction * float(np.median(levels[:m]))
        margins.extend(abs(level - limit) / limit for level in levels[-patience:])
        return all(level <= limit for level in levels[-patience:])

    trigger = make(
        "grad_norm",
        patience=patience,
        fraction=fraction,
        reference_fraction=reference,
        half_life=half_life,
        refractory=13,
        times_root_rate=times_root_rate,
        **NO_SPIKES,
    )
    watched = with_heats([seen(k + 1, norm) for k, norm in enumerate(norms)], heats)
    due = slow_indices(judge, watched, refractory=13)
    assume(min(margins, default=1.0) > 1e-9)
    assert [index for index, *_ in fired(trigger, watched)] == due


def vanishing(low: float, reference: int = 3) -> list[float]:
    return [1.0] * reference + [low] * 50


@pytest.mark.parametrize("patience", [1, 4])
def test_it_fires_at_the_last_of_the_evaluations_in_a_row(patience: int) -> None:
    settings = {"patience": patience, "half_life": 1, **NO_SPIKES}
    # After j halvings the average is 0.05 + 0.95 / 2**j or more: below 0.1 from the fifth on.
    trigger = make("grad_norm", **settings)
    levels = averages(vanishing(0.0), 1)
    below = next(k for k, level in enumerate(levels) if k >= 3 and level <= 0.1)
    assert indices(trigger, vanishing(0.0))[0] == below + patience - 1


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_a_constant_gradient_never_vanishes(scale: float) -> None:
    assert indices(make("grad_norm", patience=1, **NO_SPIKES), [scale] * 74) == []


def test_a_gradient_that_grows_never_vanishes() -> None:
    assert indices(make("grad_norm", patience=1), [0.1 + 0.01 * k for k in range(74)]) == []


def test_one_evaluation_above_the_limit_begins_the_count_anew() -> None:
    settings = {"patience": 4, "half_life": 1, "fraction": 0.5, **NO_SPIKES}
    low = [0.0] * 3
    norms = [1.0] * 3 + low + [2.0] + low * 5
    levels = averages(norms, 1)
    assert levels[6] > 0.5
    assert max(levels[4:6]) < 0.5
    due = next(k for k in range(7, 20) if max(levels[k - 3 : k + 1]) <= 0.5)
    assert indices(make("grad_norm", **settings), norms)[0] == due


def test_the_reference_is_the_median_and_not_ruled_by_the_first_step() -> None:
    norms = [40.0, *[1.0] * 4, *[0.5] * 50]
    settings = {"patience": 2, "half_life": 1, "reference_fraction": 0.2, "fraction": 0.6}
    # Of the averages 40, 14, 6.6, 3.6 and 2.3 the middle one is 6.6.
    levels = averages(norms, 1)
    limit = 0.6 * sorted(levels[:5])[2]
    due = next(k for k in range(6, 20) if max(levels[k - 1 : k + 1]) <= limit)
    assert indices(make("grad_norm", **settings, **NO_SPIKES), norms)[0] == due


def test_the_reference_is_taken_after_the_warmup() -> None:
    settings = {"patience": 2, "half_life": 1, **NO_SPIKES}
    # Large while the rate rises, then 1: no vanishing, only the end of the warmup.
    norms = [100.0] * 10 + [1.0] * 60
    heats = [(k + 1) / 12 for k in range(12)] + [1.0] * 58
    watched = with_heats([seen(k + 1, norm) for k, norm in enumerate(norms)], heats)
    assert fired(make("grad_norm", **settings), watched) == []
    flat = with_heats(watched, [1.0] * 70)
    assert fired(make("grad_norm", **settings), flat) != []


def test_a_rate_that_rises_later_leaves_the_reference() -> None:
    settings = {"patience": 2, "half_life": 1, "max_restarts": 1, **NO_SPIKES}
    watched = [seen(k + 1, norm) for k, norm in enumerate(vanishing(0.0))]
    heats = [1.0 if k < 5 else 0.5 + 0.005 * k for k in range(53)]
    found = fired(make("grad_norm", **settings), watched)
    assert found
    assert fired(make("grad_norm", **settings), with_heats(watched, heats)) == found


def test_with_weight_decay_the_norm_times_the_root_of_the_rate_stays() -> None:
    heats = [max(1 - k / 70, 1e-6) for k in range(70)]
    # The steady state of decay: the norm goes as one over the root of the rate, or as the weights.
    steady = with_heats([seen(k + 1, 1 / math.sqrt(heat)) for k, heat in enumerate(heats)], heats)
    for times_root_rate in (False, True):
        trigger = make("grad_norm", times_root_rate=times_root_rate, **NO_SPIKES)
        assert fired(trigger, steady) == []
    # A norm that has vanished but for that rise is seen only with the root.
    gone = [
        replace(one, grad_norms=(one.grad_norms[0] * (1 if one.step < 20 else 0.09),))
        for one in steady
    ]
    assert fired(make("grad_norm", patience=3, times_root_rate=True, **NO_SPIKES), gone) != []
    assert fired(make("grad_norm", patience=50, **NO_SPIKES), gone) == []


def test_each_cycle_has_a_reference_of_its_own() -> None:
    settings = {"patience": 2, "half_life": 1, "refractory": 10, "fraction": 0.2, **NO_SPIKES}
    trigger = make("grad_norm", **settings)
    norms = vanishing(0.01)[:30]
    (first,) = indices(trigger, norms)[:1]
    # Behind it everything is a hundredth: not below a fifth of the new reference.
    assert indices(trigger, norms) == [first]
    assert len(indices(trigger, [*norms, *[1e-4] * 20])) == 2


def test_the_interval_makes_the_reference_shorter() -> None:
    trigger = make("grad_norm", 1000, every=5)
    assert trigger.reference_evaluations == 5  # type: ignore[attr-defined]
    assert trigger.rules.gate == 0.25  # type: ignore[attr-defined]
    assert len(stream(trigger, [1.0])[0].grad_norms) == 5


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"fraction": 0.0}, "fraction"),
        ({"fraction": 1.0}, "fraction"),
        ({"reference_fraction": 0.0}, "reference_fraction"),
        ({"reference_fraction": 1.0}, "reference_fraction"),
        ({"patience": 0}, "patience"),
        ({"patience": 75}, "patience"),
        ({"spike_factor": math.nan}, "spike_factor"),
        ({"half_life": 0}, "half_life"),
        ({"half_life": 100}, "half_life"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(TriggerError) as refused:
        make("grad_norm", **settings)
    assert refused.value.problems[0].key == key
