"""What every trigger promises; when each fires is told in tests/unit/triggers."""

from __future__ import annotations

import importlib
import inspect
import json
import math
import pkgutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_type_hints

import pytest
import yaml
from hypothesis import given, settings

import lrbench.triggers
from lrbench.triggers.base import Observation
from lrbench.triggers.catalog import CONTEXT, TRIGGERS
from triggering import EVERY_ONE, FIRING, courses, fired, make, seen, stream

CONF = Path(__file__).parents[2] / "conf" / "trigger"
unhurried = settings(deadline=None, max_examples=15)


def builders() -> set[str]:
    """Every function of the package that makes something to be asked."""
    found = set()
    for module in pkgutil.iter_modules(lrbench.triggers.__path__, "lrbench.triggers."):
        for name, member in inspect.getmembers(importlib.import_module(module.name)):
            if inspect.isfunction(member) and "total_steps" in inspect.signature(member).parameters:
                made = get_type_hints(member).get("return")
                if hasattr(made, "observe") and name != "build_trigger":
                    found.add(name)
    return found


def test_no_trigger_is_missing() -> None:
    assert set(TRIGGERS) == builders()
    assert set(TRIGGERS) == set(EVERY_ONE) == set(FIRING)


def test_every_trigger_has_its_file_with_its_own_defaults() -> None:
    files = {path.stem: yaml.safe_load(path.read_text()) for path in CONF.glob("*.yaml")}
    assert files.pop("none") == {"name": "none"}
    assert files == {
        name: {"name": name} | {key: one.default for key, one in entry.parameters.items()}
        for name, entry in TRIGGERS.items()
    }


@pytest.mark.parametrize("name", TRIGGERS)
def test_every_setting_is_told_in_the_documentation(name: str) -> None:
    entry = TRIGGERS[name]
    shared = TRIGGERS["plateau"] if name == "plateau_slope" else entry
    told = entry.documentation + shared.documentation
    assert not CONTEXT & set(entry.parameters)
    for parameter in entry.parameters.values():
        assert parameter.keyword in told, parameter.keyword


def frozen(value: Any) -> Any:
    """The same, but it cannot be changed."""
    if isinstance(value, Mapping):
        return MappingProxyType({key: frozen(one) for key, one in value.items()})
    return tuple(frozen(one) for one in value) if isinstance(value, list) else value


def thawed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: thawed(one) for key, one in value.items()}
    return [thawed(one) for one in value] if isinstance(value, tuple) else value


