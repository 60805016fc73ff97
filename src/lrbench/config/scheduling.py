"""Schedules: from settings as typed to a function of the step. No data and no torch needed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lrbench.adapters.build import schedule_of
from lrbench.adapters.own import own_entry
from lrbench.adapters.torch_scheduler import is_torch_scheduler, torch_defaults
from lrbench.config.defaults import default_settings
from lrbench.config.findings import Findings
from lrbench.config.home import ADAPTER, import_path, options
from lrbench.config.naming import Target, found_at, is_known, make_component, take_name
from lrbench.errors import ConfigError, ScheduleError
from lrbench.schedules.base import Schedule
from lrbench.schedules.catalog import (
    SCHEDULES,
    Parameter,
    ScheduleEntry,
    named,
    piece_lengths,
)
from lrbench.spec.durations import FORMS, is_duration, resolve, to_steps
from lrbench.spec.imports import resolve_import
from lrbench.spec.parameters import problems, unknown_key
from lrbench.spec.run import Component


def read_schedule(
    raw: Mapping[str, Any], findings: Findings, group: str = "schedule"
) -> Component | None:
    """The schedule that the settings of ``group`` name, lengths still as typed.

    Where an import path leads to a torch scheduler, its settings are its own and are checked when
    it is built.
    """
    own = dict(raw)
    if own.get("name") == ADAPTER[1] and "_target_" not in own:
        path = own.pop("scheduler", None)
        if not isinstance(path, str):
            relation = "must be the import path of a scheduler"
            remedy = "schedule.scheduler=torch.optim.lr_scheduler:StepLR schedule.step_size=30%"
            findings.add(relation, f"{group}.scheduler", path, remedy)
            return None
        own["_target_"] = path
    name, target = take_name(group, own, findings)
    found = found_at(group, target, findings)
    if target is None:
        if not is_known(group, name, SCHEDULES, findings):
            return None
        entry = SCHEDULES[name]
    elif found is None:
        return None
    elif is_torch_scheduler(found):
        # Those it has without being asked are settings too: torch may change them.
        params = {**torch_defaults(found), **own}
        return make_component(Component, group, findings, name, target, found, params=params)
    else:
        own_found = findings.attempt(group, own_entry, name, found)
        if own_found is None:
            return None
        entry = own_found
    params = _checked(entry, own, findings, group)
    if target is not None:
        # A default of the user's that is no JSON is left to the function that has it.
        params = {key: value for key, value in params.items() if key in own or _is_plain(value)}
    return make_component(Component, group, findings, name, target, found, params=params)


def read_other(
    value: Any, beside: Mapping[str, Any], findings: Findings, group: str
) -> Component | None:
    """A schedule of something else than the learning rate, given as a name or a mapping with one.

    Parameters
    ----------
    value : str, mapping or None
    beside : mapping
        The settings of the learning rate's schedule; what goes by its clock takes from there what
        both have and ``value`` does not say.
    """
    if value is None:
        return None
    given = {"name": value} if isinstance(value, str) else value
    if isinstance(value, str) and (path := import_path(value)):
        given = {"_target_": path}
    if not isinstance(given, Mapping) or not ("name" in given or "_target_" in given):
        relation = "must be the name of a schedule, or a mapping such as {name: cosine, warmup: 10}"
        findings.add(relation, group, value)
        return None
    if path := import_path(str(given.get("name"))):
        given = {"_target_": path, **{key: given[key] for key in given if key != "name"}}
    entry = SCHEDULES.get(str(given.get("name")))
    shared: dict[str, Any] = {}
    if entry is not None and "_target_" not in given:
        shared = default_settings(options("schedule")[entry.name])
        if entry.clock is not None and beside.get("name") == entry.clock:
            shared |= {key: beside[key] for key in shared.keys() & beside.keys()}
            # While the rate warms up, the other waits: a ramp is the rate's own.
            shared["warmup_start"] = 1.0
    return read_schedule({**shared, **given}, findings, group)


def fit_schedule(
    component: Component,
    *,
    lr: float,
    total_steps: int,
    steps_per_epoch: int,
    is_rebuilt: bool = False,
) -> tuple[Component, Schedule]:
    """The specification with its lengths in updates, and the schedule it makes.

    Parameters
    ----------
    is_rebuilt : bool, default False
        Of a schedule that is made anew for every cycle: what is a part of the steps stays one.

    Raises
    ------
    ConfigError
        A setting does not fit the run; keys are relative to the component, values as typed.
    """
    entry = _entry(component)
    if entry is None:
        params = {
            key: _torch_value(key, value, total_steps, steps_per_epoch)
            for key, value in component.params.items()
        }
    elif is_rebuilt:
        params = without_epochs(entry, component.params, steps_per_epoch)
    else:
        params = in_updates(entry, component.params, total_steps, steps_per_epoch)
    fitted = component.model_copy(update={"params": params})
    try:
        return fitted, schedule_of(fitted, lr=lr, total_steps=total_steps)
    except ScheduleError as error:
        raise ScheduleError(list(_as_typed(error, component.params))) from None


def in_updates(
    entry: ScheduleEntry, settings: Mapping[str, Any], total_steps: int, steps_per_epoch: int
) -> dict[str, Any]:
    """Settings with every length in updates, those of schedules inside of it too.

    Raises
    ------
    ConfigError
        A length cannot be read, or pieces do not fit between their boundaries.
    """
    known = entry.parameters

    lengths = {key for key, parameter in known.items() if parameter.is_duration}
    params = resolve(settings, lengths, steps_per_epoch=steps_per_epoch, total_steps=total_steps)
    before = 0 if entry.makes_its_warmup else params.get("warmup") or 0
    horizon = max(total_steps - before, 1)
    for key, parameter in known.items():
        value = params.get(key)
        if parameter.fills_the_run and value is None:
            # Two ways to type one schedule are one run.
            params[key] = horizon
        elif parameter.is_schedule and isinstance(value, list):
            pieces = piece_lengths(key, value, params.get("boundaries"), horizon)
            params[key] = [
                _inner_in_updates(place, piece, length, steps_per_epoch)
                for piece, (place, length) in zip(value, pieces, strict=True)
            ]
        elif parameter.is_rebuilt:
            params[key] = _inner(key, value, without_epochs, steps_per_epoch)
        elif parameter.is_schedule:
            params[key] = _inner_in_updates(key, value, horizon, steps_per_epoch)
    return params


def without_epochs(
    entry: ScheduleEntry, settings: Mapping[str, Any], steps_per_epoch: int
) -> dict[str, Any]:
    """Settings of a schedule that is made for more than one number of steps.

    Lengths in epochs are told in updates, at any depth; parts of the steps, and a ``decay`` over
    all of them, are left to each making.

    Raises
    ------
    ConfigError
        A length comes to no update.
    """

    def told(key: str, value: Any) -> Any:
        if isinstance(value, list):
            return [told(key, item) for item in value]
        is_epochs = isinstance(value, str) and value.endswith("ep")
        return _steps_of(key, value, None, steps_per_epoch) if is_epochs else value

    params = dict(settings)
    for key, parameter in entry.parameters.items():
        value = params.get(key)
        if parameter.is_duration:
            params[key] = told(key, value)
        elif parameter.is_schedule and isinstance(value, list):
            params[key] = [
                _inner(f"{key}.{index}", piece, without_epochs, steps_per_epoch)
                for index, piece in enumerate(value)
            ]
        elif parameter.is_schedule:
            params[key] = _inner(key, value, without_epochs, steps_per_epoch)
    return params


def uses_epochs(params: Any) -> bool:
    """Whether a length among the settings, at any depth, is written in epochs."""
    if isinstance(params, Mapping):
        return any(map(uses_epochs, params.values()))
    if isinstance(params, list):
        return any(map(uses_epochs, params))
    return isinstance(params, str) and params.endswith("ep") and is_duration(params)


_TORCH_LENGTH = re.compile(
    r"T_(0|max|i)|(.*_)?(steps?|iters|milestones)|steps_per_epoch|step_size(_.*)?|period"
)
"""Settings of torch's schedulers that are numbers of steps, and what others call theirs."""


