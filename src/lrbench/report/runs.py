"""Records read down to one row of outcomes a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lrbench.errors import RecordError
from lrbench.record import layout
from lrbench.record.memory import remembered
from lrbench.record.pairing import Mismatch, Pairing
from lrbench.record.reader import (
    UNREADABLE,
    Record,
    Status,
    find_foreign,
    find_records,
    read_record,
)
from lrbench.report.settings import flatten
from lrbench.spec.canonical import canonical, digest, parse
from lrbench.spec.run import RunSpec, arm_of

BEST = {"val_loss": min, "val_accuracy": max}
"""The metrics, the primary one first, and which of two values of each is the better one."""

WITHIN: dict[str, tuple[float, float] | None] = {"val_loss": None, "val_accuracy": (0.0, 1.0)}
"""Where a metric can lie, and the interval of its mean ends."""

COUNTED = (Status.COMPLETE, Status.DIVERGED)

Row = dict[str, Any]

HOME = Path("results")
"""Where runs go unless told otherwise."""


def instead(folder: Path, verb: str) -> str:
    """The command for somebody whose folder is not there: the usual one, or a first run."""
    return "lrbench run" if folder == HOME else f"lrbench {verb} {HOME}"


@dataclass(frozen=True)
class Goal:
    """A value of a metric that a run is to reach or pass."""

    metric: str
    value: float

    def is_reached(self, value: float) -> bool:
        """Whether ``value`` is at least as good."""
        return BEST[self.metric](value, self.value) == value


@dataclass(frozen=True)
class Skipped:
    """Something in the folder that is in no figure of the table.

    Parameters
    ----------
    name : str
        Of the folder or file.
    status : str
        A status of an unfinished record, ``corrupt``, ``copy`` or ``foreign``.
    reason : str
        In words; empty where the status says it all.
    """

    name: str
    status: str
    reason: str = ""


def read_runs(
    folder: Path,
    goal: Goal | None = None,
    look: Callable[[Record, Row], object] | None = None,
) -> tuple[list[Row], list[Skipped], list[Mismatch]]:
    """A row for every record whose settings are known, what is not in the figures, and which runs
    of a seed do not have the inputs in common that they claim to.

    An unfinished run has a row without outcomes, since its arm and seed are known, and is among the
    skipped too. Never raises for what a record holds. Who wants more of a record than its row gives
    ``look``, which is called with both; what it raises is damage of the record.
    """
    rows, skipped, mismatches = _read_runs(folder, goal, look)
    return list(rows), list(skipped), list(mismatches)


@remembered(lambda *asked: asked)
def _read_runs(
    folder: Path, goal: Goal | None, look: Callable[[Record, Row], object] | None
) -> tuple[Sequence[Row], Sequence[Skipped], Sequence[Mismatch]]:
    rows: list[Row] = []
    skipped: list[Skipped] = []
    seen: dict[str, str] = {}
    pairing = Pairing()
    for record in _finished_first(folder):
        identity = record.result.get("spec_digest") or digest(record.spec)
        if record.spec and identity in seen:
            # The same run in two folders is one run: counting it twice would make up a seed.
            skipped.append(Skipped(record.run_id, "copy", f"of {seen[identity]}"))
            continue
        try:
            row = run_row(record, goal) if record.spec else None
            if row and look:
                look(record, row)
            pairing.add(record)
        except UNREADABLE as error:
            skipped.append(Skipped(record.run_id, Status.CORRUPT, reason(error)))
            continue
        if row:
            seen[identity] = record.run_id
            rows.append(row)
        if record.status not in COUNTED:
            skipped.append(Skipped(record.run_id, record.status, record.reason))
    if not (folder / layout.SPEC).exists():
        skipped += [Skipped(path.name, "foreign") for path in find_foreign(folder)]
    return rows, skipped, pairing.mismatches()


def _finished_first(folder: Path) -> Iterator[Record]:
    unfinished = []
    for path in find_records(folder):
        record = read_record(path)
        if record.status in COUNTED:
            yield record
        else:
            unfinished.append(record)
    yield from unfinished


@remembered(lambda record, goal=None: (record.path, goal))
def run_row(record: Record, goal: Goal | None = None) -> Row:
    """One run: its name, arm, seed and settings, and its outcomes if it is complete.

    Raises
    ------
    RecordError, ValidationError, OSError, LookupError, TypeError
        It is not of the form of a record.
    """
    # As JSON, in which the sequences of a twin's specification are lists.
    spec = RunSpec.model_validate_json(canonical(record.spec))
    arm = canonical(arm_of(record.spec))
    row: Row = {
        "run": record.run_id,
        "status": str(record.status),
        "arm": arm,
        "seed": spec.seed,
        "budget": spec.total_steps,
        **_settings(arm),
    }
    if record.status is Status.COMPLETE:
        outcome = _outcome(record, goal)
        # Training went through, yet what it left cannot be evaluated: no number to average.
        row |= outcome if math.isfinite(outcome["final_val_loss"]) else {"status": Status.DIVERGED}
    return row


@cache
def _settings(arm: str) -> Row:
    return flatten(parse(arm))


def _outcome(record: Record, goal: Goal | None) -> Row:
    evals = record.log("evals.csv")
    outcome: Row = {}
    for metric, best in BEST.items():
        values: list[Any] = evals.column(metric)
        if not values or (values[-1] is None and metric == "val_loss"):
            raise RecordError("must end with an evaluation", key=str(record.path / "evals.csv"))
        known = [value for value in values if value is not None and math.isfinite(value)]
        outcome[f"final_{metric}"] = values[-1]
        outcome[f"best_{metric}"] = best(known) if known else None
    if goal:
        steps: list[Any] = evals.column("step")
        hits = (
            int(step)
            for step, value in zip(steps, evals.column(goal.metric), strict=True)
            if isinstance(value, float) and goal.is_reached(value)
        )
        outcome["steps_to_target"] = next(hits, None)
    return outcome


def reason(error: Exception) -> str:
    """What is wrong with a file of a record, in one line."""
    match error:
        case RecordError():
            return "; ".join(f"{Path(p.key or '').name} {p.relation}" for p in error.problems)
        case ValidationError():
            first = error.errors()[0]
            return f"{layout.SPEC} {'.'.join(map(str, first['loc']))}: {first['msg']}"
        case _:
            return f"{type(error).__name__}: {error}"
