"""What every schedule of the catalogue promises, whatever its settings."""

from __future__ import annotations

import inspect
import math
import random
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Literal, get_origin

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.engine.tables import tabulate
from lrbench.errors import ScheduleError
from lrbench.schedules.base import Schedule, Steps
from lrbench.schedules.catalog import SCHEDULES, build_schedule
from lrbench.schedules.shapes import SHAPES

CONF = Path(__file__).parents[2] / "conf" / "schedule"
PAST_THE_END = 40
unhurried = settings(deadline=None, max_examples=8)  # a busy machine is no failure
EVERY_SCHEDULE = pytest.mark.parametrize("name", SCHEDULES)

MEANS = {"exponential", "inverse_linear", "inverse_sqrt"}  # shapes that need an end above 0
FORMS = ["first", "zero", "open", "cosine", "1-sqrt", "exponential"]

fractions = st.floats(0.0, 1.0)
multipliers = st.floats(1e-6, 1.0)
powers = st.floats(0.1, 4.0)
endpoints = st.sampled_from(["exclusive", "inclusive"])
forms = st.sampled_from(FORMS)
LEAST_STEPS = {"slanted_triangle": 2, "one_cycle": 3, "one_cycle_momentum": 3}
OWN_WARMUP = {"inverse_sqrt", "noam", "frozen"}
COMPOSED = {"sequence", "scaled", "frozen"}


def shaped(draw: st.DrawFn) -> dict[str, Any]:
    shape = draw(st.sampled_from(SHAPES))
    end = draw(multipliers if shape in MEANS else fractions)
    return {"shape": shape, "power": draw(powers), "final_factor": end}


def cycles_of(draw: st.DrawFn, horizon: int) -> tuple[dict[str, Any], int]:
    """Settings of cycles, and a length that none of them falls below."""
    kind = draw(st.sampled_from(["growing", "filling", "listed"]))
    tail = {"tail": draw(st.sampled_from(["truncate", "stretch", "hold"]))}
    if kind == "listed":
        first = draw(st.integers(1, horizon))
        lengths = [first, *draw(st.lists(st.integers(1, horizon), max_size=4))]
        return tail | {"cycle_lengths": lengths}, min(lengths)
    mult = draw(st.sampled_from([1.0, 1.5, 2.0, 3.0, 1.1, 10.0]))
    if kind == "growing":
        first = draw(st.integers(1, horizon))
        number = draw(st.none() | st.integers(1, 6))
        return tail | {"first_cycle": first, "cycle_mult": mult, "num_cycles": number}, first
    # Cycles whose exact share is a step or more always fit; num_cycles is what is left of them.
    fit = 1
    while fit < 6 and sum(mult**i for i in range(fit + 1)) <= horizon:
        fit += 1
    number = draw(st.none() | st.integers(1, fit) if fit >= 3 else st.integers(1, fit))
    share = horizon / sum(mult**i for i in range(number or 3))
    return tail | {"cycle_mult": mult, "num_cycles": number}, max(1, int(share) - 1)


@st.composite
def sgdr_settings(draw: st.DrawFn, horizon: int) -> dict[str, Any]:
    cycles, shortest = cycles_of(draw, horizon)
    return cycles | {
        **shaped(draw),
        "peak_decay": draw(multipliers),
        "peak_decay_form": draw(st.sampled_from(["amplitude", "peak"])),
        "cycle_warmup": draw(st.just(0) | st.integers(0, shortest - 1)),
        "cycle_warmup_form": draw(forms),
        "endpoint": draw(endpoints),
    }


@st.composite
def trapezoid_settings(draw: st.DrawFn, horizon: int) -> dict[str, Any]:
    cycles, _ = cycles_of(draw, horizon)
    up = draw(st.integers(0, 20))
    return cycles | {
        **shaped(draw),
        "warmup_fraction": up / 20,
        "decay_fraction": draw(st.integers(0, 20 - up)) / 20,
        "peak_decay": draw(multipliers),
        "endpoint": draw(endpoints),
    }


@st.composite
def wsd_s_settings(draw: st.DrawFn, horizon: int) -> dict[str, Any]:
    cycles, _ = cycles_of(draw, horizon)
    return cycles | {
        **shaped(draw),
        "decay_fraction": draw(fractions),
        "decay_of": draw(st.sampled_from(["so_far", "cycle"])),
        "endpoint": draw(endpoints),
    }


@st.composite
def wsd_settings(draw: st.DrawFn, horizon: int) -> dict[str, Any]:
    return {
        **shaped(draw),
        "cooldown": draw(st.integers(0, horizon)),
        "endpoint": draw(endpoints),
    }


@st.composite
def snapshot_settings(draw: st.DrawFn, horizon: int) -> dict[str, Any]:
    fit = [n for n in range(1, min(horizon, 9) + 1) if (n - 1) * math.ceil(horizon / n) < horizon]
    return {"num_cycles": draw(st.sampled_from(fit)), "final_factor": draw(fractions)}


@st.composite
def power_settings(draw: st.DrawFn, horizon: int) -> dict[str, Any]:
    shape = draw(st.sampled_from(SHAPES))
    crossover = draw(st.integers(1, 2 * horizon))
    power = draw(powers)
    cooldown = draw(st.integers(0, horizon))
    level = min(1.0, (crossover / (horizon - cooldown + 1)) ** power)
    # The end lies below the level at which the cooldown begins.
    part = draw(st.floats(1e-6 if shape in MEANS else 0.0, 0.99))
    return {
        "crossover": crossover,
        "power": power,
        "cooldown": cooldown,
        "shape": shape,
        "final_factor": part * level,
    }


