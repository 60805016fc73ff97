"""The plateau trigger against a slow second version, and on curves whose firing is known."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.errors import TriggerError
from lrbench.triggers.base import Observation
from triggering import fired, indices, make, seen, stream

NO_SPIKES = {"spike_factor": 1e9, "gate": None}


def slow_version(
    losses: list[float], patience: int, rtol: float, atol: float, half_life: float
) -> int | None:
    """Where the first plateau of ``losses`` is found, every average computed anew."""
    best, bad = math.inf, 0
    for k in range(len(losses)):
        weights = [0.5 ** ((k - i) / half_life) for i in range(k + 1)]
        s = sum(w * x for w, x in zip(weights, losses, strict=False)) / sum(weights)
        if best == math.inf or s < best - max(atol, rtol * abs(best)):
            best, bad = s, 0
        else:
            best, bad = (s if k < half_life else best), bad + 1
        if bad >= patience:
            return k
    return None


@given(
    st.lists(st.floats(-5, 5), min_size=60, max_size=60),
    st.integers(1, 12),
    st.sampled_from([0.0, 1e-3, 0.1]),
    st.sampled_from([0.0, 0.05]),
    st.sampled_from([1, 2, 7]),
)
def test_it_fires_where_the_slow_version_does(
    losses: list[float], patience: int, rtol: float, atol: float, half_life: int
) -> None:
    # Rounded numbers with an odd bit: no average lies within rounding of a limit.
    losses = [round(loss, 2) + 0.001234 * k for k, loss in enumerate(losses)]
    settings: dict[str, Any] = {"patience": patience, "rtol": rtol, "atol": atol, "every": 1}
    trigger = make("plateau", half_life=half_life, **settings, **NO_SPIKES)
    first = slow_version(losses, patience, rtol, atol, half_life)
    assert indices(trigger, losses)[:1] == ([] if first is None else [first])


@pytest.mark.parametrize("watch", ["train", "val"])
@pytest.mark.parametrize("patience", [1, 5, 20])
@pytest.mark.parametrize("level", [1.0, 0.0, -3.7, 1e-12, 1e12])
def test_a_constant_loss_fires_exactly_at_the_patience(
    watch: str, patience: int, level: float
) -> None:
    trigger = make("plateau", watch=watch, patience=patience)
    assert indices(trigger, [level] * 74)[0] == patience


def test_a_loss_that_falls_by_more_than_the_tolerance_never_fires() -> None:
    losses = [(1 - 2e-3) ** k for k in range(74)]
    assert indices(make("plateau", patience=1, half_life=1, rtol=1e-3), losses) == []
    assert indices(make("plateau", patience=1, half_life=1, rtol=4e-3), losses)[0] == 1


def test_small_improvements_count_once_they_have_added_up() -> None:
    # 0.4 of the tolerance each: every third evaluation is better than the best.
    losses = [1 - 0.4e-3 * k for k in range(60)]
    assert indices(make("plateau", watch="val", patience=3, rtol=1e-3), losses) == []
    assert indices(make("plateau", watch="val", patience=2, rtol=1e-3), losses)[0] == 2


def test_a_slow_geometric_decay_fires_where_the_rest_of_it_is_less_than_the_tolerance() -> None:
    losses = [0.2 + 0.8**k for k in range(70)]
    trigger = make("plateau", watch="val", patience=5, rtol=1e-2)
    # Better than the best b takes a fall of 0.01 b: the last one is at the 27th.
    best, last = math.inf, 0
    for k, loss in enumerate(losses):
        if best == math.inf or loss < best - 1e-2 * best:
            best, last = loss, k
    assert indices(trigger, losses)[0] == last + 5


def test_a_negative_loss_that_rises_is_worse() -> None:
    losses = [-1 + 0.05 * k for k in range(30)]
    assert indices(make("plateau", watch="val", patience=3), losses)[0] == 3
    assert indices(make("plateau", watch="val", patience=3), [-x for x in losses]) == []


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["train_losses", "val_loss", "grad_norms", "heat"])
def test_what_is_not_finite_is_divergence(name: str, bad: float) -> None:
    trigger = make("plateau", patience=1)
    value: Any = (bad,) if name in ("train_losses", "grad_norms") else bad
    broken = Observation(**{**vars(seen(1, 1.0)), name: value})
    with pytest.raises(ValueError, match="diverged"):
        trigger.observe(trigger.start(), broken)


def test_decisions_say_what_was_held_against_what() -> None:
    trigger = make("plateau", watch="val", patience=2, rtol=0.1)
    assert fired(trigger, stream(trigger, [2.0, 1.9, 1.95]))[0] == (2, "restart", 1.95, 1.8)


@pytest.mark.parametrize(
    ("on_plateau", "actions", "num_cycles"),
    [
        ("restart", ["restart"] * 3, 4),
        ("decay", ["decay"] * 3, 1),
        ("decay_then_restart", ["decay", "decay", "restart"] * 3 + ["decay", "decay"], 4),
    ],
)
def test_a_plateau_means_what_it_is_told_to_mean(
    on_plateau: str, actions: list[str], num_cycles: int
) -> None:
    trigger = make(
        "plateau", 1000, every=1, patience=2, on_plateau=on_plateau, decays=2, refractory=25
    )
    decided = [action for _, action, *_ in fired(trigger, stream(trigger, [1.0] * 1000))]
    assert decided == actions
    assert trigger.after.num_cycles == num_cycles


def test_the_gate_holds_restarts_back_and_lets_decays_through() -> None:
    hot, warm = [seen(k + 1, 1.0, heat=1.0) for k in range(20)], seen(21, 1.0, heat=0.1)
    assert [i for i, *_ in fired(make("plateau", patience=3), [*hot, warm])] == [20]
    decay = make("plateau", patience=3, on_plateau="decay")
    assert [i for i, *_ in fired(decay, hot)] == [3]


def test_one_decay_of_a_constant_rate_opens_the_gate() -> None:
    trigger = make("plateau")
    heat = trigger.after.peak_decay * trigger.after.decay_factor / trigger.after.peak_decay
    assert heat != 0.1  # it is 0.10000000000000002
    assert indices(make("plateau", patience=3), [1.0] * 10, heat=heat) == [3]


def test_a_spike_is_no_plateau_and_leaves_the_average_alone() -> None:
    falling = [math.exp(-0.1 * k) for k in range(70)]
    spiked = [loss * (40 if 30 <= k < 36 else 1) for k, loss in enumerate(falling)]
    trigger = make("plateau", patience=3, half_life=6)
    assert indices(trigger, spiked) == []
    assert indices(make("plateau", patience=3, half_life=6, spike_factor=1e9), spiked) != []

    def average(losses: list[float]) -> float:
        state = trigger.start()
        for observation in stream(trigger, losses):
            state, _ = trigger.observe(state, observation)
        return float(state["smoothed"]["value"])

    # Those who saw the spike and those who saw nothing in its place agree.
    assert average(spiked[:36]) == average(falling[:30])


def test_what_stays_high_is_no_spike() -> None:
    # Two count neither way; the third is where the average begins anew.
    losses = [1.0] * 10 + [50.0] * 50
    assert indices(make("plateau", patience=30, half_life=2), losses)[0] == 30 + 2


def test_the_transient_of_a_restart_is_not_looked_at() -> None:
    trigger = make("plateau", 200, patience=5, every=1, refractory=20, watch="val")
    calm = [1.0] * 6
    jump = [9.0 - 0.01 * k for k in range(20)]
    # The restart is before update 6; the first evaluation wholly behind the 20 updates is that
    # after update 26, and five more fire.
    assert indices(trigger, calm + jump + [0.5] * 30)[:2] == [5, 26 + 5]


def test_a_held_out_loss_is_asked_for_and_its_absence_is_no_evaluation() -> None:
    trigger = make("plateau", watch="val", patience=2)
    assert trigger.needs == {"val_loss"}
    assert make("plateau").needs == frozenset()
    blind = Observation(step=1, heat=0.0, train_losses=(5.0,))
    watched = [blind, seen(2, 1.0), blind, seen(4, 1.0), blind, seen(6, 1.0)]
    assert [index for index, *_ in fired(trigger, watched)] == [5]


@given(st.lists(st.floats(0.1, 10), min_size=70, max_size=70), st.integers(-30, 30))
def test_a_loss_in_other_units_fires_at_the_same_evaluations(losses: list[float], k: int) -> None:
    trigger = make("plateau", patience=3, half_life=3)
    assert indices(trigger, losses) == indices(trigger, [loss * 2.0**k for loss in losses])


@given(st.lists(st.integers(0, 40), min_size=70, max_size=70), st.integers(-100, 100))
def test_a_shifted_loss_fires_at_the_same_evaluations_where_the_tolerance_is_absolute(
    losses: list[int], shift: int
) -> None:
    trigger = make("plateau", patience=3, watch="val", rtol=0.0, atol=2.0, spike_factor=1e9)
    assert indices(trigger, losses) == indices(trigger, [loss + shift for loss in losses])


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"patience": 75}, "patience"),
        ({"patience": 0}, "patience"),
        ({"half_life": 100}, "half_life"),
        ({"watch": "val", "half_life": 3}, "half_life"),
        ({"rtol": -0.1}, "rtol"),
        ({"atol": math.inf}, "atol"),
        ({"every": 0}, "every"),
        ({"every": 100}, "every"),
        ({"spike_factor": 1.0}, "spike_factor"),
        ({"gate": 0.0}, "gate"),
        ({"max_restarts": 0}, "max_restarts"),
        ({"max_restarts": 100}, "max_restarts"),
        ({"refractory": 1}, "refractory"),
        ({"refractory": 75}, "refractory"),
        ({"final_fraction": 1.0}, "final_fraction"),
        ({"peak_decay": 0.0}, "peak_decay"),
        ({"decay_factor": 1.5}, "decay_factor"),
        ({"decays": 0}, "decays"),
        ({"patiense": 3}, "patiense"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(TriggerError) as refused:
        make("plateau", **settings)
    assert refused.value.problems[0].key == key


def test_the_longest_patience_that_fits_is_offered_and_fits() -> None:
    with pytest.raises(TriggerError) as refused:
        make("plateau", every=7, patience=10)
    assert refused.value.problems[0].remedy == ".patience=9"
    assert indices(make("plateau", every=7, patience=9), [1.0] * 14) == [9]
