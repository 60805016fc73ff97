"""The layers of an arm's runs around their restarts, update by update."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lrbench.errors import RecordError
from lrbench.record.reader import Record, Status, read_record
from lrbench.record.series import Series, read_series
from lrbench.report.restarts.ledger import Row, read_ledger
from lrbench.report.runs import Skipped, reason
from lrbench.report.traces.places import place_of

MEASURES = {
    "gradient norm": ("grad_norm",),
    "update / weight norm": ("update_norm", "weight_norm"),
    "root 2nd moment": ("root_second_moment_mean",),
}
"""What is looked at, and the columns of ``layers.csv`` it is made of; of two, their ratio."""

_COLUMNS = ("step", *dict.fromkeys(c for names in MEASURES.values() for c in names))

REACH = 50
"""Updates before and after a restart that are looked at, at most."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LayersAtRestart:
    """One measure of every layer around the restart with one number, over seeds.

    Parameters
    ----------
    restart : int in [1, inf)
    measure : str
        One of :data:`MEASURES`.
    offsets : ndarray of shape (columns,), int
        Updates since the restart: 0 is the first one of the new cycle, -1 the last before it.
    layers : tuple of str
        From input to output.
    values : ndarray of shape (layers, columns), float64
        Median over runs; NaN where there is none.
    n : int
        Runs.
    """

    restart: int
    measure: str
    offsets: NDArray[np.int64]
    layers: tuple[str, ...]
    values: Floats
    n: int


def read_layers(
    folder: Path, runs: Sequence[str], most: int
) -> tuple[list[LayersAtRestart], int, list[Skipped]]:
    """The first ``most`` restarts of the complete runs of one arm, in the measures that there are.

    Returns
    -------
    list of LayersAtRestart
        Measure by measure.
    int
        Restarts that a run has, at most.
    list of Skipped
        Runs that cannot be read, which are left out.
    """
    found: dict[tuple[int, str], list[tuple[NDArray[np.int64], Floats]]] = {}
    names: tuple[str, ...] = ()
    total = 0
    skipped: list[Skipped] = []
    for run in runs:
        try:
            record = read_record(place_of(folder, run))
            if record.status is not Status.COMPLETE:
                continue
            ledger = _restarts(record)
            if not ledger:
                continue
            names = tuple(layer["layer"] for layer in ledger[0]["layers"])
            total = max(total, len(ledger))
            restarts = [row["step"] for row in ledger][:most]
            values = _values(record, len(names))
        except (RecordError, OSError, LookupError, TypeError, ValueError) as error:
            skipped.append(Skipped(run, Status.CORRUPT, reason(error)))
            continue
        for measure, (steps, table) in values.items():
            for place, step in enumerate(restarts, start=1):
                before = restarts[place - 2] if place > 1 else -1
                after = restarts[place] if place < len(restarts) else np.inf
                if part := _around(steps, table, step, before, after):
                    found.setdefault((place, measure), []).append(part)
    order = [(place, measure) for measure in MEASURES for place in range(1, most + 1)]
    return [_middle(key, names, found[key]) for key in order if key in found], total, skipped


def has_layers(folder: Path, runs: Sequence[str]) -> bool:
    """Whether a complete one of the runs has restarts whose ledger tells of its layers."""
    for run in runs:
        record = read_record(place_of(folder, run))
        with suppress(RecordError, OSError, LookupError, TypeError, ValueError):
            if record.status is Status.COMPLETE and _restarts(record):
                return True
    return False


def _restarts(record: Record) -> Sequence[Row]:
    """Those of its ledger, if it tells of layers."""
    ledger = read_ledger(record).restarts
    return ledger if ledger and ledger[0]["layers"] else ()


def _values(record: Record, layers: int) -> dict[str, tuple[NDArray[np.int64], Floats]]:
    """Of each measure the steps, and a table of shape (layers, steps)."""
    columns = read_series(record, "layers.csv", _COLUMNS)
    steps = columns["step"].reshape(-1, layers)[:, 0].astype(np.int64)
    found = {measure: _measured(columns, names) for measure, names in MEASURES.items()}
    return {
        measure: (steps, table.reshape(-1, layers).T)
        for measure, table in found.items()
        if table is not None
    }


def _measured(columns: Series, names: Sequence[str]) -> Floats | None:
    """A column, or the ratio of two; None where it was not recorded, or there is nothing in it."""
    if any(name not in columns or np.isnan(columns[name]).all() for name in names):
        return None
    first, *second = (columns[name] for name in names)
    with np.errstate(divide="ignore", invalid="ignore"):
        return first / second[0] if second else first


def _around(
    steps: NDArray[np.int64], table: Floats, restart: int, before: float, after: float
) -> tuple[NDArray[np.int64], Floats] | None:
    """Offsets next to each other around ``restart``, as far as every update has its rows, within
    the two cycles."""
    here = np.flatnonzero(steps == restart - 1)
    if not len(here):
        return None
    first = last = int(here[0])
    before, after = max(before, restart - REACH), min(after, restart + REACH)
    while first > 0 and steps[first - 1] == steps[first] - 1 and steps[first - 1] >= before:
        first -= 1
    while last + 1 < len(steps) and steps[last + 1] == steps[last] + 1 and steps[last + 1] < after:
        last += 1
    part = table[:, first : last + 1]
    return steps[first : last + 1] - restart, np.where(np.isfinite(part), part, np.nan)


def _middle(
    key: tuple[int, str],
    names: tuple[str, ...],
    parts: Sequence[tuple[NDArray[np.int64], Floats]],
) -> LayersAtRestart:
    """Medians over runs, at the offsets that all of them have."""
    low = max(int(offsets[0]) for offsets, _ in parts)
    high = min(int(offsets[-1]) for offsets, _ in parts)
    stack = np.stack([values[:, (offsets >= low) & (offsets <= high)] for offsets, values in parts])
    known = ~np.isnan(stack).all(axis=0)
    middle = np.full(stack.shape[1:], np.nan)
    middle[known] = np.nanmedian(stack[:, known], axis=0)
    return LayersAtRestart(key[0], key[1], np.arange(low, high + 1), names, middle, len(parts))