@st.composite
def one_cycle_settings(draw: st.DrawFn, horizon: int, heights: dict[str, Any]) -> dict[str, Any]:
    endpoint = draw(endpoints)
    last = horizon - 1 if endpoint == "inclusive" else horizon
    phases = draw(st.sampled_from([2, 3] if last >= 3 else [2]))
    peak = draw(st.integers(1, last - 1 if phases == 2 else (last - 1) // 2))
    return draw(st.fixed_dictionaries(heights)) | {
        "peak": peak,
        "phases": phases,
        "shape": draw(st.sampled_from(["cosine", "linear"])),
        "endpoint": endpoint,
    }


@st.composite
def rewarm_settings(draw: st.DrawFn, horizon: int) -> dict[str, Any]:
    inner = st.sets(st.integers(1, horizon - 1), max_size=4) if horizon > 1 else st.just(set())
    starts = sorted(draw(inner))
    shortest = min(b - a for a, b in pairwise([0, *starts, horizon]))
    return {
        **shaped(draw),
        "starts": starts,
        "rewarm": draw(st.integers(0, shortest - 1)),
        "rewarm_form": draw(forms),
        "endpoint": draw(endpoints),
    }


@st.composite
def infinite_settings(draw: st.DrawFn, horizon: int) -> dict[str, Any]:
    constant = draw(multipliers)
    anneal = draw(st.integers(0, horizon - 1))
    cooldown = draw(st.integers(1, 2 * horizon if anneal == 0 else horizon - anneal))
    return {
        "cooldown": cooldown,
        "constant_factor": constant,
        "shape": draw(st.sampled_from(["cosine", "inverse_sqrt", "linear"])),
        "anneal": anneal,
        "final_factor": constant * draw(multipliers),
    }


@st.composite
def table_settings(draw: st.DrawFn, horizon: int) -> dict[str, Any]:
    rows = st.sets(st.integers(1, 2 * horizon), max_size=6).map(sorted)
    steps = [0, *draw(rows)]
    factors = st.lists(st.floats(0.0, 3.0), min_size=len(steps), max_size=len(steps))
    return {
        "steps": steps,
        "factors": draw(factors),
        "cycle_starts": [0, *draw(rows)],
        "between": draw(st.sampled_from(["hold", "linear"])),
    }


@st.composite
def inner_schedule(draw: st.DrawFn, horizon: int) -> Any:
    """What stands for a schedule inside another one: a name, or a mapping with one."""
    names = [name for name in SCHEDULES if name not in COMPOSED | {"table"}]
    names = [name for name in names if LEAST_STEPS.get(name, 1) <= horizon]
    if horizon == 1:
        names = [name for name in names if name not in OWN_WARMUP]
    bare = st.sampled_from(["constant", "linear", "cosine"])
    return draw(bare | st.sampled_from(names).flatmap(lambda name: mapping_of(name, horizon)))


def mapping_of(name: str, horizon: int) -> st.SearchStrategy[dict[str, Any]]:
    return settings_of(name, horizon).map(lambda own: {"name": name} | own)


@st.composite
def sequence_settings(draw: st.DrawFn, horizon: int) -> dict[str, Any]:
    inner = st.sets(st.integers(1, horizon - 1), max_size=3) if horizon > 1 else st.just(set())
    boundaries = sorted(draw(inner))
    lengths = [b - a for a, b in pairwise([0, *boundaries, horizon])]
    return {
        "pieces": [draw(inner_schedule(length)) for length in lengths],
        "boundaries": boundaries,
        "restart": draw(st.booleans()),
    }


@st.composite
def frozen_settings(draw: st.DrawFn, horizon: int) -> dict[str, Any]:
    last = math.ceil(0.8 * horizon) - 1
    steps = draw(st.sets(st.integers(1, last), max_size=5).map(sorted)) if last else []
    actions = st.sampled_from(["restart", "decay", "reset"])
    events = [{"step": step, "action": draw(actions)} for step in steps]
    restarts = [event["step"] for event in events if event["action"] == "restart"]
    # As many cycles as leave an update to each of them, whichever of them come.
    room = min([horizon, *(horizon - step + i for i, step in enumerate(restarts, start=1))])
    bases = ["constant", "cosine", {"name": "wsd", "cooldown": "0%"}, {"name": "step"}]
    bases[3] |= {"step_size": draw(st.integers(1, horizon)), "gamma": draw(multipliers)}
    return {
        "of": draw(st.sampled_from(bases)),
        "events": events,
        "num_cycles": draw(st.none() | st.integers(len(restarts) + 1, room)),
        "peak_decay": draw(multipliers),
        "decay_factor": draw(multipliers),
        "final_fraction": draw(st.sampled_from([0.0, 0.1, 0.2])),
    }


def settings_of(name: str, horizon: int) -> st.SearchStrategy[dict[str, Any]]:
    """Every kind of settings ``name`` accepts in a run with ``horizon`` steps after the warmup."""
    length = st.integers(1, 2 * horizon)
    fall = {"decay": st.none() | length, "final_factor": fractions, "endpoint": endpoints}
    by_end = {"decay": st.none() | length, "final_factor": st.none() | multipliers}
    drops = st.sets(length, min_size=1, max_size=5).map(sorted)
    triangle = {"half_cycle": length, "down": st.none() | length, "min_factor": fractions}
    own_warmup = {"warmup": st.integers(1, max(1, horizon - 1))}
    cooldown = {"cooldown": st.integers(0, horizon)}
    heights = {"start_factor": fractions, "final_factor": fractions}
    scales = st.floats(1e-3, 1e3)
    bases = st.sampled_from(["cosine", "polynomial"])
    known: dict[str, Callable[[], st.SearchStrategy[dict[str, Any]]]] = {
        "constant": lambda: st.just({}),
        "linear": lambda: st.fixed_dictionaries(fall),
        "polynomial": lambda: st.fixed_dictionaries(fall | {"power": powers}),
        "cosine": lambda: st.fixed_dictionaries(fall | {"exponent": powers}),
        "k_decay": lambda: st.fixed_dictionaries(
            fall | {"k": powers, "base": bases, "power": powers}
        ),
        "step": lambda: st.fixed_dictionaries({"step_size": length, "gamma": multipliers}),
        "multistep": lambda: st.fixed_dictionaries({"milestones": drops, "gamma": multipliers}),
        "exponential": lambda: (
            st.fixed_dictionaries(by_end) | st.fixed_dictionaries({"gamma": multipliers})
        ),
        "inverse_time": lambda: st.fixed_dictionaries(fall | {"final_factor": multipliers}),
        "tanh": lambda: st.fixed_dictionaries(
            fall | {"lower": st.floats(-8.0, 0.0), "upper": st.floats(0.5, 8.0)}
        ),
        "rex": lambda: st.fixed_dictionaries(fall | {"bend": st.floats(0.0, 0.999)}),
        "knee": lambda: st.fixed_dictionaries(
            {
                "explore": st.integers(0, horizon - 1),
                "final_factor": fractions,
                "endpoint": endpoints,
            }
        ),
        "slanted_triangle": lambda: st.fixed_dictionaries(
            {"cut": st.integers(1, horizon - 1), "ratio": st.floats(1.0, 1e4)}
        ),
        "inverse_sqrt": lambda: st.fixed_dictionaries(
            own_warmup | {"warmup_form": forms, "warmup_start": fractions}
        ),
        "noam": lambda: st.fixed_dictionaries(
            own_warmup | {"model_size": st.none() | st.integers(1, 1024), "scale_factor": scales}
        ),
        "rsqrt": lambda: st.fixed_dictionaries({"timescale": length} | cooldown),
        "power": lambda: power_settings(horizon),
        "anytime": lambda: st.fixed_dictionaries({"power": powers, "timescale": length}),
        "triangular": lambda: st.fixed_dictionaries(triangle),
        "triangular2": lambda: st.fixed_dictionaries(triangle),
        "exp_range": lambda: st.fixed_dictionaries(triangle | {"gamma": multipliers}),
        "one_cycle": lambda: one_cycle_settings(horizon, heights),
        "one_cycle_momentum": lambda: one_cycle_settings(horizon, {"min_factor": fractions}),
        "sgdr": lambda: sgdr_settings(horizon),
        "snapshot": lambda: snapshot_settings(horizon),
        "trapezoidal_restarts": lambda: trapezoid_settings(horizon),
        "wsd": lambda: wsd_settings(horizon),
        "wsd_s": lambda: wsd_s_settings(horizon),
        "rewarm": lambda: rewarm_settings(horizon),
        "infinite": lambda: infinite_settings(horizon),
        "sequence": lambda: sequence_settings(horizon),
        "scaled": lambda: st.fixed_dictionaries(
            {"of": inner_schedule(horizon), "scale_factor": scales}
        ),
        "frozen": lambda: frozen_settings(horizon),
        "table": lambda: table_settings(horizon),
    }
    return known[name]()


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
    if name in OWN_WARMUP:
        total_steps = draw(st.integers(2, 120))
        return Case(name, draw(settings_of(name, total_steps)), total_steps)
    least = LEAST_STEPS.get(name, 1)
    total_steps = draw(st.integers(least, 120))
    warmup = draw(st.just(0) | st.integers(0, total_steps - least))
    shared = {"warmup": warmup, "warmup_form": draw(forms), "warmup_start": draw(fractions)}
    return Case(name, draw(settings_of(name, total_steps - warmup)) | shared, total_steps)


def ceiling(name: str, own: dict[str, Any]) -> float:
    """The largest factor a schedule with these settings may have."""
    if name == "noam":
        size = own["model_size"]
        return own["scale_factor"] / (math.sqrt(size * own["warmup"]) if size else 1.0)
    if name == "table":
        return max(own["factors"])
    if name == "scaled":
        return own["scale_factor"] * ceiling_of(own["of"])
    if name == "sequence":
        return max(map(ceiling_of, own["pieces"]))
    return 1.0


def ceiling_of(inner: Any) -> float:
    return 1.0 if isinstance(inner, str) else ceiling(inner["name"], inner)


@EVERY_SCHEDULE
@unhurried
@given(data=st.data())
def test_every_factor_is_a_finite_float_between_0_and_the_peak(
    name: str, data: st.DataObject
) -> None:
    case = data.draw(cases(name))
    factor = case.build()
    # A mean of peak and end, and a product, are each rounded.
    most = ceiling(name, case.settings) * (1 + 1e-15)
    for step in case.steps:
        value = factor(step)
        assert type(value) is float
        assert math.isfinite(value)
        assert 0.0 <= value <= most


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
def test_a_run_that_resumes_anywhere_gets_the_rates_it_would_have_had(
    name: str, data: st.DataObject
) -> None:
    case = data.draw(cases(name))
    whole = case.build()
    uninterrupted = [whole(step) for step in range(case.total_steps)]
    split = data.draw(st.integers(0, case.total_steps))
    before, after = case.build(), case.build()
    parts = [before(step) for step in range(split)]
    parts += [after(step) for step in range(split, case.total_steps)]
    assert parts == uninterrupted
    assert after.restarts(case.total_steps) == whole.restarts(case.total_steps)


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
def test_cycles_begin_at_increasing_integers_inside_the_run(name: str, data: st.DataObject) -> None:
    case = data.draw(cases(name))
    schedule = case.build()
    starts = schedule.cycles.before(case.total_steps)
    assert starts[0] == schedule.cycles.start(0) == 0
    assert all(type(step) is int for step in starts)
    assert all(a < b for a, b in pairwise(starts))
    assert starts[-1] < case.total_steps
    later = schedule.cycles.before(case.total_steps + 7)
    assert starts == tuple(step for step in later if step < case.total_steps)
    is_restarted = schedule.cycles.are_restarts
    assert schedule.restarts(case.total_steps) == (starts[1:] if is_restarted else ())


@EVERY_SCHEDULE
@unhurried
@given(data=st.data())
def test_the_cycle_of_a_step_counts_the_starts_up_to_it(name: str, data: st.DataObject) -> None:
    case = data.draw(cases(name))
    schedule = case.build()
    starts = schedule.cycles.before(case.total_steps)
    for step in range(0, case.total_steps, 3):
        assert schedule.cycle(step) == bisect_right(starts, step) - 1


@EVERY_SCHEDULE
@unhurried
@given(data=st.data())
def test_the_area_is_the_mean_of_the_factors_of_the_run(name: str, data: st.DataObject) -> None:
    case = data.draw(cases(name))
    factor = case.build()
    exact = sum(Fraction(factor(step)) for step in range(case.total_steps)) / case.total_steps
    # One rounding of the sum, one of the quotient; below 1e-300 floats thin out.
    assert factor.area(case.total_steps) == pytest.approx(float(exact), rel=1e-15, abs=1e-300)


@EVERY_SCHEDULE
@unhurried
@given(data=st.data(), rate=st.floats(1e-6, 1e3))
def test_a_rate_is_the_base_rate_times_the_factor(
    name: str, data: st.DataObject, rate: float
) -> None:
    case = data.draw(cases(name))
    factor = case.build()
    table = tabulate([case.build(), case.build()], [rate, 2 * rate], case.total_steps)
    assert table[:, 0].tolist() == [rate * factor(step) for step in range(case.total_steps)]
    # Twice the base rate is twice the rate: nothing in a schedule knows the base. Doubling loses
    # bits only where floats thin out.
    assert table[:, 1].tolist() == pytest.approx((2 * table[:, 0]).tolist(), rel=0, abs=1e-300)


def climb(form: str, step: int, length: int) -> float:
    """Height of a warmup, as the reference writes it."""
    return {
        "first": lambda: (step + 1) / length,
        "zero": lambda: step / length,
        "open": lambda: (step + 1) / (length + 1),
        "cosine": lambda: math.sin(math.pi * step / length / 2) ** 2,
        "1-sqrt": lambda: 1 - math.sqrt((length - step) / length),
        "exponential": lambda: 1 - math.exp(-2 * (step + 1) / length),
    }[form]()


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name not in OWN_WARMUP])
@unhurried
@given(data=st.data())
def test_a_warmup_is_a_ramp_put_before_the_schedule(name: str, data: st.DataObject) -> None:
    case = data.draw(cases(name))
    length, form = case.settings["warmup"], case.settings["warmup_form"]
    begin = case.settings["warmup_start"]
    warmed = case.build()
    bare = Case(name, case.settings | {"warmup": 0}, case.total_steps - length).build()

    for step in range(length):
        ramp = begin + (1 - begin) * climb(form, step, length)
        expected = pytest.approx(ramp * bare(0), rel=1e-12, abs=1e-15 * bare(0))
        assert warmed(step) == expected
    after = [bare(step) for step in range(case.total_steps - length)]
    if form == "exponential" and length:
        # It never quite ends.
        heights = [climb(form, step, length) for step in range(length, case.total_steps)]
        after = [
            (begin + (1 - begin) * height) * value
            for height, value in zip(heights, after, strict=True)
        ]
        expected = pytest.approx(after, rel=1e-12, abs=1e-300)
        assert [warmed(step) for step in range(length, case.total_steps)] == expected
    else:
        assert [warmed(step) for step in range(length, case.total_steps)] == after
    assert warmed.restarts(case.total_steps) == tuple(
        step + length for step in bare.restarts(case.total_steps - length)
    )


