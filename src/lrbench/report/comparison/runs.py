"""Runs as a comparison needs them: outcome, seed, learning rate, and the curve of evaluations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrbench.errors import RecordError
from lrbench.record.pairing import Mismatch
from lrbench.record.reader import Record, Status
from lrbench.report.runs import BEST, Row, Skipped, read_runs

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
    curves: dict[str, tuple[Curve, dict[str, str]]] = {}

    def look(record: Record, row: Row) -> None:
        curve = _curve(record) if record.status.is_finished else Curve((), {})
        curves[row["run"]] = (curve, _inputs(record))

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
            curve=curves[row["run"]][0],
            inputs=curves[row["run"]][1],
        )
        for row in rows
    ]
    return runs, skipped, mismatches


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


def _curve(record: Record) -> Curve:
    log = record.log("evals.csv")
    steps: list[Any] = log.column("step")
    if any(step is None for step in steps) or sorted(steps) != steps:
        raise RecordError("must have its steps in order", key=str(record.path / "evals.csv"))
    values: dict[str, Any] = {metric: tuple(log.column(metric)) for metric in BEST}
    return Curve(tuple(map(int, steps)), values)
