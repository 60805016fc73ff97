"""Settings as a user types them: which of them tell arms apart, and which are equal in all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lrbench.errors import ConfigError, Problem, nearest
from lrbench.report.escapes import printable
from lrbench.spec.canonical import canonical

if TYPE_CHECKING:
    import pandas as pd

COMPONENTS = ("dataset", "model", "optimizer", "schedule", "restart", "trigger")
_EVERY_COMPONENT_HAS = ("optimizer.lr",)
_LEFT_OUT = {"restart": "keep", "trigger": "none"}
"""Where a specification says nothing of them; by the options that stand for that."""

_FOLLOWING = dict.fromkeys(
    ("compute.compile", "compute.lanes", "compute.profile"), "compute.engine"
)
"""Settings that one engine has and another has not, or has otherwise, with the engine."""

_CONSEQUENCES = ("dataset.digest", "dataset.code", "model.code", "optimizer.code", "schedule.code")
"""Settings nobody types: they follow from what is typed, the data and the code."""


def flatten(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A plain specification as one level of dotted keys, without the seed.

    ``schedule.name`` becomes ``schedule`` and ``schedule.params.first_cycle``
    ``schedule.first_cycle``, as on the command line. What restarts do has the name of its switches
    together, ``momentum=0.5+rewarm=20``. Lists and objects become JSON text, so that every value
    can be compared and grouped by.
    """
    flat: dict[str, Any] = dict(_LEFT_OUT)
    for group, value in spec.items():
        if group == "restart":
            # Here, because a specification's values take a while to be defined.
            from lrbench.restarts.policy import policy_name
            from lrbench.spec.restart import RestartSpec

            flat[group] = policy_name(RestartSpec.model_validate(value))
            flat |= {f"{group}.{key}": item for key, item in value.items()}
        elif group in COMPONENTS:
            flat[group] = value["name"]
            flat[f"{group}._target_"] = value["target"]
            own = {k: v for k, v in value.items() if k not in ("name", "target", "params")}
            flat |= {f"{group}.{key}": item for key, item in (value["params"] | own).items()}
        elif isinstance(value, dict):
            flat |= {f"{group}.{key}": item for key, item in value.items()}
    return {
        key: canonical(value) if isinstance(value, list | dict) else value
        for key, value in flat.items()
    }


def differing(arms: pd.DataFrame, keys: Sequence[str]) -> tuple[str, ...]:
    """The ``keys`` that tell arms apart, components first, none that only repeats another.

    A setting of a component (``schedule.first_cycle``) counts if it differs between arms with the
    same component; between other components it has nothing to be compared with. So it is with what
    only one engine has. A digest of data or code counts if everything that is typed about its
    component is equal.

    Parameters
    ----------
    arms : DataFrame with a row an arm and a column a key
    keys : the columns to look at
    """
    return differing_of(arms.to_dict("records"), keys)  # type: ignore[arg-type]


def differing_of(arms: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> tuple[str, ...]:
    """:func:`differing` of arms as mappings; a key that one has not is None there.

    It needs no pandas, which takes most of a second to import.
    """
    apart = [key for key in keys if arms and _tells_apart(arms, key, keys)]
    return tuple(sorted(apart, key=lambda key: "." in key))


def _tells_apart(arms: Sequence[Mapping[str, Any]], key: str, keys: Sequence[str]) -> bool:
    group = key.partition(".")[0]
    values = [arm.get(key) for arm in arms]
    if values.count(values[0]) == len(values):
        return False
    if key in _CONSEQUENCES:
        within = [k for k in keys if k.startswith((f"{group}.", "streams."))]
        within = [group, *(k for k in within if k not in _CONSEQUENCES)]
    elif "." in key and group in COMPONENTS and key not in _EVERY_COMPONENT_HAS:
        within = [group]
    elif key in _FOLLOWING:
        within = [_FOLLOWING[key]]
    else:
        return True
    seen: dict[tuple[Any, ...], Any] = {}
    for arm, value in zip(arms, values, strict=True):
        if seen.setdefault(tuple(arm.get(other) for other in within), value) != value:
            return True
    return False


def equal(arms: pd.DataFrame, keys: Sequence[str]) -> dict[str, Any]:
    """The settings with one value in every arm."""
    return equal_of(arms.to_dict("records"), keys)  # type: ignore[arg-type]


def equal_of(arms: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> dict[str, Any]:
    """:func:`equal` of arms as mappings; nothing of no arms."""
    same = {}
    for key in keys if arms else ():
        values = [arm.get(key) for arm in arms]
        if values.count(values[0]) == len(values):
            same[key] = values[0]
    return same


def parse_by(text: str, known: Iterable[str], apart: Sequence[str] = ()) -> tuple[str, ...]:
    """The keys of ``--by``, in the order typed.

    Parameters
    ----------
    apart : sequence of str
        Those of ``known`` that differ, which are what somebody may have meant.

    Raises
    ------
    ConfigError
        A key is empty, ``seed``, or no setting of the records at hand.
    """
    known = sorted(known)
    keys = [key.strip().removesuffix(".name") for key in text.split(",")]
    problems = []
    for key in keys:
        if key == "seed":
            relation = "must not be seed: a row is a summary over seeds"
            problems.append(Problem(relation, key="--by", remedy="--format csv lists the seeds"))
        elif key not in known:
            close = nearest(key, known)
            relation = f"must name settings of these runs ({_named(apart, known)})"
            problems.append(
                Problem(relation, key="--by", got=key, remedy=f"--by {close}" if close else None)
            )
    if problems:
        raise ConfigError(problems)
    return tuple(dict.fromkeys(keys))


def _named(apart: Sequence[str], known: Sequence[str]) -> str:
    """Those that differ; the others, dozens, are where they are all listed."""
    equal = len(known) - len(apart)
    told = f"differing: {', '.join(map(printable, apart)) or 'none'}"
    return f"{told}; {equal} more are equal in all: lrbench summarize DIR --json" if equal else told


def show(key: str, value: Any) -> str:
    """A setting's value in a table; ``-`` where the arm has no such setting."""
    if value is None:
        return "-"
    if key in _CONSEQUENCES:
        return str(value)[:8]
    return printable(str(value).lower() if isinstance(value, bool) else str(value))


def label(settings: Mapping[str, Any]) -> str:
    """An arm in one line: ``sgdr lr=0.1 first_cycle=20``."""
    return " ".join(
        show(key, value)
        if key in COMPONENTS
        else f"{printable(header(key, settings))}={show(key, value)}"
        for key, value in settings.items()
        if value is not None
    )


def header(key: str, keys: Iterable[str]) -> str:
    """The last part of a key where that is enough to tell it from the others."""
    leaf = key.rpartition(".")[2]
    namesakes = [other for other in keys if other.rpartition(".")[2] == leaf]
    return leaf if len(namesakes) == 1 else key