@EVERY_SCHEDULE
@unhurried
@given(data=st.data())
def test_conventions_and_notes_are_single_lines_for_a_reader(
    name: str, data: st.DataObject
) -> None:
    built = data.draw(cases(name)).build()
    assert built.conventions
    assert all(line and "\n" not in line for line in (*built.conventions, *built.notes))


FALLS: dict[str, dict[str, Any]] = {
    "linear": {},
    "polynomial": {"power": 0.7},
    "cosine": {"exponent": 1.5},
    "k_decay": {"k": 1.7},
    "k_decay polynomial": {"k": 0.8, "base": "polynomial", "power": 1.5},
    "inverse_time": {},
    "rex": {"bend": 0.8},
    "knee": {"explore": 1},
    "sgdr": {"num_cycles": 1},
    "rewarm": {"starts": [], "rewarm": 0},
    "one_cycle": {"peak": 1},
    **{f"wsd {shape}": {"cooldown": 3, "shape": shape} for shape in SHAPES if shape != "tanh"},
}


@pytest.mark.parametrize("label", FALLS)
@pytest.mark.parametrize("endpoint", ["exclusive", "inclusive"])
@unhurried
@given(total=st.integers(4, 90), end=st.floats(1e-3, 0.9))
def test_the_end_value_belongs_to_the_documented_step_and_is_held(
    label: str, endpoint: str, total: int, end: float
) -> None:
    own = FALLS[label] | {"final_factor": end, "endpoint": endpoint}
    factor = build_schedule(label.split()[0], own, total)
    last = total if endpoint == "exclusive" else total - 1
    assert factor(last) == end
    assert factor(last - 1) > end
    assert [factor(last + late) for late in (1, 2, 17, 2 * total, 3 * total)] == [end] * 5


