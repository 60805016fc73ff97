"""What there is to choose from."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from lrbench.config.home import options
from lrbench.errors import ConfigError, Problem, nearest
from lrbench.spec.durations import resolve

if TYPE_CHECKING:
    from lrbench.schedules.base import Schedule
    from lrbench.schedules.documentation import Field, Setting
    from lrbench.triggers.catalog import Parameter as TriggerParameter

KINDS = ("models", "datasets", "optimizers", "schedules", "restarts", "triggers", "presets")
"""What is listed; one of it may be asked for too, ``schedule``."""

_OWN_REFERENCE = r"(windows: )?reference/schedules\.md §[\d.]+( and §\d+)?[;.]?\s*"
"""A chapter of lrbench's own, which says nothing to anybody else."""

CURVE_STEPS = 240
"""Updates of the run that a schedule with its defaults is shown in."""


def catalogue(
    kind: str | None = None, names: Sequence[str] = ()
) -> dict[str, list[dict[str, Any]]]:
    """All there is to choose from, kind by kind: name, one sentence, settings, source.

    Parameters
    ----------
    kind : str, optional
        One of :data:`KINDS`, or one of those; default all.
    names : sequence of str
        Those of the kind that are asked for; default all.

    Raises
    ------
    ConfigError
        There is no such kind, or no such name of that kind.
    """
    kind = kind_meant(kind)
    if kind is not None and kind not in KINDS:
        near = nearest(kind, KINDS)
        relation = f"must be one of: {', '.join(KINDS)}"
        remedy = f"lrbench list {near}" if near else None
        raise ConfigError(relation, key="what is listed", got=kind, remedy=remedy)
    makers: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "models": _models,
        "datasets": _datasets,
        "optimizers": _optimizers,
        "schedules": _schedules,
        "restarts": lambda: _options("restart"),
        "triggers": _triggers,
        "presets": _presets,
    }
    found = {name: makers[name]() for name in KINDS if kind in (None, name)}
    return found if kind is None or not names else {kind: _those(kind, found[kind], names)}


def kind_meant(kind: str | None) -> str | None:
    """The kind that ``schedule`` or ``schedules`` names."""
    return f"{kind}s" if f"{kind}s" in KINDS else kind


def default_schedule(name: str, total_steps: int) -> Schedule | None:
    """A schedule with lrbench's defaults in a run of ``total_steps`` updates, one epoch long.

    None where the defaults alone make none: a table needs its file.
    """
    from lrbench.config.defaults import default_settings
    from lrbench.schedules.catalog import SCHEDULES, build_schedule

    entry = SCHEDULES.get(name)
    if entry is None or entry.read is not None:
        return None
    lengths = {key for key, parameter in entry.parameters.items() if parameter.is_duration}
    settings = resolve(
        default_settings(options("schedule")[name]),
        lengths,
        steps_per_epoch=total_steps,
        total_steps=total_steps,
    )
    return build_schedule(name, settings, total_steps)


def _those(
    kind: str, entries: Sequence[dict[str, Any]], names: Sequence[str]
) -> list[dict[str, Any]]:
    by_name = {entry["name"]: entry for entry in entries}
    problems = []
    for name in names:
        if name not in by_name:
            near = nearest(name, by_name)
            relation = f"must be one of: {', '.join(by_name)}"
            remedy = f"lrbench list {kind} {near}" if near else None
            problems.append(Problem(relation, kind, name, remedy=remedy))
    if problems:
        raise ConfigError(problems)
    return [by_name[name] for name in dict.fromkeys(names)]


def _models() -> list[dict[str, Any]]:
    from lrbench.spec.parameters import settings_of
    from lrbench.tasks.models.catalog import MODELS

    return [
        {
            "name": e.name,
            "summary": e.summary,
            "source": e.source,
            "settings": [*settings_of(e.builder)],
        }
        for e in MODELS.values()
    ]


def _datasets() -> list[dict[str, Any]]:
    from lrbench.tasks.data.catalog import DATASETS

    return [
        {
            "name": e.name,
            "summary": e.summary,
            "source": e.source,
            "licence": e.licence,
            "settings": [*e.parameters.parameters],
        }
        for e in DATASETS.values()
    ]


def _optimizers() -> list[dict[str, Any]]:
    from lrbench.engine.optimizers import OPTIMIZERS
    from lrbench.spec.parameters import settings_of

    return [
        {"name": e.name, "summary": e.summary, "settings": ["lr", *settings_of(e.builder)]}
        for e in OPTIMIZERS.values()
    ]


