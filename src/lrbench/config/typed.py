"""A configuration as it would be typed: overrides of lrbench's own files, ready for a shell."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import yaml

from lrbench.config.defaults import default_settings
from lrbench.config.home import GROUPS, options, packaged_folder

_PLAIN = re.compile(r"[A-Za-z_][\w.:/-]*|\d+(\.\d+)?(%|ep)", re.ASCII)
_OTHERWISE = {"true", "false", "null", "nan", "inf"}
"""Words that are no texts to Hydra."""


def as_overrides(values: Mapping[str, Any], *, without: Collection[str] = ()) -> list[str]:
    """Overrides that make this configuration of lrbench's own files, quoted for a shell.

    Parameters
    ----------
    values : mapping
        A composed configuration, as a record has it.
    without : collection of str
        Groups and settings to leave out.

    Examples
    --------
    >>> as_overrides({"train": {"epochs": 5.0}, "seed": 3}, without=["seed"])
    ['train.epochs=5.0']
    """
    primary = yaml.safe_load((packaged_folder() / "config.yaml").read_bytes())
    usual: dict[str, str] = {}
    for entry in primary.pop("defaults"):
        usual |= entry if isinstance(entry, dict) else {}
    found: list[str] = []
    for key, value in values.items():
        if key in without:
            continue
        if key in GROUPS and isinstance(value, Mapping):
            found += _of_group(key, value, usual[key])
        elif isinstance(value, Mapping):
            found += _differing(key, value, primary.get(key) or {})
        elif key in primary and value != primary[key]:
            found.append(f"{key}={as_typed(value)}")
    return [shlex.quote(text) for text in found if text.partition("=")[0] not in without]


def as_typed(value: Any) -> str:
    """A value as Hydra's grammar reads it back."""
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key}:{as_typed(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(as_typed, value))}]"
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _OTHERWISE:
        return text
    return "'" + re.sub(r"(\\*)'", lambda m: m[1] * 2 + "\\'", text) + "'"


def _of_group(group: str, values: Mapping[str, Any], usual: str) -> Iterator[str]:
    there, name = options(group), str(values.get("name"))
    if "_target_" in values:
        yield f"{group}._target_={as_typed(values['_target_'])}"
        yield from _differing(group, values, {})
        return
    option = name if name in there else usual
    if option != usual:
        yield f"{group}={option}"
    yield from _differing(group, values, default_settings(there[option]))


def _differing(group: str, values: Mapping[str, Any], usual: Mapping[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        was = usual.get(key)
        if isinstance(value, Mapping) and isinstance(was, Mapping):
            yield from _differing(f"{group}.{key}", value, was)
        elif key not in ("name", "_target_") and (key not in usual or value != was):
            yield f"{group}.{key}={as_typed(value)}"
