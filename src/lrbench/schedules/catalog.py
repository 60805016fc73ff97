"""All schedules by name, and how a setting becomes a builder's argument.

A builder's keyword ``decay_steps: Steps`` is the setting ``decay``; every other keyword is the
setting of the same name. A builder with a keyword ``warmup_steps`` makes its own warmup; before
every other one stands the shared one, with ``warmup``, ``warmup_form`` and ``warmup_start``. Two
things are known only to the run and are filled in here: a keyword ``total_steps`` gets the steps
that follow the shared warmup, and so does a ``decay`` that the settings leave null. A keyword that
is a :class:`Schedule`, or several, is given as a name or as a mapping with a name; one that makes a
schedule for a number of steps is given so too, and its lengths may be parts of those steps.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_origin, get_type_hints

from lrbench.errors import ScheduleError, nearest
from lrbench.schedules import (
    annealing,
    compose,
    continual,
    cyclic,
    decay,
    drops,
    frozen,
    horizon_free,
    one_cycle,
    restarts,
    table,
    trapezoids,
    wsd,
)
from lrbench.schedules.base import NO_STEPS, Schedule, Steps, require
from lrbench.schedules.compose import WarmupForm, warmup
from lrbench.schedules.lengths import in_steps


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
        return _mentions(self.annotation, Steps)

    @property
    def is_schedule(self) -> bool:
        """Whether it is another schedule, or a list of them."""
        return _mentions(self.annotation, Schedule)

    @property
    def is_rebuilt(self) -> bool:
        """Whether it is a schedule that is made anew for every number of steps it is to fill."""
        return self.is_schedule and get_origin(self.annotation) is Callable

    @property
    def is_list(self) -> bool:
        """Whether there may be many of it."""
        kinds = (self.annotation, *get_args(self.annotation))
        return any(get_origin(kind) is tuple for kind in kinds)

    @property
    def is_required(self) -> bool:
        """Whether the builder has no default for it."""
        return self.default is inspect.Parameter.empty

    @property
    def fills_the_run(self) -> bool:
        """Whether null stands for the rest of the run."""
        return self.keyword == "decay_steps" and self.is_required


SHARED = {
    "warmup": Parameter("warmup", "warmup_steps", Steps, NO_STEPS),
    "warmup_form": Parameter("warmup_form", "warmup_form", WarmupForm, "first"),
    "warmup_start": Parameter("warmup_start", "warmup_start", float, 0.0),
}
"""Settings that stand with every schedule without a warmup of its own."""


NO_WARMUP = "warmup: none, the first update has the schedule's first factor"


@dataclass(frozen=True)
class ScheduleEntry:
    """A schedule of the library: its name and its builder, whose signature is its settings.

    Parameters
    ----------
    name : str
    builder : callable, keywords -> Schedule
    read : callable, Path -> keywords, optional
        The setting ``file`` stands for all that this finds in it.
    clock : str, optional
        The schedule of the learning rate that it goes along with, as a momentum does: what both
        have is taken from there.
    counts_all : bool, default False
        Its steps are the run's own, so that no warmup can stand before it.
    """

    name: str
    builder: Callable[..., Schedule]
    read: Callable[[Path], dict[str, Any]] | None = None
    clock: str | None = None
    counts_all: bool = False

    @property
    def stands_alone(self) -> bool:
        """Whether it is a schedule of the learning rate that needs no file."""
        return self.read is None and self.clock is None

    @property
    def documentation(self) -> str:
        """Its docstring, without the indentation."""
        return inspect.getdoc(self.builder) or ""

    @property
    def summary(self) -> str:
        """The first line of its documentation."""
        return self.documentation.partition("\n")[0].replace("``", "")

    @cached_property
    def keywords(self) -> Mapping[str, inspect.Parameter]:
        """The builder's own keywords."""
        return inspect.signature(self.builder).parameters

    @property
    def makes_its_warmup(self) -> bool:
        """Whether no shared warmup stands before it."""
        return self.counts_all or "warmup_steps" in self.keywords

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """Its settings by name, warmup included."""
        hints = get_type_hints(self.builder)
        known = [
            Parameter(
                _setting(keyword, hints.get(keyword)),
                keyword,
                hints.get(keyword, Any),
                argument.default,
            )
            for keyword, argument in self.keywords.items()
            if keyword != "total_steps"
        ]
        if self.read is not None:
            file = Parameter("file", "file", str, inspect.Parameter.empty)
            known = [file, *(parameter for parameter in known if parameter.name == "between")]
        if not self.makes_its_warmup:
            known += SHARED.values()
        return {parameter.name: parameter for parameter in known}


FAMILIES = (
    decay,
    annealing,
    drops,
    one_cycle,
    wsd,
    horizon_free,
    cyclic,
    restarts,
    trapezoids,
    continual,
    compose,
    frozen,
    table,
)
"""The modules whose builders are the library, in the order they are listed."""

_READ = {"table": table.read_table}
_CLOCK = {"one_cycle_momentum": "one_cycle"}
_COUNTING_ALL = {"frozen"}


def _builders(family: ModuleType) -> Iterator[Callable[..., Schedule]]:
    """Public functions that take keywords only and return a schedule, as they stand there."""
    for name, function in vars(family).items():
        if not inspect.isfunction(function) or name.startswith("_"):
            continue
        signature = inspect.signature(function)
        is_builder = signature.return_annotation == "Schedule" and all(
            parameter.kind is parameter.KEYWORD_ONLY for parameter in signature.parameters.values()
        )
        if is_builder and function.__module__ == family.__name__:
            yield function


