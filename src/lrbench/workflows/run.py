"""One run: from a specification to a complete record."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from lrbench.config.compose import compose
from lrbench.config.overrides import Override, parse
from lrbench.config.resolve import Resolved, resolve_run
from lrbench.engine.device import check_device
from lrbench.engine.profiles import are_in_force
from lrbench.errors import ConfigError, LrbenchError, RecordError
from lrbench.record.notes import checked_tags
from lrbench.record.reader import Record, Status
from lrbench.record.writer import RecordWriter
from lrbench.spec.profiles import variables_of
from lrbench.tasks.data.download import Progress as OnDownload
from lrbench.workflows.failures import failures_named
from lrbench.workflows.isolated import isolated
from lrbench.workflows.packing import recorded_slot
from lrbench.workflows.recording import Paused, Progress
from lrbench.workflows.results import check_results
from lrbench.workflows.training import Ended, Manner, Origin, Trainee, train

FILES_OF_A_RECORD = 12
"""Open at once while it is written: its lock and its logs, and some more for a moment."""

FILES_OF_A_PROCESS = 128


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


Became = RunReport | Exception | Paused
"""What became of a run, what stopped it, or that it was to go no further."""


def resolve_overrides(
    overrides: Sequence[str],
    *,
    config_dir: Path | None = None,
    note: str | None = None,
    tags: Sequence[str] = (),
    on_download: OnDownload | None = None,
) -> Resolved:
    """The one run that these overrides specify.

    Raises
    ------
    ConfigError
        Anything is wrong with them; nothing was written.
    """
    (arm,) = parse(overrides)
    return resolve_arm(arm, config_dir=config_dir, note=note, tags=tags, on_download=on_download)


def resolve_arm(
    arm: Sequence[Override],
    *,
    config_dir: Path | None = None,
    note: str | None = None,
    tags: Sequence[str] = (),
    on_download: OnDownload | None = None,
) -> Resolved:
    """The first run of an arm, from its overrides already parsed."""
    words = checked_tags(tags, "--tag")
    composed = compose(arm, config_dir)
    if note is not None:
        if "note" in composed.typed:
            raise ConfigError("cannot be given together with note=…", key="--note", got=note)
        composed.values["note"] = note
    return replace(resolve_run(composed, on_download), tags=words)


def run(
    run: Resolved,
    results: Path,
    *,
    force: bool = False,
    reason: str = "run",
    until: int | None = None,
    any_profile: bool = False,
    origin: Origin | None = None,
    slot: int | None = None,
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
    slot : int, optional
        Of the lanes engine's program, the others being filled with copies; default: the one that
        the run has begun in, else the first.
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
    if slot is None:
        slot = recorded_slot(results / run.spec.run_id) or 0
    (report,) = run_together(
        [run],
        [slot],
        results,
        Manner(force, reason, until, any_profile),
        origins=[origin],
        on_progress=lambda _, progress: on_progress(progress),
        on_stop=on_stop,
    )
    return reported(report)


def reported(became: Became) -> RunReport:
    """What a run came to; what stopped it is raised."""
    if isinstance(became, BaseException):
        raise became
    return became


def run_together(
    runs: Sequence[Resolved],
    slots: Sequence[int],
    results: Path,
    manner: Manner,
    *,
    origins: Sequence[Origin | None] = (),
    on_progress: Callable[[int, Progress], None] = lambda place, progress: None,
    on_stop: Callable[[], None] = lambda: None,
) -> list[Became]:
    """Train runs that fit together (:mod:`lrbench.workflows.packing`), each into its record.

    Parameters
    ----------
    runs : sequence of Resolved
    slots : sequence of int
        Of each run in the plan's program.
    results, manner
        As in :func:`run`.
    origins : sequence of (Origin or None), optional
        Of each run.
    on_progress : callable
        Hears which run it is, and how far.
    on_stop : callable
        As in :func:`run`.

    Returns
    -------
    list of Became
        In the order of the runs.

    Raises
    ------
    KeyboardInterrupt
        They were asked to stop.
    ConfigError
        The device is not there, or ``results`` cannot be used.
    """
    check_results(results)
    compute = runs[0].spec.compute
    check_device(compute)
    variables = variables_of(compute)
    origins = origins or [None] * len(runs)
    if not are_in_force(variables):
        job, name = (runs, slots, results, manner, origins), runs[0].spec.run_id
        return isolated(
            together_job, job, variables, name=name, on_progress=lambda told: on_progress(*told)
        )
    started = time.monotonic()
    reports: dict[int, Became] = {}
    trainees: dict[int, Trainee] = {}
    _allow_files(len(runs) * FILES_OF_A_RECORD)
    with ExitStack() as open_writers:
        for place, (resolved, slot, origin) in enumerate(zip(runs, slots, origins, strict=True)):
            try:
                with failures_named(results / resolved.spec.run_id):
                    writer = RecordWriter(results, resolved.spec)
                    found = _to_be_trained(writer, manner.force)
            except LrbenchError as error:
                reports[place] = error
                continue
            if found is not None:
                reports[place] = _report(found, True, started)
            else:
                # An interrupt reaches every one of them, whatever closing the others comes to.
                open_writers.push(writer)
                hear = partial(on_progress, place)
                trainees[place] = Trainee(resolved, writer, slot, hear, origin)
        if trainees:
            ended = _trained([*trainees.values()], manner, on_stop)
            for (place, trainee), result in zip(trainees.items(), ended, strict=True):
                reports[place] = _ended(trainee.writer, result, started)
    return [reports[place] for place in range(len(runs))]


def _allow_files(number: int) -> None:
    """Let this process have so many files open, besides what it has, if the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number + FILES_OF_A_PROCESS
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _to_be_trained(writer: RecordWriter, force: bool) -> Record | None:
    """The record that is complete already, its writer closed; None if it is to be trained.

    Raises
    ------
    RecordError
        What stands there is damaged; the writer is closed.
    """
    try:
        found = writer.found()
        if found.status is Status.CORRUPT and not force:
            raise RecordError(
                f"is damaged ({found.reason})",
                key=str(writer.path),
                remedy="run --force, or sweep --force-damaged, trains it again in its place",
            )
    except BaseException as error:
        writer.__exit__(type(error), error, error.__traceback__)
        raise
    if found.status.is_finished and not force:
        writer.__exit__(None, None, None)
        return found
    return None