ENDS: dict[str, tuple[str, dict[str, Any], float]] = {
    "exponential": ("exponential", {}, 0.01),
    "exponential, decay given": ("exponential", {"decay": 20, "final_factor": 0.3}, 0.3),
    "slanted_triangle": ("slanted_triangle", {"cut": 2, "ratio": 8.0}, 0.125),
    "rsqrt": ("rsqrt", {"timescale": 4, "cooldown": 5}, 0.0),
    "power": ("power", {"crossover": 4, "cooldown": 5, "final_factor": 0.1}, 0.1),
    "infinite": ("infinite", {"cooldown": 5, "anneal": 5, "final_factor": 0.02}, 0.02),
    "one_cycle, exclusive": ("one_cycle", {"peak": 6, "endpoint": "exclusive"}, 4e-6),
    "one_cycle, three phases": (
        "one_cycle",
        {"peak": 6, "phases": 3, "endpoint": "exclusive", "final_factor": 0.01},
        0.01,
    ),
    "one_cycle_momentum": ("one_cycle_momentum", {"peak": 6, "endpoint": "exclusive"}, 1.0),
    "snapshot": ("snapshot", {"num_cycles": 4, "final_factor": 0.1}, 0.1),
    "wsd_s": ("wsd_s", {"first_cycle": 10, "num_cycles": 2}, 0.1),
    "trapezoidal_restarts": ("trapezoidal_restarts", {"first_cycle": 10, "num_cycles": 2}, 0.0),
}