def _presets() -> list[dict[str, Any]]:
    """Sweeps that have a name, with the overrides that they stand for."""
    from lrbench.config.presets import presets

    return [
        {
            "name": one.name,
            "summary": one.summary,
            "settings": list(one.overrides),
            "schedules": [list(each) for each in one.schedules],
            "seeds": one.seeds,
        }
        for one in presets().values()
    ]


def _options(group: str) -> list[dict[str, Any]]:
    """The options of a group whose files say all there is to tell."""
    from lrbench.config.defaults import comments, default_settings

    def described(path: Path) -> dict[str, Any]:
        remarks = comments(path)
        return {
            "name": path.stem,
            "summary": remarks.get("", ""),
            "settings": {
                name: {"default": default, "meaning": remarks.get(name, "")}
                for name, default in default_settings(path).items()
            },
        }

    return [described(path) for path in options(group).values()]


def _triggers() -> list[dict[str, Any]]:
    """Triggers with what their functions say of them, the best known first, and ``none``."""
    from lrbench.schedules.documentation import read_docstring
    from lrbench.triggers.catalog import TRIGGERS

    there = {entry["name"]: entry for entry in _options("trigger")}
    fields: dict[str, Any] = {}
    for name, trigger in TRIGGERS.items():
        told = read_docstring(trigger.documentation)
        # A later one says only what is unlike an earlier one's.
        fields |= told.parameters
        for key, parameter in trigger.parameters.items():
            kind, range_ = _kind_of(parameter, fields.get(parameter.keyword))
            there[name]["settings"][key] |= {"kind": kind, "range": range_}
        source = re.sub(_OWN_REFERENCE, "", told.sections.get("References", ""))
        there[name] |= {"formula": list(told.body), "source": source}
    return [there[name] for name in (*TRIGGERS, *(there.keys() - TRIGGERS.keys()))]


def _kind_of(parameter: TriggerParameter, field: Field | None) -> tuple[str, str]:
    """Of what kind a trigger's setting is, and in what range."""
    words = [word for word in get_args(parameter.annotation) if isinstance(word, str)]
    if words:
        return "choice", ", ".join(words)
    if parameter.is_duration:
        return "length", ""
    if field is None:
        return "", ""
    return field.kind, field.range.partition(" or None")[0].partition(", in ")[0]


def _schedules() -> list[dict[str, Any]]:
    from lrbench.schedules.catalog import SCHEDULES

    there = options("schedule")
    named = [_described(name, there[name]) for name in SCHEDULES if name in there]
    return named + [_option_alone(there[name]) for name in there if name not in SCHEDULES]


def _described(name: str, path: Path) -> dict[str, Any]:
    from lrbench.config.defaults import comments, default_settings
    from lrbench.schedules.catalog import SCHEDULES
    from lrbench.schedules.documentation import documentation

    about = documentation(SCHEDULES[name])
    defaults, remarks = default_settings(path), comments(path)
    built = default_schedule(name, CURVE_STEPS)

    def meaning(setting: Setting) -> str:
        # Of a warmup that others make, the file says more than the function that makes it.
        remark = remarks.get(setting.name, "")
        return remark if setting.is_shared else setting.meaning or remark

    return {
        "name": name,
        "summary": about.summary,
        "family": about.family,
        "family_summary": about.family_summary,
        "formula": list(about.formula),
        "settings": {
            setting.name: {
                "default": defaults.get(setting.name),
                "kind": setting.kind,
                "range": setting.range,
                "symbol": setting.symbol,
                "meaning": meaning(setting),
                "is_shared": setting.is_shared,
            }
            for setting in about.settings
        },
        "conventions": list(built.conventions) if built else [],
        "returns": about.returns,
        "notes": about.notes,
        "source": about.source,
    }


def _option_alone(path: Path) -> dict[str, Any]:
    """An option that stands for other schedules, so that its file is all there is to tell."""
    from lrbench.config.defaults import comments, default_settings

    remarks = comments(path)
    return {
        "name": path.stem,
        "summary": remarks.get("", ""),
        "family": "",
        "family_summary": "",
        "formula": [],
        "settings": {
            name: {
                "default": default,
                "kind": "",
                "range": "",
                "symbol": "",
                "meaning": remarks.get(name, ""),
                "is_shared": False,
            }
            for name, default in default_settings(path).items()
        },
        "conventions": [],
        "returns": "",
        "notes": "",
        "source": "",
    }
