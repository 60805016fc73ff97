"""The reference: what it says by itself, and that the schedules of the library agree with it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice, product
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.checks.reference.catalog import FORMULAS, exact
from lrbench.checks.reference.numbers import double, miss
from lrbench.errors import ScheduleError
from lrbench.schedules.catalog import SCHEDULES, build_schedule
from lrbench.spec.durations import resolve

CONF = Path(__file__).parents[3] / "conf" / "schedule"
FORMS = ["first", "zero", "open", "cosine", "1-sqrt", "exponential"]
ENDPOINTS = ["exclusive", "inclusive"]
SHAPES = [
    *["linear", "cosine", "polynomial", "1-sqrt", "power", "square", "mirror_cosine", "tanh"],
    *["rex", "normalized_exponential", "exponential", "inverse_linear", "inverse_sqrt"],
]
ENDS = [0.0, 0.1, 1.0]
TABLE = {"steps": [0, 3, 40], "factors": [0.1, 1.0, 0.3], "cycle_starts": [0, 3, 9]}
unhurried = settings(deadline=None, max_examples=50)  # a busy machine is no failure


MOST = 150
"""Combinations of one grid that are tried."""


def grid(**lists: list[Any]) -> Iterator[dict[str, Any]]:
    """Combinations, evenly spread; a list of mappings under a name with an underscore stands for
    several settings at once.
    """
    stride = next(n for n in (1, 5, 7, 11, 13) if n * MOST >= math.prod(map(len, lists.values())))
    for values in islice(product(*lists.values()), 0, None, stride):
        combined: dict[str, Any] = {}
        for key, value in zip(lists, values, strict=True):
            combined |= value if key.startswith("_") else {key: value}
        yield combined


CYCLES = [
    {},
    {"num_cycles": 2, "cycle_mult": 1.5},
    {"first_cycle": 3},
    {"first_cycle": 5, "cycle_mult": 1.1},
    {"first_cycle": 4, "cycle_mult": 1.0, "num_cycles": 3},
    {"cycle_lengths": [7, 2, 11]},
]
TAILS = ["truncate", "stretch", "hold"]
DECAY: dict[str, list[Any]] = {
    "decay": [None, 1, 2, 13, 90],
    "final_factor": ENDS,
    "endpoint": ENDPOINTS,
}
TRIANGLES: dict[str, list[Any]] = {
    "half_cycle": [1, 2, 7, 90],
    "down": [None, 1, 5],
    "min_factor": ENDS,
}
ONE_CYCLE: dict[str, list[Any]] = {
    "peak": [1, 3, 11, 25],
    "phases": [2, 3],
    "shape": ["cosine", "linear"],
    "endpoint": ["inclusive", "exclusive"],
}
INSIDE = [
    {"name": "sgdr", "first_cycle": 4, "warmup": 2},
    {"name": "linear", "final_factor": 0.5},
    {"name": "step", "step_size": 3},
    "constant",
]
EVENTS: list[list[dict[str, Any]]] = [
    [],
    [{"step": 5, "action": "restart"}],
    [{"step": 1, "action": "decay"}, {"step": 2, "action": "reset"}],
    [
        {"step": 3, "action": "decay"},
        {"step": 4, "action": "restart", "cause": "plateau", "statistic": 1e-9},
        {"step": 5, "action": "decay"},
        {"step": 9, "action": "decay"},
        {"step": 11, "action": "restart", "threshold": 2},
        {"step": 23, "action": "reset"},
    ],
]

VARIATIONS: dict[str, list[dict[str, Any]]] = {
    "constant": [{}],
    "linear": [*grid(**DECAY)],
    "polynomial": [*grid(power=[0.5, 1.0, 2.0, 0.9], **DECAY)],
    "cosine": [*grid(exponent=[0.5, 1.0, 3.0], **DECAY)],
    "k_decay": [*grid(k=[0.5, 1.5], base=["cosine", "polynomial"], power=[1.0, 2.0], **DECAY)],
    "tanh": [*grid(lower=[-6.0, -1.0], upper=[3.0, 0.0], **DECAY)],
    "rex": [*grid(bend=[0.0, 0.5, 0.99], **DECAY)],
    "inverse_time": [*grid(**DECAY | {"final_factor": [0.01, 0.1, 1.0]})],
    "exponential": [
        *grid(decay=[None, 1, 13, 90], final_factor=[None, 1e-6, 0.5, 1.0]),
        *grid(gamma=[0.5, 0.999, 1.0]),
    ],
    "step": [*grid(step_size=[1, 2, 13, 90], gamma=[0.1, 0.5, 1.0])],
    "multistep": [*grid(milestones=[[1], [2, 3], [5, 20, 90]], gamma=[0.1, 0.2, 1.0])],
    "knee": [*grid(explore=[0, 1, 25], final_factor=ENDS, endpoint=ENDPOINTS)],
    "slanted_triangle": [*grid(cut=[1, 2, 25], ratio=[1.0, 32.0, 3.3])],
    "inverse_sqrt": [*grid(warmup=[1, 2, 11], warmup_form=FORMS, warmup_start=[0.0, 0.3])],
    "noam": [*grid(warmup=[1, 2, 11], model_size=[None, 7, 512], scale_factor=[1.0, 0.3])],
    "rsqrt": [*grid(timescale=[1, 10, 90], cooldown=[0, 1, 9, 25])],
    "power": [
        *grid(
            crossover=[1, 10, 90],
            power=[0.51, 1.0],
            cooldown=[0, 1, 9],
            shape=SHAPES,
            final_factor=[0.0, 0.1],
        )
    ],
    "anytime": [*grid(power=[0.5, 1.0, 0.3], timescale=[1, 10, 100])],
    "triangular": [*grid(**TRIANGLES)],
    "triangular2": [*grid(**TRIANGLES)],
    "exp_range": [*grid(gamma=[0.9, 0.99994], **TRIANGLES)],
    "one_cycle": [*grid(start_factor=[0.0, 0.04], final_factor=[0.0, 4e-6, 0.5], **ONE_CYCLE)],
    "one_cycle_momentum": [*grid(min_factor=[0.0, 0.895], **ONE_CYCLE)],
    "sgdr": [
        *grid(
            _cycles=CYCLES, shape=SHAPES, endpoint=ENDPOINTS, tail=TAILS, final_factor=[0.0, 0.1]
        ),
        *grid(
            _cycles=CYCLES,
            cycle_warmup=[1, 2],
            cycle_warmup_form=FORMS,
            peak_decay=[0.5, 0.9],
            peak_decay_form=["amplitude", "peak"],
            final_factor=[0.0, 0.3],
        ),
    ],
    "snapshot": [*grid(num_cycles=[1, 2, 3, 5], final_factor=ENDS)],
    "trapezoidal_restarts": [
        *grid(
            _cycles=CYCLES,
            _parts=[
                {},
                {"warmup_fraction": 0.7, "decay_fraction": 0.3},
                {"warmup_fraction": 0.0, "decay_fraction": 0.0},
            ],
            shape=["linear", "1-sqrt", "exponential"],
            peak_decay=[1.0, 0.5],
            final_factor=[0.0, 0.1],
            endpoint=ENDPOINTS,
            tail=TAILS,
        )
    ],
    "wsd": [*grid(cooldown=[0, 1, 9], shape=SHAPES, power=[1.0, 0.5], final_factor=ENDS)],
    "wsd_s": [
        *grid(
            _cycles=CYCLES,
            decay_fraction=[0.0, 0.1, 0.7, 1.0],
            decay_of=["so_far", "cycle"],
            shape=["inverse_linear", "inverse_sqrt", "tanh"],
            endpoint=ENDPOINTS,
            tail=TAILS,
        )
    ],
    "rewarm": [
        *grid(
            starts=[[1], [9, 15]],
            rewarm=[0, 1, 3],
            rewarm_form=FORMS,
            shape=["cosine", "tanh"],
            final_factor=ENDS,
            endpoint=ENDPOINTS,
        )
    ],
    "infinite": [
        *grid(
            cooldown=[1, 9],
            anneal=[0, 1, 9],
            shape=["cosine", "inverse_sqrt", "linear"],
            constant_factor=[0.3, 1.0],
            final_factor=[0.01, 0.3],
        )
    ],
    "sequence": [
        *grid(
            pieces=[[a, b] for a in INSIDE for b in INSIDE], boundaries=[[1], [9]], restart=[True]
        ),
        {"pieces": [{"name": "scaled", "of": "sgdr", "scale_factor": 0.5}], "boundaries": []},
        {"pieces": ["cosine", "linear", "sgdr"], "boundaries": [3, 9]},
    ],
    "scaled": [*grid(of=INSIDE, scale_factor=[0.1, 2.0])],
    "frozen": [
        *grid(
            of=[
                "constant",
                {"name": "cosine", "warmup": 1},
                {"name": "wsd", "cooldown": "30%"},
                {"name": "step", "step_size": "25%", "gamma": 0.5},
                {"name": "linear", "decay": 7, "final_factor": 0.1},
                {"name": "scaled", "of": {"name": "rex", "warmup": "10%"}, "scale_factor": 0.5},
            ],
            events=EVENTS,
            num_cycles=[None, 4],
            peak_decay=[1.0, 0.7],
            decay_factor=[0.1, 0.5],
            final_fraction=[0.0, 0.25, 0.55],
        )
    ],
    "table": [*grid(_rows=[TABLE], between=["hold", "linear"])],
}


def differences(name: str, given: dict[str, Any], total_steps: int) -> list[str]:
    """Where the library differs from the reference, the end and as much again behind it included.

    Raises
    ------
    ScheduleError
        The library refuses the settings.
    """
    given = {key: value for key, value in given.items() if value is not None}
    schedule = build_schedule(name, given, total_steps)
    reference = exact(name, given, total_steps)
    assert reference is not None
    due = [reference.factor(step) for step in range(2 * total_steps + 10)]
    unit = math.ulp(max(map(double, due[:total_steps])))
    found = [
        f"{name} {given}, {total_steps} steps: step {step} is {schedule(step)}, {double(value)} due"
        for step, value in enumerate(due)
        if not abs(miss(schedule(step), value)) <= 1e-12 * abs(double(value)) + 4 * unit
    ]
    restarts = schedule.restarts(total_steps)
    if restarts != reference.restarts:
        found.append(f"{name} {given}: restarts {restarts}, {reference.restarts} due")
    return found


def defaults(name: str, total_steps: int) -> dict[str, Any]:
    """The settings of the schedule's own file, lengths in updates."""
    raw = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    raw = {key: value for key, value in raw.items() if key not in ("name", "file")}
    lengths = {key for key, known in SCHEDULES[name].parameters.items() if known.is_duration}
    given = resolve(raw, lengths, steps_per_epoch=1, total_steps=total_steps)
    return given | (TABLE if name == "table" else {})


