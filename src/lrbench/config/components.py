"""Dataset, model, optimizer and schedule: from settings to checked components."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar, get_origin

from pydantic import TypeAdapter, ValidationError

from lrbench.config.findings import Findings
from lrbench.engine.optimizers import OPTIMIZERS, check_own
from lrbench.errors import ConfigError, nearest
from lrbench.schedules.catalog import SCHEDULES, Parameter
from lrbench.spec.durations import FORMS, is_duration
from lrbench.spec.imports import code_digest, resolve_import
from lrbench.spec.parameters import check, problems, settings_of, unknown_key
from lrbench.spec.run import Component, DatasetSpec, OptimizerSpec, slug
from lrbench.tasks.data.catalog import DATASETS, entry_of
from lrbench.tasks.data.entry import DatasetEntry
from lrbench.tasks.models.catalog import MODELS

Target = Callable[..., Any]
C = TypeVar("C", bound=Component)


@dataclass(frozen=True)
class Parts:
    """The components of a run, lengths of the schedule still as typed.

    Parameters
    ----------
    dataset : DatasetSpec
        Without its digest, and without the settings that say only where its files lie.
    data_settings : mapping
        All its settings.
    data_builder, model_target, optimizer_target : callable or None
        What an import path leads to.
    model, schedule : Component
    optimizer : OptimizerSpec
    """

    dataset: DatasetSpec
    data_settings: Mapping[str, Any]
    data_builder: Target | None
    model: Component
    model_target: Target | None
    optimizer: OptimizerSpec
    optimizer_target: Target | None
    schedule: Component


def read_parts(values: Mapping[str, Any], findings: Findings) -> Parts:
    """The components that a configuration names.

    Raises
    ------
    ConfigError
        All that is wrong with them, with whatever was found before.
    """
    raw = {
        group: dict(value) if isinstance(value := values.get(group), Mapping) else {}
        for group in ("dataset", "model", "optimizer", "schedule")
    }
    dataset, builder, data_settings = _dataset(raw["dataset"], findings)
    model, target = _model(raw["model"], findings)
    optimizer, own = _optimizer(raw["optimizer"], findings)
    schedule = _schedule(raw["schedule"], findings)
    findings.raise_if_any()
    assert dataset is not None
    assert model is not None
    assert optimizer is not None
    assert schedule is not None
    return Parts(dataset, data_settings, builder, model, target, optimizer, own, schedule)


def _dataset(
    raw: dict[str, Any], findings: Findings
) -> tuple[DatasetSpec | None, Target | None, dict[str, Any]]:
    name, target = _take_name("dataset", raw, findings)
    builder = _resolve("dataset", target, findings)
    deciding: dict[str, Any] = {}
    if builder is not None or (target is None and _is_known("dataset", name, DATASETS, findings)):
        entry = entry_of(name, builder)
        raw = findings.attempt_own(target, "dataset", _checked_data, entry, raw) or {}
        # Where files lie decides no number; what is in them is in the digest.
        placing = settings_of(entry.archive.locate) if entry.archive else {}
        deciding = {key: value for key, value in raw.items() if key not in placing}
    spec = _make(DatasetSpec, "dataset", findings, name, target, builder, params=deciding)
    return spec, builder, raw


def _checked_data(entry: DatasetEntry, raw: dict[str, Any]) -> dict[str, Any]:
    # The schema is made from the function's signature, which a user's may not have.
    return check(entry.schema, raw)


def _model(raw: dict[str, Any], findings: Findings) -> tuple[Component | None, Target | None]:
    name, target = _take_name("model", raw, findings)
    found = _resolve("model", target, findings)
    if target is None and _is_known("model", name, MODELS, findings):
        raw = findings.attempt("model", check, MODELS[name].builder, raw) or {}
    return _make(Component, "model", findings, name, target, found, params=raw), found


def _optimizer(
    raw: dict[str, Any], findings: Findings
) -> tuple[OptimizerSpec | None, Target | None]:
    name, target = _take_name("optimizer", raw, findings)
    found = _resolve("optimizer", target, findings)
    lr = raw.pop("lr", None)
    if found is not None:
        findings.attempt_own(target, "optimizer", check_own, found, raw)
    elif target is None and _is_known("optimizer", name, OPTIMIZERS, findings):
        raw = findings.attempt("optimizer", check, OPTIMIZERS[name].builder, raw) or {}
    if lr is None:
        findings.add("must be given", "optimizer.lr", None, "optimizer.lr=0.1")
        return None, None
    spec = _make(OptimizerSpec, "optimizer", findings, name, target, found, params=raw, lr=lr)
    return spec, found


def _schedule(raw: dict[str, Any], findings: Findings) -> Component | None:
    name, target = _take_name("schedule", raw, findings)
    if target is not None:
        findings.add("can only be given for dataset, model, optimizer", "schedule._target_", target)
    elif _is_known("schedule", name, SCHEDULES, findings):
        known = SCHEDULES[name].parameters
        raw = {key: findings.attempt("schedule", _value, known, key, raw[key]) for key in raw}
        # A file of the user's own may leave out what has a default.
        defaults = {key: None if p.is_required else p.default for key, p in known.items()}
        raw = defaults | raw
    return _make(Component, "schedule", findings, name, None, None, params=raw)


def _value(known: Mapping[str, Parameter], key: str, value: Any) -> Any:
    """A schedule's setting in its type (0 as 0.0 where it is a number); a length as typed."""
    if key not in known:
        raise ConfigError([unknown_key(key, known, value)])
    parameter = known[key]
    if parameter.is_duration:
        _check_lengths(parameter, value)
        return value
    adapter: TypeAdapter[Any] = TypeAdapter(parameter.annotation, config={"allow_inf_nan": False})
    try:
        return adapter.validate_python(value, strict=True)
    except ValidationError as error:
        raise ConfigError(problems(error)[0].relation, key=key, got=value) from None


