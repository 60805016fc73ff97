"""Runs as a comparison needs them: outcome, seed, learning rate, and the curve of evaluations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrbench.errors import RecordError
from lrbench.record.pairing import Mismatch
from lrbench.record.reader import UNREADABLE, Record, Status
from lrbench.report.runs import BEST, Row, Skipped, read_runs
from lrbench.report.settings import flatten
from lrbench.spec.canonical import canonical, parse
from lrbench.spec.run import RunSpec

LR = "optimizer.lr"
"""The setting that every contender is tuned by."""


@dataclass(frozen=True)
class Curve:
    """The evaluations of a run.

    Parameters
    ----------
    steps : tuple of n int
        Updates made before each, ascending.
    values : dict of metric to tuple of n float or None
    """

    steps: tuple[int, ...]
    values: dict[str, tuple[float | None, ...]]


@dataclass(frozen=True)
class Run:
    """One run of an arm.

    Parameters
    ----------
    name : str
    seed : int
    status : Status
    steps : int
        Updates it was to make.
    lr : float
    arm : str
        All settings but the seed, in canonical form.
    row : dict
        What else :func:`~lrbench.report.runs.read_runs` says of it.
    curve : Curve
    inputs : dict
        Digests of what it had, by the keys of :data:`~lrbench.record.pairing.MATTERS`; empty where
        its record does not say.
    updates : int
        Those it has made; 0 of one that is not finished.
    wall_s : float or None
        By the clock, over all attempts; None where its record does not say.
    """

    name: str
    seed: int
    status: Status
    steps: int
    lr: float
    arm: str
    row: Row
    curve: Curve
    inputs: dict[str, str]
    updates: int = 0
    wall_s: float | None = None

    @property
    def is_finished(self) -> bool:
        """Whether it has an outcome, divergence being one."""
        return self.status.is_finished

    @property
    def is_complete(self) -> bool:
        """Whether it got to its end with a finite loss."""
        return self.status is Status.COMPLETE

    def final(self, metric: str) -> float | None:
        """Its last evaluation; None if it diverged or has no such metric."""
        if not self.is_complete:
            return None
        value = self.row.get(f"final_{metric}")
        return float(value) if value is not None and math.isfinite(value) else None


def gather(folder: Path) -> tuple[list[Run], list[Skipped], list[Mismatch]]:
    """Every run in ``folder``, finished or not; what else is there, and whose inputs differ."""
    seen: dict[str, tuple[Curve, dict[str, str], int, float | None]] = {}

    def look(record: Record, row: Row) -> None:
        curve = _curve(record) if record.status.is_finished else Curve((), {})
        seen[row["run"]] = (curve, _inputs(record), _updates(record, row), _wall_s(record))

    rows, skipped, mismatches = read_runs(folder, look=look)
    runs = [
        Run(
            name=row["run"],
            seed=row["seed"],
            status=Status(row["status"]),
            steps=row["budget"],
            lr=float(row[LR]),
            arm=row["arm"],
            row=row,
            curve=curve,
            inputs=inputs,
            updates=updates,
            wall_s=wall_s,
        )
        for row in rows
        for curve, inputs, updates, wall_s in (seen[row["run"]],)
    ]
    return runs, skipped, mismatches


def planned(spec: RunSpec) -> Run:
    """A run that is to be: what it would be compared as, and nothing of what will come of it."""
    arm = canonical(spec.arm)
    row: Row = {
        "run": spec.run_id,
        "status": str(Status.INTERRUPTED),
        "arm": arm,
        "seed": spec.seed,
        "budget": spec.total_steps,
        **flatten(parse(arm)),
    }
    return Run(
        name=spec.run_id,
        seed=spec.seed,
        status=Status.INTERRUPTED,
        steps=spec.total_steps,
        lr=float(row[LR]),
        arm=arm,
        row=row,
        curve=Curve((), {}),
        inputs={},
    )


def metrics_of(runs: Sequence[Run]) -> tuple[str, ...]:
    """The metrics that every complete run has; a regression has no accuracy."""
    complete = [run for run in runs if run.is_complete]
    return tuple(
        metric for metric in BEST if all(run.final(metric) is not None for run in complete)
    )


def _inputs(record: Record) -> dict[str, str]:
    stated = record.result.get("inputs")
    if stated is None:
        return {}
    known = {key: str(stated[key]) for key in ("data", "split", "init", "first_batch")}
    # Of a run that stopped early there are fewer batches.
    whole = record.status is Status.COMPLETE
    return known | ({"batches": str(record.result["batch_chain"])} if whole else {})


def _updates(record: Record, row: Row) -> int:
    if record.status is Status.COMPLETE:
        return int(row["budget"])
    if not record.status.is_finished:
        return 0
    # A row an update, up to the one at which it diverged.
    return int(record.result["logs"]["steps.csv"]["rows"])


def _wall_s(record: Record) -> float | None:
    """Clocks are no part of what is promised: damage to them leaves the results as they are."""
    try:
        walls = [one.get("wall_s") for one in record.attempts()]
    except UNREADABLE:
        return None
    known = [float(wall) for wall in walls if isinstance(wall, int | float)]
    if not known or len(known) < len(walls):
        return None
    compute = record.spec.get("compute") or {}
    # Every lane of a program waits for the whole of it.
    lanes = int(compute.get("lanes") or 1) if compute.get("engine") == "lanes" else 1
    return math.fsum(known) / lanes


def _curve(record: Record) -> Curve:
    log = record.log("evals.csv")
    steps: list[Any] = log.column("step")
    if any(step is None for step in steps) or sorted(steps) != steps:
        raise RecordError("must have its steps in order", key=str(record.path / "evals.csv"))
    values: dict[str, Any] = {metric: tuple(log.column(metric)) for metric in BEST}
    return Curve(tuple(map(int, steps)), values)
