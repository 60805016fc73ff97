"""Restarts that rise to the rate instead of jumping there."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.errors import ScheduleError
from lrbench.schedules.annealing import cosine
from lrbench.schedules.base import Schedule, Steps
from lrbench.schedules.decay import constant
from lrbench.schedules.events import Event
from lrbench.schedules.frozen import replanned
from lrbench.schedules.restarts import sgdr
from lrbench.schedules.rewarm import rewarmed


def sawtooth(*lengths: int, final_factor: float = 0.2) -> Schedule:
    return sgdr(
        cycle_lengths=tuple(map(Steps, lengths)),
        shape="linear",
        final_factor=final_factor,
        total_steps=sum(lengths),
    )


def test_the_rise_begins_above_the_rate_before_and_joins_the_schedule() -> None:
    jumps = sawtooth(5, 10)
    rising = rewarmed(jumps, 4, 15)
    low = jumps(4)
    due = [low + (jumps(5 + k) - low) * (k + 1) / 4 for k in range(4)]
    assert [rising(5 + k) for k in range(4)] == pytest.approx(due, rel=1e-15)
    assert [rising(t) for t in range(5)] == [jumps(t) for t in range(5)]
    assert [rising(t) for t in range(9, 20)] == [jumps(t) for t in range(9, 20)]
    assert rising(8) == pytest.approx(jumps(8), rel=1e-15)
    assert rising(5) > low


@settings(deadline=None, max_examples=60)
@given(
    lengths=st.lists(st.integers(1, 25), min_size=2, max_size=5),
    end=st.floats(0.0, 1.0),
    data=st.data(),
)
def test_the_rise_lies_between_the_rate_before_and_the_schedule(
    lengths: list[int], end: float, data: st.DataObject
) -> None:
    steps = data.draw(st.integers(1, min(lengths[1:])))
    total = sum(lengths)
    jumps = sawtooth(*lengths, final_factor=end)
    rising = rewarmed(jumps, steps, total)
    starts = jumps.restarts(total)
    for step in range(total):
        begun = [start for start in starts if start <= step < start + steps]
        if not begun:
            assert rising(step) == jumps(step)
            continue
        before, value = jumps(begun[0] - 1), jumps(step)
        assert min(before, value) * (1 - 1e-12) <= rising(step) <= value
    assert rising.restarts(total) == starts


@settings(deadline=None, max_examples=60)
@given(
    restarts=st.lists(st.integers(5, 20), min_size=1, max_size=4),
    known=st.integers(0, 4),
    rise=st.integers(1, 5),
    data=st.data(),
)
def test_a_later_event_changes_no_rise_before_it(
    restarts: list[int], known: int, rise: int, data: st.DataObject
) -> None:
    steps = [sum(restarts[: k + 1]) for k in range(len(restarts))]
    actions = [data.draw(st.sampled_from(["restart", "decay", "reset"])) for _ in steps]
    events = [Event(step, action) for step, action in zip(steps, actions, strict=True)]
    total = 100

    def course(events: list[Event]) -> Schedule:
        planned = replanned(
            lambda length: cosine(decay_steps=Steps(length)),
            events,
            total_steps=total,
            peak_decay=0.9,
            decay_factor=0.5,
            num_cycles=5,
            final_fraction=0.1,
        )
        return rewarmed(planned, rise, total)

    early, late = course(events[:known]), course(events)
    first = steps[known] if known < len(steps) else total
    assert [early(step) for step in range(first)] == [late(step) for step in range(first)]
    assert late.restarts(total)[: len(early.restarts(total))] == early.restarts(total)


def test_where_the_rate_does_not_jump_up_it_stays() -> None:
    # A restart into a lower peak than the rate before it.
    events = [Event(2, "restart")]
    schedule = replanned(
        lambda steps: cosine(decay_steps=Steps(steps)),
        events,
        total_steps=40,
        peak_decay=0.1,
        decay_factor=1.0,
        num_cycles=2,
        final_fraction=0.0,
    )
    rising = rewarmed(schedule, 10, 40)
    assert [rising(t) for t in range(40)] == [schedule(t) for t in range(40)]


def test_a_reset_of_the_state_alone_changes_no_rate() -> None:
    rules = {"total_steps": 40, "peak_decay": 1.0, "decay_factor": 0.5, "num_cycles": 3}

    def course(events: list[Event]) -> Schedule:
        def base(steps: int) -> Schedule:
            return Schedule(lambda step: step / steps)

        return replanned(base, events, final_fraction=0.0, **rules)

    schedule = course([Event(5, "reset"), Event(20, "restart"), Event(25, "reset")])
    rising = rewarmed(schedule, 5, 40)
    assert [rising(t) for t in range(20)] == [schedule(t) for t in range(20)]
    assert [rising(t) for t in range(25, 40)] == [schedule(t) for t in range(25, 40)]
    assert rising.planned == schedule.planned


def test_a_constant_rate_rises_in_even_steps() -> None:
    events = [Event(10, "decay"), Event(20, "restart")]
    schedule = replanned(
        lambda steps: constant(),
        events,
        total_steps=40,
        peak_decay=1.0,
        decay_factor=0.2,
        num_cycles=2,
        final_fraction=0.0,
    )
    rising = rewarmed(schedule, 4, 40)
    found = [rising(t) for t in range(19, 25)]
    assert found == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    assert all(b - a == pytest.approx(0.2) for a, b in pairwise(found[:5]))


def test_no_rise_and_no_restart_leave_the_schedule_as_it_is() -> None:
    jumps, smooth = sawtooth(5, 10), cosine(decay_steps=Steps(40))
    assert rewarmed(jumps, 0, 15) is jumps
    assert rewarmed(smooth, 30, 40) is smooth


def test_a_rise_is_told_among_the_conventions() -> None:
    rising = rewarmed(sawtooth(5, 10), 4, 15)
    assert rising.conventions[:-1] == sawtooth(5, 10).conventions
    assert "4 steps" in rising.conventions[-1]


@pytest.mark.parametrize(("steps", "total"), [(6, 30), (3, 17), (-1, 30)])
def test_a_rise_longer_than_a_cycle_is_refused(steps: int, total: int) -> None:
    # The last cycle is as long as the run lets it be.
    with pytest.raises(ScheduleError) as caught:
        rewarmed(sawtooth(10, 5, 15), steps, total)
    (problem,) = caught.value.problems
    assert (problem.key, problem.got) == ("restart.rewarm", steps)


def test_a_rise_may_be_as_long_as_the_shortest_cycle() -> None:
    rising = rewarmed(sawtooth(10, 5, 15), 5, 30)
    assert rising(14) == pytest.approx(sawtooth(10, 5, 15)(14))
