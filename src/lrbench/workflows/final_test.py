"""The final weights of runs on the test split: once, after everything is chosen.

The weights are those in a checkpoint that the record keeps, where it keeps the last one; else the
run is trained again, and what comes out must be the weights by their digest.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lrbench.engine.base import State
from lrbench.engine.device import configure
from lrbench.engine.quarantine import evaluate_on_test
from lrbench.errors import ConfigError, LrbenchError, RecordError
from lrbench.launchers.local import Event, run_jobs
from lrbench.record.additions import now
from lrbench.record.checkpoint import read_checkpoint
from lrbench.record.reader import Record, Status, read_record
from lrbench.record.test_uses import TestUse, add_test_use
from lrbench.report.frames import one_row_an_arm, runs_frame, settings_in
from lrbench.report.runs import WITHIN, Row, Skipped, read_runs
from lrbench.report.settings import differing, label
from lrbench.spec.run import total_steps_of
from lrbench.stats.aggregate import Estimate, describe
from lrbench.workflows.crew import Order, train_all
from lrbench.workflows.plan import load_data, make_plan
from lrbench.workflows.recorded import (
    asking_for_data,
    check_data,
    find_runs,
    refuse_other_code,
    resolved_of,
)
from lrbench.workflows.replay import Source, variables_then

TASK = "lrbench.workflows.final_test:test_job"


@dataclass(frozen=True)
class TestedArm:
    """An arm on the test split.

    Parameters
    ----------
    name : str
        The settings that tell it from the others; printable.
    seeds : tuple of int
        Of the runs that were evaluated.
    diverged : int
        Runs that have no final weights; they are in no mean.
    loss : Estimate
    accuracy : Estimate
        Of nothing where it is no classification.
    """

    __test__ = False

    name: str
    seeds: tuple[int, ...]
    diverged: int
    loss: Estimate
    accuracy: Estimate


@dataclass(frozen=True)
class FinalTest:
    """What ``lrbench summarize --final-test`` answers besides the summary.

    Parameters
    ----------
    occasion : str
        When it was asked: UTC, ISO 8601.
    arms : tuple of TestedArm
        The lowest mean *validation* loss first, arms with diverged runs after the others.
    samples : tuple of int
        Sizes of the test splits; one where all runs have the same.
    runs : tuple of (run id, loss, accuracy)
    trained_again : int
        Runs whose records did not keep their final weights.
    skipped : tuple of Skipped
        Finished runs that could not be evaluated, and why.
    """

    __test__ = False

    occasion: str
    arms: tuple[TestedArm, ...]
    samples: tuple[int, ...]
    runs: tuple[tuple[str, float | None, float | None], ...]
    trained_again: int
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class Task:
    """A run to be evaluated by a worker.

    Parameters
    ----------
    source : Source
    weights : Path
        The checkpoint with its final weights.
    """

    source: Source
    weights: Path


def final_test(
    folder: Path,
    *,
    level: float = 0.95,
    trust: bool = False,
    data_root: Path | None = None,
    workers: int = 1,
    on_begin: Callable[[int], None] = lambda count: None,
    on_event: Callable[[str, Event], None] = lambda run_id, event: None,
) -> FinalTest:
    """Evaluate every complete run of ``folder`` on its test split, and write down that it was done.

    Parameters
    ----------
    folder : Path
        Results, or one record.
    level : float in (0, 1)
        Coverage of the intervals.
    trust, data_root
        As in :func:`lrbench.workflows.recorded.resolved_of`.
    workers : int in [1, inf)
    on_begin : callable
        Hears how many runs are trained again.
    on_event : callable
        Hears of every start, progress and end of those.

    Raises
    ------
    ConfigError
        There is nothing to evaluate.
    """
    check_data(data_root)
    occasion = now()
    rows, _, _ = read_runs(folder)
    paths = {path.name: path for path in find_runs(folder)}
    done = [row for row in rows if row["status"] == Status.COMPLETE]
    if not done:
        relation = "must hold complete runs to be evaluated on their test split"
        raise ConfigError(relation, key=str(folder), remedy="lrbench run")
    sources = [Source(paths[row["run"]], trust, data_root) for row in done]
    scratch = Path(tempfile.mkdtemp(prefix="lrbench-final-test-"))
    try:
        found = _weights(sources, scratch, workers, on_begin, on_event)
        answers = _evaluated(sources, found, workers)
        skipped: list[Skipped] = []
        losses: dict[str, tuple[float | None, float | None]] = {}
        samples: set[int] = set()
        for source, answer in zip(sources, answers, strict=True):
            if isinstance(answer, str):
                skipped.append(Skipped(source.path.name, "not evaluated", answer))
                continue
            use = replace(answer, occasion=occasion)
            # Before it is shown: whatever happens from here on, it counts.
            add_test_use(source.path, use)
            losses[source.path.name] = (use.loss, use.accuracy)
            samples.add(use.samples)
        return FinalTest(
            occasion,
            _arms(rows, losses, level),
            tuple(sorted(samples)),
            tuple((run, *values) for run, values in losses.items()),
            sum(one is not None and one.is_relative_to(scratch) for one in found),
            tuple(skipped),
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def test_job(task: Task, report: Callable[[object], None]) -> TestUse:
    """One run, in a worker that was started with the variables it had."""
    record = read_record(task.source.path)
    run = resolved_of(record, trust=task.source.trust, data_root=task.source.data_root)
    refuse_other_code(run.spec)
    configure(run.spec.compute)
    with asking_for_data():
        data = load_data(run)
    checkpoint = read_checkpoint(task.weights)
    state = State(checkpoint.step, checkpoint.facts, checkpoint.body)
    digest = str(record.result["weights_digest"])
    loss, accuracy = evaluate_on_test(make_plan(run.spec, data), state, digest)
    return TestUse("", loss if math.isfinite(loss) else None, accuracy, len(data.test), digest)


test_job.__test__ = False  # type: ignore[attr-defined]


def _weights(
    sources: Sequence[Source],
    scratch: Path,
    workers: int,
    on_begin: Callable[[int], None],
    on_event: Callable[[str, Event], None],
) -> list[Path | None]:
    """The checkpoint with the final weights of each; runs that keep none are trained again."""
    found: list[Path | None] = [_kept(source.path) for source in sources]
    orders: list[Order] = []
    for source, path in zip(sources, found, strict=True):
        if path is not None:
            continue
        record = read_record(source.path)
        try:
            run = resolved_of(record, trust=source.trust, data_root=source.data_root)
        except LrbenchError:
            continue  # told when it cannot be evaluated either
        orders.append(
            Order(
                replace(run, keep_checkpoints=True),
                scratch,
                "final test",
                variables_then(record),
                is_recorded=True,
                slots_of=source.path.parent,
            )
        )
    on_begin(len(orders))
    if orders:
        train_all(
            orders,
            workers=workers,
            on_event=lambda place, event: on_event(orders[place].run.spec.run_id, event),
        )
    return [
        path or _kept(scratch / source.path.name)
        for source, path in zip(sources, found, strict=True)
    ]


def _kept(path: Path) -> Path | None:
    """The checkpoint after the last update of the record in ``path``, if it keeps it."""
    record = read_record(path)
    if not record.status.is_finished:
        return None
    return record.kept().get(total_steps_of(record.spec))


def _evaluated(
    sources: Sequence[Source], weights: Sequence[Path | None], workers: int
) -> list[Any]:
    """A :class:`TestUse` of each, or in words why there is none."""
    answers: list[Any] = ["could not be trained again"] * len(sources)
    places, tasks, environments = [], [], []
    for place, (source, path) in enumerate(zip(sources, weights, strict=True)):
        record = read_record(source.path)
        reason = _refusal(record, source)
        if reason or path is None:
            answers[place] = reason or answers[place]
            continue
        places.append(place)
        tasks.append(Task(source, path))
        environments.append(variables_then(record))
    for event in run_jobs(TASK, tasks, workers=workers, environments=environments):
        if event.kind in ("done", "failed"):
            answers[places[event.job]] = event.value
    return answers


def _refusal(record: Record, source: Source) -> str:
    try:
        resolved_of(record, trust=source.trust, data_root=source.data_root)
    except (ConfigError, RecordError) as error:
        return str(error.problems[0])
    return ""


def _arms(
    rows: Sequence[Row], losses: dict[str, tuple[float | None, float | None]], level: float
) -> tuple[TestedArm, ...]:
    frame = one_row_an_arm(runs_frame(rows))
    apart = differing(frame, settings_in(frame)) or ("schedule",)
    names = {arm["arm"]: label({k: arm[k] for k in apart}) for arm in frame.to_dict("records")}
    arms: list[tuple[tuple[float, float], TestedArm]] = []
    for key, name in names.items():
        of_arm = [row for row in rows if row["arm"] == key]
        tested = sorted(
            (row["seed"], *losses[row["run"]]) for row in of_arm if row["run"] in losses
        )
        known = [loss for _, loss, _ in tested if loss is not None]
        right = [accuracy for _, _, accuracy in tested if accuracy is not None]
        diverged = sum(row["status"] == Status.DIVERGED for row in of_arm)
        arm = TestedArm(
            name,
            tuple(seed for seed, _, _ in tested),
            diverged + sum(loss is None for _, loss, _ in tested),
            describe(known, level),
            describe(right, level, WITHIN["val_accuracy"]),
        )
        held_out = describe(
            row["final_val_loss"] for row in of_arm if row["status"] == Status.COMPLETE
        ).mean
        place = (diverged / len(of_arm), math.inf if held_out is None else held_out)
        arms.append((place, arm))
    return tuple(arm for _, arm in sorted(arms, key=lambda pair: pair[0]))
