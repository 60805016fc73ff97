"""Where cycles lie: whole numbers, summed."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.errors import ScheduleError
from lrbench.schedules.cycles import CyclePlan, Place, plan_cycles

unhurried = settings(deadline=None, max_examples=30)  # a busy machine is no failure


def plan(**given_: Any) -> CyclePlan:
    arguments: dict[str, Any] = {
        "first_cycle": None,
        "cycle_mult": 1.0,
        "num_cycles": None,
        "lengths": None,
        "tail": "truncate",
        "total_steps": None,
    }
    return plan_cycles(**(arguments | given_))


def ends(made: CyclePlan, most: int = 50) -> list[int]:
    """First step of every cycle, and the end of the last."""
    found = []
    for index in range(most):
        start = made.start(index)
        if start is None:
            break
        found.append(start)
    return found


def refused(**given_: Any) -> str | None:
    with pytest.raises(ScheduleError) as caught:
        plan(**given_)
    return caught.value.problems[0].key


def test_a_place_is_the_cycle_the_steps_since_its_start_and_its_length() -> None:
    made = plan(lengths=[2, 3])
    assert [made.place(step) for step in range(6)] == [
        Place(0, 0, 2),
        Place(0, 1, 2),
        Place(1, 0, 3),
        Place(1, 1, 3),
        Place(1, 2, 3),
        None,
    ]


def test_a_place_asked_for_backwards_is_the_same() -> None:
    forwards, backwards = plan(first_cycle=3, cycle_mult=1.5), plan(first_cycle=3, cycle_mult=1.5)
    expected = [forwards.place(step) for step in range(300)]
    assert [backwards.place(step) for step in reversed(range(300))] == expected[::-1]


@unhurried
@given(lengths=st.lists(st.integers(1, 30), min_size=1, max_size=8))
def test_listed_lengths_are_summed_and_end(lengths: list[int]) -> None:
    made = plan(lengths=lengths)
    assert ends(made) == [0, *accumulate(lengths)]
    assert tuple(made.cycles.starts()) == (0, *accumulate(lengths[:-1]))
    assert made.place(sum(lengths)) is None


@unhurried
@given(
    first=st.integers(1, 40),
    mult=st.fractions(1, 4, max_denominator=20).map(float),
    number=st.integers(1, 10),
)
def test_growing_lengths_are_rounded_from_the_number_as_it_is_written(
    first: int, mult: float, number: int
) -> None:
    made = plan(first_cycle=first, cycle_mult=mult, num_cycles=number)
    exact = Fraction(str(mult))
    lengths = [round(first * exact**cycle) for cycle in range(number)]
    assert ends(made) == [0, *accumulate(lengths)]


def test_a_tenth_more_each_time_does_not_drift_as_a_float_would() -> None:
    lengths = [b - a for a, b in pairwise(ends(plan(first_cycle=10, cycle_mult=1.1), 60))]
    assert lengths == [round(10 * Fraction(11, 10) ** cycle) for cycle in range(59)]
    assert lengths[:5] == [10, 11, 12, 13, 15]


def test_a_hundred_cycles_of_a_real_growth_take_no_time() -> None:
    assert len(plan(first_cycle=1, cycle_mult=1.01).cycles.before(10**5)) > 500


@unhurried
@given(total=st.integers(1, 2000), number=st.integers(1, 12), mult=st.sampled_from([1.0, 1.3, 2.0]))
def test_filling_cycles_end_with_the_run_and_are_nearly_their_share(
    total: int, number: int, mult: float
) -> None:
    whole = sum(Fraction(str(mult)) ** cycle for cycle in range(number))
    if total < 2 * whole:
        return
    made = ends(plan(total_steps=total, num_cycles=number, cycle_mult=mult))
    assert (len(made), made[-1]) == (number + 1, total)
    for cycle, (a, b) in enumerate(pairwise(made)):
        assert abs((b - a) - total * Fraction(str(mult)) ** cycle / whole) <= 1


def test_three_cycles_fill_a_run_unless_another_number_is_asked_for() -> None:
    assert ends(plan(total_steps=70, cycle_mult=2.0)) == [0, 10, 30, 70]
    assert ends(plan(total_steps=9)) == [0, 3, 6, 9]
    assert ends(plan(total_steps=9, num_cycles=2)) == [0, 4, 9]


@pytest.mark.parametrize(
    ("tail", "expected"),
    [("truncate", [0, 4, 8, 12, 16]), ("stretch", [0, 4, 8, 14]), ("hold", [0, 4, 8, 12])],
)
def test_a_tail_is_cut_stretched_or_held(tail: str, expected: list[int]) -> None:
    assert ends(plan(first_cycle=4, total_steps=14, tail=tail), 5) == expected


@pytest.mark.parametrize("tail", ["truncate", "stretch", "hold"])
def test_a_run_of_whole_cycles_has_no_tail(tail: str) -> None:
    made = plan(first_cycle=4, total_steps=12, tail=tail)
    assert ends(made, 4) == [0, 4, 8, 12]
    assert made.tail_notes(12, "0") == ()


def test_notes_name_the_cycle_that_is_cut_and_the_steps_that_are_held() -> None:
    cut = plan(first_cycle=4, total_steps=14)
    assert cut.tail_notes(14, "0.1") == ("cycle 3 is cut short at 2 steps",)
    held = plan(first_cycle=4, num_cycles=2, total_steps=14)
    assert held.tail_notes(14, "0.1") == ("0.1 is held for the last 6 steps",)
    assert held.tail_notes(None, "0.1") == ()


def test_the_shortest_cycle_of_a_run_need_not_be_its_first() -> None:
    made = plan(cycle_mult=1.0, num_cycles=4, total_steps=14)
    lengths = [place.length for place in map(made.place, made.cycles.before(14)) if place]
    assert lengths == [4, 3, 3, 4]
    assert made.shortest(14) == 3
    assert made.shortest(None) == 4


def test_lengths_stand_in_place_of_a_first_cycle_and_a_number() -> None:
    assert refused(lengths=[3], first_cycle=3) == "first_cycle"
    assert refused(lengths=[3], num_cycles=1) == "num_cycles"


@pytest.mark.parametrize("lengths", [[], [0], [4, 0, 3], [11, 2]])
def test_lengths_that_are_none_or_do_not_fit_are_refused(lengths: list[int]) -> None:
    assert refused(lengths=lengths, total_steps=10) == "cycle_lengths"


def test_what_else_is_refused() -> None:
    assert refused() == "first_cycle"
    assert refused(first_cycle=0) == "first_cycle"
    assert refused(first_cycle=11, total_steps=10) == "first_cycle"
    assert refused(first_cycle=2, cycle_mult=0.5) == "cycle_mult"
    assert refused(first_cycle=2, num_cycles=0) == "num_cycles"
    assert refused(total_steps=2, num_cycles=3) == "num_cycles"
