"""In what order trials are shown: ``started``, ``-val_loss``, ``schedule,-seconds``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from operator import itemgetter
from typing import Any

from lrbench.errors import ConfigError, Problem
from lrbench.report.history.columns import SINGLE, Table, plain, unknown
from lrbench.report.history.trial import Trial

OPTION = "--sort"


def in_order(trials: Sequence[Trial], text: str, table: Table) -> list[Trial]:
    """The trials by the columns named in ``text``, the first one first.

    A ``-`` in front of a column turns it round. What has no value stands at the end either way, and
    equals stay in the order of their names.

    Raises
    ------
    ConfigError
        Naming every word that is no column, with the nearest one.
    """
    known = (*SINGLE, *table.settings)
    keys: list[tuple[str, bool]] = []
    problems: list[Problem] = []
    for word in text.split(","):
        key, turned = plain(word.strip().removeprefix("-")), word.strip().startswith("-")
        if key not in known:
            sign = "-" if turned else ""
            problems.append(unknown(key, known, OPTION, partial("{} {}{}".format, OPTION, sign)))
        keys.append((key, turned))
    if problems:
        raise ConfigError(problems)
    ordered = sorted(trials, key=lambda trial: trial.run)
    # The last key first: sorting keeps the order of equals.
    for key, turned in reversed(keys):
        ranked = [(_rank(table.value(trial, key)), trial) for trial in ordered]
        there = sorted((pair for pair in ranked if pair[0]), key=itemgetter(0), reverse=turned)
        absent = [trial for rank, trial in ranked if not rank]
        ordered = [*(trial for _, trial in there), *absent]
    return ordered


def _rank(value: Any) -> tuple[Any, ...]:
    """Numbers among numbers, before words among words; empty of nothing."""
    if value is None:
        return ()
    is_word = not isinstance(value, int | float)
    return is_word, str(value) if is_word else value