# --- what it says by itself ---------------------------------------------------------------------


def test_every_schedule_has_a_reference_and_variations() -> None:
    assert set(FORMULAS) == set(SCHEDULES)
    assert set(VARIATIONS) == set(SCHEDULES)
    assert exact("python:mine", {}, 10) is None


def test_what_is_rational_is_exact() -> None:
    linear = exact("linear", {"decay": 7, "warmup": 3}, 10)
    assert linear is not None
    assert [linear.factor(step) for step in (0, 2, 3, 4, 9, 10)] == [
        *(Fraction(1, 3), Fraction(1), Fraction(1)),
        *(Fraction(6, 7), Fraction(1, 7), Fraction(0)),
    ]


def test_what_is_not_rational_has_many_digits() -> None:
    cosine = exact("cosine", {"decay": 6}, 6)
    assert cosine is not None
    # cos(pi / 6) is half the root of 3, and (4 f - 2)**2 its square.
    assert abs((4 * cosine.factor(1) - 2) ** 2 - 3) < 1e-45


@pytest.mark.parametrize(
    ("name", "area"),
    [
        ("linear", Fraction(101, 2)),
        ("cosine", Fraction(101, 2)),
        ("sgdr", Fraction(103, 2)),
        ("slanted_triangle", None),
    ],
)
def test_the_areas_are_those_of_the_specification(name: str, area: Fraction | None) -> None:
    reference = exact(name, {"cut": 10, "ratio": 1.0}, 100)
    assert reference is not None
    total = sum(map(reference.factor, range(100)))
    assert abs(total - (100 if area is None else area)) < 1e-40


