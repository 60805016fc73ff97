"""Warmup, in its three forms."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.errors import ScheduleError
from lrbench.schedules.compose import WarmupForm, warmup
from lrbench.schedules.cyclic import triangular
from lrbench.schedules.decay import constant, cosine, linear
from lrbench.schedules.restarts import sgdr

unhurried = settings(deadline=None)  # a busy machine is no failure

FORMS = pytest.mark.parametrize("form", ["first", "zero", "open"])


@pytest.mark.parametrize(
    ("form", "ramp"),
    [
        ("first", [0.25, 0.5, 0.75, 1.0]),
        ("zero", [0.0, 0.25, 0.5, 0.75]),
        ("open", [0.2, 0.4, 0.6, 0.8]),
    ],
)
def test_each_form_has_its_own_ramp(form: WarmupForm, ramp: list[float]) -> None:
    factor = warmup(linear(decay_steps=4), warmup_steps=4, form=form)
    assert [factor(step) for step in range(9)] == [*ramp, 1.0, 0.75, 0.5, 0.25, 0.0]


@pytest.mark.parametrize(("form", "peaks"), [("first", [4, 5]), ("zero", [5]), ("open", [5])])
def test_the_peak_lies_where_the_form_puts_it(form: WarmupForm, peaks: list[int]) -> None:
    factor = warmup(cosine(decay_steps=20), warmup_steps=5, form=form)
    assert [step for step in range(25) if factor(step) == 1.0] == peaks


@pytest.mark.parametrize(("form", "first"), [("first", 1.0), ("zero", 0.0), ("open", 0.5)])
def test_a_warmup_of_one_step(form: WarmupForm, first: float) -> None:
    factor = warmup(linear(decay_steps=2), warmup_steps=1, form=form)
    assert [factor(step) for step in range(4)] == [first, 1.0, 0.5, 0.0]


def test_the_default_form_wastes_no_step_and_begins_at_one_over_its_length() -> None:
    assert warmup(constant(), warmup_steps=8)(0) == 0.125


@FORMS
@unhurried
@given(length=st.integers(1, 200))
def test_the_ramp_climbs_by_the_same_amount_up_to_the_peak(form: WarmupForm, length: int) -> None:
    factor = warmup(constant(), warmup_steps=length, form=form)
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
    factor = warmup(constant(), warmup_steps=10, form=form)
    assert factor.area(10) * 10 == pytest.approx(area, rel=1e-12)


def test_the_ramp_aims_at_the_first_value_of_what_follows() -> None:
    factor = warmup(triangular(half_cycle_steps=2, min_factor=0.5), warmup_steps=2)
    assert [factor(step) for step in range(6)] == [0.25, 0.5, 0.5, 0.75, 1.0, 0.75]


@FORMS
def test_no_warmup_is_the_schedule_itself(form: WarmupForm) -> None:
    after = sgdr(first_cycle_steps=3)
    assert warmup(after, warmup_steps=0, form=form) is after


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


def test_the_notes_begin_with_the_ramp_and_stay_true_after_it() -> None:
    after = sgdr(first_cycle_steps=4, cycle_mult=1.0, total_steps=10, tail="hold")
    factor = warmup(after, warmup_steps=5, form="open")
    assert factor.notes == (
        "warmup of 5 steps, form 'open', first factor 0.166667",
        *after.notes,
    )
    # A step number would be the inner schedule's and wrong by the ramp.
    assert factor.notes[-1] == "0 is held for the last 2 steps"
    assert [factor(step) for step in (12, 13, 14)] == [after(7), 0.0, 0.0]
    assert after(7) > 0.0


def test_warmups_nest() -> None:
    inner = warmup(constant(), warmup_steps=2)
    factor = warmup(inner, warmup_steps=2)
    assert [factor(step) for step in range(5)] == [0.25, 0.5, 0.5, 1.0, 1.0]
