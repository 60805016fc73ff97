"""One run: from a specification to a complete record."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrbench.config.compose import compose
from lrbench.config.overrides import Override, parse
from lrbench.config.resolve import Resolved, resolve_run
from lrbench.engine.device import check_device
from lrbench.engine.profiles import are_in_force, variables_of
from lrbench.errors import ConfigError, RecordError
from lrbench.record.reader import Record, Status
from lrbench.record.writer import RecordWriter
from lrbench.tasks.data.download import Progress as OnDownload
from lrbench.workflows.failures import failures_named
from lrbench.workflows.isolated import isolated
from lrbench.workflows.recording import Progress
from lrbench.workflows.results import check_results
from lrbench.workflows.training import Manner, Origin, train


@dataclass(frozen=True)
class RunReport:
    """What became of a run.

    Parameters
    ----------
    path : Path
    status : Status
    metrics : mapping
        The last row of ``evals.csv`` by column.
    diverged_at : int or None
    was_there : bool
        The record was complete before, and nothing was trained.
    seconds : float
        Of this call.
    talk : tuple of str
        What else there is to say of it, such as what measurements cost.
    """

    path: Path
    status: Status
    metrics: Mapping[str, Any]
    diverged_at: int | None
    was_there: bool
    seconds: float
    talk: tuple[str, ...] = ()


def resolve_overrides(
    overrides: Sequence[str],
    *,
    config_dir: Path | None = None,
    note: str | None = None,
    on_download: OnDownload | None = None,
) -> Resolved:
    """The one run that these overrides specify.

    Raises
    ------
    ConfigError
        Anything is wrong with them; nothing was written.
    """
    (arm,) = parse(overrides)
    return resolve_arm(arm, config_dir=config_dir, note=note, on_download=on_download)


def resolve_arm(
    arm: Sequence[Override],
    *,
    config_dir: Path | None = None,
    note: str | None = None,
    on_download: OnDownload | None = None,
) -> Resolved:
    """The first run of an arm, from its overrides already parsed."""
    composed = compose(arm, config_dir)
    if note is not None:
        if "note" in composed.typed:
            raise ConfigError("cannot be given together with note=…", key="--note", got=note)
        composed.values["note"] = note
    return resolve_run(composed, on_download)


def run(
    run: Resolved,
    results: Path,
    *,
    force: bool = False,
    reason: str = "run",
    until: int | None = None,
    any_profile: bool = False,
    origin: Origin | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_stop: Callable[[], None] = lambda: None,
) -> RunReport:
    """Train one run into its record, go on with it, or report the record that is complete already.

    Parameters
    ----------
    run : Resolved
    results : Path
        The folder of all records; made if it is not there.
    force : bool
        Train again even if the record is complete.
    reason : str
        Why, for the record's note of this attempt.
    until : int in [1, inf), in updates, optional
        Stop there and leave the record unfinished.
    any_profile : bool
        Go on even if the record was begun with another profile.
    origin : Origin, optional
        Of a twin that has not begun: where it parts from its parent.
    on_progress : callable
        Called about once a block of updates.
    on_stop : callable
        Called when a signal asks the run to stop; it does so after the update, and saves its state.

    Raises
    ------
    KeyboardInterrupt
        It was asked to stop; :class:`~lrbench.workflows.recording.Paused` for ``until``.
    ConfigError
        The device is not there, or ``results`` cannot be used.
    RecordError
        Another process is writing the record, or what stands there is damaged.
    """
    started = time.monotonic()
    check_results(results)
    check_device(run.spec.compute)
    variables = variables_of(run.spec.compute)
    manner = Manner(force, reason, until, any_profile, origin)
    if not are_in_force(variables):
        job = (run, results, manner)
        name = run.spec.run_id
        return isolated(run_job, job, variables, name=name, on_progress=on_progress)
    with failures_named(results / run.spec.run_id), RecordWriter(results, run.spec) as writer:
        found = writer.found()
        if found.status is Status.CORRUPT and not force:
            relation = f"is damaged ({found.reason})"
            raise RecordError(
                relation,
                key=str(writer.path),
                remedy="run --force, or sweep --force-damaged, trains it again in its place",
            )
        if found.status.is_finished and not force:
            return _report(found, True, started)
        with failures_named(writer.path):
            result, talk = train(run, writer, manner, on_progress=on_progress, on_stop=on_stop)
        status = Status.COMPLETE if result["diverged_at"] is None else Status.DIVERGED
    return _report(Record(writer.path, status, result=result), False, started, talk)


def run_job(
    payload: tuple[Resolved, Path, Manner], report: Callable[[Progress], None]
) -> RunReport:
    """:func:`run` in a worker."""
    resolved, results, manner = payload
    return run(resolved, results, **vars(manner), on_progress=report)


def _report(
    record: Record, was_there: bool, started: float, talk: tuple[str, ...] = ()
) -> RunReport:
    return RunReport(
        path=record.path,
        status=record.status,
        metrics=record.result["final"],
        diverged_at=record.result["diverged_at"],
        was_there=was_there,
        seconds=time.monotonic() - started,
        talk=talk,
    )
