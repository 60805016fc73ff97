"""What broke first between two records: which step of the work, which column, which tensor.

An update is a chain: a batch, a rate, the loss, its gradient, the moments, the update, the weights.
One wrong link spoils all that follow, so of many differences only the first one tells the cause.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from lrbench.errors import RecordError
from lrbench.record.comparison.digests import INPUTS, Digest, digests_of
from lrbench.record.comparison.parting import Fields, Parting, columns_of, parting
from lrbench.record.layout import RESTART_COLUMNS, RESTART_LAYER_COLUMNS
from lrbench.record.reader import Record

STEPS, EVALS, LAYERS = "steps.csv", "evals.csv", "layers.csv"

LINKS: Final = {
    "batch_digest": "batch",
    "epoch": "batch",
    "lr": "schedule",
    "momentum": "schedule",
    "weight_decay": "schedule",
    "train_loss": "loss",
    "grad_norm": "gradient",
    "momentum_cosine": "gradient",
    "momentum_norm": "update",
    "second_moment_mean": "update",
    "root_second_moment_mean": "update",
    "update_norm": "update",
    "update_cosine": "update",
    "weight_norm": "weights",
}
"""The columns of logs in the order in which an update makes them, and what each shows."""

RATES: Final = ("lr", "momentum", "weight_decay")

LEDGER: Final = ("restarts.csv", "restart_layers.csv")

KNOWN_AT_ONCE: Final = frozenset(
    {
        *RESTART_COLUMNS[1 : RESTART_COLUMNS.index("window")],
        *RESTART_LAYER_COLUMNS[1 : RESTART_LAYER_COLUMNS.index("counter_after") + 1],
    }
    - {"length"}
)
"""The columns of a restart's rows that hold before the first update of its cycle."""

_AFTER: Final = (STEPS, EVALS, LAYERS, "curvature.csv", *LEDGER)
"""The logs, the one whose row of an update is looked at first in front."""

_SEEN_IN_LAYERS = ("gradient", "update", "weights")


@dataclass(frozen=True)
class Difference:
    """What two records differ in first.

    Parameters
    ----------
    what : str
        ``data``, ``split``, ``init``, ``schedule``, ``batch``, ``loss``, ``gradient``, ``update``
        or ``weights``; a log's name without its ending for a row that only one has, or a difference
        in any log but that of the steps; ``columns`` for a column that only one has, all else being
        equal; ``result`` for an entry of the closing file; the name of a kept checkpoint.
    file : str
        The file of the record that shows it.
    step : int or None
        The update; of ``evals`` the number of updates before the evaluation. None of a digest.
    column : str or None
        ``step`` for a row that only one has. None of a digest.
    recorded, other : str or None
        Both values, exactly as the files have them; None of a row or column that is not there.
    tensor : str or None
        The first tensor, or in a log the first layer, where one is known.
    """

    what: str
    file: str
    step: int | None = None
    column: str | None = None
    recorded: str | None = None
    other: str | None = None
    tensor: str | None = None

    def told(self, recorded: str = "the first", other: str = "the second") -> str:
        """In one sentence, with these names for the two records."""
        where = other if self.other is None else recorded
        if self.what == "columns":
            return f"{self.file} has no column {self.column} in {where}"
        if self.column == "step":
            return f"{self.file} has no row of step {self.step} in {where}"
        first = f"; first tensor {self.tensor}" if self.tensor else ""
        values = f"{self.recorded or 'empty'} in {recorded} and {self.other or 'empty'} in {other}"
        if self.column is None:
            return f"{self.what}: the digest is {values}{first}"
        if self.step is None:
            return f"{self.file}: {self.column} is {values}"
        return f"{self.what}, at step {self.step}: {self.column} is {values}{first}"


def first_difference(
    recorded: Record, other: Record, *, rows: int | None = None
) -> Difference | None:
    """What broke first: the data, the split, the start, the schedule, an update, the weights.

    A digest that one of the two has not is not compared. Differences in the logs are ordered by
    their update, then by what happens in it.

    Parameters
    ----------
    recorded, other : Record
        Finished or not; that their bytes are those that were written is not checked here.
    rows : int in [0, inf), in updates, optional
        Compare the logs over the first updates only, and nothing that is known at the end alone.

    Raises
    ------
    RecordError
        A file that had to be read is malformed or missing.
    """
    ours, theirs = digests_of(recorded), digests_of(other)
    for name in INPUTS:
        if found := _different_digest(name, ours[name], theirs[name]):
            return _located(found, recorded, other) if name == "schedule" else found
    found = first_difference_in_logs(recorded, other, rows=rows)
    if found or rows is not None:
        return found
    return _different_digest("batches", ours["batches"], theirs["batches"]) or _different_digest(
        "weights", ours["weights"], theirs["weights"]
    )