def course_of(name: str, values: list[float]) -> list[Observation]:
    trigger = make(name, **EVERY_ONE[name])
    return stream(trigger, values[: 100 // trigger.every])


@pytest.mark.parametrize("name", TRIGGERS)
@unhurried
@given(values=courses(100))
def test_a_state_is_plain_json_and_never_changed(name: str, values: list[float]) -> None:
    trigger = make(name, **EVERY_ONE[name])
    for course in (values, [-value for value in values], FIRING[name]):
        state = trigger.start()
        for observation in course_of(name, course):
            after, _ = trigger.observe(frozen(state), observation)
            state = thawed(after)
            assert json.loads(json.dumps(state, allow_nan=False)) == state


@pytest.mark.parametrize("name", TRIGGERS)
@unhurried
@given(values=courses(100))
def test_a_run_that_goes_on_from_any_state_decides_the_same(name: str, values: list[float]) -> None:
    for course in (values, FIRING[name]):
        watched = course_of(name, course)
        trigger, states = make(name, **EVERY_ONE[name]), []
        state, whole = trigger.start(), []
        for observation in watched:
            states.append(json.dumps(state))
            state, decision = trigger.observe(state, observation)
            whole.append(decision)
        for k in range(0, len(watched), 7):
            # A trigger built anew, as in another process.
            other, state, rest = make(name, **EVERY_ONE[name]), json.loads(states[k]), []
            for observation in watched[k:]:
                state, decision = other.observe(state, observation)
                rest.append(decision)
            assert rest == whole[k:]


@pytest.mark.parametrize("name", TRIGGERS)
def test_the_start_is_always_the_same(name: str) -> None:
    trigger = make(name, **EVERY_ONE[name])
    watched = course_of(name, FIRING[name])
    first = fired(trigger, watched)
    assert first
    assert fired(trigger, watched) == first
    assert json.dumps(trigger.start()) == json.dumps(make(name, **EVERY_ONE[name]).start())


NUMBERS = (
    "heat",
    "val_loss",
    "displacement",
    "path",
    "gradient_square",
    "gradient_trace",
    "train_losses",
    "grad_norms",
    "cosines",
)


@pytest.mark.parametrize("name", TRIGGERS)
@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_divergence_is_an_error_and_no_reason(name: str, number: str, value: float) -> None:
    trigger = make(name, **EVERY_ONE[name])
    last = seen(trigger.every, 1.0, every=trigger.every)
    series = getattr(last, number)
    broken = (*series[:-1], value) if isinstance(series, tuple) else value
    with pytest.raises(ValueError, match=f"{number} is {value} before step {trigger.every}"):
        trigger.observe(trigger.start(), replace(last, **{number: broken}))


@pytest.mark.parametrize("name", TRIGGERS)
def test_divergence_is_an_error_in_the_refractory_period_too(name: str) -> None:
    trigger = make(name, **EVERY_ONE[name])
    watched = course_of(name, FIRING[name])
    (first, *_), *_ = fired(trigger, watched)
    state = trigger.start()
    for observation in watched[: first + 1]:
        state, _ = trigger.observe(state, observation)
    step = watched[first].step + trigger.every
    with pytest.raises(ValueError, match="diverged"):
        trigger.observe(state, seen(step, math.nan, every=trigger.every))


GATED = [name for name, entry in TRIGGERS.items() if "gate" in entry.parameters]


def test_only_the_schemes_have_no_gate() -> None:
    assert set(TRIGGERS) - set(GATED) == {"function_scheme", "gradient_scheme"}


@pytest.mark.parametrize("name", GATED)
def test_nothing_restarts_above_the_gate(name: str) -> None:
    own = EVERY_ONE[name] | {"gate": 0.2}
    trigger = make(name, **own)
    values = FIRING[name][: 100 // trigger.every]
    assert fired(trigger, stream(trigger, values, heat=0.2))
    assert not fired(trigger, stream(trigger, values, heat=0.2001))
    always = make(name, **(own | {"gate": None}))
    assert fired(always, stream(always, values, heat=1.0))


@pytest.mark.parametrize("name", sorted(set(GATED) - {"grad_norm"}))
def test_decays_need_no_gate(name: str) -> None:
    (key,) = {"on_plateau", "on_noise", "on_stall"} & set(TRIGGERS[name].parameters)
    trigger = make(name, **(EVERY_ONE[name] | {key: "decay"}))
    found = fired(trigger, stream(trigger, FIRING[name][: 100 // trigger.every], heat=1.0))
    assert {action for _, action, *_ in found} == {"decay"}
    assert trigger.after.num_cycles == 1


@pytest.mark.parametrize("name", TRIGGERS)
def test_what_was_not_measured_is_no_evaluation(name: str) -> None:
    trigger = make(name, **EVERY_ONE[name])
    # Longer than what fires, so that an absence that counted would be seen.
    blind = [Observation((k + 1) * trigger.every, 0.0, ()) for k in range(30)]
    assert not fired(trigger, blind)


@pytest.mark.parametrize("name", ["plateau", "plateau_slope", "grad_norm", "snr"])
def test_a_single_spike_neither_fires_nor_undoes_what_was_counted(name: str) -> None:
    trigger = make(name, **EVERY_ONE[name])
    plain = course_of(name, FIRING[name])
    (first, *_), *_ = fired(trigger, plain)
    high = seen(plain[first].step, 1e3)
    spike = replace(high, gradient_trace=1e4)
    # One evaluation earlier it would have fired; the spike comes in its place.
    rest = [replace(one, step=one.step + 1) for one in plain[first:]]
    spiked = [*plain[:first], spike, *rest]
    assert fired(trigger, spiked)[0][0] == first + 1


@pytest.mark.parametrize("name", TRIGGERS)
def test_a_single_spike_where_all_is_well_never_fires(name: str) -> None:
    well = {
        "stall": lambda k: 0.9,
        "gradient_scheme": lambda k: 0.5,
        "grad_norm": lambda k: 1.0,
        "snr": lambda k: 1.0,
    }.get(name, lambda k: math.exp(-0.1 * k))
    trigger = make(name, **EVERY_ONE[name])
    for at in range(2, 40):
        watched = stream(trigger, [well(k) for k in range(60)])
        n = trigger.every
        if name == "stall":
            high: dict[str, Any] = {"path": 1e3}
        elif name == "gradient_scheme":
            high = {"cosines": (-1.0, *watched[at].cosines[1:])}
        else:
            value = 1e3 * watched[at].train_losses[0]
            high = {
                "train_losses": (value, *watched[at].train_losses[1:]),
                "grad_norms": (value,) * n,
                "gradient_trace": 1e4,
                "gradient_square": -1e4,
            }
        watched[at] = replace(watched[at], **high)
        assert not fired(trigger, watched), at
