"""Which trials are shown: ``schedule=sgdr``, ``optimizer.lr<0.1``, ``since=2026-11-01``."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from lrbench.errors import ConfigError, Problem, nearest
from lrbench.record.reader import Status
from lrbench.report.history.columns import MANY, MOMENTS, SINGLE, Table, plain, unknown
from lrbench.report.history.trial import Trial
from lrbench.report.settings import show

OPTION = "--filter"

_FORM = re.compile(r"\s*([^<>=!~]+?)\s*(<=|>=|!=|=|<|>|~)(.*)", re.DOTALL)

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

_NUMBERS = frozenset(SINGLE) - {"started", "ended", "run", "status"}
"""Facts that are numbers where they are there at all."""


@dataclass(frozen=True)
class Filter:
    """A condition on a column.

    Parameters
    ----------
    key, relation, value : str
        As typed. ``~`` is "contains"; of a fact that a run has several of, one must fit, and with
        ``!=`` none may.
    """

    key: str
    relation: str
    value: str

    def __str__(self) -> str:
        return f"{self.key}{self.relation}{self.value}"


def parse_filters(texts: Sequence[str], table: Table) -> list[Filter]:
    """Filters as typed, held against the columns there are.

    Raises
    ------
    ConfigError
        Naming every one that is wrong, with the nearest column.
    """
    filters: list[Filter] = []
    problems: list[Problem] = []
    settings = table.settings
    for text in texts:
        match = _FORM.fullmatch(text)
        if not match:
            relation = "must be a column, one of = != < <= > >= ~, and a value"
            remedy = f"{OPTION} schedule=sgdr"
            problems.append(Problem(relation, key=OPTION, got=text, remedy=remedy))
            continue
        one = Filter(plain(match[1]), match[2], match[3].strip())
        found = list(_problems(one, table, settings))
        problems += found
        if not found:
            filters.append(one)
    if problems:
        raise ConfigError(problems)
    return filters


def fits(trial: Trial, filters: Sequence[Filter], table: Table) -> bool:
    """Whether every one of ``filters`` holds."""
    return all(_holds(trial, one, table) for one in filters)


def _problems(one: Filter, table: Table, settings: Sequence[str]) -> Iterator[Problem]:
    known = (*SINGLE, *MANY, *MOMENTS, *settings)
    rest = f"{one.relation}{one.value}"
    if one.key not in known:
        yield unknown(one.key, known, OPTION, lambda near: _quoted(f"{OPTION} {near}{rest}"))
    elif one.key in MOMENTS:
        if one.relation != "=" or _moment(one.value) is None:
            relation = f"must be a day or a moment: {one.key}=2026-11-01 (UTC)"
            yield Problem(relation, key=OPTION, got=str(one), remedy=f"{OPTION} since=2026-11-01")
    elif one.key == "status" and one.relation in ("=", "!="):
        if one.value not in tuple(Status):
            near = nearest(one.value, Status)
            relation = f"must name a status (one of {', '.join(Status)})"
            remedy = f"{OPTION} status={near}" if near else None
            yield Problem(relation, key=OPTION, got=str(one), remedy=remedy)
    elif one.key in MANY and one.relation in _ORDERS:
        relation = f"must compare {one.key} by = or != or ~"
        yield Problem(relation, key=OPTION, got=str(one), remedy=f"{OPTION} {one.key}={one.value}")
    elif one.relation in _ORDERS and one.key in ("started", "ended"):
        if _moment(one.value) is None:
            relation = "must compare with a day or a moment, 2026-11-01 (UTC)"
            yield Problem(relation, key=OPTION, got=str(one))
    elif one.relation in _ORDERS and _number(one.value) is None:
        yield Problem("must compare with a number", key=OPTION, got=str(one))
    elif one.relation in _ORDERS and not _has_numbers(one.key, table):
        relation = f"must compare a number, and no run has one as {one.key}"
        yield Problem(relation, key=OPTION, got=str(one), remedy=f"{OPTION} {one.key}={one.value}")


def _has_numbers(key: str, table: Table) -> bool:
    if key in _NUMBERS:
        return True
    arms = {trial.arm: trial for trial in table.trials}.values()
    return any(_is_number(table.value(trial, key)) for trial in arms)


def _holds(trial: Trial, one: Filter, table: Table) -> bool:
    if one.key in MOMENTS:
        return _is_when(trial.started, one)
    if one.key in MANY:
        return _is_among(table.values(trial, one.key), one)
    value = table.value(trial, one.key)
    if one.relation in _ORDERS:
        compare = _ORDERS[one.relation]
        if one.key in ("started", "ended"):
            moment = _moment(value)
            return moment is not None and compare(moment, _moment(one.value))
        return _is_number(value) and compare(value, _number(one.value))
    if one.relation == "~":
        return one.value in show(one.key, value)
    return _is_equal(one.key, value, one.value) == (one.relation == "=")


def _is_equal(key: str, value: Any, typed: str) -> bool:
    if _is_number(value):
        return bool(value == _number(typed))
    # As it is shown, `-` where there is none; of a digest any start will do.
    return show(key, value) == typed or (value is not None and str(value) == typed)


def _is_among(values: Sequence[str], one: Filter) -> bool:
    if one.relation == "~":
        return any(one.value in value for value in values)
    return (one.value in values) == (one.relation == "=")


def _is_when(started: str | None, one: Filter) -> bool:
    moment, asked = _moment(started), _moment(one.value)
    if moment is None or asked is None:
        return False
    if one.key == "since":
        return moment >= asked
    is_day = re.fullmatch(r"\d{4}-?\d{2}-?\d{2}", one.value) is not None
    # Their difference, because there may be no day after the one that was asked for.
    return moment - asked < timedelta(days=1) if is_day else moment <= asked


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _quoted(remedy: str) -> str:
    """What is typed, whole in a shell that takes < and > for files."""
    option, _, rest = remedy.partition(" ")
    return f"{option} '{rest}'" if re.search(r"[<>!~\s]", rest) else remedy
