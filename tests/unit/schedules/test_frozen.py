"""What a trigger decided, as a schedule: against a slow version, and event by event."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.errors import ScheduleError
from lrbench.schedules.annealing import cosine
from lrbench.schedules.base import Schedule, Steps
from lrbench.schedules.catalog import build_schedule
from lrbench.schedules.compose import warmup
from lrbench.schedules.decay import constant, linear
from lrbench.schedules.drops import step as drops
from lrbench.schedules.events import Event, PlannedRestart
from lrbench.schedules.frozen import anneal_start, planned_restarts, replanned, shortest_cycle
from lrbench.schedules.restarts import sgdr
from lrbench.schedules.wsd import wsd

Base = Callable[[int], Schedule]
BASES: dict[str, Base] = {
    "constant": lambda steps: constant(),
    "cosine": lambda steps: cosine(decay_steps=Steps(steps)),
    "linear": lambda steps: linear(decay_steps=Steps(steps), final_factor=0.1),
    "wsd": lambda steps: wsd(cooldown_steps=Steps((steps + 3) // 4), total_steps=steps),
    "step": lambda steps: drops(step_size_steps=Steps(7), gamma=0.5),
}
unhurried = settings(deadline=None, max_examples=60)


def replan(base: Base, events: Sequence[Event], total_steps: int = 40, **changes: Any) -> Schedule:
    given = {"peak_decay": 0.8, "decay_factor": 0.1, "num_cycles": 4, "final_fraction": 0.25}
    return replanned(base, events, total_steps=total_steps, **(given | changes))


def walked(
    base: Base,
    events: Sequence[Event],
    *,
    total_steps: int,
    peak_decay: float,
    decay_factor: float,
    num_cycles: int,
    final_fraction: float,
) -> list[float]:
    """The rules walked through update by update, as an engine would that knows nothing ahead."""
    begin, cycle, decays = 0, 0, 0
    schedule = base(total_steps // num_cycles)
    line_from = total_steps - math.floor(Decimal(str(final_fraction)) * total_steps)
    factors: list[float] = []
    for step in range(total_steps):
        for event in events:
            if event.step == step and event.action == "restart":
                begin, cycle, decays = step, cycle + 1, 0
                schedule = base((total_steps - step) // (num_cycles - cycle))
            elif event.step == step and event.action == "decay":
                decays += 1
        factor = schedule(step - begin) * peak_decay**cycle * decay_factor**decays
        if step > line_from:
            left = (total_steps - step) / (total_steps - line_from)
            factor = min(factor, factors[line_from] * left)
        factors.append(factor)
    return factors


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Event], dict[str, Any]]:
    total = draw(st.integers(20, 90))
    fraction = draw(st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.7]))
    end = math.ceil((1 - Decimal(str(fraction))) * total)
    steps = sorted(draw(st.sets(st.integers(1, end - 1), max_size=6)))
    most = draw(st.integers(1, 4))
    events, restarts = [], 0
    for step in steps:
        has_room = restarts + 1 < most and total - step >= most
        actions = ["decay", "reset", *(["restart"] if has_room else [])]
        action = draw(st.sampled_from(actions))
        restarts += action == "restart"
        events.append(Event(step, action, "plateau", step / 7, 0.5))
    return events, {
        "total_steps": total,
        "peak_decay": draw(st.sampled_from([1.0, 0.8, 0.3])),
        "decay_factor": draw(st.sampled_from([1.0, 0.5, 0.1])),
        "num_cycles": most,
        "final_fraction": fraction,
    }


@pytest.mark.parametrize("base", BASES)
@unhurried
@given(history=histories())
def test_every_factor_is_that_of_the_rules_walked_through(
    base: str, history: tuple[list[Event], dict[str, Any]]
) -> None:
    events, rules = history
    schedule = replanned(BASES[base], events, **rules)
    due = walked(BASES[base], events, **rules)
    found = [schedule(step) for step in range(rules["total_steps"])]
    assert found == pytest.approx(due, rel=1e-13, abs=0)


@pytest.mark.parametrize("base", BASES)
@unhurried
@given(history=histories(), known=st.integers(0, 6))
def test_what_happens_later_changes_nothing_before_it(
    base: str, history: tuple[list[Event], dict[str, Any]], known: int
) -> None:
    events, rules = history
    early = replanned(BASES[base], events[:known], **rules)
    late = replanned(BASES[base], events, **rules)
    first_new = events[known].step if known < len(events) else rules["total_steps"]
    assert [early(t) for t in range(first_new)] == [late(t) for t in range(first_new)]
    assert early.planned is not None
    assert late.planned is not None
    assert late.planned[: len(early.planned)] == early.planned


@unhurried
@given(history=histories())
def test_a_frozen_schedule_has_the_very_bits_of_the_replanned_one(
    history: tuple[list[Event], dict[str, Any]],
) -> None:
    events, rules = history
    total = rules["total_steps"]
    own = {key: value for key, value in rules.items() if key != "total_steps"}
    plain = [vars(event) for event in events]
    of = {"name": "wsd", "cooldown": "25%", "warmup": 1}

    def base(steps: int) -> Schedule:
        return build_schedule("wsd", {"cooldown": "25%", "warmup": 1}, steps)

    try:
        there = replanned(base, events, **rules)
    except ScheduleError:
        with pytest.raises(ScheduleError):
            build_schedule("frozen", {"of": of, "events": plain, **own}, total)
        return
    frozen = build_schedule("frozen", {"of": of, "events": plain, **own}, total)
    assert [frozen(t) for t in range(total + 5)] == [there(t) for t in range(total + 5)]
    assert frozen.planned == there.planned
    assert frozen.restarts(total) == there.restarts(total)


@unhurried
@given(history=histories())
def test_a_run_that_learns_of_each_event_when_it_happens_took_the_frozen_course(
    history: tuple[list[Event], dict[str, Any]],
) -> None:
    events, rules = history
    total = rules["total_steps"]
    taken: list[float] = []
    for step in range(total):
        known = [event for event in events if event.step <= step]
        taken.append(replanned(BASES["cosine"], known, **rules)(step))
    # By way of a file, as a person keeps it.
    own = {key: value for key, value in rules.items() if key != "total_steps"}
    text = json.dumps({"of": "cosine", "events": [vars(event) for event in events], **own})
    frozen = build_schedule("frozen", json.loads(text), total)
    assert [frozen(step) for step in range(total)] == taken
    begun = [event.step for event in events if event.action != "decay"]
    assert list(frozen.restarts(total)) == begun
    assert all(type(step) is int for step in frozen.restarts(total))
    assert all(frozen.cycles.start(k + 1) == step for k, step in enumerate(begun))


@unhurried
@given(history=histories())
def test_the_final_anneal_ends_at_0_whatever_happened(
    history: tuple[list[Event], dict[str, Any]],
) -> None:
    events, rules = history
    total, begin = rules["total_steps"], anneal_start(rules["total_steps"], rules["final_fraction"])
    for base in BASES.values():
        schedule = replanned(base, events, **rules)
        if begin == total:
            continue
        height = schedule(begin)
        for step in range(begin, total + 3):
            line = height * max(total - step, 0) / (total - begin)
            assert 0 <= schedule(step) <= line * (1 + 1e-12)
        assert schedule(total) == 0


def test_a_cycle_begins_with_the_step_of_its_event_and_has_its_own_clock() -> None:
    schedule = replan(BASES["cosine"], [Event(12, "restart"), Event(20, "restart")])
    # 40 // 4 = 10, (40 - 12) // 3 = 9 and (40 - 20) // 2 = 10 steps.
    assert schedule(11) == 0.0
    assert [schedule(step) for step in range(12, 20)] == [
        0.8 * cosine(decay_steps=Steps(9))(k) for k in range(8)
    ]
    assert schedule(20) == pytest.approx(0.64, rel=1e-15)
    assert schedule(19) == 0.8 * cosine(decay_steps=Steps(9))(7)
    assert schedule.restarts(40) == (12, 20)


def test_a_decay_lowers_the_rest_of_its_cycle_and_no_other() -> None:
    events = [Event(4, "decay"), Event(6, "decay"), Event(9, "restart"), Event(11, "decay")]
    schedule = replan(BASES["constant"], events, peak_decay=0.5, decay_factor=0.25)
    assert [schedule(step) for step in range(3, 13)] == [
        *(1.0, 0.25, 0.25, 0.0625, 0.0625, 0.0625),
        *(0.5, 0.5, 0.125, 0.125),
    ]
    assert schedule.restarts(40) == (9,)


def test_a_reset_restarts_the_state_and_leaves_the_rate() -> None:
    without, with_reset = replan(BASES["cosine"], []), replan(BASES["cosine"], [Event(5, "reset")])
    assert [without(step) for step in range(40)] == [with_reset(step) for step in range(40)]
    assert without.restarts(40) == ()
    assert with_reset.restarts(40) == (5,)


def test_a_cycle_that_outlasts_its_plan_stays_behind_its_end() -> None:
    schedule = replan(BASES["linear"], [])
    assert schedule(9) > 0.1
    assert [schedule(step) for step in (10, 15, 29)] == [0.1, 0.1, 0.1]


def test_the_final_anneal_ends_a_hot_run_on_a_straight_line_to_0() -> None:
    schedule = replan(BASES["constant"], [Event(29, "restart")])
    assert [schedule(step) for step in (28, 29, 30)] == [1.0, 0.8, 0.8]
    assert [schedule(step) for step in range(30, 40)] == [
        0.8 * ((40 - step) / 10) for step in range(30, 40)
    ]
    assert [schedule(step) for step in (40, 41, 90)] == [0.0, 0.0, 0.0]


def test_the_final_anneal_leaves_alone_what_falls_faster() -> None:
    whole = replan(BASES["cosine"], [], num_cycles=1)
    assert [whole(step) for step in range(40)] == [
        cosine(decay_steps=Steps(40))(step) for step in range(40)
    ]


@unhurried
@given(history=histories())
def test_the_final_anneal_never_makes_a_rate_hotter(
    history: tuple[list[Event], dict[str, Any]],
) -> None:
    events, rules = history
    for base in BASES.values():
        own = replanned(base, events, **(rules | {"final_fraction": 0.0}))
        annealed = replanned(base, events, **rules)
        begin = anneal_start(rules["total_steps"], rules["final_fraction"])
        for step in range(rules["total_steps"]):
            assert annealed(step) <= own(step)
            assert step > begin or annealed(step) == own(step)


@pytest.mark.parametrize(
    ("steps", "fraction", "due"),
    [(10, 0.7, 3), (100, 0.1, 90), (101, 0.25, 76), (7, 0.0, 7), (1000, 0.29, 710)],
)
def test_the_final_anneal_begins_where_the_written_decimal_says(
    steps: int, fraction: float, due: int
) -> None:
    # In floats (1 - 0.7) * 10 is a hair above 3.
    assert anneal_start(steps, fraction) == due


def test_restarts_are_told_with_their_plans_and_causes() -> None:
    events = [
        Event(3, "reset", "gradient", -0.5, -0.2),
        Event(8, "decay", "plateau", 1.0, 2.0),
        Event(12, "restart", "plateau", 3.0, 4.0),
        Event(25, "reset", "gradient", -0.6, -0.2),
    ]
    assert planned_restarts(events, total_steps=40, num_cycles=4) == (
        PlannedRestart(3, 1, 10 - 3, "reset", "gradient", -0.5, -0.2),
        PlannedRestart(12, 2, 28 // 3, "restart", "plateau", 3.0, 4.0),
        # Its cycle was planned to end at 21: what is left is the run.
        PlannedRestart(25, 3, 40 - 25, "reset", "gradient", -0.6, -0.2),
    )
    (only,) = planned_restarts([Event(7, "reset")], total_steps=40, num_cycles=1)
    assert only.planned_length == 33


def test_a_warmup_before_a_frozen_schedule_moves_its_restarts() -> None:
    moved = warmup(replan(BASES["cosine"], [Event(12, "restart")]), warmup_steps=5)
    assert moved.planned is not None
    assert moved.restarts(45) == tuple(one.step for one in moved.planned) == (17,)


@pytest.mark.parametrize(
    ("total", "cycles", "fraction"), [(40, 4, 0.25), (40, 2, 0.5), (13, 3, 0.25), (40, 1, 0.0)]
)
def test_no_history_plans_a_cycle_shorter_than_the_shortest(
    total: int, cycles: int, fraction: float
) -> None:
    lengths = {total // cycles}
    for step in range(1, anneal_start(total, fraction)):
        if cycles > 1:
            (one,) = planned_restarts(
                [Event(step, "restart")], total_steps=total, num_cycles=cycles
            )
            lengths.add(one.planned_length)
    assert shortest_cycle(total, num_cycles=cycles, final_fraction=fraction) == min(lengths)


def test_without_a_number_of_cycles_there_are_those_that_happened() -> None:
    events = [{"step": 10, "action": "restart"}]
    given = {"of": "cosine", "events": events, "final_fraction": 0.0, "peak_decay": 1.0}
    schedule = build_schedule("frozen", given, 40)
    assert schedule(0) == schedule(10) == 1.0
    assert schedule(9) == cosine(decay_steps=Steps(20))(9)
    assert schedule(39) == cosine(decay_steps=Steps(30))(29)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unsorted": ({"events": [(8, "restart"), (5, "decay")]}, "in the order of their steps"),
    "doubled": ({"events": [(8, "restart"), (8, "decay")]}, "one a step; 8 follows 8"),
    "at step 0": ({"events": [(0, "decay")]}, "must not begin before step 1"),
    "restart in the anneal": ({"events": [(30, "restart")]}, "restart before the final anneal"),
    "decay in the anneal": (
        {"events": [(33, "decay")]},
        "decay before the final anneal at step 30",
    ),
    "reset behind the run": ({"events": [(40, "reset")]}, "before the end of the run at step 40"),
    "too many": ({"events": [(5, "restart"), (9, "restart")], "num_cycles": 2}, "at most 1"),
    "no room": (
        {"events": [(38, "restart")], "num_cycles": 4, "final_fraction": 0.0},
        "must leave 3 updates",
    ),
    "more cycles than steps": ({"num_cycles": 41}, "must not exceed the 40 steps"),
    "no cycle": ({"num_cycles": 0}, "must be at least 1"),
    "all of it annealed": ({"final_fraction": 1.0}, r"must lie in \[0, 1\)"),
    "a rise": ({"peak_decay": 1.1}, r"must lie in \(0, 1\]"),
    "no decay": ({"decay_factor": 0.0}, r"must lie in \(0, 1\]"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_have_happened_is_refused(wrong: str) -> None:
    changes, said = WRONG[wrong]
    events = [Event(step, action) for step, action in changes.get("events", [])]
    rules = {key: value for key, value in changes.items() if key != "events"}
    with pytest.raises(ScheduleError, match=said):
        replan(BASES["cosine"], events, **rules)


def test_a_reset_may_come_in_the_final_anneal() -> None:
    assert replan(BASES["cosine"], [Event(39, "reset")]).restarts(40) == (39,)


@pytest.mark.parametrize(
    ("event", "key", "said"),
    [
        ({"step": 3, "action": "jump"}, "events.1.action", "restart, decay, reset"),
        ({"step": 3, "action": "restrat"}, "events.1.action", "restart, decay, reset"),
        ({"action": "restart"}, "events.1.step", "must be a number of updates"),
        ({"step": True, "action": "restart"}, "events.1.step", "must be a number of updates"),
        ({"step": "10%", "action": "restart"}, "events.1.step", "must be a number of updates"),
        ({"step": 3, "action": "decay", "casue": "me"}, "events.1", "must have no other keys"),
        ({"step": 3, "action": "decay", "cause": 7}, "events.1.cause", "must be a text"),
        ({"step": 3, "action": "decay", "statistic": "x"}, "events.1.statistic", "a number"),
    ],
)
def test_an_event_that_is_none_is_refused(event: dict[str, Any], key: str, said: str) -> None:
    given = {"of": "cosine", "events": [{"step": 2, "action": "decay"}, event]}
    with pytest.raises(ScheduleError, match=said) as caught:
        build_schedule("frozen", given, 40)
    assert caught.value.problems[0].key == key


def test_a_schedule_with_restarts_of_its_own_cannot_be_replanned() -> None:
    def base(steps: int) -> Schedule:
        return sgdr(num_cycles=2, total_steps=steps)

    with pytest.raises(ScheduleError, match="must have no restarts of its own"):
        replan(base, [])


def test_an_error_in_a_cycle_names_the_setting_inside() -> None:
    given = {"of": {"name": "cosine", "warmup": 10}, "num_cycles": 4, "events": []}
    with pytest.raises(ScheduleError) as caught:
        build_schedule("frozen", given, 40)
    assert caught.value.problems[0].key == "of.warmup"