@pytest.mark.parametrize("label", ENDS)
def test_the_end_of_a_run_of_20_is_reached_at_20_and_held(label: str) -> None:
    name, own, end = ENDS[label]
    factor = build_schedule(name, own, 20)
    # The end of an annealing, a constant times a power of a quotient, is rounded.
    assert [factor(step) for step in (20, 21, 40, 99)] == pytest.approx([end] * 4, rel=1e-15)
    assert abs(factor(19) - end) > 1e-3


def test_tanh_ends_a_quarter_of_a_percent_above_its_end() -> None:
    for endpoint, last in (("exclusive", 20), ("inclusive", 19)):
        factor = build_schedule("tanh", {"decay": None, "endpoint": endpoint}, 20)
        residue = 1 / (1 + math.exp(6))  # (1 - tanh 3) / 2
        assert [factor(step) for step in (last, last + 1, 99)] == pytest.approx([residue] * 3)
        assert factor(last - 1) > 1.5 * residue
        assert factor(0) == pytest.approx(1 / (1 + math.exp(-12)), rel=1e-12)


ENDLESS: dict[str, dict[str, Any]] = {
    "exponential": {"gamma": 0.9},
    "inverse_sqrt": {"warmup": 4},
    "noam": {"warmup": 4},
    "rsqrt": {"timescale": 4, "cooldown": 0},
    "power": {"crossover": 4, "cooldown": 0},
    "anytime": {"timescale": 4},
    "step": {"step_size": 5, "gamma": 0.5},
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_schedule_without_an_end_does_not_know_how_long_the_run_is(name: str) -> None:
    short, long = (build_schedule(name, ENDLESS[name], total) for total in (20, 200))
    values = [short(step) for step in range(100)]
    assert values == [long(step) for step in range(100)]
    assert values[30] > values[60] > values[99] > 0.0


CYCLIC = ["sgdr", "trapezoidal_restarts", "wsd_s"]


@pytest.mark.parametrize("name", CYCLIC)
@unhurried
@given(lengths=st.lists(st.integers(1, 25), min_size=1, max_size=6))
def test_listed_cycles_restart_at_the_sums_of_their_lengths(name: str, lengths: list[int]) -> None:
    built = build_schedule(name, {"cycle_lengths": lengths}, sum(lengths))
    sums = list(accumulate(lengths))
    assert built.restarts(sum(lengths)) == tuple(sums[:-1])
    assert built.cycles.before(10**6) == (0, *sums[:-1])


@pytest.mark.parametrize("name", CYCLIC)
@unhurried
@given(first=st.integers(1, 20), mult=st.sampled_from(["1", "1.1", "1.5", "2", "2.7", "3", "10"]))
def test_growing_cycles_restart_at_the_sums_of_the_rounded_lengths(
    name: str, first: int, mult: str
) -> None:
    built = build_schedule(name, {"first_cycle": first, "cycle_mult": float(mult)}, 4000)
    expected, start, cycle = [], 0, 0
    while (start := start + round(first * Fraction(mult) ** cycle)) < 4000 and cycle < 50:
        expected.append(start)
        cycle += 1
    assert built.restarts(4000)[: len(expected)] == tuple(expected)


@unhurried
@given(lengths=st.lists(st.integers(2, 25), min_size=2, max_size=6), low=st.floats(0.0, 0.5))
def test_every_restart_is_at_the_peak_and_follows_the_lowest_step(
    lengths: list[int], low: float
) -> None:
    factor = build_schedule("sgdr", {"cycle_lengths": lengths, "final_factor": low}, sum(lengths))
    for restart in accumulate(lengths[:-1]):
        assert factor(restart) == 1.0
        assert factor(restart - 1) < 1.0
        assert factor(restart + 1) < 1.0


AREAS: dict[str, tuple[str, dict[str, Any], Callable[[int], float]]] = {
    "linear": ("linear", {}, lambda steps: (steps + 1) / 2),
    "cosine": ("cosine", {}, lambda steps: (steps + 1) / 2),
    "linear, inclusive": ("linear", {"endpoint": "inclusive"}, lambda steps: steps / 2),
    "cosine, inclusive": ("cosine", {"endpoint": "inclusive"}, lambda steps: steps / 2),
    "wsd mirror_cosine over all": (
        "wsd",
        {"cooldown": None, "shape": "mirror_cosine"},
        lambda steps: (steps + 1) / 2,
    ),
    "constant": ("constant", {}, lambda steps: steps),
    "knee": ("knee", {"explore": 2}, lambda steps: 2 + (steps - 2 + 1) / 2),
    "linear to .1": (
        "linear",
        {"final_factor": 0.1},
        lambda steps: 0.1 * steps + 0.9 * (steps + 1) / 2,
    ),
    "square over all": (
        "wsd",
        {"cooldown": None, "shape": "square"},
        lambda steps: steps - (steps - 1) * (2 * steps - 1) / (6 * steps),
    ),
    "polynomial": (
        "polynomial",
        {"power": 2.0},
        lambda steps: (steps + 1) * (2 * steps + 1) / (6 * steps),
    ),
}


@pytest.mark.parametrize("label", AREAS)
@unhurried
@given(steps=st.integers(3, 500))
def test_the_area_is_exactly_the_known_one(label: str, steps: int) -> None:
    name, own, area = AREAS[label]
    if "cooldown" in own:
        own = own | {"cooldown": steps}
    got = build_schedule(name, own, steps).area(steps) * steps
    assert got == pytest.approx(area(steps), rel=1e-12, abs=0)


@unhurried
@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=6))
def test_the_area_of_restarted_cosines_is_the_sum_of_their_areas(lengths: list[int]) -> None:
    total = sum(lengths)
    got = build_schedule("sgdr", {"cycle_lengths": lengths}, total).area(total) * total
    assert got == pytest.approx(sum((length + 1) / 2 for length in lengths), rel=1e-12)