SCHEDULES: dict[str, ScheduleEntry] = {
    builder.__name__: ScheduleEntry(
        builder.__name__,
        builder,
        read=_READ.get(builder.__name__),
        clock=_CLOCK.get(builder.__name__),
        counts_all=builder.__name__ in _COUNTING_ALL,
    )
    for family in FAMILIES
    for builder in _builders(family)
}


def build_schedule(name: str, settings: Mapping[str, Any], total_steps: int) -> Schedule:
    """The schedule ``name`` for a run of ``total_steps`` updates.

    Parameters
    ----------
    name : str, a key of :data:`SCHEDULES`
    settings : mapping from the names of ``SCHEDULES[name].parameters``
        Lengths in updates, already converted from epochs; a file already read.
    total_steps : int in [1, inf)

    Raises
    ------
    ScheduleError
        A value is outside its interval; its key is the setting's name.
    """
    return build(SCHEDULES[name], settings, total_steps)


def build(entry: ScheduleEntry, settings: Mapping[str, Any], total_steps: int) -> Schedule:
    """The schedule of ``entry``, as :func:`build_schedule` does it for those with a name."""
    parameters = entry.parameters
    lengths = {name for name, parameter in parameters.items() if parameter.is_duration}
    settings = in_steps(settings, lengths, total_steps)
    warmup_steps = settings.get("warmup") or 0
    relation = f"must be shorter than the run ({total_steps} steps)"
    # A negative one is refused by the warmup itself.
    require(warmup_steps < total_steps, "warmup", relation, warmup_steps, ".warmup=5%")
    horizon = total_steps if entry.makes_its_warmup else total_steps - warmup_steps

    shared: dict[str, Any] = {}
    arguments: dict[str, Any] = {}
    for key, value in (dict.fromkeys(parameters) | dict(settings)).items():
        parameter = parameters.get(key)
        if parameter is not None and parameter is SHARED.get(key):
            shared[parameter.keyword] = parameter.default if value is None else value
        elif value is not None:
            keyword = parameter.keyword if parameter else key
            if parameter is not None and parameter.is_rebuilt:
                arguments[keyword] = partial(_inner, key, value)
            elif parameter is not None and parameter.is_schedule:
                arguments[keyword] = _nested(key, value, settings, horizon)
            else:
                arguments[keyword] = _frozen(value)
        elif parameter is not None and parameter.fills_the_run:
            arguments[parameter.keyword] = horizon
        elif parameter is not None and parameter.is_required and key != "file":
            raise ScheduleError("must be given", key=key, got=None)
    if "total_steps" in entry.keywords:
        arguments["total_steps"] = horizon
    built = entry.builder(**arguments)
    built = replace(built, notes=(*built.notes, *_beyond(entry, settings, horizon)))
    if entry.makes_its_warmup:
        return built
    if not shared["warmup_steps"]:
        built = replace(built, conventions=(NO_WARMUP, *built.conventions))
    return warmup(built, **shared)


def piece_lengths(
    key: str, pieces: list[Any], boundaries: Any, total_steps: int
) -> list[tuple[str, int]]:
    """The key of each piece and the steps it is built for.

    Raises
    ------
    ScheduleError
        There is not one boundary between every two pieces, or they do not increase in the run.
    """
    require(len(pieces) > 0, key, "must name at least one schedule", pieces)
    inner = list(boundaries or [])
    number = f"must name a step between every two of {len(pieces)} pieces, {len(pieces) - 1} in all"
    require(len(inner) == len(pieces) - 1, "boundaries", number, inner)
    starts = [0, *inner, total_steps]
    relation = f"must increase strictly, from step 1 to before {total_steps}"
    require(all(a < b for a, b in pairwise(starts)), "boundaries", relation, inner)
    return [(f"{key}.{index}", b - a) for index, (a, b) in enumerate(pairwise(starts))]


def named(key: str, value: Any) -> tuple[str, dict[str, Any]]:
    """Name and settings of a schedule inside another one.

    Raises
    ------
    ScheduleError
        It is neither a name nor a mapping with one, or there is no schedule of that name.
    """
    found = {"name": value} if isinstance(value, str) else value
    relation = "must be the name of a schedule, or a mapping with its name and settings"
    if not isinstance(found, Mapping) or not isinstance(found.get("name"), str):
        raise ScheduleError(relation, key=key, got=value)
    found = dict(found)
    name = found.pop("name")
    near = nearest(str(name), SCHEDULES)
    relation = f"must be one of: {', '.join(SCHEDULES)}"
    require(name in SCHEDULES, key, relation, name, f"{near} in place of {name}" if near else None)
    return str(name), found


def _nested(key: str, value: Any, settings: Mapping[str, Any], horizon: int) -> Any:
    """The schedules that a setting names, each for the steps it has."""
    if not isinstance(value, list):
        return _inner(key, value, horizon)
    lengths = piece_lengths(key, value, settings.get("boundaries"), horizon)
    return tuple(
        _inner(place, piece, length) for piece, (place, length) in zip(value, lengths, strict=True)
    )


def _inner(key: str, value: Any, total_steps: int) -> Schedule:
    name, settings = named(key, value)
    try:
        built = build_schedule(name, settings, total_steps)
    except ScheduleError as error:
        raise ScheduleError(error.under(key, is_inside=True).problems) from None
    # Of the whole, not of its parts, it is worth saying that there is none.
    return replace(built, conventions=tuple(w for w in built.conventions if w != NO_WARMUP))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _setting(keyword: str, annotation: Any) -> str:
    return keyword.removesuffix("_steps") if _mentions(annotation, Steps) else keyword


def _mentions(annotation: Any, kind: Any) -> bool:
    return annotation is kind or any(_mentions(inner, kind) for inner in get_args(annotation))


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