def test_lengths_of_cycles_are_rounded_from_the_decimal_that_was_written() -> None:
    # 25 * 1.1 is 27.5, of which 28 is the even neighbour; with the float 1.1 it is a hair more.
    grown = exact("sgdr", {"first_cycle": 25, "cycle_mult": 1.1}, 200)
    assert grown is not None
    assert grown.restarts == (25, 53, 83, 116, 153, 193)
    # 0.29 * 100 is 28.999999999999996 in floats.
    parts = {"first_cycle": 100, "warmup_fraction": 0.29, "decay_fraction": 0.0}
    trapezoid = exact("trapezoidal_restarts", parts, 100)
    assert trapezoid is not None
    assert trapezoid.factor(27) == Fraction(28, 29)


def test_default_cycles_fill_the_run() -> None:
    reference = exact("sgdr", {}, 70)
    assert reference is not None
    assert reference.restarts == (10, 30)


@pytest.mark.parametrize(
    ("name", "given", "steps", "vector"),
    [
        ("cosine", {"warmup": 3}, 10, [1 / 3, 2 / 3, 1, 1, 0.95048, 0.81174, 0.61126, 0.38874]),
        ("one_cycle", {"peak": 2}, 10, [0.04, 0.52, 1, 0.95048, 0.81175, 0.61126, 0.38874]),
        ("triangular2", {"half_cycle": 4, "min_factor": 0.1}, 9, [0.1, 0.325, 0.55, 0.775, 1]),
        ("sgdr", {"num_cycles": 3, "cycle_mult": 1.0}, 12, [1, 0.85355, 0.5, 0.14645, 1]),
        ("inverse_sqrt", {"warmup": 4, "warmup_form": "zero"}, 9, [0, 0.25, 0.5, 0.75, 1, 0.89443]),
        ("multistep", {"milestones": [4]}, 9, [1, 1, 1, 1, 0.1, 0.1]),
    ],
)
def test_the_vectors_of_other_libraries_come_out(
    name: str, given: dict[str, Any], steps: int, vector: list[float]
) -> None:
    reference = exact(name, given, steps)
    assert reference is not None
    got = [double(reference.factor(step)) for step in range(len(vector))]
    assert got == pytest.approx(vector, abs=6e-6)