def _torch_value(key: str, value: Any, total_steps: int, steps_per_epoch: int) -> Any:
    """A torch scheduler's setting: a length in updates if it was written in epochs or parts."""
    if isinstance(value, list):
        return [_torch_value(key, item, total_steps, steps_per_epoch) for item in value]
    if not (isinstance(value, str) and is_duration(value)):
        return value
    if not _TORCH_LENGTH.fullmatch(key):
        relation = "is no number of steps, so it cannot be given in epochs or as a part of the run"
        raise ConfigError(relation, key=key, got=value)
    return _steps_of(key, value, total_steps, steps_per_epoch)


def _entry(component: Component) -> ScheduleEntry | None:
    """The component's entry; None for a torch scheduler."""
    if component.target is None:
        return SCHEDULES[component.name]
    found: Target = resolve_import(component.target, key="_target_")
    return None if is_torch_scheduler(found) else own_entry(component.name, found)


def _inner_in_updates(
    place: str, value: Any, total_steps: int, steps_per_epoch: int
) -> dict[str, Any]:
    return _inner(place, value, in_updates, total_steps, steps_per_epoch)


def _inner(
    place: str, value: Any, change: Callable[..., dict[str, Any]], *arguments: int
) -> dict[str, Any]:
    """A schedule inside another one, its settings changed."""
    settings = dict(value)
    name = settings.pop("name")
    try:
        inner = change(SCHEDULES[name], settings, *arguments)
    except ConfigError as error:
        raise ConfigError(error.under(place, is_inside=True).problems) from None
    return {"name": name, **inner}


