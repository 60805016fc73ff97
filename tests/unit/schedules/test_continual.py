"""Training that goes on: warmed up again, or cooled down to a constant that lasts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.errors import ScheduleError
from lrbench.schedules.annealing import cosine
from lrbench.schedules.compose import ramp
from lrbench.schedules.continual import infinite, rewarm

unhurried = settings(deadline=None, max_examples=30)  # a busy machine is no failure


def problem_key(builder, **arguments: object) -> str | None:  # type: ignore[no-untyped-def]
    with pytest.raises(ScheduleError) as caught:
        builder(**arguments)
    return caught.value.problems[0].key


def test_every_phase_is_a_warmup_from_zero_and_a_cosine_to_its_own_end() -> None:
    factor = rewarm(starts=(10, 30), rewarm_steps=4, final_factor=0.1, total_steps=40)
    position = 0
    for length in (10, 20, 10):
        fall = cosine(decay_steps=length - 4, final_factor=0.1)
        expected = [0.25, 0.5, 0.75, 1.0, *(fall(k) for k in range(length - 4))]
        got = [factor(position + k) for k in range(length)]
        assert got == pytest.approx(expected, rel=1e-12)
        position += length
    assert factor(40) == factor(999) == 0.1
    assert factor.restarts(41) == (10, 30)


@pytest.mark.parametrize("form", ["first", "zero", "open", "cosine", "1-sqrt"])
def test_the_warmup_of_a_phase_has_the_forms_of_a_warmup(form: str) -> None:
    factor = rewarm(
        starts=(10,),
        rewarm_steps=4,
        rewarm_form=form,  # type: ignore[arg-type]
        total_steps=20,
    )
    expected = [ramp(k, 4, form) for k in range(4)]  # type: ignore[arg-type]
    assert [factor(k) for k in range(4)] == expected
    assert [factor(10 + k) for k in range(4)] == expected
    assert factor(4) == factor(14) == 1.0


def test_a_phase_may_fall_in_another_shape_and_include_its_end() -> None:
    factor = rewarm(
        starts=(5,),
        rewarm_steps=0,
        shape="linear",
        final_factor=0.2,
        endpoint="inclusive",
        total_steps=10,
    )
    line = [1.0, 0.8, 0.6, 0.4, 0.2]
    assert [factor(t) for t in range(11)] == pytest.approx([*line, *line, 0.2], rel=1e-12)


def test_one_phase_is_a_warmup_and_a_cosine() -> None:
    factor = rewarm(starts=(), rewarm_steps=2, final_factor=0.0, total_steps=12)
    fall = cosine(decay_steps=10)
    assert [factor(t) for t in range(13)] == [0.5, 1.0, *(fall(k) for k in range(11))]
    assert factor.restarts(12) == ()


def test_what_rewarm_refuses() -> None:
    good = {"starts": (5,), "rewarm_steps": 2, "total_steps": 12}
    assert problem_key(rewarm, **good | {"starts": (0,)}) == "starts"
    assert problem_key(rewarm, **good | {"starts": (5, 5)}) == "starts"
    assert problem_key(rewarm, **good | {"starts": (12,)}) == "starts"
    assert problem_key(rewarm, **good | {"rewarm_steps": -1}) == "rewarm"
    assert problem_key(rewarm, **good | {"rewarm_steps": 5}) == "rewarm"
    assert problem_key(rewarm, **good | {"final_factor": 1.5}) == "final_factor"
    rewarm(starts=(5,), rewarm_steps=4, total_steps=12)


SHAPES = {
    "cosine": lambda c, q: c + (1 - c) * math.cos(math.pi * q / 2) ** 2,
    "linear": lambda c, q: 1 - (1 - c) * q,
    "inverse_sqrt": lambda c, q: (1 + (c**-2 - 1) * q) ** -0.5,
}


@pytest.mark.parametrize("shape", SHAPES)
@unhurried
@given(
    cooldown=st.integers(1, 30),
    level=st.integers(0, 30),
    anneal=st.integers(1, 30),
    constant=st.floats(0.05, 1.0),
    part=st.floats(0.01, 1.0),
)
def test_infinite_cools_down_holds_and_is_annealed_at_the_very_end(
    shape: str, cooldown: int, level: int, anneal: int, constant: float, part: float
) -> None:
    total = cooldown + level + anneal
    factor = infinite(
        cooldown_steps=cooldown,
        constant_factor=constant,
        shape=shape,  # type: ignore[arg-type]
        anneal_steps=anneal,
        final_factor=part * constant,
        total_steps=total,
    )
    fall = [SHAPES[shape](constant, t / cooldown) for t in range(cooldown)]
    end = [constant * part ** (k / anneal) for k in range(anneal + 1)]
    got = [factor(t) for t in range(total + 1)]
    assert got == pytest.approx([*fall, *[constant] * level, *end], rel=1e-11)
    assert factor(total + 50) == factor(total) == part * constant
    assert factor(0) == 1.0


def test_without_an_annealing_the_constant_lasts_for_the_data_to_come() -> None:
    factor = infinite(cooldown_steps=4, anneal_steps=0, total_steps=10)
    assert factor(3) > 0.3
    assert {factor(t) for t in range(4, 100)} == {0.3}
    assert factor.conventions == ("no end: 0.3 is held",)
    # Nothing is annealed, so the run may be shorter than the cooldown, and the end has no effect.
    same = infinite(cooldown_steps=4, anneal_steps=0, final_factor=0.9, total_steps=2)
    assert [same(t) for t in range(9)] == [factor(t) for t in range(9)]


def test_infinite_has_no_restarts_and_says_where_it_ends() -> None:
    factor = infinite(cooldown_steps=4, anneal_steps=3, total_steps=10)
    assert factor.restarts(1000) == ()
    end, past = factor.conventions
    assert end == "end: the factor 0.01 lies one update after the run (endpoint exclusive)"
    assert past == "past the end: 0.01 is held"


def test_what_infinite_refuses() -> None:
    good = {"cooldown_steps": 4, "anneal_steps": 3, "total_steps": 10}
    assert problem_key(infinite, **good | {"anneal_steps": 7}) == "anneal"
    assert problem_key(infinite, **good | {"anneal_steps": -1}) == "anneal"
    assert problem_key(infinite, **good | {"constant_factor": 0.0}) == "constant_factor"
    assert problem_key(infinite, **good | {"final_factor": 0.31}) == "final_factor"
    assert problem_key(infinite, **good | {"final_factor": 0.0}) == "final_factor"
    infinite(**good | {"anneal_steps": 6})  # type: ignore[arg-type]
