"""The ledger of one record, read as far as it goes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrbench.errors import RecordError
from lrbench.record import layout
from lrbench.record.logs import Log
from lrbench.record.memory import remembered
from lrbench.record.reader import UNREADABLE, Record, Status, read_json

Row = dict[str, Any]
"""The cells of a row of a log by its columns; None where a cell is empty."""

_WHOLE = frozenset(
    {
        "step",
        "cycle",
        "planned_length",
        "length",
        "counter_before",
        "counter_after",
        "window",
        "steps_to_peak",
        "recovery_steps",
        "recovery_censored_at",
        "gradient_peak_at",
        "second_moment_peak_at",
        "depth",
        "size",
    }
)
"""Columns of whole numbers."""

_NEVER_EMPTY = frozenset(
    {"step", "epoch", "cycle", "cause", "lr_before", "lr_after", "layer", "depth", "kind"}
)


@dataclass(frozen=True)
class Ledger:
    """The restarts of one run whose cycles are over.

    Parameters
    ----------
    run : str
    status : str
    seed : int
    restarts : tuple of Row
        In the order they happened: every column of the record's ``restarts.csv``, and ``layers``,
        the list of rows of ``restart_layers.csv`` with the same step.
    is_earlier : bool
        An earlier lrbench wrote it, which recorded fewer columns.
    remarks : tuple of str
        Why there are none, or which restart is not among them.
    """

    run: str
    status: str
    seed: int
    restarts: tuple[Row, ...]
    is_earlier: bool
    remarks: tuple[str, ...]


@remembered(lambda record: record.path)
def read_ledger(record: Record) -> Ledger:
    """Read the ledger of a record that has a specification, finished or not.

    Raises
    ------
    RecordError
        A log of it is damaged.
    """
    log = _log(record, "restarts.csv")
    rows = _rows(log, record.path / "restarts.csv")
    layers = "restart_layers.csv"
    layer_rows = _rows(_log(record, layers), record.path / layers)
    for row in rows:
        row["layers"] = [layer for layer in layer_rows if layer["step"] == row["step"]]
    return Ledger(
        run=record.run_id,
        status=str(record.status),
        seed=record.spec["seed"],
        restarts=tuple(rows),
        is_earlier=log.columns != layout.RESTART_COLUMNS,
        remarks=tuple(_remarks(record, rows)),
    )


def _log(record: Record, name: str) -> Log:
    if not record.status.is_finished and not (record.path / name).exists():
        return Log(layout.ALL_LOGS[name], [])  # stopped before it had one
    return record.log(name)


def _rows(log: Log, path: Path) -> list[Row]:
    rows = [
        {name: _exact(name, value) for name, value in zip(log.columns, row, strict=True)}
        for row in log.rows
    ]
    for number, row in enumerate(rows, start=2):
        if empty := [name for name in row if name in _NEVER_EMPTY and row[name] is None]:
            raise RecordError(f"line {number} must have its {empty[0]}", key=str(path))
    return rows


def _exact(column: str, value: Any) -> Any:
    if column == "residual" and value is not None:
        return bool(value)
    is_whole = column in _WHOLE and isinstance(value, float) and value.is_integer()
    return int(value) if is_whole else value


def _remarks(record: Record, rows: Sequence[Row]) -> list[str]:
    trigger = record.spec.get("trigger")
    steps = record.spec["train"]["steps"]
    if record.status is Status.COMPLETE:
        return [] if rows else [_why_none(record, trigger, steps)]
    planned = _planned(record)
    made = record.updates if not record.status.is_finished else record.result.get("diverged_at")
    open_ones = [step for step in planned[len(rows) :] if made is not None and step <= made]
    if record.status is Status.DIVERGED:
        told = "it diverged" if made is None else f"it diverged at update {made}"
        if open_ones:
            told += f", in the cycle of the restart after {open_ones[0]} updates"
    else:
        told = f"it is {record.status}, {made} of {steps} updates made"
        if open_ones:
            told += f": the restart after {open_ones[0]} updates is not in the ledger yet"
        elif trigger:
            told += ": a restart that has fired since is not in the ledger yet"
    later = [step for step in planned[len(rows) + len(open_ones) :] if made is not None]
    if later:
        told += f"; the next one {'was to be' if made == steps else 'is due'} after {later[0]}"
    return [f"{told}. A restart gets into the ledger when its cycle is over."]


def _why_none(record: Record, trigger: dict[str, Any] | None, steps: int) -> str:
    fork = record.spec.get("fork")
    if fork and fork["policy"] is None:
        return f"no restarts: a twin without the one that its parent has after {fork['step']}"
    if trigger:
        return f"no restarts: the trigger {trigger['name']} never fired in {steps} updates"
    name = record.spec["schedule"]["name"]
    return f"no restarts: the schedule {name} has none in {steps} updates"


def _planned(record: Record) -> list[int]:
    """Where the schedule restarts, by the manifest; a trigger's restarts are not known ahead."""
    with suppress(*UNREADABLE):
        return list(read_json(record.path / layout.MANIFEST)["schedule"]["restarts"])
    return []
