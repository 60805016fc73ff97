"""SGDR: where its cycles lie, how high they start, and what the end of the run does to them."""

from __future__ import annotations

import math
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.errors import ScheduleError
from lrbench.schedules.annealing import cosine
from lrbench.schedules.base import Schedule
from lrbench.schedules.restarts import sgdr, snapshot
from lrbench.schedules.trapezoids import trapezoidal_restarts, wsd_s

unhurried = settings(deadline=None, max_examples=30)  # a busy machine is no failure


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


SHAPE_AT_HALF: dict[str, float] = {
    "linear": 0.5,
    "cosine": 0.5,
    "polynomial": 0.125,
    "1-sqrt": 1 - math.sqrt(0.5),
    "power": 0.875,
    "square": 0.75,
    "mirror_cosine": 0.5,
    "tanh": 1 / (1 + math.exp(-3.0)),
    "rex": 2 / 3,
    "normalized_exponential": (math.sqrt(0.1) - 0.1) / 0.9,
}
MEAN_AT_HALF: dict[str, float] = {
    "exponential": math.sqrt(0.1),
    "inverse_linear": 1 / 5.5,
    "inverse_sqrt": 1 / math.sqrt(50.5),
}


@pytest.mark.parametrize("shape", [*SHAPE_AT_HALF, *MEAN_AT_HALF])
def test_a_cycle_falls_in_the_shape_asked_for(shape: str) -> None:
    factor = sgdr(
        first_cycle_steps=10,
        cycle_mult=2.0,
        shape=shape,  # type: ignore[arg-type]
        power=3.0,
        final_factor=0.1,
    )
    middle = MEAN_AT_HALF.get(shape) or 0.1 + 0.9 * SHAPE_AT_HALF[shape]
    # Half way through the first cycle of 10 and the second of 20.
    assert (factor(5), factor(20)) == pytest.approx((middle, middle), rel=1e-12)
    peak = 0.1 + 0.9 / (1 + math.exp(-12)) if shape == "tanh" else 1.0
    assert (factor(0), factor(10), factor(30)) == pytest.approx((peak,) * 3, rel=1e-12)


def test_a_peak_may_itself_decay_and_stop_at_the_end() -> None:
    factor = sgdr(
        first_cycle_steps=4,
        cycle_mult=1.0,
        peak_decay=0.5,
        peak_decay_form="peak",
        final_factor=0.2,
    )
    assert [factor(4 * cycle) for cycle in range(5)] == [1.0, 0.5, 0.25, 0.2, 0.2]
    halves = [factor(4 * cycle + 2) for cycle in range(4)]
    assert halves == pytest.approx([0.6, 0.35, 0.225, 0.2], rel=1e-12)
    # The other form never gets there.
    amplitude = sgdr(first_cycle_steps=4, cycle_mult=1.0, peak_decay=0.5, final_factor=0.2)
    assert [amplitude(4 * cycle) for cycle in (1, 3)] == pytest.approx([0.6, 0.3], rel=1e-12)


def test_every_cycle_rises_first_where_it_has_a_warmup() -> None:
    factor = sgdr(
        first_cycle_steps=6,
        cycle_mult=2.0,
        cycle_warmup_steps=2,
        peak_decay=0.5,
        final_factor=0.2,
        cycle_warmup_form="zero",
    )
    first, second = values(cosine(decay_steps=4), 4), values(cosine(decay_steps=10), 10)
    assert values(factor, 6) == pytest.approx([0.2, 0.6, *(0.2 + 0.8 * h for h in first)])
    after = [factor(6 + k) for k in range(12)]
    assert after == pytest.approx([0.2, 0.4, *(0.2 + 0.4 * h for h in second)])
    assert factor.restarts(30) == (6, 18)
    words = "cycle warmup: 2 steps, form zero, in every cycle"
    assert factor.conventions[0] == words


