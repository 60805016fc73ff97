"""All schedules by name, and how a setting becomes a builder's argument.

A builder's keyword ``decay_steps: Steps`` is the setting ``decay``; every other keyword is the
setting of the same name. ``warmup`` and ``warmup_form`` may stand with any schedule. Two things are
known only to the run and are filled in here: a keyword ``total_steps`` gets the steps that follow
the warmup, and so does a ``decay`` that the settings leave null.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args, get_type_hints

from lrbench.errors import ScheduleError
from lrbench.schedules.base import Schedule, Steps, require
from lrbench.schedules.compose import WarmupForm, warmup
from lrbench.schedules.cyclic import triangular
from lrbench.schedules.decay import constant, cosine, exponential, linear, multistep, step
from lrbench.schedules.restarts import sgdr


@dataclass(frozen=True)
class Parameter:
    """One setting of a schedule: its name in the config, its keyword, its type and default."""

    name: str
    keyword: str
    annotation: Any
    default: Any

    @property
    def is_duration(self) -> bool:
        """Whether it is a length, or a list of steps, that may be written in epochs or parts."""
        return Steps in (self.annotation, *get_args(self.annotation))

    @property
    def is_required(self) -> bool:
        """Whether the builder has no default for it."""
        return self.default is inspect.Parameter.empty


@dataclass(frozen=True)
class ScheduleEntry:
    """A schedule of the library: its name and its builder, whose signature is its settings."""

    name: str
    builder: Callable[..., Schedule]

    @property
    def summary(self) -> str:
        """The first line of its documentation."""
        return (inspect.getdoc(self.builder) or "").partition("\n")[0].replace("``", "")

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Its settings by name, warmup included."""
        hints = get_type_hints(self.builder)
        own = [
            Parameter(keyword.removesuffix("_steps"), keyword, hints[keyword], argument.default)
            for keyword, argument in inspect.signature(self.builder).parameters.items()
            if keyword != "total_steps"
        ]
        shared = [
            Parameter("warmup", "warmup_steps", Steps, 0),
            Parameter("warmup_form", "form", WarmupForm, "first"),
        ]
        return {parameter.name: parameter for parameter in own + shared}


SCHEDULES: dict[str, ScheduleEntry] = {
    builder.__name__: ScheduleEntry(builder.__name__, builder)
    for builder in (constant, linear, cosine, exponential, step, multistep, sgdr, triangular)
}


def build_schedule(name: str, settings: Mapping[str, Any], total_steps: int) -> Schedule:
    """The schedule ``name`` for a run of ``total_steps`` updates.

    Parameters
    ----------
    name : str, a key of :data:`SCHEDULES`
    settings : mapping from the names of ``SCHEDULES[name].parameters``
        Lengths in updates, already converted from epochs and parts.
    total_steps : int in [1, inf)

    Raises
    ------
    ScheduleError
        A value is outside its interval; its key is the setting's name.
    """
    entry = SCHEDULES[name]
    parameters = entry.parameters
    warmup_steps = settings.get("warmup") or 0
    require(  # a negative one is refused by the warmup itself
        warmup_steps < total_steps,
        "warmup",
        f"must be shorter than the run ({total_steps} steps)",
        warmup_steps,
        remedy="schedule.warmup=5%",
    )
    horizon = total_steps - warmup_steps

    arguments: dict[str, Any] = {}
    for key, value in settings.items():
        parameter = parameters[key]
        if key in ("warmup", "warmup_form"):
            continue
        if value is not None:
            arguments[parameter.keyword] = tuple(value) if isinstance(value, list) else value
        elif key == "decay":
            arguments[parameter.keyword] = horizon
        elif parameter.is_required:
            raise ScheduleError("must be given", key=key, got=None)
    if "total_steps" in inspect.signature(entry.builder).parameters:
        arguments["total_steps"] = horizon
    built = entry.builder(**arguments)
    built = replace(built, notes=(*built.notes, *_beyond(entry, settings, horizon)))
    return warmup(
        built,
        warmup_steps=warmup_steps,
        form=settings.get("warmup_form", "first"),
    )


def _beyond(entry: ScheduleEntry, settings: Mapping[str, Any], horizon: int) -> Iterator[str]:
    """A remark for every length that ends after the run does."""
    for name, parameter in entry.parameters.items():
        value = settings.get(name)
        if not parameter.is_duration or name == "warmup" or value is None:
            continue
        late = [
            steps for steps in (value if isinstance(value, list) else [value]) if steps > horizon
        ]
        if late:
            yield f"{name} {late[0]} lies beyond the {horizon} steps of the schedule"