def wsd_part(shape_area: float) -> float:
    return 1 - 0.2 + 0.2 * shape_area


LIMITS: dict[str, tuple[str, dict[str, Any], float]] = {
    "1-sqrt": ("wsd", {"cooldown": 20_000}, 1 / 3),
    "rex": ("rex", {}, 2 - 2 * math.log(2)),
    "rex is .6137": ("rex", {}, 0.6137),
    "wsd, a fifth of 1-sqrt": ("wsd", {"cooldown": 4000}, wsd_part(1 / 3)),
    "wsd, a fifth of linear": ("wsd", {"cooldown": 4000, "shape": "linear"}, wsd_part(1 / 2)),
    "square root of time": ("anytime", {"timescale": 1}, 2 / math.sqrt(20_000)),
    "inverse_linear": (
        "inverse_time",
        {"final_factor": 0.1},
        math.log(10) / 9,  # the integral of 1 / (1 + 9 q)
    ),
    "exponential": ("exponential", {"final_factor": 0.01}, 0.99 / math.log(100)),
    "normalized_exponential": (
        "wsd",
        {"cooldown": 20_000, "shape": "normalized_exponential"},
        (0.9 / math.log(10) - 0.1) / 0.9,
    ),
}


@pytest.mark.parametrize("label", LIMITS)
def test_the_area_tends_to_the_known_integral(label: str) -> None:
    name, own, area = LIMITS[label]
    # A sum of 20,000 steps lies within half a step of the integral; of a root, within one.
    assert build_schedule(name, own, 20_000).area(20_000) == pytest.approx(area, rel=0, abs=1e-4)


