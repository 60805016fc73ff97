"""Cycles, pieces and progress, which every schedule is made of."""

from __future__ import annotations

from itertools import islice

import pytest

from lrbench.errors import ScheduleError
from lrbench.schedules.base import (
    Cycles,
    Schedule,
    piecewise,
    progress,
    require,
    require_decay,
    require_fraction,
    require_steps,
)


def finite(*starts: int) -> Cycles:
    return Cycles(lambda index: starts[index] if index < len(starts) else None)


def test_a_schedule_without_cycles_is_one_cycle_and_never_restarts() -> None:
    schedule = Schedule(lambda _: 1.0)
    assert tuple(schedule.cycles.starts()) == (0,)
    assert schedule.restarts(1000) == ()
    assert [schedule.cycle(step) for step in (0, 1, 999)] == [0, 0, 0]


def test_the_first_start_is_no_restart_and_the_end_of_the_run_has_none() -> None:
    schedule = Schedule(lambda _: 1.0, finite(0, 3, 7))
    assert [schedule.restarts(total) for total in (1, 3, 4, 7, 8, 100)] == [
        (),
        (),
        (3,),
        (3,),
        (3, 7),
        (3, 7),
    ]


def test_a_cycle_begins_at_its_start_and_not_a_step_later() -> None:
    schedule = Schedule(lambda _: 1.0, finite(0, 3, 7))
    assert [schedule.cycle(step) for step in range(9)] == [0, 0, 0, 1, 1, 1, 1, 2, 2]


def test_endless_cycles_are_read_only_as_far_as_asked() -> None:
    cycles = Cycles(lambda index: 5 * index)
    assert tuple(islice(cycles.starts(), 4)) == (0, 5, 10, 15)
    assert cycles.before(11) == (0, 5, 10)
    assert cycles.before(10) == (0, 5)


def test_the_area_counts_every_step_of_the_run_and_no_other() -> None:
    schedule = Schedule(float)
    assert [schedule.area(total) for total in (1, 2, 5)] == [0.0, 0.5, 2.0]


def test_the_area_is_summed_without_loss() -> None:
    # Added one after another, the small values would vanish beside the first.
    schedule = Schedule(lambda step: 1.0 if step == 0 else 2.0**-53)
    assert schedule.area(2**10 + 1) * (2**10 + 1) == 1.0 + 2.0**-43


def test_a_boundary_belongs_to_the_piece_it_opens() -> None:
    assert [piecewise((2, 4), step) for step in range(6)] == [0, 0, 1, 1, 2, 2]
    assert piecewise((), 3) == 0


def test_exclusive_progress_is_whole_one_step_after_the_last() -> None:
    assert [progress(step, 4, "exclusive") for step in range(6)] == [0, 0.25, 0.5, 0.75, 1, 1]


def test_inclusive_progress_is_whole_at_the_last_step() -> None:
    assert [progress(step, 5, "inclusive") for step in range(7)] == [0, 0.25, 0.5, 0.75, 1, 1, 1]


def test_progress_over_one_step_divides_by_nothing() -> None:
    assert [progress(step, 1, "exclusive") for step in (0, 1)] == [0.0, 1.0]
    assert progress(0, 1, "inclusive") == 1.0


def test_a_broken_requirement_says_what_must_hold_and_what_was_given() -> None:
    with pytest.raises(ScheduleError) as caught:
        require(False, "gamma", "must be odd", 4, remedy="gamma=5")
    assert str(caught.value) == "error: gamma must be odd, got 4\n  try   gamma=5"


def test_intervals_hold_their_ends_as_documented() -> None:
    require_steps("decay", 1)
    require_fraction("final_factor", 0.0)
    require_fraction("final_factor", 1.0)
    require_decay("gamma", 1.0)
    for check, value in ((require_steps, 0), (require_decay, 0.0), (require_fraction, -1e-9)):
        with pytest.raises(ScheduleError):
            check("key", value)
