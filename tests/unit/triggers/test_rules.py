"""What holds for every trigger, whatever it is shown."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.errors import TriggerError
from lrbench.triggers.catalog import TRIGGERS, build_trigger
from triggering import EVERY_ONE, FIRING, fired, make, seen, stream

COURSES = st.lists(
    st.one_of(
        st.floats(-1, 1),
        st.sampled_from([0.0, 1e-3, 0.5, 1.0, -0.9]),
        st.just(100.0),
    ),
    min_size=100,
    max_size=100,
)


def stepped(name: str, values: list[float], **more: Any) -> tuple[list[int], Any]:
    """Steps of its decisions."""
    trigger = make(name, **{**EVERY_ONE[name], **more})
    many = stream(trigger, values[: 100 // trigger.every])
    return [(index + 1) * trigger.every for index, *_ in fired(trigger, many)], trigger


@pytest.mark.parametrize("name", TRIGGERS)
@settings(max_examples=40)
@given(values=COURSES, refractory=st.integers(10, 40), most=st.integers(1, 4))
def test_decisions_keep_their_distance_their_number_and_the_reserve(
    name: str, values: list[float], refractory: int, most: int
) -> None:
    more = {"refractory": refractory, "max_restarts": most, "final_fraction": 0.25}
    steps, trigger = stepped(name, values, **more)
    distances = [b - a for a, b in pairwise(steps)]
    assert all(distance >= refractory for distance in distances)
    assert len(steps) <= most
    assert all(step < 75 for step in steps)
    assert trigger.after.final_fraction == 0.25


@pytest.mark.parametrize("name", TRIGGERS)
def test_each_trigger_fires_up_to_its_cap_where_it_has_every_reason(name: str) -> None:
    # The distance is what holds it back, else it would fire more often than that.
    values = FIRING[name]
    for most in (1, 2):
        more = {"refractory": 20, "max_restarts": most, "final_fraction": 0.0}
        steps, _ = stepped(name, values, **more)
        assert len(steps) == most


@pytest.mark.parametrize("name", TRIGGERS)
def test_the_last_decision_may_come_right_before_the_reserve_and_no_later(name: str) -> None:
    def first(final_fraction: float) -> list[int]:
        more = {"max_restarts": 1, "final_fraction": final_fraction}
        return stepped(name, FIRING[name], **more)[0]

    (step,) = first(0.0)
    assert first((100 - step - 1) / 100) == [step]
    with suppress(TriggerError):  # its window no longer fits
        assert first((100 - step) / 100) == []


@pytest.mark.parametrize("name", TRIGGERS)
@settings(max_examples=10)
@given(values=COURSES)
def test_a_state_saved_after_every_observation_changes_nothing(
    name: str, values: list[float]
) -> None:
    trigger = make(name, **EVERY_ONE[name])
    for course in (values, FIRING[name]):
        watched = stream(trigger, course[: 100 // trigger.every])
        assert fired(trigger, watched, saved=True) == fired(trigger, watched)


@pytest.mark.parametrize("name", TRIGGERS)
def test_nothing_that_is_not_finite_is_taken_for_a_reason(name: str) -> None:
    trigger = make(name, **EVERY_ONE[name])
    state = trigger.start()
    for observation in stream(trigger, FIRING[name][:3]):
        state, _ = trigger.observe(state, observation)
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="diverged"):
            trigger.observe(state, seen(4 * trigger.every, value, every=trigger.every))


def test_no_restart_comes_too_late_for_the_cycles_after_it() -> None:
    # Three more cycles need an update each: step 97 is the last at which the first may begin.
    settings = {"patience": 1, "watch": "val", "final_fraction": 0.0, "refractory": 10}
    trigger = make("plateau", **settings)
    falling = [0.5**k for k in range(97)]
    assert fired(trigger, stream(trigger, [*falling, falling[-1]]))[-1:] == []
    falling = falling[:96]
    assert [i + 1 for i, *_ in fired(trigger, stream(trigger, [*falling, falling[-1]]))] == [97]


@pytest.mark.parametrize("name", ["plateau", "plateau_slope", "grad_norm", "stall"])
def test_a_rewarmed_restart_is_given_the_time_for_it(name: str) -> None:
    run: dict[str, int] = {
        "total_steps": 1000,
        "steps_per_epoch": 50,
        "eval_every": 50,
        "batch_size": 10,
    }
    plain = build_trigger(name, {}, **run)
    slow = build_trigger(name, {}, **run, rewarm_steps=100)
    assert slow.rules.refractory == plain.rules.refractory + 100  # type: ignore[attr-defined]
    with pytest.raises(TriggerError, match="re-warmup"):
        build_trigger(name, {"refractory": 99}, **run, rewarm_steps=100)
