"""The trigger of a run: from settings as typed to a checked component, lengths in updates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lrbench.config.findings import Findings
from lrbench.config.lengths import Lengths
from lrbench.config.naming import is_known, make_component
from lrbench.errors import ConfigError, Problem, TriggerError
from lrbench.spec.durations import FORMS, is_duration, resolve
from lrbench.spec.parameters import problems, unknown_key
from lrbench.spec.run import Component
from lrbench.triggers.base import Trigger
from lrbench.triggers.catalog import TRIGGERS, Parameter, build_trigger

NO_TRIGGER = "none"


@dataclass(frozen=True)
class FittedTrigger:
    """A trigger that fits a run.

    Parameters
    ----------
    component : Component
        With all its settings, lengths in updates.
    trigger : Trigger
        What it makes.
    rewarm : int in [0, inf), in updates
        Of the restarts it decides on; 0 where it never lets the rate jump.
    """

    component: Component
    trigger: Trigger
    rewarm: int


def read_trigger(raw: Mapping[str, Any], findings: Findings) -> Component | None:
    """The trigger that the settings name, lengths still as typed; None for none, or with findings.

    Every setting is of its type, and what was left out has its default.
    """
    own = dict(raw)
    name = str(own.pop("name", NO_TRIGGER))
    if name == NO_TRIGGER:
        for key, got in own.items():
            relation = f"is no setting without a trigger (there are: {', '.join(TRIGGERS)})"
            findings.add(relation, f"trigger.{key}", got, f"trigger={_with_setting(key)}")
        return None
    if not is_known("trigger", name, TRIGGERS, findings):
        return None
    params = findings.attempt("trigger", checked_settings, name, own)
    if params is None:
        return None
    return make_component(Component, "trigger", findings, name, None, None, params=params)


def checked_settings(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the trigger ``name``, each of its type (0 as 0.0 where it is a number).

    Raises
    ------
    ConfigError
        All that are unknown or of another type, at once.
    """
    known = TRIGGERS[name].parameters
    checked = {key: parameter.default for key, parameter in known.items()}
    found: list[Problem] = []
    for key, value in given.items():
        if key not in known:
            found.append(unknown_key(key, known, value))
        elif known[key].is_duration:
            checked[key] = value
            if value is not None and not is_duration(value):
                found.append(Problem(FORMS, key, value, remedy=_null(known[key])))
        else:
            try:
                checked[key] = _of_its_type(known[key], value)
            except ValidationError as error:
                relation = problems(error)[0].relation
                found.append(Problem(relation, key, value, remedy=_null(known[key])))
    if found:
        raise ConfigError(found)
    return checked


def _of_its_type(parameter: Parameter, value: Any) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(parameter.annotation, config={"allow_inf_nan": False})
    return adapter.validate_python(value, strict=True)


def fit_trigger(component: Component, lengths: Lengths, rewarm_steps: int) -> FittedTrigger:
    """The trigger with its lengths in updates, built for the run.

    Raises
    ------
    ConfigError
        A setting is outside its interval or does not fit the run; keys are relative to the
        component, values as typed.
    """
    train = lengths.train
    names = {
        k for k, parameter in TRIGGERS[component.name].parameters.items() if parameter.is_duration
    }
    params = resolve(
        component.params, names, steps_per_epoch=lengths.per_epoch, total_steps=train.steps
    )
    try:
        trigger = build_trigger(
            component.name,
            params,
            total_steps=train.steps,
            steps_per_epoch=lengths.per_epoch,
            eval_every=train.eval_every,
            batch_size=train.batch_size,
            rewarm_steps=rewarm_steps,
        )
    except TriggerError as error:
        raise TriggerError([_as_typed(one, component) for one in error.problems]) from None
    component = component.model_copy(update={"params": params})
    return FittedTrigger(component, trigger, rewarm_steps)


def _as_typed(problem: Problem, component: Component) -> Problem:
    """The problem with a length as it was typed, not as it came out."""
    known, key = TRIGGERS[component.name].parameters, problem.key or ""
    typed = component.params.get(key)
    got = typed if isinstance(typed, str) else problem.got
    remedy = problem.remedy or (_null(known[key]) if key in known and typed is not None else None)
    return replace(problem, got=got, remedy=remedy)


def _null(parameter: Parameter) -> str | None:
    """What to type for the usual value, where that depends on the run."""
    return f".{parameter.name}=null" if parameter.default is None else None


def _with_setting(key: str) -> str:
    """The first trigger with a setting of that name, or the first of all."""
    return next(
        (name for name in TRIGGERS if key in TRIGGERS[name].parameters), next(iter(TRIGGERS))
    )