def _steps_of(key: str, value: Any, total_steps: int | None, steps_per_epoch: int) -> int:
    return to_steps(value, steps_per_epoch=steps_per_epoch, total_steps=total_steps, key=key)


def _checked(
    entry: ScheduleEntry, raw: Mapping[str, Any], findings: Findings, group: str
) -> dict[str, Any]:
    """Every setting in its type (0 as 0.0 where it is a number), with what was left out."""
    known = entry.parameters
    given = dict(raw)
    if entry.read is not None and "file" in given:
        path = given.pop("file")
        read = findings.attempt(group, _read_file, entry, path)
        given |= read or {}
        known = {key: parameter for key, parameter in known.items() if key != "file"}
        read_keys = set(read or {})
    else:
        read_keys = set()
    checked = {
        key: value
        if key in read_keys
        else findings.attempt(group, _value, known, key, value, findings, group)
        for key, value in given.items()
    }
    # A file of the user's own may leave out what has a default.
    defaults = {key: None if p.is_required else _listed(p.default) for key, p in known.items()}
    return defaults | checked


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    is_finite = not isinstance(value, float) or math.isfinite(value)
    return is_finite and type(value) in (int, float, str, bool, type(None))


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _read_file(entry: ScheduleEntry, path: Any) -> dict[str, Any]:
    if not isinstance(path, str):
        raise ConfigError("must name a file", key="file", got=path, remedy=".file=rates.csv")
    assert entry.read is not None
    return entry.read(Path(path))


def _value(
    known: Mapping[str, Parameter], key: str, value: Any, findings: Findings, group: str
) -> Any:
    if key not in known:
        raise ConfigError([unknown_key(key, known, value)])
    parameter = known[key]
    if parameter.is_schedule:
        return _schedules(parameter, value, findings, group)
    if parameter.is_duration:
        _check_lengths(parameter, value)
        return value
    if parameter.annotation is Any and isinstance(value, str) and is_duration(value):
        relation = "must be a number: a length needs the annotation lrbench.schedules.base.Steps"
        raise ConfigError(relation, key=key, got=value)
    adapter: TypeAdapter[Any] = TypeAdapter(parameter.annotation, config={"allow_inf_nan": False})
    if isinstance(value, list) and parameter.is_list:
        value = tuple(value)
    try:
        return _listed(adapter.validate_python(value, strict=True))
    except ValidationError as error:
        raise ConfigError(problems(error)[0].relation, key=key, got=value) from None


def _schedules(parameter: Parameter, value: Any, findings: Findings, group: str) -> Any:
    """A schedule inside a schedule, or a list of them, with all their settings."""
    if parameter.is_list and not isinstance(value, list):
        relation = "must be a list such as [linear, {name: cosine, final_factor: 0.1}]"
        raise ConfigError(relation, key=parameter.name, got=value)
    if not parameter.is_list:
        return _schedule_inside(parameter.name, value, findings, group)
    return [
        _schedule_inside(f"{parameter.name}.{index}", item, findings, group)
        for index, item in enumerate(value)
    ]


def _schedule_inside(key: str, value: Any, findings: Findings, group: str) -> dict[str, Any]:
    name, settings = named(key, value)
    entry = SCHEDULES[name]
    given = {**default_settings(options("schedule")[name]), **settings}
    return {"name": name, **_checked(entry, given, findings, f"{group}.{key}")}


def _check_lengths(parameter: Parameter, value: Any) -> None:
    """One length, or a list of them where there may be many; null where that has a meaning."""
    if value is None and (parameter.is_required or parameter.default is None):
        return
    if parameter.is_list and not isinstance(value, list):
        raise ConfigError("must be a list such as [50%,75%]", key=parameter.name, got=value)
    for item in value if parameter.is_list else [value]:
        if not is_duration(item):
            raise ConfigError(FORMS, key=parameter.name, got=item)


def _as_typed(error: ScheduleError, typed: Mapping[str, Any]) -> Iterator[Any]:
    """The problems with lengths as they were typed, not as they came out."""
    for problem in error.problems:
        yield replace(problem, got=typed.get(problem.key or "", problem.got))
