"""What every schedule of the catalogue promises, whatever its settings."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.errors import ScheduleError
from lrbench.schedules.base import Schedule, Steps
from lrbench.schedules.catalog import SCHEDULES, build_schedule

CONF = Path(__file__).parents[2] / "conf" / "schedule"
PAST_THE_END = 40
unhurried = settings(deadline=None, max_examples=50)  # a busy machine is no failure
EVERY_SCHEDULE = pytest.mark.parametrize("name", SCHEDULES)

fractions = st.floats(0.0, 1.0)
multipliers = st.floats(1e-6, 1.0)


@st.composite
def sgdr_settings(draw: st.DrawFn, horizon: int) -> dict[str, Any]:
    first_cycle = draw(st.none() | st.integers(1, horizon))
    cycle_mult = draw(st.sampled_from([1.0, 1.5, 2.0, 3.0, 1.1, 10.0]))
    # Cycles whose exact share is a step or more always fit; num_cycles is what is left of them.
    fit = 1
    while first_cycle is None and fit < 6 and sum(cycle_mult**i for i in range(fit + 1)) <= horizon:
        fit += 1
    default_fits = first_cycle is not None or fit >= 3
    counts = st.integers(1, 6 if first_cycle is not None else fit)
    return {
        "first_cycle": first_cycle,
        "cycle_mult": cycle_mult,
        "num_cycles": draw(st.none() | counts if default_fits else counts),
        "peak_decay": draw(multipliers),
        "final_factor": draw(fractions),
        "tail": draw(st.sampled_from(["truncate", "stretch", "hold"])),
    }


def settings_of(name: str, horizon: int) -> st.SearchStrategy[dict[str, Any]]:
    """Every kind of settings ``name`` accepts in a run with ``horizon`` steps after the warmup."""
    length = st.integers(1, 2 * horizon)
    rest_or_length = st.none() | length
    endpoint = st.sampled_from(["exclusive", "inclusive"])
    decay = {"decay": rest_or_length, "final_factor": fractions}
    drops = st.sets(length, min_size=1, max_size=5).map(sorted)
    return {
        "constant": st.just({}),
        "linear": st.fixed_dictionaries(decay | {"endpoint": endpoint}),
        "cosine": st.fixed_dictionaries(decay | {"endpoint": endpoint}),
        "exponential": st.fixed_dictionaries(decay | {"final_factor": multipliers}),
        "step": st.fixed_dictionaries({"step_size": length, "gamma": multipliers}),
        "multistep": st.fixed_dictionaries({"milestones": drops, "gamma": multipliers}),
        "sgdr": sgdr_settings(horizon),
        "triangular": st.fixed_dictionaries({"half_cycle": length, "min_factor": fractions}),
    }[name]


@dataclass(frozen=True)
class Case:
    name: str
    settings: dict[str, Any]
    total_steps: int

    def build(self) -> Schedule:
        return build_schedule(self.name, self.settings, self.total_steps)

    @property
    def steps(self) -> range:
        return range(self.total_steps + PAST_THE_END)


@st.composite
def cases(draw: st.DrawFn, name: str) -> Case:
    total_steps = draw(st.integers(1, 120))
    warmup = draw(st.just(0) | st.integers(0, total_steps - 1))
    form = draw(st.sampled_from(["first", "zero", "open"]))
    own = draw(settings_of(name, total_steps - warmup))
    return Case(name, own | {"warmup": warmup, "warmup_form": form}, total_steps)


@EVERY_SCHEDULE
@unhurried
@given(data=st.data())
def test_every_factor_is_a_finite_float_between_0_and_1(name: str, data: st.DataObject) -> None:
    case = data.draw(cases(name))
    factor = case.build()
    for step in case.steps:
        value = factor(step)
        assert type(value) is float
        assert math.isfinite(value)
        assert 0.0 <= value <= 1.0


@EVERY_SCHEDULE
@unhurried
@given(data=st.data(), shuffle=st.randoms(use_true_random=False))
def test_a_factor_depends_on_the_step_alone(
    name: str, data: st.DataObject, shuffle: random.Random
) -> None:
    case = data.draw(cases(name))
    forward = case.build()
    in_order = [forward(step) for step in case.steps]

    any_order = list(case.steps)
    shuffle.shuffle(any_order)
    fresh = case.build()
    out_of_order = {step: fresh(step) for step in any_order}

    assert [out_of_order[step] for step in case.steps] == in_order
    assert [forward(step) for step in case.steps] == in_order
    assert [case.build()(step) for step in any_order[:5]] == [in_order[t] for t in any_order[:5]]


@EVERY_SCHEDULE
@unhurried
@given(data=st.data())
def test_asking_for_restarts_first_changes_no_factor(name: str, data: st.DataObject) -> None:
    case = data.draw(cases(name))
    asked, unasked = case.build(), case.build()
    asked.restarts(3 * case.total_steps)
    assert [asked(step) for step in case.steps] == [unasked(step) for step in case.steps]


@EVERY_SCHEDULE
@unhurried
@given(data=st.data())
def test_restarts_are_increasing_integers_inside_the_run(name: str, data: st.DataObject) -> None:
    case = data.draw(cases(name))
    schedule = case.build()
    restarts = schedule.restarts(case.total_steps)
    assert schedule.cycles.start(0) == 0
    assert all(type(step) is int for step in restarts)
    assert all(a < b for a, b in zip((0, *restarts), restarts, strict=False))
    assert all(0 < step < case.total_steps for step in restarts)
    assert restarts == tuple(
        step for step in schedule.restarts(case.total_steps + 7) if step < case.total_steps
    )


@EVERY_SCHEDULE
@unhurried
@given(data=st.data())
def test_the_cycle_of_a_step_counts_the_restarts_up_to_it(name: str, data: st.DataObject) -> None:
    case = data.draw(cases(name))
    schedule = case.build()
    restarts = schedule.restarts(case.total_steps)
    for step in range(case.total_steps):
        assert schedule.cycle(step) == bisect_right(restarts, step)


@EVERY_SCHEDULE
@unhurried
@given(data=st.data())
def test_the_area_is_the_mean_of_the_factors_of_the_run(name: str, data: st.DataObject) -> None:
    case = data.draw(cases(name))
    factor = case.build()
    exact = sum(Fraction(factor(step)) for step in range(case.total_steps)) / case.total_steps
    # One rounding of the sum, one of the quotient.
    assert factor.area(case.total_steps) == pytest.approx(float(exact), rel=1e-15, abs=0)


@EVERY_SCHEDULE
@unhurried
@given(data=st.data())
def test_a_warmup_is_a_straight_ramp_put_before_the_schedule(
    name: str, data: st.DataObject
) -> None:
    case = data.draw(cases(name))
    length, form = case.settings["warmup"], case.settings["warmup_form"]
    warmed = case.build()
    bare = Case(name, case.settings | {"warmup": 0}, case.total_steps - length).build()

    for step in range(length):
        ramp = {
            "first": Fraction(step + 1, length),
            "zero": Fraction(step, length),
            "open": Fraction(step + 1, length + 1),
        }[form]
        # A quotient and a product, each rounded once.
        assert warmed(step) == pytest.approx(float(ramp * Fraction(bare(0))), rel=1e-15, abs=1e-300)
    assert [warmed(step) for step in range(length, case.total_steps)] == [
        bare(step) for step in range(case.total_steps - length)
    ]
    assert warmed.restarts(case.total_steps) == tuple(
        step + length for step in bare.restarts(case.total_steps - length)
    )


@EVERY_SCHEDULE
@unhurried
@given(data=st.data())
def test_notes_are_single_lines_for_a_reader(name: str, data: st.DataObject) -> None:
    notes = data.draw(cases(name)).build().notes
    assert all(note and "\n" not in note for note in notes)


RUN = 20
GOOD: dict[str, dict[str, Any]] = {
    "constant": {},
    "linear": {"decay": None, "final_factor": 0.5},
    "cosine": {"decay": None, "final_factor": 0.5},
    "exponential": {"decay": None, "final_factor": 0.5},
    "step": {"step_size": 5, "gamma": 0.5},
    "multistep": {"milestones": [5, 9], "gamma": 0.5},
    "sgdr": {"first_cycle": 5, "cycle_mult": 1.0, "num_cycles": None},
    "triangular": {"half_cycle": 5, "min_factor": 0.5},
}
NAN, INF = math.nan, math.inf
LENGTH = [0, -1]
FRACTION = [-0.01, 1.01, NAN, INF, -INF]
DECAY = [0.0, -0.5, 1.01, NAN, INF]
BAD: dict[tuple[str, str], list[Any]] = {
    ("linear", "decay"): LENGTH,
    ("linear", "final_factor"): FRACTION,
    ("cosine", "decay"): LENGTH,
    ("cosine", "final_factor"): FRACTION,
    ("exponential", "decay"): LENGTH,
    ("exponential", "final_factor"): DECAY,
    ("step", "step_size"): LENGTH,
    ("step", "gamma"): DECAY,
    ("multistep", "milestones"): [None, [], [0], [-1, 3], [3, 3], [5, 4]],
    ("multistep", "gamma"): DECAY,
    ("sgdr", "first_cycle"): [*LENGTH, RUN + 1],
    ("sgdr", "cycle_mult"): [0.99, 0.0, -2.0, NAN, INF],
    ("sgdr", "peak_decay"): DECAY,
    ("sgdr", "final_factor"): FRACTION,
    ("sgdr", "num_cycles"): [0, -1],
    ("triangular", "half_cycle"): LENGTH,
    ("triangular", "min_factor"): FRACTION,
    **{(name, "warmup"): [-1, RUN, RUN + 1] for name in SCHEDULES},
}
CHOICES = {"endpoint", "tail", "warmup_form"}  # checked against their type where they are read


@EVERY_SCHEDULE
def test_every_setting_with_an_interval_is_tried_outside_it(name: str) -> None:
    numbers = SCHEDULES[name].parameters.keys() - CHOICES
    assert {key for entry, key in BAD if entry == name} == numbers


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [(name, key, value) for (name, key), values in BAD.items() for value in values],
)
def test_a_setting_outside_its_interval_is_named_in_the_error(
    name: str, key: str, value: Any
) -> None:
    build_schedule(name, GOOD[name], RUN)
    with pytest.raises(ScheduleError) as caught:
        build_schedule(name, GOOD[name] | {key: value}, RUN)
    (problem,) = caught.value.problems
    assert problem.key == key
    assert problem.relation.startswith("must ")
    assert repr(problem.got) == repr(value)


def test_a_negative_warmup_is_not_called_too_long() -> None:
    with pytest.raises(ScheduleError, match="warmup must not be negative, got -1"):
        build_schedule("constant", {"warmup": -1}, RUN)


def test_every_schedule_has_a_file_and_every_file_a_schedule() -> None:
    assert {path.stem for path in CONF.glob("*.yaml")} == SCHEDULES.keys()


@EVERY_SCHEDULE
def test_the_file_of_a_schedule_has_its_name_and_exactly_its_settings(name: str) -> None:
    written = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    assert written.pop("name") == name
    assert written.keys() == SCHEDULES[name].parameters.keys()


@EVERY_SCHEDULE
def test_the_file_of_a_schedule_has_its_builders_defaults(name: str) -> None:
    written = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    for key, parameter in SCHEDULES[name].parameters.items():
        value = written[key]
        if value is None:
            # Null is the builder's own default, or the length that the run fills in.
            assert parameter.default is None or parameter.annotation is Steps, key
        elif not parameter.is_required:
            assert value == parameter.default, key


@EVERY_SCHEDULE
def test_a_summary_is_one_sentence(name: str) -> None:
    assert SCHEDULES[name].summary.endswith(".")
