"""Settings and environments of two records, side by side: what differs, and both values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ENVIRONMENT = (
    "lrbench",
    "python",
    "implementation",
    "packages",
    "os",
    "libc",
    "cpu",
    "variables",
    "git",
)
_LENGTHY = ("git.branch", "git.diff", "git.untracked")
"""Of the uncommitted changes their digest is enough."""


@dataclass(frozen=True)
class Change:
    """A value that two records do not share.

    Parameters
    ----------
    key : str
        Dotted.
    recorded, other : JSON value
        None where it is absent.
    """

    key: str
    recorded: Any
    other: Any


def differing_settings(recorded: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[Change, ...]:
    """The settings in which two specifications, in their plain form, differ.

    Keys are those a user types: ``schedule`` is its name, ``schedule.first_cycle`` a parameter of
    it. A setting that an earlier lrbench had not is the same as one that is null.
    """
    return _changes(_settings(recorded), _settings(other))


def differing_environment(
    recorded: Mapping[str, Any], other: Mapping[str, Any]
) -> tuple[Change, ...]:
    """The facts in which two manifests differ: first the profile's, which decide bits.

    Then versions of lrbench, Python and packages, system, processor, variables and the commit.
    """
    return _changes(_facts(recorded), _facts(other))


def _changes(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[Change, ...]:
    keys = dict.fromkeys([*ours, *theirs])
    groups = list(dict.fromkeys(map(_group, keys)))
    # What only the other has goes with its group, and not to the end.
    ordered = sorted(keys, key=lambda key: groups.index(_group(key)))
    changes = (Change(key, ours.get(key), theirs.get(key)) for key in ordered)
    # As text: 1, 1.0 and true are equal in Python.
    return tuple(c for c in changes if _text(c.recorded) != _text(c.other))


def _group(key: str) -> str:
    return key.partition(".")[0]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _settings(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in value.items():
        name = f"{prefix}{key}"
        if not isinstance(item, dict):
            flat[name] = item
        elif "name" in item and "params" in item:
            rest = {k: v for k, v in item.items() if k not in ("name", "target", "params")}
            own = _settings(rest, f"{name}.")
            params = item["params"] if isinstance(item["params"], dict) else {}
            flat |= {name: item["name"], f"{name}._target_": item.get("target")}
            # lrbench's own settings first, and never hidden by a parameter of the same name.
            flat |= own | _leaves(params, f"{name}.") | own
        else:
            flat |= _settings(item, f"{name}.")
    return flat


def _facts(manifest: Mapping[str, Any]) -> dict[str, Any]:
    profile = manifest.get("profile")
    environment = manifest.get("environment")
    decisive = _leaves(profile, "profile.") if isinstance(profile, dict) else {}
    decisive.pop("profile.digest", None)
    known = environment if isinstance(environment, dict) else {}
    around = _leaves({name: known.get(name) for name in _ENVIRONMENT})
    return decisive | {key: value for key, value in around.items() if key not in _LENGTHY}


def _leaves(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, dict):
            flat |= _leaves(item, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = item
    return flat