def _check_lengths(parameter: Parameter, value: Any) -> None:
    """One length, or a list of them where there may be many; null where that has a meaning."""
    if value is None and (parameter.is_required or parameter.default is None):
        return
    is_list = get_origin(parameter.annotation) is tuple
    if is_list and not isinstance(value, list):
        raise ConfigError("must be a list such as [50%,75%]", key=parameter.name, got=value)
    for item in value if is_list else [value]:
        if not is_duration(item):
            raise ConfigError(FORMS, key=parameter.name, got=item)


def _take_name(group: str, raw: dict[str, Any], findings: Findings) -> tuple[str, str | None]:
    """Take name and import path out of a component's settings."""
    name = str(raw.pop("name", None))
    if "_target_" not in raw:
        return name, None
    target = raw.pop("_target_")
    if isinstance(target, str):
        return slug(target), target
    relation = "must be an import path such as mypkg.nets:Net"
    findings.add(relation, f"{group}._target_", target)
    return slug(""), ""


def _resolve(group: str, target: str | None, findings: Findings) -> Target | None:
    if target is None:
        return None
    return findings.attempt("", resolve_import, target, key=f"{group}._target_")


def _is_known(group: str, name: str, known: Mapping[str, Any], findings: Findings) -> bool:
    if name in known:
        return True
    near = nearest(name, known)
    relation = f"must be one of: {', '.join(known)}"
    findings.add(relation, f"{group}.name", name, f"{group}={near}" if near else None)
    return False


def _make(
    kind: type[C],
    group: str,
    findings: Findings,
    name: str,
    target: str | None,
    found: Target | None,
    **fields: Any,
) -> C | None:
    code = code_digest(found) if found else None
    try:
        return kind(name=name, target=target, code=code, **fields)
    except ValidationError as error:
        found_here = problems(error)
        findings.extend(
            [replace(p, key=(p.key or "").removeprefix("params.")) for p in found_here], group
        )
        return None
