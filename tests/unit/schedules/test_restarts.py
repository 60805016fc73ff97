"""SGDR: where its cycles lie, how high they start, and what the end of the run does to them."""

from __future__ import annotations

import math
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.errors import ScheduleError
from lrbench.schedules.base import Schedule
from lrbench.schedules.decay import cosine
from lrbench.schedules.restarts import sgdr

unhurried = settings(deadline=None)  # a busy machine is no failure


def plain_sgdr(
    first: int, mult: int, steps: int, peak_decay: float = 1.0, low: float = 0.0
) -> list[float]:
    """The obvious loop, from the paper: count T_cur up, and start again when it is T_i."""
    rates, peak, length, done = [], 1.0, first, 0
    for _ in range(steps):
        rates.append(low + (peak - low) * (1 + math.cos(math.pi * done / length)) / 2)
        done += 1
        if done == length:
            done, length, peak = 0, length * mult, low + (peak - low) * peak_decay
    return rates


def values(factor: Schedule, steps: int) -> list[float]:
    return [factor(step) for step in range(steps)]


def problem_key(**arguments: object) -> str | None:
    with pytest.raises(ScheduleError) as caught:
        sgdr(**arguments)  # type: ignore[arg-type]
    return caught.value.problems[0].key


@unhurried
@given(first=st.integers(1, 50), mult=st.integers(1, 4))
def test_every_restart_returns_exactly_to_the_peak(first: int, mult: int) -> None:
    factor = sgdr(first_cycle_steps=first, cycle_mult=mult)
    start, length = 0, first
    for _ in range(6):
        assert factor(start) == 1.0
        assert factor(start + length - 1) < 1.0 or length == 1
        start, length = start + length, length * mult


@unhurried
@given(
    first=st.integers(1, 30),
    mult=st.integers(1, 4),
    peak_decay=st.floats(0.1, 1.0),
    low=st.floats(0.0, 1.0),
)
def test_sgdr_is_the_loop_of_the_paper(
    first: int, mult: int, peak_decay: float, low: float
) -> None:
    factor = sgdr(first_cycle_steps=first, cycle_mult=mult, peak_decay=peak_decay, final_factor=low)
    expected = plain_sgdr(first, mult, 200, peak_decay, low)
    # The loop multiplies peaks up to 200 times: relative to the peak 1, not to a value near 0.
    assert values(factor, 200) == pytest.approx(expected, rel=1e-9, abs=1e-13)


@pytest.mark.parametrize(
    ("first", "mult", "restart"),
    [(1, 3, 121), (2, 3, 242), (1, 9, 7381), (1, 10, 111), (1, 10, 111_111)],
)
def test_boundaries_are_exact_where_logarithms_round_down(
    first: int, mult: int, restart: int
) -> None:
    index = 0
    while first * sum(mult**i for i in range(index)) < restart:
        index += 1
    length = first * mult**index

    factor = sgdr(first_cycle_steps=first, cycle_mult=float(mult))
    assert factor(restart) == 1.0
    assert factor(restart - 1) == pytest.approx(
        math.sin(math.pi * mult / (2 * length)) ** 2, rel=1e-9, abs=1e-16
    )
    assert factor(restart + 1) == pytest.approx(
        math.cos(math.pi / (2 * length)) ** 2, rel=1e-12, abs=0
    )
    assert factor(restart + 1) < 1.0
    assert factor.restarts(restart + 1)[-1] == restart
    assert restart not in factor.restarts(restart)
    assert (factor.cycle(restart - 1), factor.cycle(restart)) == (index - 1, index)


@unhurried
@given(first=st.integers(1, 20), mult=st.integers(1, 12), total=st.integers(1, 5000))
def test_restarts_are_the_sums_of_the_lengths(first: int, mult: int, total: int) -> None:
    expected, start, length = [], first, first * mult
    while start < total:
        expected.append(start)
        start, length = start + length, length * mult
    assert sgdr(first_cycle_steps=first, cycle_mult=mult).restarts(total) == tuple(expected)