@pytest.mark.parametrize(
    ("form", "rise"),
    [
        ("first", [0.5, 1.0]),
        ("open", [1 / 3, 2 / 3]),
        ("cosine", [0.0, 0.5]),
        ("1-sqrt", [0.0, 1 - math.sqrt(0.5)]),
    ],
)
def test_a_cycle_warmup_has_the_forms_of_a_warmup(form: str, rise: list[float]) -> None:
    factor = sgdr(
        first_cycle_steps=5,
        cycle_mult=1.0,
        cycle_warmup_steps=2,
        cycle_warmup_form=form,  # type: ignore[arg-type]
    )
    assert [factor(step) for step in (0, 1, 5, 6)] == pytest.approx(rise * 2, rel=1e-12)
    assert (factor(2), factor(7)) == (1.0, 1.0)


@pytest.mark.parametrize("warmup", [-1, 3, 4])
def test_a_cycle_warmup_as_long_as_the_shortest_listed_cycle_is_refused(warmup: int) -> None:
    sgdr(cycle_lengths=(5, 3, 9), cycle_warmup_steps=2)
    assert problem_key(cycle_lengths=(5, 3, 9), cycle_warmup_steps=warmup) == "cycle_warmup"


def test_an_inclusive_cycle_ends_with_a_step_at_its_end() -> None:
    factor = sgdr(first_cycle_steps=5, cycle_mult=1.0, endpoint="inclusive", final_factor=0.1)
    four = values(cosine(decay_steps=4, final_factor=0.1), 5)
    assert values(factor, 10) == [*four, *four]
    assert factor(4) == 0.1


def test_listed_cycles_are_taken_as_they_are_and_then_the_end_holds() -> None:
    factor = sgdr(cycle_lengths=(3, 1, 4), final_factor=0.25)
    expected = [
        height
        for length in (3, 1, 4)
        for height in values(cosine(decay_steps=length, final_factor=0.25), length)
    ]
    assert values(factor, 8) == expected
    assert [factor(8), factor(9), factor(999)] == [0.25] * 3
    assert factor.restarts(100) == (3, 4)


def test_listed_cycles_may_be_stretched_or_cut_by_the_end_of_the_run() -> None:
    stretched = sgdr(cycle_lengths=(3, 4), total_steps=10, tail="stretch")
    assert [stretched(3 + k) for k in range(7)] == values(cosine(decay_steps=7), 7)
    cut = sgdr(cycle_lengths=(3, 4), total_steps=5)
    assert [cut(3), cut(4)] == values(cosine(decay_steps=4), 2)
    assert cut.notes == ("cycle 1 is cut short at 2 steps",)
    held = sgdr(cycle_lengths=(3, 4), total_steps=5, tail="hold", final_factor=0.1)
    assert [held(3), held(4)] == [0.1, 0.1]
    assert held.restarts(5) == ()


def test_snapshots_are_those_of_the_paper() -> None:
    total, number = 23, 4
    factor = snapshot(num_cycles=number, final_factor=0.0, total_steps=total)
    length = math.ceil(total / number)
    for t in range(1, total + 1):  # its t counts from 1
        paper = (math.cos(math.pi * ((t - 1) % length) / length) + 1) / 2
        assert factor(t - 1) == pytest.approx(paper, rel=1e-12, abs=1e-15)
    assert factor.restarts(total) == (6, 12, 18)
    assert factor.notes == ("cycle 3 is cut short at 5 steps",)


def test_snapshots_that_divide_the_run_are_equal_cosines_to_their_end() -> None:
    factor = snapshot(num_cycles=2, final_factor=0.5, total_steps=8)
    one = values(cosine(decay_steps=4, final_factor=0.5), 4)
    assert values(factor, 10) == [*one, *one, 0.5, 0.5]
    assert factor.notes == ()
    assert snapshot(total_steps=50).restarts(50) == (10, 20, 30, 40)


@pytest.mark.parametrize("number", [0, -1, 21, 15])
def test_snapshots_that_leave_the_last_cycle_no_step_are_refused(number: int) -> None:
    with pytest.raises(ScheduleError) as caught:
        snapshot(num_cycles=number, total_steps=20)
    assert caught.value.problems[0].key == "num_cycles"


