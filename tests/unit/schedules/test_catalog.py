"""How settings become a builder's arguments."""

from __future__ import annotations

import doctest
import importlib
from pkgutil import iter_modules
from typing import Any, get_args

import pytest

from lrbench import schedules
from lrbench.errors import ScheduleError
from lrbench.schedules.annealing import cosine
from lrbench.schedules.base import Endpoint, Schedule, Steps
from lrbench.schedules.catalog import SCHEDULES, build_schedule
from lrbench.schedules.compose import WarmupForm, warmup
from lrbench.schedules.cycles import Tail
from lrbench.schedules.decay import linear
from lrbench.schedules.drops import multistep
from lrbench.schedules.restarts import sgdr


def values(schedule: Schedule, steps: int) -> list[float]:
    return [schedule(step) for step in range(steps)]


def test_the_names_are_those_of_the_builders() -> None:
    assert [entry.builder.__name__ for entry in SCHEDULES.values()] == list(SCHEDULES)
    assert list(SCHEDULES) == [
        *["constant", "linear", "polynomial", "exponential", "inverse_time"],
        *["cosine", "k_decay", "tanh", "rex", "step", "multistep"],
        *["one_cycle", "one_cycle_momentum", "wsd", "knee", "slanted_triangle"],
        *["inverse_sqrt", "noam", "rsqrt", "power", "anytime"],
        *["triangular", "triangular2", "exp_range"],
        *["sgdr", "snapshot", "trapezoidal_restarts", "wsd_s", "rewarm", "infinite"],
        *["sequence", "scaled", "frozen", "table"],
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
    falls = ["linear", "polynomial", "cosine", "k_decay", "exponential", "inverse_time"]
    assert durations == {
        *(f"{name}.decay" for name in [*falls, "tanh", "rex"]),
        *("step.step_size", "multistep.milestones", "sequence.boundaries"),
        *("knee.explore", "slanted_triangle.cut", "one_cycle.peak", "one_cycle_momentum.peak"),
        *("rsqrt.timescale", "rsqrt.cooldown", "anytime.timescale"),
        *("power.crossover", "power.cooldown", "wsd.cooldown"),
        *(f"{name}.half_cycle" for name in ("triangular", "triangular2", "exp_range")),
        *(f"{name}.down" for name in ("triangular", "triangular2", "exp_range")),
        *(f"{name}.first_cycle" for name in ("sgdr", "trapezoidal_restarts", "wsd_s")),
        *(f"{name}.cycle_lengths" for name in ("sgdr", "trapezoidal_restarts", "wsd_s")),
        *("sgdr.cycle_warmup", "rewarm.starts", "rewarm.rewarm"),
        *("infinite.cooldown", "infinite.anneal"),
    }


def test_a_schedule_inside_another_is_known_as_one() -> None:
    nested = {
        f"{name}.{key}"
        for name, entry in SCHEDULES.items()
        for key, parameter in entry.parameters.items()
        if parameter.is_schedule
    }
    assert nested == {"sequence.pieces", "scaled.of", "frozen.of"}
    assert SCHEDULES["frozen"].parameters["of"].is_rebuilt
    assert not SCHEDULES["scaled"].parameters["of"].is_rebuilt


def test_only_a_decay_without_a_default_stands_for_the_rest_of_the_run() -> None:
    filling = [
        name
        for name, entry in SCHEDULES.items()
        for p in entry.parameters.values()
        if p.fills_the_run
    ]
    assert filling == ["linear", "polynomial", "inverse_time", "cosine", "k_decay", "tanh", "rex"]


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
    entry = SCHEDULES[name]
    keys = list(entry.parameters)
    assert "total_steps" not in keys
    if entry.counts_all:
        assert name == "frozen"
        assert "warmup" not in keys
    elif entry.makes_its_warmup:
        assert name in ("inverse_sqrt", "noam")
        assert entry.parameters["warmup"].is_required
    else:
        assert keys[-3:] == ["warmup", "warmup_form", "warmup_start"]


def test_a_schedule_that_makes_its_own_warmup_gets_no_second_one() -> None:
    built = build_schedule("inverse_sqrt", {"warmup": 4, "warmup_form": "zero"}, 20)
    assert [built(step) for step in (0, 1, 4, 16)] == [0.0, 0.25, 1.0, 0.5]
    assert build_schedule("noam", {"warmup": 4}, 20)(3) == 1.0


def test_the_momentum_of_one_cycle_goes_by_the_clock_of_one_cycle() -> None:
    assert {name: entry.clock for name, entry in SCHEDULES.items() if entry.clock} == {
        "one_cycle_momentum": "one_cycle"
    }


def test_pieces_are_built_for_the_steps_they_have_after_the_warmup() -> None:
    pieces = ["cosine", {"name": "linear", "final_factor": 0.5}, {"name": "sgdr", "warmup": 1}]
    settings = {"pieces": pieces, "boundaries": [6, 10], "warmup": 3}
    built = build_schedule("sequence", settings, 27)
    after = [cosine(decay_steps=6), linear(decay_steps=4, final_factor=0.5)]
    expected = [*(after[0](k) for k in range(6)), *(after[1](k) for k in range(4))]
    assert values(built, 13)[3:] == expected
    cycles = warmup(sgdr(total_steps=13), warmup_steps=1)
    assert [built(13 + k) for k in range(14)] == values(cycles, 14)
    assert built.restarts(27) == tuple(13 + step for step in cycles.restarts(14))


def test_a_schedule_inside_a_scaled_one_fills_the_run_too() -> None:
    built = build_schedule("scaled", {"of": "cosine", "scale_factor": 0.5, "warmup": 4}, 14)
    assert values(built, 20)[4:] == [0.5 * cosine(decay_steps=10)(step) for step in range(16)]


@pytest.mark.parametrize(
    ("name", "settings", "note"),
    [
        ("cosine", {"decay": 30}, "decay 30 lies beyond the 20 steps of the schedule"),
        (
            "multistep",
            {"milestones": [5, 25, 40], "warmup": 2},
            "milestones 25 lies beyond the 18 steps of the schedule",
        ),
        (
            "triangular",
            {"half_cycle": 21},
            "half_cycle 21 lies beyond the 20 steps of the schedule",
        ),
    ],
)
def test_a_length_that_ends_after_the_run_is_noted(
    name: str, settings: dict[str, Any], note: str
) -> None:
    assert build_schedule(name, settings, 20).notes == (note,)
    assert build_schedule(name, settings, 200).notes == ()


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
    assert values(built, 10) == values(warmup(after, warmup_steps=2, warmup_form="zero"), 10)
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
    assert caught.value.problems[0].remedy == ".warmup=5%"


def test_a_schedule_without_a_warmup_says_so_once_and_first() -> None:
    none = "warmup: none, the first update has the schedule's first factor"
    assert build_schedule("constant", {}, 5).conventions[0] == none
    pieces = {"pieces": ["linear", "cosine"], "boundaries": [3]}
    words = build_schedule("sequence", pieces, 9).conventions
    assert [none in line for line in words] == [True, False, False, False, False]
    warmed = build_schedule("sequence", pieces | {"warmup": 2}, 9).conventions
    assert warmed[0] == "warmup: 2 steps, form first: (t+1)/W"


def test_a_null_warmup_is_none() -> None:
    assert build_schedule("constant", {"warmup": None}, 5)(0) == 1.0


@pytest.mark.parametrize("module", [info.name for info in iter_modules(schedules.__path__)])
def test_the_examples_in_the_documentation_run(module: str) -> None:
    found = importlib.import_module(f"lrbench.schedules.{module}")
    assert doctest.testmod(found).failed == 0


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_has_an_example_in_its_documentation(name: str) -> None:
    assert ">>> " in SCHEDULES[name].documentation


@pytest.mark.parametrize(
    ("name", "key"),
    [("step", "step_size"), ("triangular", "half_cycle"), ("scaled", "of"), ("noam", "warmup")],
)
def test_a_length_that_is_no_decay_cannot_be_left_null(name: str, key: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        build_schedule(name, {key: None}, 30)
    assert caught.value.problems[0].key == key
