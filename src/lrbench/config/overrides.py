"""What was typed after the command: Hydra's override grammar, checked before Hydra composes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, OverrideType
from hydra.core.override_parser.types import Override as HydraOverride
from hydra.errors import HydraException

from lrbench.config.composed import MOST_ARMS
from lrbench.config.home import GROUPS, options, options_alone
from lrbench.config.remedies import list_or_sweep
from lrbench.errors import ConfigError, Problem
from lrbench.schedules.catalog import SCHEDULES

DEEPEST = 20
"""Lists and mappings inside of one another; no setting needs more than a few."""


@dataclass(frozen=True)
class Override:
    """One ``key=value``.

    Parameters
    ----------
    key : str
        A group (``schedule``) or a dotted setting (``optimizer.lr``).
    value : object
        Plain Python, as Hydra's grammar reads it.
    text : str
        As it was typed, or for one element of a sweep as it could have been.
    """

    key: str
    value: Any
    text: str

    @property
    def origin(self) -> str:
        """How messages name it."""
        return f"override {self.text}"


def parse(
    texts: Sequence[str], *, sweep: bool = False, user_folder: Path | None = None
) -> list[tuple[Override, ...]]:
    """The overrides of each arm: one arm without axes, else every combination, last axis fastest.

    A pattern such as ``schedule=glob(*)`` stands for the options of its group, the user's own too.

    Raises
    ------
    ConfigError
        Something does not parse, adds or deletes a setting, sweeps where a single run is asked
        for, sweeps over nothing, or sets the same key twice.
    """
    problems: list[Problem] = []
    axes: list[tuple[Override, ...]] = []
    for text in texts:
        try:
            axes.append(_axis(text, sweep, user_folder))
        except ConfigError as error:
            problems += error.problems
    for key in dict.fromkeys(axis[0].key for axis in axes):
        typed = [text for text in texts if text.partition("=")[0].strip() == key]
        if len(typed) > 1:
            problems.append(Problem("must be set once", key, typed, remedy="only one of them"))
    if problems:
        raise ConfigError(problems)
    if (arms := math.prod(map(len, axes))) > MOST_ARMS:
        raise ConfigError(f"must have at most {MOST_ARMS} arms", key="the sweep", got=arms)
    return list(product(*axes))


def _axis(text: str, sweep: bool, user_folder: Path | None) -> tuple[Override, ...]:
    parsed = _parse_one(text)
    key = parsed.get_key_element().lstrip("+~")
    _refuse_other_than_change(parsed, text, key)
    if not parsed.is_sweep_override():
        return (Override(key, _plain(parsed, text), text),)
    if not sweep:
        typed = text.partition("=")[2]
        raise ConfigError(
            "must have one value in a run",
            key=key,
            got=typed,
            origin=f"override {text}",
            remedy=list_or_sweep(key, typed, _may_be_list(key)),
        )
    elements = []
    for value in _elements(parsed, text, user_folder):
        one = f"{key}={value}"
        elements.append(Override(key, _plain(_parse_one(one), one), one))
    doubles = [one.text for one in elements if [e.text for e in elements].count(one.text) > 1]
    if doubles:
        relation = "must not name a value twice in a sweep"
        remedy = f"{key}={','.join(dict.fromkeys(str(e.value) for e in elements))}"
        got, origin = text.partition("=")[2], f"override {text}"
        raise ConfigError(relation, key=key, got=got, origin=origin, remedy=remedy)
    return tuple(elements)


def _may_be_list(key: str) -> bool:
    """Whether any schedule has a list by this name."""
    leaf = key.removeprefix("schedule.")
    known = (entry.parameters.get(leaf) for entry in SCHEDULES.values())
    return any(parameter is not None and parameter.is_list for parameter in known)


def _parse_one(text: str) -> HydraOverride:
    form = "must have the form key=value"
    key = text.partition("=")[0].strip().lstrip("+~")
    if not key or ("=" not in text and not text.startswith("~")):
        group = next((group for group in GROUPS if key in options(group)), None)
        remedy = f"{group}={key}" if group else f"{key or 'schedule'}=…, without spaces"
        raise ConfigError(form, key=f"override {text!r}", remedy=remedy)
    try:
        return OverridesParser.create().parse_override(text)
    except (HydraException, ValueError, RecursionError) as error:
        # A ValueError: more digits than Python reads.
        reason = str(error).splitlines()[0].partition(" expecting {")[0]
        if isinstance(error, RecursionError):
            reason = "nested too deeply"
        raise ConfigError(
            f"{form} in Hydra's grammar ({reason})",
            key=f"override {text!r}",
            remedy=_quoted(text),
        ) from None


def _quoted(text: str) -> str | None:
    """The override with its value in quotes, for the shell, if it parses then."""
    key, _, value = text.partition("=")
    if not value.isprintable() or any(c in value for c in "'\"$`\\") or value != value.strip(","):
        return None
    try:
        OverridesParser.create().parse_override(f"{key}='{value}'")
    except HydraException:
        return None
    return f"\"{key}='{value}'\""


def _refuse_other_than_change(parsed: HydraOverride, text: str, key: str) -> None:
    origin = f"override {text}"
    if parsed.type in (OverrideType.ADD, OverrideType.FORCE_ADD):
        relation = "cannot be added: every setting exists already, and an unknown one has no effect"
        raise ConfigError(relation, key=key, origin=origin, remedy="lrbench show lists them all")
    if parsed.type is OverrideType.DEL:
        relation = "cannot be deleted: a run needs every setting"
        raise ConfigError(relation, key=key, origin=origin, remedy=f"{key}=… with another value")
    if parsed.package is not None or "/" in key or key.split(".")[0] == "hydra":
        relation = "must be a group or a setting of lrbench"
        raise ConfigError(relation, key=key, origin=origin, remedy="lrbench show")


def _elements(parsed: HydraOverride, text: str, user_folder: Path | None) -> list[str]:
    key = parsed.get_key_element()
    pattern: Any = parsed.value()
    if key in GROUPS and isinstance(pattern, Glob):
        found: list[str] = pattern.filter(list(options_alone(key, user_folder)))
        if found:
            return found
        relation = f"must match an option (there are: {', '.join(options(key, user_folder))})"
        raise ConfigError(relation, key=key, got=text.partition("=")[2], origin=f"override {text}")
    relation = "must name the values of its axis one by one"
    with suppress(HydraException, ValueError):  # an interval, a pattern, a range with no step
        values = [str(value) for value in islice(parsed.sweep_string_iterator(), MOST_ARMS + 1)]
        if values and "" not in values and len(values) <= MOST_ARMS:
            return values
        relation += " (it has none)" if not values else ""
        relation += f" (it has more than {MOST_ARMS})" if len(values) > MOST_ARMS else ""
    raise ConfigError(
        relation,
        key=key,
        got=text.partition("=")[2],
        origin=f"override {text}",
        remedy=f"{key}=a,b,c",
    )


def _plain(parsed: HydraOverride, text: str) -> Any:
    value = parsed.value()
    if value == "" and not text.rstrip().endswith(("''", '""')):
        key = parsed.get_key_element()
        origin = f"override {text}"
        raise ConfigError("must have a value", key=key, origin=origin, remedy=f"{key}=…")
    if _depth(value) > DEEPEST:
        key = parsed.get_key_element()
        relation = f"must be nested at most {DEEPEST} deep"
        raise ConfigError(relation, key=key, origin=f"override {text}", remedy=f"{key}=…")
    return _unquoted(value)


def _depth(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value
    return 1 + max(map(_depth, inside), default=0) if isinstance(value, dict | list) else 0


def _unquoted(value: Any) -> Any:
    """Hydra's quoted strings as plain ones, also inside lists and mappings."""
    if isinstance(value, list):
        return [_unquoted(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _unquoted(item) for key, item in value.items()}
    return getattr(value, "text", value)
