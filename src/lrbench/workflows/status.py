"""What has become of every run of a folder, derived from its files at this moment."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from lrbench.errors import ConfigError
from lrbench.record import layout
from lrbench.record.bundles.selection import at
from lrbench.record.heartbeat import BEAT_S, last_beat
from lrbench.record.plans import read_plan
from lrbench.record.reader import Record, Status, read_record
from lrbench.report.plans import Progress as SweepProgress
from lrbench.report.plans import read_plans
from lrbench.report.runs import Skipped
from lrbench.workflows.recorded import records_at
from lrbench.workflows.trust import needs_trust

WATCH_S = BEAT_S + 1.0
"""Seconds in which a live writer elsewhere shows itself."""


@dataclass(frozen=True)
class RunStatus:
    """One run.

    Parameters
    ----------
    run_id : str
    status : Status
    updates : int
        That its log has, as of now.
    total : int or None
        That it is to make; None where it is not known.
    goes_on_at : int
        The update it would go on with; 0 for one that has no checkpoint, or is finished.
    attempts : int
        Times it was begun or gone on with.
    reason : str
        In words, where the status does not say it all.
    """

    run_id: str
    status: Status
    updates: int
    total: int | None
    goes_on_at: int
    attempts: int
    reason: str


@dataclass(frozen=True)
class FolderStatus:
    """What ``lrbench status`` answers.

    Parameters
    ----------
    path : Path
    runs : tuple of RunStatus
    sweeps : tuple of SweepProgress
    damaged : tuple of Skipped
        Plans of sweeps that are not what their names say.
    needs_trust : bool
        One of the runs that can be gone on with names code of its own.
    """

    path: Path
    runs: tuple[RunStatus, ...]
    sweeps: tuple[SweepProgress, ...]
    damaged: tuple[Skipped, ...]
    needs_trust: bool

    @property
    def counts(self) -> dict[Status, int]:
        """Runs by status, in the order of the statuses."""
        found = Counter(run.status for run in self.runs)
        return {status: found[status] for status in Status if found[status]}


def status(path: Path) -> FolderStatus:
    """Look at a record or at every record of a folder; nothing is changed.

    Where another machine wrote a record last, it is watched for some seconds.

    Raises
    ------
    ConfigError
        There is no record.
    """
    found = records_at(path)
    if not found and not any((path / layout.SWEEPS).glob("*.json")):
        raise ConfigError("must hold records of runs", key=str(path), remedy="lrbench run")
    records = _watched([read_record(one) for one in found])
    statuses = {record.path.name.rpartition("-")[2]: str(record.status) for record in records}
    sweeps, damaged = read_plans(path, statuses)
    unfinished = [record.spec for record in records if not record.status.is_finished]
    for sweep in sweeps:
        if "not started" in sweep.unfinished:
            plan = read_plan(path / layout.SWEEPS / f"{sweep.sweep_id}.json")
            unfinished += [run for arm in plan.content["arms"] for run in arm["runs"]]
    return FolderStatus(
        path,
        tuple(map(_status_of, records)),
        tuple(sweeps),
        tuple(damaged),
        any(map(needs_trust, unfinished)),
    )


def _watched(records: list[Record]) -> list[Record]:
    """The records, those told to be running whose writer elsewhere shows a sign of life."""
    beats = {r.path: last_beat(r.path) for r in records if r.status is Status.UNKNOWN}
    if not beats:
        return records
    time.sleep(WATCH_S)
    alive = {path for path, beat in beats.items() if last_beat(path) != beat}
    # Those that ended meanwhile are read again, too.
    again = {path: read_record(path) for path in alive}
    return [
        replace(again[r.path], status=Status.RUNNING)
        if r.path in alive and again[r.path].status is Status.UNKNOWN
        else again.get(r.path, r)
        for r in records
    ]


def _status_of(record: Record) -> RunStatus:
    # A record is read here whatever is in it: nothing of it is sure to have its form.
    total, rows = at(record.spec, "train", "steps"), at(record.result, "logs", "steps.csv", "rows")
    is_over = record.status.is_finished
    updates = rows if is_over and isinstance(rows, int) else record.updates
    folder = record.path / layout.ATTEMPTS
    return RunStatus(
        run_id=record.run_id,
        status=record.status,
        updates=updates,
        total=total if isinstance(total, int) else None,
        goes_on_at=0 if is_over else record.resumes_at,
        attempts=len(list(folder.glob("*.json"))),
        reason=record.reason,
    )
