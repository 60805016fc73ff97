"""Warmup in its forms, schedules one after the other, and schedules scaled."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.errors import ScheduleError
from lrbench.schedules.annealing import cosine
from lrbench.schedules.compose import WarmupForm, ramp, scaled, sequence, warmup
from lrbench.schedules.cyclic import triangular, triangular2
from lrbench.schedules.decay import constant, linear
from lrbench.schedules.restarts import sgdr

unhurried = settings(deadline=None, max_examples=30)  # a busy machine is no failure

FORMS = pytest.mark.parametrize("form", ["first", "zero", "open"])
EVERY_FORM = pytest.mark.parametrize("form", get_args(WarmupForm))


@pytest.mark.parametrize(
    ("form", "ramp"),
    [
        ("first", [0.25, 0.5, 0.75, 1.0]),
        ("zero", [0.0, 0.25, 0.5, 0.75]),
        ("open", [0.2, 0.4, 0.6, 0.8]),
    ],
)
def test_each_form_has_its_own_ramp(form: WarmupForm, ramp: list[float]) -> None:
    factor = warmup(linear(decay_steps=4), warmup_steps=4, warmup_form=form)
    assert [factor(step) for step in range(9)] == [*ramp, 1.0, 0.75, 0.5, 0.25, 0.0]


@pytest.mark.parametrize(("form", "peaks"), [("first", [4, 5]), ("zero", [5]), ("open", [5])])
def test_the_peak_lies_where_the_form_puts_it(form: WarmupForm, peaks: list[int]) -> None:
    factor = warmup(cosine(decay_steps=20), warmup_steps=5, warmup_form=form)
    assert [step for step in range(25) if factor(step) == 1.0] == peaks


@pytest.mark.parametrize(("form", "first"), [("first", 1.0), ("zero", 0.0), ("open", 0.5)])
def test_a_warmup_of_one_step(form: WarmupForm, first: float) -> None:
    factor = warmup(linear(decay_steps=2), warmup_steps=1, warmup_form=form)
    assert [factor(step) for step in range(4)] == [first, 1.0, 0.5, 0.0]


def test_the_default_form_wastes_no_step_and_begins_at_one_over_its_length() -> None:
    assert warmup(constant(), warmup_steps=8)(0) == 0.125


@FORMS
@unhurried
@given(length=st.integers(1, 200))
def test_the_ramp_climbs_by_the_same_amount_up_to_the_peak(form: WarmupForm, length: int) -> None:
    factor = warmup(constant(), warmup_steps=length, warmup_form=form)
    rise = 1 / (length + 1) if form == "open" else 1 / length
    top = length - 1 if form == "first" else length
    for step in range(top):
        assert factor(step + 1) - factor(step) == pytest.approx(rise, rel=1e-12, abs=1e-15)
    assert factor(top) == 1.0
    assert factor(top - 1) < 1.0 or top == 0


@pytest.mark.parametrize(
    ("form", "area"), [("first", (10 + 1) / 2), ("zero", (10 - 1) / 2), ("open", 10 / 2)]
)
def test_the_ramp_has_the_area_of_its_form(form: WarmupForm, area: float) -> None:
    factor = warmup(constant(), warmup_steps=10, warmup_form=form)
    assert factor.area(10) * 10 == pytest.approx(area, rel=1e-12)


def test_the_ramp_aims_at_the_first_value_of_what_follows() -> None:
    factor = warmup(triangular(half_cycle_steps=2, min_factor=0.5), warmup_steps=2)
    assert [factor(step) for step in range(6)] == [0.25, 0.5, 0.5, 0.75, 1.0, 0.75]


@EVERY_FORM
def test_no_warmup_is_the_schedule_itself(form: WarmupForm) -> None:
    after = sgdr(first_cycle_steps=3)
    assert warmup(after, warmup_steps=0, warmup_form=form, warmup_start=0.5) is after


def test_a_negative_warmup_is_refused() -> None:
    with pytest.raises(ScheduleError) as caught:
        warmup(constant(), warmup_steps=-1)
    assert (caught.value.problems[0].key, caught.value.problems[0].got) == ("warmup", -1)


def test_restarts_move_with_the_ramp_which_belongs_to_the_first_cycle() -> None:
    factor = warmup(sgdr(first_cycle_steps=3, num_cycles=2), warmup_steps=5)
    assert factor.restarts(100) == (8,)
    assert [factor.cycle(step) for step in (0, 4, 5, 7, 8, 99)] == [0, 0, 0, 0, 1, 1]
    assert factor(8) == 1.0
    assert factor(7) < 0.5


def test_the_conventions_begin_with_the_ramp_and_the_notes_stay_true_after_it() -> None:
    after = sgdr(first_cycle_steps=4, cycle_mult=1.0, total_steps=10, tail="hold")
    factor = warmup(after, warmup_steps=5, warmup_form="open", warmup_start=0.25)
    words = "warmup: 5 steps from 0.25 of the peak, form open: (t+1)/(W+1)"
    assert factor.conventions == (words, *after.conventions)
    # A step number would be the inner schedule's and wrong by the ramp.
    assert factor.notes == after.notes == ("0 is held for the last 2 steps",)
    assert [factor(step) for step in (12, 13, 14)] == [after(7), 0.0, 0.0]
    assert after(7) > 0.0


def test_warmups_nest() -> None:
    inner = warmup(constant(), warmup_steps=2)
    factor = warmup(inner, warmup_steps=2)
    assert [factor(step) for step in range(5)] == [0.25, 0.5, 0.5, 1.0, 1.0]


@pytest.mark.parametrize(
    ("form", "heights"),
    [
        ("cosine", [0.0, 0.14645, 0.5, 0.85355]),
        ("1-sqrt", [0.0, 0.13397, 0.29289, 0.5]),
        ("exponential", [0.39347, 0.63212, 0.77687, 0.86466]),
    ],
)
def test_the_curved_forms_have_the_heights_of_their_formulas(
    form: WarmupForm, heights: list[float]
) -> None:
    assert [ramp(step, 4, form) for step in range(4)] == pytest.approx(heights, abs=5.001e-6)


@EVERY_FORM
def test_every_form_but_the_exponential_is_at_the_peak_from_the_end_on(form: WarmupForm) -> None:
    factor = warmup(constant(), warmup_steps=7, warmup_form=form)
    after = [factor(step) for step in (7, 8, 100)]
    if form == "exponential":
        assert 0.86 < after[0] < after[1] < after[2] < 1.0
    else:
        assert after == [1.0, 1.0, 1.0]


@EVERY_FORM
@unhurried
@given(length=st.integers(2, 100))
def test_every_ramp_climbs_at_every_step(form: WarmupForm, length: int) -> None:
    heights = [ramp(step, length, form) for step in range(length)]
    assert all(a < b for a, b in pairwise(heights))
    assert heights[0] >= 0.0
    assert heights[-1] <= 1.0


@pytest.mark.parametrize("beta2", [0.9, 0.95, 0.99, 0.999])
def test_an_exponential_warmup_of_2_over_1_minus_beta2_is_adams_untuned_one(beta2: float) -> None:
    length = round(2 / (1 - beta2))
    factor = warmup(constant(), warmup_steps=length, warmup_form="exponential")
    for step in [*range(60), length - 1, length, length + 1, 3 * length]:
        untuned = 1 - math.exp(-(1 - beta2) * (step + 1))
        assert factor(step) == pytest.approx(untuned, rel=1e-12)
    assert factor(0) == pytest.approx(1 - beta2, rel=0.06)


def test_an_exponential_warmup_goes_on_under_what_follows() -> None:
    after = linear(decay_steps=10)
    factor = warmup(after, warmup_steps=4, warmup_form="exponential")
    for step in range(4, 16):
        expected = (1 - math.exp(-(step + 1) / 2)) * after(step - 4)
        assert factor(step) == pytest.approx(expected, rel=1e-12)
    assert factor(4) < 0.93


def test_a_ramp_may_begin_above_zero_as_torch_and_timm_have_it() -> None:
    factor = warmup(constant(), warmup_steps=4, warmup_form="zero", warmup_start=0.2)
    assert [factor(step) for step in range(6)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    first = warmup(constant(), warmup_steps=4, warmup_start=0.2)
    assert [first(step) for step in range(5)] == pytest.approx([0.4, 0.6, 0.8, 1.0, 1.0])


@EVERY_FORM
def test_a_ramp_that_begins_at_its_end_is_level(form: WarmupForm) -> None:
    factor = warmup(constant(), warmup_steps=4, warmup_form=form, warmup_start=1.0)
    assert [factor(step) for step in range(6)] == [1.0] * 6


@pytest.mark.parametrize("start", [-0.1, 1.1, math.nan])
def test_a_start_that_is_no_fraction_is_refused(start: float) -> None:
    with pytest.raises(ScheduleError) as caught:
        warmup(constant(), warmup_steps=0, warmup_start=start)
    assert caught.value.problems[0].key == "warmup_start"


def test_each_piece_of_a_sequence_sees_its_own_steps_and_the_last_has_no_end() -> None:
    pieces = (linear(decay_steps=3), constant(), linear(decay_steps=4, final_factor=0.5))
    factor = sequence(pieces=pieces, boundaries=(2, 4))
    expected = [pieces[0](0), pieces[0](1), 1.0, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.5]
    assert [factor(step) for step in range(10)] == expected
    assert pieces[0](1) == pytest.approx(2 / 3)


def test_boundaries_are_restarts_only_where_asked() -> None:
    pieces = (sgdr(first_cycle_steps=3, cycle_mult=1.0), constant(), sgdr(first_cycle_steps=2))
    smooth = sequence(pieces=pieces, boundaries=(7, 10))
    jumping = sequence(pieces=pieces, boundaries=(7, 10), restart=True)
    assert smooth.restarts(17) == (3, 6, 12, 16)
    assert jumping.restarts(17) == (3, 6, 7, 10, 12, 16)
    assert jumping.restarts(16) == (3, 6, 7, 10, 12)
    assert [jumping.cycle(step) for step in (6, 7, 9, 10, 11, 12)] == [2, 3, 3, 4, 4, 5]
    # A restart of the first piece at its very end is the second piece's first step.
    early = sequence(pieces=pieces[:2], boundaries=(6,))
    assert early.restarts(20) == (3,)


def test_a_last_piece_without_restarts_ends_the_restarts() -> None:
    pieces = (sgdr(first_cycle_steps=3, cycle_mult=1.0), triangular2(half_cycle_steps=1))
    assert sequence(pieces=pieces, boundaries=(7,)).restarts(50) == (3, 6)
    assert sequence(pieces=pieces, boundaries=(7,), restart=True).restarts(50) == (3, 6, 7)


def test_the_words_of_a_sequence_say_which_piece_they_are_about() -> None:
    pieces = (linear(decay_steps=4, final_factor=0.5), constant())
    words = sequence(pieces=pieces, boundaries=(4,)).conventions
    assert words[0].startswith("piece 0 from step 0: end: the factor 0.5")
    assert words[-1].startswith("piece 1 from step 4: no end")


@pytest.mark.parametrize("boundaries", [(), (3, 5), (0,), (-2,)])
def test_boundaries_that_do_not_fit_the_pieces_are_refused(boundaries: tuple[int, ...]) -> None:
    with pytest.raises(ScheduleError) as caught:
        sequence(pieces=(constant(), constant()), boundaries=boundaries)  # type: ignore[arg-type]
    assert caught.value.problems[0].key == "boundaries"


def test_a_sequence_of_nothing_is_refused() -> None:
    with pytest.raises(ScheduleError) as caught:
        sequence(pieces=(), boundaries=())
    assert caught.value.problems[0].key == "pieces"


@unhurried
@given(scale=st.floats(1e-3, 1e3), step=st.integers(0, 40))
def test_a_scaled_schedule_is_multiplied_and_restarts_where_it_did(scale: float, step: int) -> None:
    of = sgdr(first_cycle_steps=5, final_factor=0.1)
    factor = scaled(of=of, scale_factor=scale)
    assert factor(step) == float(Fraction(scale) * Fraction(of(step)))
    assert factor.restarts(40) == of.restarts(40) == (5, 15, 35)
    assert factor.area(30) == pytest.approx(scale * of.area(30), rel=1e-12)


def test_a_scaled_schedule_says_so_last() -> None:
    of = linear(decay_steps=3)
    words = "scale: the schedule described here, every factor multiplied by 0.5"
    assert scaled(of=of, scale_factor=0.5).conventions == (*of.conventions, words)


def test_cycles_of_sequences_of_sequences_are_looked_up_once() -> None:
    """Thousands of restarts, three deep: quadratic work would take minutes."""
    cycles = sgdr(first_cycle_steps=2, cycle_mult=1)
    inner = sequence(pieces=(cycles, cycles), boundaries=(4000,))
    outer = sequence(pieces=(inner, inner), boundaries=(8000,), restart=True)
    within = (step for step in range(2, 16_000, 2) if step not in (4000, 12_000))
    assert outer.restarts(16_000) == tuple(within)
