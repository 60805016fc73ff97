"""The models at the ends of a run's cycles, from the checkpoints that its record keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lrbench.engine.base import State
from lrbench.engine.device import configure
from lrbench.engine.snapshots import Snapshots, measure
from lrbench.errors import ConfigError, LrbenchError, RecordError
from lrbench.record.checkpoint import read_checkpoint
from lrbench.record.reader import Record, Status, read_record
from lrbench.workflows.isolated import isolated
from lrbench.workflows.plan import load_data, make_plan
from lrbench.workflows.recorded import asking_for_data, check_data, find_runs, named, resolved_of
from lrbench.workflows.replay import Source, variables_then


@dataclass(frozen=True)
class RunSnapshots:
    """The snapshots of one run.

    Parameters
    ----------
    run_id : str
    steps : tuple of int
        Updates made by each.
    measured : Snapshots
    """

    run_id: str
    steps: tuple[int, ...]
    measured: Snapshots

    @property
    def gain(self) -> float | None:
        """Mean loss of the single ones minus that of all of them together; None for no ensemble."""
        if not self.measured.ensembles:
            return None
        losses = [one.loss for one in self.measured.singles]
        return sum(losses) / len(losses) - self.measured.ensembles[-1].loss


@dataclass(frozen=True)
class SnapshotReport:
    """What ``lrbench snapshots`` answers.

    Parameters
    ----------
    runs : tuple of RunSnapshots
    skipped : tuple of (run id, reason)
    """

    runs: tuple[RunSnapshots, ...]
    skipped: tuple[tuple[str, str], ...]


def snapshots(
    path: Path,
    *,
    trust: bool = False,
    data_root: Path | None = None,
    on_run: Callable[[str], None] = lambda run_id: None,
) -> SnapshotReport:
    """Measure the snapshots of a run, or of every run of a folder that keeps some.

    Parameters
    ----------
    path : Path
        A record, or a folder of them.
    trust, data_root
        As in :func:`lrbench.workflows.recorded.resolved_of`.
    on_run : callable
        Hears the id of every run before it is measured.

    Raises
    ------
    ConfigError
        Nothing was kept.
    RecordError
        The one record that was named is damaged.
    """
    check_data(data_root)
    paths = find_runs(path)
    is_one = paths == [named(path)]
    found: list[RunSnapshots] = []
    skipped: list[tuple[str, str]] = []
    for one in paths:
        record = read_record(one, every_byte=True)
        try:
            _refuse_without(record)
            on_run(record.run_id)
            found.append(
                isolated(
                    snapshots_job,
                    Source(one, trust, data_root),
                    variables_then(record),
                    name=record.run_id,
                    on_progress=lambda progress: None,
                )
            )
        except LrbenchError as error:
            if is_one:
                raise
            skipped.append((record.run_id, error.problems[0].relation))
    if not found:
        told = "; ".join(sorted({reason for _, reason in skipped}))
        remedy = "lrbench run … restart.keep_checkpoints=true"
        raise ConfigError(f"must hold runs with snapshots ({told})", key=str(path), remedy=remedy)
    return SnapshotReport(tuple(found), tuple(skipped))


def snapshots_job(source: Source, report: Callable[[object], None]) -> RunSnapshots:
    """One run, in a worker that was started with the variables the run had."""
    record = read_record(source.path)
    run = resolved_of(record, trust=source.trust, data_root=source.data_root)
    configure(run.spec.compute)
    with asking_for_data():
        data = load_data(run)
    states = []
    for kept in record.kept().values():
        checkpoint = read_checkpoint(kept)
        states.append(State(checkpoint.step, checkpoint.facts, checkpoint.body))
    measured = measure(make_plan(run.spec, data), states)
    return RunSnapshots(record.run_id, tuple(state.step for state in states), measured)


def _refuse_without(record: Record) -> None:
    if record.status is Status.CORRUPT:
        raise RecordError(f"is damaged ({record.reason})", key=record.run_id)
    if not record.kept():
        raise ConfigError(
            "keeps no checkpoints of its cycle ends",
            key=record.run_id,
            remedy="lrbench run … restart.keep_checkpoints=true",
        )
