"""The curves of the arms of a comparison, read from their records."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lrbench.errors import RecordError
from lrbench.record.reader import Record, Status, read_record
from lrbench.record.series import read_series
from lrbench.report.comparison.values import ArmResult, Contender, Task
from lrbench.report.restarts.arms import RestartOfArm, describe_arm
from lrbench.report.restarts.ledger import Ledger, read_ledger
from lrbench.report.runs import WITHIN, Skipped, reason
from lrbench.report.traces.bands import Band, Curve, band, binned, finite, geometric_band
from lrbench.report.traces.places import place_of

POINTS = 240
"""Of one mean curve at most; of many, fewer."""

_COLUMNS = ("lr", "train_loss", "momentum", "weight_decay")
"""Those that sanity flags are about too, so that a report reads them once."""

FEWEST = 48
ALL_POINTS = 20_000
"""Of all curves of one kind together, roughly."""


@dataclass(frozen=True)
class RunTrace:
    """One run's curves, as short as they are drawn."""

    run: str
    seed: int
    train_loss: Curve
    metric: Curve


@dataclass(frozen=True)
class ArmTrace:
    """One arm's curves over its seeds.

    Parameters
    ----------
    contender : str
    lr : float
        The base learning rate.
    is_own : bool
        Whether that is the contender's own best one.
    rate, train_loss, metric : Band
        The learning rate of every update, the loss of its batch, the metric at evaluations.
    restarts : tuple of RestartOfArm
        The ledger over seeds.
    runs : tuple of RunTrace
    """

    contender: str
    lr: float
    is_own: bool
    rate: Band
    train_loss: Band
    metric: Band
    restarts: tuple[RestartOfArm, ...]
    runs: tuple[RunTrace, ...]


@dataclass(frozen=True)
class Traces:
    """The curves of one task.

    Parameters
    ----------
    metric : str
    level : float
        Coverage of the intervals.
    total_steps : tuple of int
        The different lengths of the runs, ascending.
    arms : tuple of ArmTrace
    bin_width : int in [1, inf)
        Updates whose training losses are drawn as their mean.
    run_bin_width : int in [1, inf)
        The same of single runs.
    is_geometric : bool
        Training losses are all positive, and their means geometric.
    skipped : tuple of Skipped
        Runs whose logs cannot be read.
    """

    metric: str
    level: float
    total_steps: tuple[int, ...]
    arms: tuple[ArmTrace, ...]
    bin_width: int
    run_bin_width: int
    is_geometric: bool
    skipped: tuple[Skipped, ...]


def read_traces(folder: Path, task: Task, metric: str, level: float) -> Traces:
    """Read every run of a task once. What cannot be read is named and left out."""
    every = [(contender, arm) for contender in task.contenders for arm in contender.arms]
    lengths = sorted({arm.steps for _, arm in every})
    longest = lengths[-1] if lengths else 1
    runs = sum(len(arm.runs) for _, arm in every)
    width = _bin_width(longest, len(every))
    run_width = max(width, _bin_width(longest, runs))
    asked = Traces(metric, level, tuple(lengths), (), width, run_width, True, ())
    read = [_read(folder, contender, arm, asked) for contender, arm in every]
    losses = [curve for one in read for curve in one.losses]
    asked = replace(asked, is_geometric=all((curve.values > 0).all() for curve in losses))
    return replace(
        asked,
        arms=tuple(_traced(one, asked) for one in read),
        skipped=tuple(skipped for one in read for skipped in one.skipped),
    )


@dataclass(frozen=True)
class _Arm:
    """What was read of an arm, its runs one after the other."""

    contender: Contender
    arm: ArmResult
    rates: list[Curve]
    losses: list[Curve]
    runs: list[RunTrace]
    ledgers: list[Ledger]
    skipped: list[Skipped]


def _bin_width(steps: int, curves: int) -> int:
    points = min(POINTS, max(FEWEST, ALL_POINTS // max(1, curves)))
    return -(-steps // points)


def _read(folder: Path, contender: Contender, arm: ArmResult, asked: Traces) -> _Arm:
    found = _Arm(contender, arm, [], [], [], [], [])
    for run in arm.runs:
        try:
            rate, loss, trace, ledger = _run(read_record(place_of(folder, run)), asked)
        except (RecordError, OSError, LookupError, TypeError, ValueError) as error:
            found.skipped.append(Skipped(run, Status.CORRUPT, reason(error)))
            continue
        found.rates.append(rate)
        found.losses.append(loss)
        found.runs.append(trace)
        found.ledgers.append(ledger)
    return found


def _traced(found: _Arm, asked: Traces) -> ArmTrace:
    level = asked.level
    return ArmTrace(
        contender=found.contender.label,
        lr=found.arm.lr,
        is_own=found.arm is found.contender.own,
        rate=band(found.rates, level),
        train_loss=(geometric_band if asked.is_geometric else band)(found.losses, level),
        metric=band([run.metric for run in found.runs], level, WITHIN[asked.metric]),
        restarts=describe_arm(found.contender.label, found.ledgers, level).restarts,
        runs=tuple(found.runs),
    )


def _run(record: Record, asked: Traces) -> tuple[Curve, Curve, RunTrace, Ledger]:
    """Rate and binned training loss for the arm's bands; what is drawn of the run; its ledger."""
    updates = read_series(record, "steps.csv", _COLUMNS)
    steps = np.arange(len(updates["lr"]), dtype=np.float64)  # row t is of update t
    evals = record.log("evals.csv")
    loss = finite(steps, updates["train_loss"])
    metric = finite(*(np.array(evals.column(name), float) for name in ("step", asked.metric)))
    if len(metric.steps) > POINTS:
        metric = binned(metric, asked.bin_width)
    return (
        finite(steps, updates["lr"]),
        binned(loss, asked.bin_width),
        RunTrace(record.run_id, record.spec["seed"], binned(loss, asked.run_bin_width), metric),
        read_ledger(record),
    )
