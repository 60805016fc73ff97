"""Runs sorted into tasks, and in each into what is compared.

A *contender* is what ``--by`` tells apart, a schedule with all of its settings by default, at every
learning rate it was run with. A *task* is what contenders must have in common to be held against
each other: dataset and model always, and any other setting (batch size, optimizer) that was varied
for several contenders alike. A setting that was varied together with the contender is no task but
a difference beyond what was to be compared, which is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lrbench.errors import ConfigError, nearest
from lrbench.report.comparison.runs import LR, Run
from lrbench.report.frames import one_row_an_arm, runs_frame, settings_in
from lrbench.report.settings import COMPONENTS, differing, label, parse_by, show

ALWAYS_A_TASK = ("dataset", "model")

_PARTS = {"schedule": ("schedule", "restart", "trigger")}
"""What a component stands for in ``--by``: a schedule also for its restarts and their trigger."""


@dataclass(frozen=True)
class Entrant:
    """A contender before anything was said of it: its runs."""

    label: str
    settings: dict[str, Any]
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Group:
    """The entrants of one task.

    Parameters
    ----------
    settings : dict
        What tells the task from the others.
    entrants : tuple of Entrant
        In the order of their names.
    differing : tuple of str
        Settings that differ between their arms, besides the learning rate.
    beyond : tuple of str
        Those of them that are not part of what was to be compared.
    """

    settings: dict[str, Any]
    entrants: tuple[Entrant, ...]
    differing: tuple[str, ...]
    beyond: tuple[str, ...]

    @property
    def label(self) -> str:
        """In one line; empty of a single task."""
        return label(self.settings)


def group(runs: Sequence[Run], by: str) -> tuple[tuple[str, ...], list[Group]]:
    """The keys of ``by``, and the tasks with two contenders or more, in the order of their names.

    Raises
    ------
    ConfigError
        ``by`` is no setting of these runs, or tells nothing apart anywhere.
    """
    arms = one_row_an_arm(runs_frame([run.row for run in runs]))
    keys = settings_in(arms)
    apart = differing(arms, keys)
    chosen = parse_by(by, keys, apart)
    if any(_head(key) == "dataset" for key in chosen):
        relation = "must not be a dataset's: figures of two datasets have no common scale"
        raise ConfigError(relation, key="--by", got=by, remedy="--by schedule")
    tasks = [k for k in apart if _head(k) in ALWAYS_A_TASK and not is_part(k, chosen)]
    frames = [one for _, rows in _split(arms, tasks) for one in _tasks_in(rows, chosen)]
    # By what differs inside of tasks: what follows from the length of an epoch names nothing.
    named = _named(frames, chosen)
    found = [
        _group(one, runs, tasks, named)
        for one in frames
        if len(list(_by_values(one.arms, named))) > 1
    ]
    found = [one for one in found if len(one.entrants) > 1]
    if not found or not any(is_part(key, chosen) for key in apart):
        relation = f"must tell apart runs of one dataset and model (differing: {_told(apart)})"
        more = next((key for key in apart if key != LR and key not in tasks), None)
        remedy = f"--by {more}" if more else "lrbench sweep schedule=constant,cosine --seeds 5"
        raise ConfigError(relation, key="--by", got=by, remedy=remedy)
    return chosen, sorted(found, key=lambda one: _order(one.settings))


def is_part(key: str, chosen: Sequence[str]) -> bool:
    """Whether a setting belongs to what ``--by`` asked for."""
    if key == LR:
        # What every contender is tuned by, unless it is itself what is compared.
        return LR in chosen
    parts = [part for one in chosen for part in _PARTS.get(one, (one,))]
    return any(key == part or key.startswith(f"{part}.") for part in parts)


def choose_baseline(entrants: Sequence[Entrant], asked: str | None) -> tuple[Entrant | None, str]:
    """The entrant the others are held against, and why where it was not asked for.

    Parameters
    ----------
    asked : str, optional
        ``schedule=constant``, several joined by commas, the value of the first setting alone, or
        the label as it is shown. None: what is constant if anything is, else the first by name, so
        that it is never chosen by how it did.

    Returns
    -------
    entrant : Entrant or None
        None where no entrant, or more than one, is what was asked for.
    why : str
    """
    if asked is not None:
        fitting = [one for one in entrants if _fits(one, asked)]
        return (fitting[0], "") if len(fitting) == 1 else (None, "")
    for one in entrants:
        if one.settings.get("schedule") == "constant":
            many = sum(other.settings.get("schedule") == "constant" for other in entrants)
            why = "" if many == 1 else "the first by name of those with a constant schedule"
            return one, why
    return entrants[0], "the first by name, as none is constant"


def refuse_baseline(groups: Iterable[Group], asked: str) -> ConfigError:
    """The error on a baseline that no task has, or that fits several contenders."""
    labels = list(dict.fromkeys(one.label for group in groups for one in group.entrants))
    fitting = [one.label for group in groups for one in group.entrants if _fits(one, asked)]
    some = list(dict.fromkeys(fitting)) or labels
    close = some[0] if fitting else nearest(asked.rpartition("=")[2], labels)
    relation = "must name one of the contenders" if not fitting else "must name a single contender"
    return ConfigError(
        f"{relation} ({', '.join(some)})",
        key="--baseline",
        got=asked,
        remedy=f"--baseline '{close or labels[0]}'",
    )


def _fits(entrant: Entrant, asked: str) -> bool:
    if asked == entrant.label:
        return True
    settings = entrant.settings
    pairs = [part.strip().partition("=") for part in asked.split(",")]
    return all(
        show(key, settings.get(key.removesuffix(".name"))) == value
        if equals
        else key in [show(name, v) for name, v in settings.items() if name in COMPONENTS]
        for key, equals, value in pairs
    )


@dataclass(frozen=True)
class _Frame:
    """The arms of one task, the settings that make it one, and those it has beyond the asked."""

    arms: pd.DataFrame
    strata: tuple[str, ...]
    beyond: tuple[str, ...]


def _tasks_in(arms: pd.DataFrame, chosen: Sequence[str]) -> list[_Frame]:
    """The tasks inside one dataset and model."""
    keys = [key for key in settings_in(arms) if key != LR]
    beyond = tuple(key for key in differing(arms, keys) if not is_part(key, chosen))
    if not beyond:
        return [_Frame(arms, (), ())]
    strata = [_Frame(rows, beyond, ()) for _, rows in _split(arms, beyond)]
    named = _named(strata, chosen)
    members = [{values for values, _ in _by_values(one.arms, named)} for one in strata]
    if all(len(one) > 1 for one in members) and set.intersection(*members):
        # Varied alike for several contenders: each value of it is a task of its own.
        return strata
    return [_Frame(arms, (), beyond)]


def _named(frames: Sequence[_Frame], chosen: Sequence[str]) -> list[str]:
    """The settings that tell contenders apart in any task, components before their settings."""
    apart: dict[str, None] = {}
    for one in frames:
        keys = settings_in(one.arms)
        found = differing(one.arms, keys)
        apart |= dict.fromkeys(key for key in found if is_part(key, chosen) or key in one.beyond)
    groups = {_head(key) for key in apart}
    heads = [key for key in chosen if key in COMPONENTS and (key in groups or not apart)]
    return sorted(dict.fromkeys([*heads, *apart]), key=lambda key: "." in key) or list(chosen[:1])


def _group(one: _Frame, runs: Sequence[Run], tasks: Sequence[str], named: Sequence[str]) -> Group:
    of_arm: dict[str, list[Run]] = {}
    for run in runs:
        of_arm.setdefault(run.arm, []).append(run)
    entrants = []
    for values, rows in _by_values(one.arms, named):
        settings = dict(zip(named, values, strict=True))
        own = tuple(run for arm in rows["arm"] for run in of_arm[arm])
        entrants.append(Entrant(label(settings), settings, own))
    keys = [key for key in settings_in(one.arms) if key != LR]
    return Group(
        settings={key: one.arms[key].iloc[0] for key in (*tasks, *one.strata)},
        entrants=tuple(_distinct(sorted(entrants, key=lambda one: _order(one.settings)))),
        differing=differing(one.arms, keys),
        beyond=one.beyond,
    )


def _order(settings: Mapping[str, Any]) -> list[tuple[bool, float, str]]:
    """By name, numbers by their size."""
    return [
        (False, float(value), "") if isinstance(value, int | float) else (True, 0.0, str(value))
        for value in settings.values()
    ]


def _distinct(entrants: Iterable[Entrant]) -> Iterator[Entrant]:
    """Labels that look the same, 1 and "1", numbered."""
    seen: dict[str, int] = {}
    for one in entrants:
        many = seen[one.label] = seen.get(one.label, 0) + 1
        name = one.label if many == 1 else f"{one.label} ({many})"
        yield Entrant(name, one.settings, one.runs)


def _split(
    arms: pd.DataFrame, keys: Sequence[str]
) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """The rows with each combination of values of ``keys``, as a mapping."""
    for values, rows in _by_values(arms, keys):
        yield dict(zip(keys, values, strict=True)), rows


def _by_values(
    arms: pd.DataFrame, keys: Sequence[str]
) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
    if not keys:
        yield (), arms
        return
    # Not pandas' groups: their keys turn None into nan, which equals nothing.
    places: dict[tuple[Any, ...], list[int]] = {}
    for place, values in enumerate(zip(*(arms[key] for key in keys), strict=True)):
        places.setdefault(values, []).append(place)
    for values, rows in places.items():
        yield values, arms.iloc[rows]


def _head(key: str) -> str:
    return key.partition(".")[0]


def _told(keys: Sequence[str]) -> str:
    return ", ".join(keys) or "nothing but the seed"