@pytest.mark.parametrize(
    ("first", "lengths"),
    [
        (4, [4, 6, 9, 14, 20, 30]),
        (5, [5, 8, 11, 17, 25, 38]),
        (1, [1, 2, 2, 3, 5, 8]),
        (3, [3, 4, 7, 10, 15, 23]),  # 4.5 rounds to even
    ],
)
def test_a_real_growth_rounds_each_length_once(first: int, lengths: list[int]) -> None:
    factor = sgdr(first_cycle_steps=first, cycle_mult=1.5)
    ends = list(accumulate(lengths))
    assert factor.restarts(ends[-1] + 1) == tuple(ends)
    for start, length in zip([0, *ends], lengths, strict=False):
        one = cosine(decay_steps=length)
        assert [factor(start + k) for k in range(length)] == values(one, length)


@unhurried
@given(lengths=st.tuples(st.integers(1, 30), st.integers(1, 3), st.integers(1, 5)))
def test_whole_cycles_have_half_a_step_more_than_half_their_length_each(
    lengths: tuple[int, int, int],
) -> None:
    first, mult, cycles = lengths
    own = [first * mult**i for i in range(cycles)]
    area = sgdr(first_cycle_steps=first, cycle_mult=mult).area(sum(own)) * sum(own)
    assert area == pytest.approx(sum((length + 1) / 2 for length in own), rel=1e-12)


def test_each_peak_is_lower_by_peak_decay_above_the_floor() -> None:
    factor = sgdr(first_cycle_steps=4, cycle_mult=1, peak_decay=0.5, final_factor=0.2)
    peaks = [factor(4 * cycle) for cycle in range(5)]
    assert peaks == pytest.approx([1.0, 0.6, 0.4, 0.3, 0.25], rel=1e-12)
    halves = [factor(4 * cycle + 2) for cycle in range(3)]
    assert halves == pytest.approx([0.6, 0.4, 0.3], rel=1e-12)


def test_the_run_is_filled_by_a_seventh_two_and_four_sevenths() -> None:
    factor = sgdr(total_steps=70)
    assert factor.restarts(70) == (10, 30)
    assert values(factor, 70) == values(sgdr(first_cycle_steps=10), 70)
    assert factor(70) == factor(1000) == 0.0
    assert factor.area(70) * 70 == pytest.approx((11 + 21 + 41) / 2, rel=1e-12)


@unhurried
@given(total=st.integers(4, 3000))
def test_three_filling_cycles_are_never_a_step_off_their_share(total: int) -> None:
    restarts = sgdr(total_steps=total).restarts(total)
    assert restarts == (round(total / 7), round(3 * total / 7))
    ends = (0, *restarts, total)
    lengths = [b - a for a, b in pairwise(ends)]
    for length, share in zip(lengths, (1, 2, 4), strict=True):
        assert abs(length - share * total / 7) <= 1.0


def test_filling_cycles_follow_num_cycles_and_growth() -> None:
    assert sgdr(total_steps=12, num_cycles=3, cycle_mult=1.0).restarts(12) == (4, 8)
    assert sgdr(total_steps=40, num_cycles=4, cycle_mult=3.0).restarts(40) == (1, 4, 13)
    assert sgdr(total_steps=10, num_cycles=3, cycle_mult=1.0).restarts(10) == (3, 7)
    one = sgdr(total_steps=9, num_cycles=1)
    assert values(one, 12) == values(cosine(decay_steps=9), 12)


def test_filling_cycles_restart_at_the_peak_where_the_run_does_not_divide() -> None:
    # Cutting time into real thirds starts at 1, .905, .976 here.
    factor = sgdr(total_steps=10, num_cycles=3, cycle_mult=1.0)
    assert [factor(step) for step in (0, 3, 7)] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(("total", "cycles", "mult"), [(2, 3, 1.0), (3, 3, 2.0), (100, 8, 2.0)])
def test_cycles_without_a_step_are_refused(total: int, cycles: int, mult: float) -> None:
    assert problem_key(total_steps=total, num_cycles=cycles, cycle_mult=mult) == "num_cycles"


@pytest.mark.timeout(10)
def test_many_filling_cycles_are_laid_out_or_refused_at_once() -> None:
    assert len(sgdr(total_steps=10**5, num_cycles=10**4, cycle_mult=1.0).restarts(10**5)) == 9999
    assert problem_key(total_steps=1000, num_cycles=10**9) == "num_cycles"
    assert problem_key(total_steps=1000, num_cycles=300, cycle_mult=1.1) == "num_cycles"


def test_without_an_end_a_first_cycle_must_be_given() -> None:
    assert problem_key() == "first_cycle"