# --- the library beside it ----------------------------------------------------------------------


@pytest.mark.parametrize("total_steps", [100, 101, 337, 1000])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_with_the_settings_of_their_files_agree(name: str, total_steps: int) -> None:
    assert differences(name, defaults(name, total_steps), total_steps) == []


@pytest.mark.parametrize("total_steps", [26, 10, 2])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_with_other_settings_agree(name: str, total_steps: int) -> None:
    accepted = 0
    for given_settings in VARIATIONS[name]:
        try:
            found = differences(name, given_settings, total_steps)
        except ScheduleError:
            continue
        assert found == []
        accepted += 1
    assert accepted > len(VARIATIONS[name]) / 4 or total_steps < 26


@pytest.mark.parametrize("name", sorted({*SCHEDULES} - {"inverse_sqrt", "noam", "frozen"}))
@pytest.mark.parametrize("form", FORMS)
def test_schedules_behind_a_warmup_agree(name: str, form: str) -> None:
    for steps, start in product((1, 7), (0.0, 0.3, 1.0)):
        warmup = {"warmup": steps, "warmup_form": form, "warmup_start": start}
        assert differences(name, defaults(name, 100) | warmup, 100 + steps) == []


@unhurried
@given(
    first=st.integers(1, 60),
    mult=st.sampled_from([1.0, 1.05, 1.1, 1.25, 1.3, 1.7, 2.0, 2.5, 3.0, 10.0]),
    num=st.none() | st.integers(1, 6),
    tail=st.sampled_from(TAILS),
    total_steps=st.integers(60, 400),
)
def test_cycles_of_every_length_agree(
    first: int, mult: float, num: int | None, tail: str, total_steps: int
) -> None:
    given_settings = {"first_cycle": first, "cycle_mult": mult, "num_cycles": num, "tail": tail}
    try:
        assert differences("sgdr", given_settings, total_steps) == []
    except ScheduleError:
        assert num is not None


@unhurried
@given(
    mult=st.sampled_from([1.0, 1.1, 1.3, 2.0, 3.0]),
    num=st.integers(1, 5),
    total_steps=st.integers(150, 600),
)
def test_cycles_that_fill_a_run_agree(mult: float, num: int, total_steps: int) -> None:
    assert differences("sgdr", {"cycle_mult": mult, "num_cycles": num}, total_steps) == []
