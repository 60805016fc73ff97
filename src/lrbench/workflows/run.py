"""One run: from a specification to a complete record."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lrbench.config.compose import compose
from lrbench.config.overrides import Override, parse
from lrbench.config.resolve import Resolved, resolve_run
from lrbench.engine.base import State
from lrbench.engine.device import check_device, configure, profile
from lrbench.errors import ConfigError, LrbenchError, RecordError, RunError
from lrbench.record.checkpoint import Checkpoint
from lrbench.record.layout import CHECKPOINT, PREVIOUS
from lrbench.record.reader import Record, Status
from lrbench.record.writer import RecordWriter
from lrbench.report.settings import flatten
from lrbench.tasks.data.download import Progress as OnDownload
from lrbench.workflows.plan import ENGINES, load_data, make_plan
from lrbench.workflows.recording import Progress, Recording, facts_of
from lrbench.workflows.results import check_results
from lrbench.workflows.stopping import gentle_stop


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
    """

    path: Path
    status: Status
    metrics: Mapping[str, Any]
    diverged_at: int | None
    was_there: bool
    seconds: float


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
    on_progress : callable
        Called about once a block of updates.
    on_stop : callable
        Called when a signal asks the run to stop; it does so after the update, and saves its state.

    Raises
    ------
    KeyboardInterrupt
        It was asked to stop.
    ConfigError
        The device is not there, or ``results`` cannot be used.
    RecordError
        Another process is writing the record, or what stands there is damaged.
    """
    started = time.monotonic()
    check_results(results)
    check_device(run.spec.compute)
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
            result = _train(run, writer, reason, force, on_progress, on_stop)
        status = Status.COMPLETE if result["diverged_at"] is None else Status.DIVERGED
    return _report(Record(writer.path, status, result=result), False, started)


@contextmanager
def failures_named(path: Path) -> Iterator[None]:
    """A full disk or a model that raises, as an error of this run."""
    try:
        yield
    except LrbenchError:
        raise
    except OSError as error:
        where, reason = error.filename or path, error.strerror or str(error)
        raise RecordError(f"could not be written ({reason})", key=str(where)) from error
    except Exception as error:
        message = " ".join(str(error).split())
        raise RunError(
            f"failed: {type(error).__name__}: {message}",
            key=path.name,
            origin=_place_of(error),
            remedy="lrbench --debug run … shows the whole traceback",
        ) from error


def _place_of(error: Exception) -> str | None:
    """The last line outside of lrbench and installed packages that ``error`` came through."""
    ours = str(Path(__file__).parents[1])
    frames = reversed(traceback.extract_tb(error.__traceback__))
    own = (f for f in frames if "site-packages" not in f.filename and ours not in f.filename)
    return next((f"{frame.filename}:{frame.lineno}" for frame in own), None)


def _train(
    run: Resolved,
    writer: RecordWriter,
    reason: str,
    force: bool,
    on_progress: Callable[[Progress], None],
    on_stop: Callable[[], None],
) -> dict[str, Any]:
    """Train, from where the record can be gone on with; returns its closing file."""
    spec = run.spec
    switches = configure(spec.compute)
    plan = make_plan(spec, load_data(run))
    facts = facts_of(run, plan, profile(spec.compute, switches))
    checkpoint, remarks = (None, ()) if force else _where_to_go_on(writer, facts["profile"])
    if checkpoint is not None:
        state = State(checkpoint.step, checkpoint.facts, checkpoint.body)
        plan = replace(plan, lanes=(replace(plan.lanes[0], state=state),))
    with gentle_stop(on_stop) as stop:
        sink = Recording(
            writer,
            facts,
            run,
            reason,
            checkpoint=checkpoint,
            remarks=remarks,
            stop=stop,
            on_progress=on_progress,
        )
        (outcome,) = ENGINES[spec.compute.engine](plan, [sink])
        return writer.close(sink.result(outcome))


def _where_to_go_on(
    writer: RecordWriter, now: Mapping[str, Any]
) -> tuple[Checkpoint | None, tuple[str, ...]]:
    """The checkpoint to go on at, and what was wrong with later ones.

    Raises
    ------
    RecordError
        There is one, of another profile: one record must not have rows of two.
    """
    if not any((writer.path / name).exists() for name in (CHECKPOINT, PREVIOUS)):
        return None, ()
    begun = writer.manifest()["profile"]
    if begun["digest"] != now["digest"]:
        facts = (flatten(dict(begun)), flatten(dict(now)))
        differing = [
            f"{key} {facts[0].get(key)} then, {facts[1].get(key)} now"
            for key in sorted(facts[0].keys() | facts[1].keys())
            if key != "digest" and facts[0].get(key) != facts[1].get(key)
        ]
        raise RecordError(
            f"must be continued with the profile it was begun with ({'; '.join(differing)})",
            key=str(writer.path),
            remedy="run --force, or sweep --force-damaged, trains it again from the start",
        )
    return writer.checkpoint()


def _report(record: Record, was_there: bool, started: float) -> RunReport:
    return RunReport(
        path=record.path,
        status=record.status,
        metrics=record.result["final"],
        diverged_at=record.result["diverged_at"],
        was_there=was_there,
        seconds=time.monotonic() - started,
    )