def _trained(
    trainees: Sequence[Trainee], manner: Manner, on_stop: Callable[[], None]
) -> list[Ended]:
    """What each came to; where there is one, what stops it is named as its own."""
    path = trainees[0].writer.path
    try:
        with failures_named(path):
            return train(trainees, manner, on_stop=on_stop)
    except LrbenchError as error:
        return [error] * len(trainees)


def _ended(writer: RecordWriter, result: Ended, started: float) -> Became:
    """Close a writer, and tell what became of its run."""
    if isinstance(result, Paused):
        writer.__exit__(type(result), result, result.__traceback__)
        return result
    if isinstance(result, Exception):
        named = _named(result, writer.path)
        writer.__exit__(type(named), named, named.__traceback__)
        return named
    writer.__exit__(None, None, None)
    closing = result.result
    status = Status.COMPLETE if closing["diverged_at"] is None else Status.DIVERGED
    return _report(Record(writer.path, status, result=closing), False, started, result.talk)


def _named(error: Exception, path: Path) -> LrbenchError:
    try:
        with failures_named(path):
            raise error
    except LrbenchError as named:
        return named


def together_job(
    payload: tuple[Sequence[Resolved], Sequence[int], Path, Manner, Sequence[Origin | None]],
    report: Callable[[tuple[int, Progress]], None],
) -> list[Became]:
    """:func:`run_together` in a worker."""
    runs, slots, results, manner, origins = payload

    def hear(place: int, progress: Progress) -> None:
        report((place, progress))

    return run_together(runs, slots, results, manner, origins=origins, on_progress=hear)


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