def test_a_restarted_trapezoid_rises_holds_and_falls_in_every_cycle() -> None:
    factor = trapezoidal_restarts(
        first_cycle_steps=10,
        cycle_mult=2.0,
        warmup_fraction=0.2,
        decay_fraction=0.3,
        peak_decay=0.5,
        final_factor=0.1,
    )
    first = [0.55, 1.0, *[1.0] * 5, 1.0, 0.7, 0.4]
    assert values(factor, 10) == pytest.approx(first, rel=1e-12)
    rise = [0.1 + 0.45 * k / 4 for k in (1, 2, 3, 4)]
    fall = [0.1 + 0.45 * (1 - k / 6) for k in range(6)]
    second = [factor(10 + k) for k in range(20)]
    assert second == pytest.approx([*rise, *[0.55] * 10, *fall], rel=1e-12)
    assert factor.restarts(71) == (10, 30, 70)


def test_parts_of_a_cycle_are_rounded_down_as_they_are_written() -> None:
    # .29 of 100 is 28.999… in binary and 29 as it is written.
    factor = trapezoidal_restarts(
        first_cycle_steps=100, warmup_fraction=0.29, decay_fraction=0.29, shape="cosine"
    )
    assert [factor(27), factor(28)] == [pytest.approx(28 / 29), 1.0]
    assert (factor(71), factor(72)) == (1.0, pytest.approx(cosine(decay_steps=29)(1), rel=1e-12))
    none = trapezoidal_restarts(first_cycle_steps=4, warmup_fraction=0.2, decay_fraction=0.2)
    assert values(none, 9) == [1.0] * 9


def test_the_decay_of_wsd_s_grows_with_all_steps_so_far() -> None:
    factor = wsd_s(first_cycle_steps=20, decay_fraction=0.1, final_factor=0.5)
    for cycle in range(4):
        end, decay = 20 * (cycle + 1), 2 * (cycle + 1)
        falling = [1 / (k / decay / 0.5 + 1 - k / decay) for k in range(decay)]
        got = [factor(step) for step in range(end - 20, end)]
        assert got == pytest.approx([*[1.0] * (20 - decay), *falling], rel=1e-12)
    assert factor.restarts(81) == (20, 40, 60, 80)


def test_the_decay_of_wsd_s_never_outgrows_its_cycle() -> None:
    factor = wsd_s(first_cycle_steps=4, decay_fraction=0.5, shape="linear", final_factor=0.0)
    halves = [1.0, 1.0, 1.0, 0.5]
    whole = [1.0, 0.75, 0.5, 0.25]
    assert values(factor, 16) == [*halves, *whole, *whole, *whole]


def test_the_decay_of_wsd_s_may_be_a_part_of_the_cycle_alone() -> None:
    factor = wsd_s(
        first_cycle_steps=4,
        cycle_mult=2.0,
        decay_fraction=0.5,
        decay_of="cycle",
        shape="linear",
        final_factor=0.0,
    )
    assert values(factor, 12) == [1.0, 1.0, 1.0, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25]


def test_equal_cycles_of_wsd_s_fill_the_run_and_the_last_is_as_long_a_decay_as_wsds() -> None:
    factor = wsd_s(total_steps=60, decay_fraction=0.1, final_factor=0.1)
    assert factor.restarts(60) == (20, 40)
    assert [factor(step) for step in (17, 35, 53)] == [1.0] * 3
    assert all(factor(step) < 1.0 for step in (19, 37, 39, 55, 59))
    assert (factor(60), factor(1000)) == (0.1, 0.1)


def test_a_cycle_warmup_must_be_shorter_than_the_shortest_of_the_cycles_that_fill_a_run() -> None:
    # Seven steps in four cycles are 2, 2, 1 and 2.
    assert sgdr(total_steps=7, num_cycles=4, cycle_mult=1.0).restarts(7) == (2, 4, 5)
    filling = {"total_steps": 7, "num_cycles": 4, "cycle_mult": 1.0}
    assert problem_key(**filling, cycle_warmup_steps=1) == "cycle_warmup"