RUN = 20
CYCLES: dict[str, Any] = {"first_cycle": 5, "cycle_mult": 1.0, "num_cycles": None}
FALL = {"decay": None, "final_factor": 0.5}
TRIANGLE = {"half_cycle": 5, "min_factor": 0.5}
GOOD: dict[str, dict[str, Any]] = {
    "constant": {},
    "linear": FALL,
    "polynomial": FALL,
    "cosine": FALL,
    "k_decay": FALL,
    "step": {"step_size": 5, "gamma": 0.5},
    "multistep": {"milestones": [5, 9], "gamma": 0.5},
    "exponential": {},
    "inverse_time": FALL,
    "tanh": FALL,
    "rex": FALL,
    "knee": {"explore": 5},
    "slanted_triangle": {"cut": 5},
    "inverse_sqrt": {"warmup": 5},
    "noam": {"warmup": 5},
    "rsqrt": {"timescale": 5, "cooldown": 5},
    "power": {"crossover": 5, "cooldown": 5},
    "anytime": {"timescale": 5},
    "triangular": TRIANGLE,
    "triangular2": TRIANGLE,
    "exp_range": TRIANGLE,
    "one_cycle": {"peak": 5},
    "sgdr": CYCLES,
    "snapshot": {"num_cycles": 4},
    "trapezoidal_restarts": CYCLES,
    "wsd": {"cooldown": 5},
    "wsd_s": CYCLES,
    "rewarm": {"starts": [10], "rewarm": 2},
    "infinite": {"cooldown": 5, "anneal": 5},
    "sequence": {"pieces": ["linear", "cosine"], "boundaries": [8]},
    "scaled": {"of": "cosine", "scale_factor": 0.5},
    "frozen": {"of": "cosine", "events": [{"step": 5, "action": "restart"}]},
    "table": {"steps": [0, 4], "factors": [1.0, 0.5]},
    "one_cycle_momentum": {"peak": 5},
}
NAN, INF = math.nan, math.inf
LENGTH = [0, -1]
FRACTION = [-0.01, 1.01, NAN, INF, -INF]
DECAY = [0.0, -0.5, 1.01, NAN, INF]
POSITIVE = [0.0, -1.0, NAN, INF]
GIVEN_LENGTH = [None, *LENGTH]
MULT = [0.99, 0.0, -2.0, NAN, INF]
COOLDOWN = [None, -1, RUN + 1]
STEPS_OF_CYCLES = {
    "cycle_mult": MULT,
    "num_cycles": LENGTH,
    "first_cycle": [*LENGTH, RUN + 1],
    "final_factor": FRACTION,
    "power": POSITIVE,
    "cycle_lengths": [[], [0], [3, -1], [RUN + 1]],
}
SHARED_WARMUP = {"warmup": [-1, RUN, RUN + 1], "warmup_start": FRACTION}
NEEDED_WARMUP = {"warmup": [None, *LENGTH, RUN, RUN + 1]}
OUTSIDE: dict[str, dict[str, list[Any]]] = {
    "constant": {},
    "linear": {"decay": LENGTH, "final_factor": FRACTION},
    "polynomial": {"decay": LENGTH, "final_factor": FRACTION, "power": POSITIVE},
    "cosine": {"decay": LENGTH, "final_factor": FRACTION, "exponent": POSITIVE},
    "k_decay": {"decay": LENGTH, "final_factor": FRACTION, "k": POSITIVE, "power": POSITIVE},
    "step": {"step_size": GIVEN_LENGTH, "gamma": DECAY},
    "multistep": {"milestones": [None, [], [0], [-1, 3], [3, 3], [5, 4]], "gamma": DECAY},
    "exponential": {"decay": LENGTH, "final_factor": DECAY, "gamma": DECAY},
    "inverse_time": {"decay": LENGTH, "final_factor": DECAY},
    "tanh": {
        "decay": LENGTH,
        "final_factor": FRACTION,
        "lower": [3.0, 4.0, NAN, -INF],
        "upper": [-6.0, -7.0, NAN, INF],
    },
    "rex": {"decay": LENGTH, "final_factor": FRACTION, "bend": [-0.1, 1.0, NAN, INF]},
    "knee": {"explore": [None, -1, RUN], "final_factor": FRACTION},
    "slanted_triangle": {"cut": [*GIVEN_LENGTH, RUN], "ratio": [0.99, -1.0, NAN, INF]},
    "inverse_sqrt": NEEDED_WARMUP | {"warmup_start": FRACTION},
    "noam": NEEDED_WARMUP | {"model_size": LENGTH, "scale_factor": POSITIVE},
    "rsqrt": {"timescale": GIVEN_LENGTH, "cooldown": COOLDOWN},
    "power": {
        "crossover": GIVEN_LENGTH,
        "power": POSITIVE,
        "cooldown": COOLDOWN,
        "final_factor": [*FRACTION, 0.9],  # the cooldown begins at .56
    },
    "anytime": {"power": POSITIVE, "timescale": GIVEN_LENGTH},
    "triangular": {"half_cycle": GIVEN_LENGTH, "down": LENGTH, "min_factor": FRACTION},
    "triangular2": {"half_cycle": GIVEN_LENGTH, "down": LENGTH, "min_factor": FRACTION},
    "exp_range": {
        "half_cycle": GIVEN_LENGTH,
        "down": LENGTH,
        "min_factor": FRACTION,
        "gamma": DECAY,
    },
    "one_cycle": {
        "peak": [*GIVEN_LENGTH, RUN - 1, RUN],
        "start_factor": FRACTION,
        "final_factor": FRACTION,
    },
    "sgdr": STEPS_OF_CYCLES | {"peak_decay": DECAY, "cycle_warmup": [-1, 5, 6]},
    "snapshot": {"num_cycles": [*LENGTH, RUN + 1, 15], "final_factor": FRACTION},
    "trapezoidal_restarts": STEPS_OF_CYCLES
    | {"peak_decay": DECAY, "warmup_fraction": FRACTION, "decay_fraction": [*FRACTION, 0.91]},
    "wsd": {"cooldown": COOLDOWN, "final_factor": FRACTION, "power": POSITIVE},
    "wsd_s": STEPS_OF_CYCLES | {"decay_fraction": FRACTION},
    "rewarm": {
        "starts": [None, [0], [-3], [4, 4], [9, 5], [RUN]],
        "rewarm": [None, -1, 10],
        "final_factor": FRACTION,
        "power": POSITIVE,
    },
    "infinite": {
        "cooldown": GIVEN_LENGTH,
        "constant_factor": [0.0, -0.1, 1.01, NAN, INF],
        "anneal": [None, -1, RUN - 5 + 1],
        "final_factor": [0.0, -0.1, 0.31, NAN],
    },
    "sequence": {
        "pieces": [None, []],
        "boundaries": [None, [0], [-1], [RUN], [3, 5], []],
    },
    "scaled": {"of": [None, {}, {"gamma": 0.5}], "scale_factor": [None, *POSITIVE]},
    "frozen": {
        "of": [None, {}, {"gamma": 0.5}],
        "events": [
            [{"step": step, "action": "decay"} for step in steps]
            for steps in ([0], [-1], [5, 5], [9, 5], [math.ceil(0.75 * RUN)])
        ],
        "num_cycles": [*LENGTH, RUN + 1],
        "peak_decay": DECAY,
        "decay_factor": DECAY,
        "final_fraction": [-0.1, 1.0, NAN],
    },
    "table": {
        "steps": [[], [1, 4], [0, 0], [0, 4, 3]],
        "factors": [[1.0], [1.0, -0.1], [1.0, NAN], [INF, 1.0]],
        "cycle_starts": [[], [1], [0, 3, 3]],
    },
    "one_cycle_momentum": {"peak": [*GIVEN_LENGTH, RUN - 1], "min_factor": FRACTION},
}
BAD = [
    (name, key, value)
    for name, own in OUTSIDE.items()
    for key, values in (own if name in OWN_WARMUP else own | SHARED_WARMUP).items()
    for value in values
]


