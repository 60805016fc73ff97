"""How settings become a builder's arguments."""

from __future__ import annotations

import doctest
import importlib
from typing import get_args

import pytest

from lrbench.errors import ScheduleError
from lrbench.schedules.base import Endpoint, Schedule, Steps
from lrbench.schedules.catalog import SCHEDULES, build_schedule
from lrbench.schedules.compose import WarmupForm, warmup
from lrbench.schedules.decay import cosine, linear, multistep
from lrbench.schedules.restarts import Tail, sgdr


def values(schedule: Schedule, steps: int) -> list[float]:
    return [schedule(step) for step in range(steps)]


def test_the_names_are_those_of_the_builders() -> None:
    assert list(SCHEDULES) == [
        "constant",
        "linear",
        "cosine",
        "exponential",
        "step",
        "multistep",
        "sgdr",
        "triangular",
    ]


def test_a_length_is_named_without_its_unit() -> None:
    decay = SCHEDULES["cosine"].parameters["decay"]
    assert (decay.keyword, decay.annotation) == ("decay_steps", Steps)
    assert decay.is_duration
    assert decay.is_required


def test_durations_are_lengths_and_lists_of_steps() -> None:
    durations = {
        f"{name}.{key}"
        for name, entry in SCHEDULES.items()
        for key, parameter in entry.parameters.items()
        if parameter.is_duration and key != "warmup"
    }
    assert durations == {
        "linear.decay",
        "cosine.decay",
        "exponential.decay",
        "step.step_size",
        "multistep.milestones",
        "sgdr.first_cycle",
        "triangular.half_cycle",
    }


def test_a_choice_keeps_its_allowed_words_and_its_default() -> None:
    parameters = SCHEDULES["sgdr"].parameters | SCHEDULES["linear"].parameters
    assert get_args(parameters["tail"].annotation) == get_args(Tail)
    assert get_args(parameters["endpoint"].annotation) == get_args(Endpoint)
    assert get_args(parameters["warmup_form"].annotation) == get_args(WarmupForm)
    assert [parameters[key].default for key in ("tail", "endpoint", "warmup_form")] == [
        "truncate",
        "exclusive",
        "first",
    ]


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_length_of_the_run_is_no_setting_and_warmup_stands_last(name: str) -> None:
    keys = list(SCHEDULES[name].parameters)
    assert "total_steps" not in keys
    assert keys[-2:] == ["warmup", "warmup_form"]


def test_a_length_left_null_is_what_the_warmup_leaves_of_the_run() -> None:
    built = build_schedule("cosine", {"decay": None, "warmup": 5}, 25)
    assert values(built, 30) == values(warmup(cosine(decay_steps=20), warmup_steps=5), 30)


def test_settings_reach_the_builder() -> None:
    settings = {"decay": 8, "final_factor": 0.25, "endpoint": "inclusive"}
    assert values(build_schedule("linear", settings, 20), 20) == values(
        linear(decay_steps=8, final_factor=0.25, endpoint="inclusive"), 20
    )


def test_milestones_given_as_a_list_count_after_the_warmup() -> None:
    settings = {"milestones": [3, 5], "gamma": 0.5, "warmup": 2, "warmup_form": "zero"}
    built = build_schedule("multistep", settings, 10)
    after = multistep(milestones=(3, 5), gamma=0.5)
    assert values(built, 10) == values(warmup(after, warmup_steps=2, form="zero"), 10)
    assert [built(step) for step in (0, 4, 5, 7)] == [0.0, 1.0, 0.5, 0.25]


def test_the_cycles_of_sgdr_fill_what_the_warmup_leaves() -> None:
    settings = {"first_cycle": None, "num_cycles": None, "warmup": 10}
    built = build_schedule("sgdr", settings, 80)
    assert built.restarts(80) == (20, 40)
    assert values(built, 80)[10:] == values(sgdr(total_steps=70), 70)


def test_a_first_cycle_must_fit_what_the_warmup_leaves() -> None:
    build_schedule("sgdr", {"first_cycle": 70, "warmup": 10}, 80)
    with pytest.raises(ScheduleError, match="must not be longer than the 70 steps"):
        build_schedule("sgdr", {"first_cycle": 71, "warmup": 10}, 80)


def test_a_null_with_a_default_is_the_default() -> None:
    settings = {"first_cycle": 4, "num_cycles": None, "cycle_mult": None}
    built = build_schedule("sgdr", settings, 30)
    assert values(built, 30) == values(sgdr(first_cycle_steps=4, total_steps=30), 30)


def test_a_list_without_a_default_cannot_be_left_null() -> None:
    with pytest.raises(ScheduleError, match="milestones must be given"):
        build_schedule("multistep", {"milestones": None}, 30)


def test_a_warmup_as_long_as_the_run_is_refused_with_a_way_out() -> None:
    build_schedule("constant", {"warmup": 19}, 20)
    with pytest.raises(ScheduleError, match=r"shorter than the run \(20 steps\)") as caught:
        build_schedule("constant", {"warmup": 20}, 20)
    assert caught.value.problems[0].remedy == "schedule.warmup=5%"


def test_a_null_warmup_is_none() -> None:
    assert build_schedule("constant", {"warmup": None}, 5)(0) == 1.0


@pytest.mark.parametrize("module", ["base", "decay", "cyclic", "restarts", "compose", "catalog"])
def test_the_examples_in_the_documentation_run(module: str) -> None:
    assert doctest.testmod(importlib.import_module(f"lrbench.schedules.{module}")).failed == 0


@pytest.mark.parametrize(("name", "key"), [("step", "step_size"), ("triangular", "half_cycle")])
def test_a_length_that_is_no_decay_cannot_be_left_null(name: str, key: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        build_schedule(name, {key: None}, 30)
    assert caught.value.problems[0].key == key
