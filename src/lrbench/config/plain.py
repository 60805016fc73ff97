"""lrbench's own configuration with plain overrides, composed without Hydra.

Hydra takes a quarter of a second to load, too long for a command that draws a curve. What is typed
most of the time needs none of it: options of lrbench's own, and numbers, words and lengths for
settings that exist. For that, and nothing more, this comes to the same as Hydra; whatever else is
typed is left to it, errors too. A test holds the two against each other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import yaml

from lrbench.config.composed import MOST_ARMS, Composed, settle_length
from lrbench.config.home import ADAPTER, GROUPS, options, packaged_folder, primary_file, shown

_OVERRIDE = re.compile(r"([a-z_]+(?:\.[a-z_]+)?)=([\w.,%+-]+)", re.ASCII)
_LENGTH = re.compile(r"(0|[1-9]\d*)(\.\d+)?(%|ep)", re.ASCII)
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})", re.ASCII)
_FLOAT = re.compile(r"-?(0|[1-9]\d*)(\.\d+([eE][+-]?\d+)?|[eE][+-]?\d+)", re.ASCII)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_CONSTANTS = {"true": True, "false": False, "null": None}
_NUMBERS_IN_WORDS = {"nan", "inf"}

Plain = tuple[str, Any, str]
"""Key, value and text of an override."""


def plain_arms(texts: Sequence[str]) -> list[tuple[Plain, ...]] | None:
    """The overrides of each arm; None unless all of them are plain.

    Values after commas make several arms, the last one fastest, as in a sweep.
    """
    axes: list[list[Plain]] = []
    for text in texts:
        match = _OVERRIDE.fullmatch(text)
        if match is None:
            return None
        key, typed = match.groups()
        elements = typed.split(",")
        if any(not _is_plain(element) for element in elements):
            return None
        values = [_value(element) for element in elements]
        is_twice = len(set(map(str, values))) < len(values)
        if is_twice or any(axis[0][0] == key for axis in axes):
            return None
        has_many = len(values) > 1  # then Hydra writes numbers its own way
        axes.append(
            [
                (key, value, f"{key}={value if has_many and isinstance(value, float) else element}")
                for value, element in zip(values, elements, strict=True)
            ]
        )
    return list(product(*axes)) if prod(map(len, axes)) <= MOST_ARMS else None


def compose_plain(arm: Sequence[Plain]) -> Composed | None:
    """The configuration that plain overrides make of lrbench's own.

    None where an option or a setting does not exist, or an import path takes its place.
    """
    chosen = {key: value for key, value, _ in arm if key in GROUPS}
    if any(option not in options(group) for group, option in chosen.items()):
        return None
    if (ADAPTER[0], chosen.get(ADAPTER[0])) == ADAPTER:
        return None
    primary = yaml.safe_load((packaged_folder() / "config.yaml").read_bytes())
    defaults = {
        group: option
        for entry in primary.pop("defaults")
        if isinstance(entry, dict)
        for group, option in entry.items()
    }
    files = {group: options(group)[option] for group, option in (defaults | chosen).items()}
    values = {group: yaml.safe_load(file.read_bytes()) for group, file in files.items()} | primary
    origins = dict.fromkeys(values, shown(primary_file(None)))
    origins |= {group: shown(file) for group, file in files.items()}
    settings = [override for override in arm if override[0] not in GROUPS]
    replaced: dict[str, Any] = {}
    for key, value, text in settings:
        group, _, leaf = key.partition(".")
        owner = values.get(group) if leaf else values
        leaf = leaf or group
        is_setting = isinstance(owner, dict) and leaf in owner and leaf != "name"
        if not is_setting or isinstance(owner[leaf], dict):
            return None
        replaced[key] = owner[leaf]
        owner[leaf] = value
        origins[key] = f"override {text}"
    typed = frozenset(replaced)
    composed = Composed(values, origins, typed=typed, replaced=replaced)
    settle_length(composed)
    return composed


def _is_plain(text: str) -> bool:
    if text.lower() in _CONSTANTS.keys() | _NUMBERS_IN_WORDS:
        return text in _CONSTANTS
    return any(kind.fullmatch(text) for kind in (_LENGTH, _INTEGER, _FLOAT, _WORD))


def _value(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