def is_choice(annotation: Any) -> bool:
    """Checked against its type where it is read."""
    return annotation is bool or get_origin(annotation) is Literal


@EVERY_SCHEDULE
def test_every_setting_with_an_interval_is_tried_outside_it(name: str) -> None:
    parameters = SCHEDULES[name].parameters
    numbers = {key for key, one in parameters.items() if not is_choice(one.annotation)}
    if name == "table":
        # What stands in the file, which is read before.
        numbers = numbers - {"file"} | {"steps", "factors", "cycle_starts"}
    assert {key for entry, key, _ in BAD if entry == name} == numbers


@pytest.mark.parametrize(("name", "key", "value"), BAD)
def test_a_setting_outside_its_interval_is_named_in_the_error(
    name: str, key: str, value: Any
) -> None:
    good = {} if key == "cycle_lengths" else GOOD[name]
    build_schedule(name, good, RUN)
    with pytest.raises(ScheduleError) as caught:
        build_schedule(name, good | {key: value}, RUN)
    (problem,) = caught.value.problems
    assert problem.relation.startswith("must ")
    if (name, key) == ("tanh", "upper"):
        # Of two that are wrong together the first is named, and the other one's value said.
        assert (problem.key, f"({value})" in problem.relation) == ("lower", True)
        return
    assert problem.key == key
    if not isinstance(GOOD[name].get(key), list):
        assert repr(problem.got) == repr(value)


@pytest.mark.parametrize(
    ("name", "settings", "key"),
    [
        ("scaled", {"of": "cosin"}, "of"),
        ("scaled", {"of": {"name": "step", "step_size": 5, "gamma": 2.0}}, "of.gamma"),
        ("scaled", {"of": {"name": "scaled", "of": {"name": "anytime"}}}, "of.of.timescale"),
        ("sequence", {"pieces": ["linear", "nothing"], "boundaries": [8]}, "pieces.1"),
        (
            "sequence",
            {"pieces": ["linear", {"name": "linear", "decay": 0}], "boundaries": [8]},
            "pieces.1.decay",
        ),
        (
            "sequence",
            {"pieces": [{"name": "constant", "warmup": 8}, "linear"], "boundaries": [8]},
            "pieces.0.warmup",
        ),
    ],
)
def test_an_error_inside_a_schedule_inside_a_schedule_has_the_whole_path(
    name: str, settings: dict[str, Any], key: str
) -> None:
    with pytest.raises(ScheduleError) as caught:
        build_schedule(name, settings, RUN)
    (problem,) = caught.value.problems
    assert problem.key == key


@pytest.mark.parametrize("shape", sorted(MEANS))
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("wsd", {"cooldown": 5}),
        ("sgdr", CYCLES),
        ("trapezoidal_restarts", CYCLES),
        ("wsd_s", CYCLES),
        ("rewarm", GOOD["rewarm"]),
        ("power", GOOD["power"]),
    ],
)
def test_a_shape_that_is_a_mean_needs_an_end_above_0(
    name: str, settings: dict[str, Any], shape: str
) -> None:
    build_schedule(name, settings | {"shape": shape, "final_factor": 0.1}, RUN)
    with pytest.raises(ScheduleError) as caught:
        build_schedule(name, settings | {"shape": shape, "final_factor": 0.0}, RUN)
    (problem,) = caught.value.problems
    assert (problem.key, problem.relation) == (
        "final_factor",
        f"must be above 0 where the shape is {shape}",
    )


@pytest.mark.parametrize("name", CYCLIC)
@pytest.mark.parametrize("key", ["first_cycle", "num_cycles"])
def test_lengths_and_what_they_replace_are_not_given_together(name: str, key: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        build_schedule(name, {"cycle_lengths": [5, 5], key: 2}, RUN)
    (problem,) = caught.value.problems
    assert (problem.key, problem.got) == (key, 2)


def test_a_negative_warmup_is_not_called_too_long() -> None:
    with pytest.raises(ScheduleError, match="warmup must not be negative, got -1"):
        build_schedule("constant", {"warmup": -1}, RUN)


def test_every_schedule_has_a_file_and_every_file_a_schedule() -> None:
    stand_ins = {"custom", "torch_adapter"}  # for schedules that are not of this library
    assert {path.stem for path in CONF.glob("*.yaml")} - stand_ins == SCHEDULES.keys()


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
            # Null is the builder's own default, the length that the run fills in, or a file.
            is_open = parameter.default is None or parameter.annotation is Steps or key == "file"
            assert is_open, key
        elif not parameter.is_required:
            is_list = isinstance(value, list)
            assert (tuple(value) if is_list else value) == parameter.default, key


@EVERY_SCHEDULE
def test_a_summary_is_one_sentence(name: str) -> None:
    assert SCHEDULES[name].summary.endswith(".")


@EVERY_SCHEDULE
def test_every_setting_is_described_where_the_schedule_is_documented(name: str) -> None:
    entry = SCHEDULES[name]
    described = entry.documentation.partition("Parameters\n---")[2].partition("Returns\n---")[0]
    words = described.replace(",", " ").split()
    for keyword in inspect.signature(entry.builder).parameters:
        assert keyword in words, keyword
