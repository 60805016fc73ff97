"""All schedules by name, and how a setting becomes a builder's argument.

A builder's keyword ``decay_steps: Steps`` is the setting ``decay``; every other keyword is the
setting of the same name. A builder with a keyword ``warmup_steps`` makes its own warmup; before
every other one stands the shared one, with ``warmup``, ``warmup_form`` and ``warmup_start``. Two
things are known only to the run and are filled in here: a keyword ``total_steps`` gets the steps
that follow the shared warmup, and so does a ``decay`` that the settings leave null. A keyword that
is a :class:`Schedule`, or several, is given as a name or as a mapping with a name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from lrbench.errors import ScheduleError, nearest
from lrbench.schedules.annealing import cosine, k_decay, rex, tanh
from lrbench.schedules.base import NO_STEPS, Schedule, Steps, require
from lrbench.schedules.compose import WarmupForm, scaled, sequence, warmup
from lrbench.schedules.continual import infinite, rewarm
from lrbench.schedules.cyclic import exp_range, triangular, triangular2
from lrbench.schedules.decay import constant, exponential, inverse_time, linear, polynomial
from lrbench.schedules.drops import multistep, step
from lrbench.schedules.horizon_free import anytime, inverse_sqrt, noam, power, rsqrt
from lrbench.schedules.one_cycle import one_cycle, one_cycle_momentum
from lrbench.schedules.restarts import sgdr, snapshot, trapezoidal_restarts, wsd_s
from lrbench.schedules.table import read_table, table
from lrbench.schedules.wsd import knee, slanted_triangle, wsd


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
    """

    name: str
    builder: Callable[..., Schedule]
    read: Callable[[Path], dict[str, Any]] | None = None
    clock: str | None = None

    @property
    def documentation(self) -> str:
        """Its docstring, without the indentation."""
        return inspect.getdoc(self.builder) or ""

    @property
    def summary(self) -> str:
        """The first line of its documentation."""
        return self.documentation.partition("\n")[0].replace("``", "")

    @property
    def makes_its_warmup(self) -> bool:
        """Whether no shared warmup stands before it."""
        return "warmup_steps" in inspect.signature(self.builder).parameters

    @property
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
            for keyword, argument in inspect.signature(self.builder).parameters.items()
            if keyword != "total_steps"
        ]
        if self.read is not None:
            file = Parameter("file", "file", str, inspect.Parameter.empty)
            known = [file, *(parameter for parameter in known if parameter.name == "between")]
        if not self.makes_its_warmup:
            known += SHARED.values()
        return {parameter.name: parameter for parameter in known}


SCHEDULES: dict[str, ScheduleEntry] = {
    entry.name: entry
    for entry in (
        *(
            ScheduleEntry(builder.__name__, builder)
            for builder in (
                constant,
                linear,
                polynomial,
                cosine,
                k_decay,
                step,
                multistep,
                exponential,
                inverse_time,
                tanh,
                rex,
                knee,
                slanted_triangle,
                inverse_sqrt,
                noam,
                rsqrt,
                power,
                anytime,
                triangular,
                triangular2,
                exp_range,
                one_cycle,
                sgdr,
                snapshot,
                trapezoidal_restarts,
                wsd,
                wsd_s,
                rewarm,
                infinite,
                sequence,
                scaled,
            )
        ),
        ScheduleEntry("table", table, read=read_table),
        ScheduleEntry("one_cycle_momentum", one_cycle_momentum, clock="one_cycle"),
    )
}


def build_schedule(name: str, settings: Mapping[str, Any], total_steps: int) -> Schedule:
    """The schedule ``name`` for a run of ``total_steps`` updates.

    Parameters
    ----------
    name : str, a key of :data:`SCHEDULES`
    settings : mapping from the names of ``SCHEDULES[name].parameters``
        Lengths in updates, already converted from epochs and parts; a file already read.
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
    warmup_steps = settings.get("warmup") or 0
    relation = f"must be shorter than the run ({total_steps} steps)"
    # A negative one is refused by the warmup itself.
    require(warmup_steps < total_steps, "warmup", relation, warmup_steps, "schedule.warmup=5%")
    horizon = total_steps if entry.makes_its_warmup else total_steps - warmup_steps

    shared: dict[str, Any] = {}
    arguments: dict[str, Any] = {}
    for key, value in (dict.fromkeys(parameters) | dict(settings)).items():
        parameter = parameters.get(key)
        if parameter is not None and parameter is SHARED.get(key):
            shared[parameter.keyword] = parameter.default if value is None else value
        elif value is not None:
            keyword = parameter.keyword if parameter else key
            nests = parameter is not None and parameter.is_schedule
            arguments[keyword] = _nested(key, value, settings, horizon) if nests else _frozen(value)
        elif parameter is not None and parameter.fills_the_run:
            arguments[parameter.keyword] = horizon
        elif parameter is not None and parameter.is_required and key != "file":
            raise ScheduleError("must be given", key=key, got=None)
    if "total_steps" in inspect.signature(entry.builder).parameters:
        arguments["total_steps"] = horizon
    built = entry.builder(**arguments)
    built = replace(built, notes=(*built.notes, *_beyond(entry, settings, horizon)))
    return built if entry.makes_its_warmup else warmup(built, **shared)


def piece_lengths(
    key: str, pieces: list[Any], boundaries: Any, total_steps: int
) -> list[tuple[str, int]]:
    """The key of each piece and the steps it is built for.

    Raises
    ------
    ScheduleError
        There is not one boundary between every two pieces, or they do not increase in the run.
    """
    inner = list(boundaries or [])
    number = f"must be {len(pieces) - 1} steps, one between every two of {len(pieces)} pieces"
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
    found = {"name": value} if isinstance(value, str) else dict(value or {})
    name = found.pop("name", None)
    relation = "must be the name of a schedule, or a mapping with its name and settings"
    require(isinstance(name, str), key, relation, value)
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
        return build_schedule(name, settings, total_steps)
    except ScheduleError as error:
        raise ScheduleError(error.under(key).problems) from None


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
