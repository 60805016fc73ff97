"""The curves of the arms of a comparison, read from their records."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from lrbench.errors import RecordError
from lrbench.record.reader import Record, Status, read_record
from lrbench.record.series import read_series
from lrbench.report.comparison.values import ArmResult, Contender, Task
from lrbench.report.restarts.arms import RestartOfArm, describe_arm
from lrbench.report.restarts.ledger import Ledger, read_ledger
from lrbench.report.runs import Skipped, reason
from lrbench.report.traces.bands import Band, Curve, band, binned, finite, geometric_band
from lrbench.report.traces.places import place_of

POINTS = 240
"""Of one mean curve at most; of many, fewer."""

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
        The learning rate of every update, the loss of its batch (geometric means, if all losses
        are positive), the metric at evaluations.
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
    skipped : tuple of Skipped
        Runs whose logs cannot be read.
    """

    metric: str
    level: float
    total_steps: tuple[int, ...]
    arms: tuple[ArmTrace, ...]
    bin_width: int
    run_bin_width: int
    skipped: tuple[Skipped, ...]


def read_traces(folder: Path, task: Task, metric: str, level: float) -> Traces:
    """Read every run of a task once. What cannot be read is named and left out."""
    every = [(contender, arm) for contender in task.contenders for arm in contender.arms]
    lengths = sorted({arm.steps for _, arm in every})
    longest = lengths[-1] if lengths else 1
    runs = sum(len(arm.runs) for _, arm in every)
    width = _bin_width(longest, len(every))
    run_width = max(width, _bin_width(longest, runs))
    asked = Traces(metric, level, tuple(lengths), (), width, run_width, ())
    read = [_arm(folder, contender, arm, asked) for contender, arm in every]
    return replace(
        asked,
        arms=tuple(trace for trace, _ in read),
        skipped=tuple(skipped for _, some in read for skipped in some),
    )


def _bin_width(steps: int, curves: int) -> int:
    points = min(POINTS, max(FEWEST, ALL_POINTS // max(1, curves)))
    return -(-steps // points)


def _arm(
    folder: Path, contender: Contender, arm: ArmResult, asked: Traces
) -> tuple[ArmTrace, list[Skipped]]:
    found: list[tuple[Curve, Curve, RunTrace, Ledger]] = []
    skipped: list[Skipped] = []
    for run in arm.runs:
        try:
            found.append(_run(read_record(place_of(folder, run)), asked))
        except (RecordError, OSError, LookupError, TypeError, ValueError) as error:
            skipped.append(Skipped(run, Status.CORRUPT, reason(error)))
    losses = [loss for _, loss, *_ in found]
    trace = ArmTrace(
        contender=contender.label,
        lr=arm.lr,
        is_own=arm is contender.own,
        rate=band([rate for rate, *_ in found], asked.level),
        train_loss=geometric_band(losses, asked.level) or band(losses, asked.level),
        metric=band([run.metric for _, _, run, _ in found], asked.level),
        restarts=describe_arm(contender.label, [one for *_, one in found], asked.level).restarts,
        runs=tuple(run for _, _, run, _ in found),
    )
    return trace, skipped


def _run(record: Record, asked: Traces) -> tuple[Curve, Curve, RunTrace, Ledger]:
    """Rate and binned training loss for the arm's bands; what is drawn of the run; its ledger."""
    steps = read_series(record, "steps.csv", ("step", "lr", "train_loss"))
    evals = read_series(record, "evals.csv", ("step", asked.metric))
    loss = finite(steps["step"], steps["train_loss"])
    metric = finite(evals["step"], evals[asked.metric])
    if len(metric.steps) > POINTS:
        metric = binned(metric, asked.bin_width)
    return (
        finite(steps["step"], steps["lr"]),
        binned(loss, asked.bin_width),
        RunTrace(record.run_id, record.spec["seed"], binned(loss, asked.run_bin_width), metric),
        read_ledger(record),
    )