def test_a_first_cycle_longer_than_the_run_is_refused_with_a_way_out() -> None:
    assert sgdr(first_cycle_steps=10, total_steps=10).restarts(10) == ()
    with pytest.raises(ScheduleError) as caught:
        sgdr(first_cycle_steps=11, total_steps=10)
    (problem,) = caught.value.problems
    assert (problem.key, problem.got, problem.remedy) == ("first_cycle", 11, "schedule=cosine")


@pytest.mark.parametrize("mult", [math.inf, math.nan, 0.99])
def test_a_growth_that_is_not_a_finite_number_from_1_is_refused(mult: float) -> None:
    assert problem_key(first_cycle_steps=4, cycle_mult=mult) == "cycle_mult"


def test_a_truncated_tail_is_one_more_cycle_cut_short() -> None:
    factor = sgdr(first_cycle_steps=4, cycle_mult=1.0, total_steps=14, tail="truncate")
    one = values(cosine(decay_steps=4), 4)
    assert values(factor, 14) == [*one, *one, *one, *one[:2]]
    assert factor.restarts(14) == (4, 8, 12)
    assert factor.notes[-1] == "cycle 3 is cut short at 2 steps"


def test_a_stretched_tail_makes_the_last_full_cycle_longer() -> None:
    factor = sgdr(first_cycle_steps=4, cycle_mult=1.0, total_steps=14, tail="stretch")
    one = values(cosine(decay_steps=4), 4)
    assert values(factor, 14) == [*one, *one, *values(cosine(decay_steps=6), 6)]
    assert factor.restarts(14) == (4, 8)
    assert factor(14) == factor(15) == 0.0


def test_a_held_tail_stays_at_the_final_factor() -> None:
    factor = sgdr(
        first_cycle_steps=4, cycle_mult=1.0, total_steps=14, tail="hold", final_factor=0.1
    )
    one = values(cosine(decay_steps=4, final_factor=0.1), 4)
    assert values(factor, 16) == pytest.approx([*one, *one, *one, *[0.1] * 4], rel=1e-15)
    assert factor.restarts(14) == (4, 8)
    assert factor.notes[-1] == "0.1 is held for the last 2 steps"


@pytest.mark.parametrize("tail", ["truncate", "stretch", "hold"])
def test_a_tail_changes_nothing_where_full_cycles_fill_the_run(tail: str) -> None:
    factor = sgdr(first_cycle_steps=2, cycle_mult=2.0, total_steps=14, tail=tail)  # type: ignore[arg-type]
    assert factor.restarts(14) == (2, 6)
    assert values(factor, 14) == plain_sgdr(2, 2, 14)
    assert factor.notes == ()


@pytest.mark.parametrize("tail", ["truncate", "hold"])
def test_after_the_last_of_num_cycles_the_final_factor_holds(tail: str) -> None:
    factor = sgdr(
        first_cycle_steps=4,
        cycle_mult=1.0,
        num_cycles=2,
        total_steps=14,
        tail=tail,  # type: ignore[arg-type]
    )
    one = values(cosine(decay_steps=4), 4)
    assert values(factor, 14) == [*one, *one, *[0.0] * 6]
    assert factor.restarts(14) == (4,)
    assert factor.cycle(13) == 1
    assert factor.notes[-1] == "0 is held for the last 6 steps"


def test_the_last_of_num_cycles_can_be_stretched_to_the_end() -> None:
    factor = sgdr(first_cycle_steps=4, cycle_mult=1.0, num_cycles=2, total_steps=14, tail="stretch")
    one = values(cosine(decay_steps=4), 4)
    assert values(factor, 14) == [*one, *values(cosine(decay_steps=10), 10)]


def test_num_cycles_end_an_endless_run_too() -> None:
    factor = sgdr(first_cycle_steps=3, cycle_mult=2.0, num_cycles=2, final_factor=0.5)
    assert factor.restarts(1000) == (3,)
    assert factor(8) > 0.5
    assert [factor(step) for step in (9, 10, 10**6)] == [0.5, 0.5, 0.5]


def test_a_step_far_ahead_is_the_same_asked_first_or_last() -> None:
    first, last = (sgdr(first_cycle_steps=7, cycle_mult=1.3) for _ in range(2))
    ahead = first(5000)
    for step in range(5000):
        last(step)
    assert last(5000) == ahead