def first_difference_in_logs(
    recorded: Record, other: Record, *, rows: int | None = None
) -> Difference | None:
    """:func:`first_difference` without the digests: the first row in which any log differs.

    Records of an earlier lrbench are compared in the columns that both have; a column that only
    one has is a difference if there is no other.
    """
    found: list[tuple[float, Difference]] = []
    for log in _AFTER:
        paths = recorded.path / log, other.path / log
        parted = parting(*paths)
        if parted is None:
            continue
        difference = _in_row(log, parted, *paths)
        if not _is_beyond(difference, rows):
            found.append((_moment(difference), difference))
    if not found:
        return _different_columns(recorded, other)
    # Of equal steps min() keeps the first, and the logs are in the order they are looked at.
    step, first = min(found, key=lambda pair: pair[0])
    if first.file == STEPS and first.what in _SEEN_IN_LAYERS:
        layers = (d.tensor for s, d in found if d.file == LAYERS and s == step)
        first = replace(first, tensor=next(layers, None))
    return first


def _different_digest(name: str, ours: Digest, theirs: Digest) -> Difference | None:
    if ours.value is None or theirs.value is None or ours.value == theirs.value:
        return None
    return Difference(
        what="batch" if name == "batches" else name,
        file=ours.file,
        recorded=ours.value,
        other=theirs.value,
        tensor=ours.first_different_tensor(theirs),
    )


def _located(found: Difference, recorded: Record, other: Record) -> Difference:
    """Another schedule, at the first update whose rate shows it."""
    paths = recorded.path / STEPS, other.path / STEPS
    parted = parting(*paths, only=RATES)
    if parted is None or parted.recorded is None or parted.other is None:
        return found
    return _in_row(STEPS, parted, *paths, only=RATES)


def _in_row(
    log: str, parted: Parting, recorded: Path, other: Path, only: tuple[str, ...] | None = None
) -> Difference:
    """The first column in which a row differs, in the order in which an update makes them."""
    ours, theirs = parted.recorded, parted.other
    steps = _step_of(ours, recorded, parted), _step_of(theirs, other, parted)
    stem = log.removesuffix(".csv")
    if ours is None or theirs is None or steps[0] != steps[1]:
        # The row of the earlier step is missing in the other log.
        step = min(step for step in steps if step is not None)
        a, b = (str(step) if one == step else None for one in steps)
        return Difference(stem, log, step, "step", a, b)
    shared = [c for c in _in_causal_order(log, ours) if c in theirs and (not only or c in only)]
    column = next(c for c in shared if ours[c] != theirs[c])
    return Difference(
        what=LINKS[column] if log == STEPS and column in LINKS else stem,
        file=log,
        step=steps[0],
        column=column,
        recorded=ours[column],
        other=theirs[column],
        tensor=unquote(ours["layer"]) if "layer" in ours else None,
    )


def _in_causal_order(log: str, columns: Iterable[str]) -> list[str]:
    """First what says which row it is; evaluations and restarts are no chain of columns."""
    links = {column: place for place, column in enumerate(("step", "layer", *LINKS))}
    is_chain = log in (STEPS, LAYERS)
    return sorted(columns, key=lambda c: links.get(c, len(links)) if is_chain else 0)


def _different_columns(recorded: Record, other: Record) -> Difference | None:
    for log in _AFTER:
        ours, theirs = columns_of(recorded.path / log), columns_of(other.path / log)
        if ours and theirs and (apart := set(ours) ^ set(theirs)):
            column = next(name for name in (*ours, *theirs) if name in apart)
            a, b = (column if column in names else None for names in (ours, theirs))
            return Difference("columns", log, None, column, a, b)
    return None


def _is_beyond(difference: Difference, rows: int | None) -> bool:
    if rows is None:
        return False
    step = _step(difference)
    if difference.file in LEDGER and difference.column == "step":
        # A row comes at the end of its cycle, wherever that is.
        return True
    if difference.file == EVALS:
        # A run that ends after these updates is evaluated there, a longer one need not be.
        return step > rows or (step == rows and difference.column == "step")
    return step >= rows


def _moment(difference: Difference) -> float:
    """The update in which it came about, for the order of differences."""
    step = _step(difference)
    if difference.file == EVALS:
        # An evaluation after n updates has seen update n - 1 and no later one; the one before all
        # of them belongs to the first.
        return max(0, step - 1)
    if difference.file in LEDGER and difference.column not in KNOWN_AT_ONCE:
        # What came of a restart is known when its cycle is over, and follows from the other logs.
        return math.inf
    return step


def _step(difference: Difference) -> int:
    assert difference.step is not None
    return difference.step


def _step_of(row: Fields | None, path: Path, parted: Parting) -> int | None:
    if row is None:
        return None
    if not re.fullmatch(r"\d{1,18}", row["step"], re.ASCII):
        relation = f"line {parted.line} must begin with a step"
        raise RecordError(relation, key=str(path), got=row["step"][:200])
    return int(row["step"])
