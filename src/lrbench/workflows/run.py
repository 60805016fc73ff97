"""One run: from a specification to a complete record."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrbench.config.compose import compose
from lrbench.config.overrides import Override, parse
from lrbench.config.resolve import Resolved, resolve_run
from lrbench.engine.base import Outcome, Row, Start
from lrbench.engine.device import check_device, configure, profile
from lrbench.engine.profiles import are_in_force, variables_of
from lrbench.engine.tables import table_digest
from lrbench.errors import ConfigError, LrbenchError, RecordError, RunError
from lrbench.record.environment import environment
from lrbench.record.layout import EVAL_COLUMNS, STEP_COLUMNS
from lrbench.record.reader import Record, Status
from lrbench.record.writer import RecordWriter
from lrbench.spec.run import FORMAT_VERSION
from lrbench.streams import PURPOSES, SCHEME
from lrbench.tasks.data.download import Progress as OnDownload
from lrbench.workflows.isolated import isolated
from lrbench.workflows.plan import ENGINES, load_data, make_plan
from lrbench.workflows.results import check_results

_LR, _LOSS = STEP_COLUMNS.index("lr"), STEP_COLUMNS.index("train_loss")


@dataclass(frozen=True)
class Progress:
    """How far a run is: the last update known, of how many, and its figures."""

    step: int
    total: int
    loss: float
    lr: float
    steps_per_s: float


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
) -> RunReport:
    """Train one run into its record, or report the record that is complete already.

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

    Raises
    ------
    ConfigError
        The device is not there, or ``results`` cannot be used.
    RecordError
        Another process is writing the record, or what stands there is damaged.
    """
    started = time.monotonic()
    check_results(results)
    check_device(run.spec.compute)
    variables = variables_of(run.spec.compute)
    if not are_in_force(variables):
        job = (run, results, force, reason)
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
            outcome = _train(run, writer, reason, on_progress)
        status = Status.COMPLETE if outcome.diverged_at is None else Status.DIVERGED
        result = writer.close(_result(outcome))
    return _report(Record(writer.path, status, result=result), False, started)


def run_job(
    payload: tuple[Resolved, Path, bool, str], report: Callable[[Progress], None]
) -> RunReport:
    """:func:`run` in a worker."""
    resolved, results, force, reason = payload
    return run(resolved, results, force=force, reason=reason, on_progress=report)


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
    on_progress: Callable[[Progress], None],
) -> Outcome:
    spec = run.spec
    switches = configure(spec.compute)
    data = load_data(run)
    plan = make_plan(spec, data)
    facts = {
        "format_version": FORMAT_VERSION,
        "run_id": spec.run_id,
        "spec_digest": spec.digest,
        "profile": profile(spec.compute, switches),
        "environment": environment(),
        "data": {
            **data.provenance,
            "settings": dict(run.data_settings),
            "digest": data.digest,
            "split_digest": data.split_digest,
            "samples": {"train": len(data.train), "val": len(data.val), "test": len(data.test)},
            "notices": list(data.notices),
        },
        "seeds": {
            "scheme": SCHEME,
            "roots": {p: plan.lanes[0].streams.root_of(p) for p in PURPOSES},  # type: ignore[arg-type]
        },
        "schedule": {
            "digest": table_digest(plan.rates[:, 0]),
            "notes": list(run.notes),
            "restarts": [restart.step for restart in plan.lanes[0].restarts],
        },
        "note": run.note,
    }
    sink = _RecordSink(writer, facts, run.config, reason, plan.total_steps, on_progress)
    (outcome,) = ENGINES[spec.compute.engine](plan, [sink])
    return outcome


class _RecordSink:
    """An engine's rows, into the record."""

    def __init__(
        self,
        writer: RecordWriter,
        facts: dict[str, Any],
        config: str,
        reason: str,
        total: int,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._writer = writer
        self._facts = facts
        self._config = config
        self._reason = reason
        self._total = total
        self._on_progress = on_progress
        self._last = time.monotonic()

    def begin(self, start: Start) -> None:
        manifest = {
            **self._facts,
            "model": {"parameters": start.parameters},
            "init": {"digest": start.init_digest, "tensors": start.init_digests},
        }
        self._writer.begin(config=self._config, manifest=manifest, reason=self._reason)
        self._last = time.monotonic()

    def steps(self, rows: Sequence[Row]) -> None:
        self._writer.write("steps.csv", rows)
        now = time.monotonic()
        rate = len(rows) / max(now - self._last, 1e-9)
        self._last = now
        step, lr, loss = rows[-1][0], rows[-1][_LR], rows[-1][_LOSS]
        assert isinstance(step, int)
        assert isinstance(lr, float)
        assert isinstance(loss, float)
        self._writer.tick(step, rate)
        self._on_progress(Progress(step + 1, self._total, loss, lr, rate))

    def layers(self, rows: Sequence[Row]) -> None:
        self._writer.write("layers.csv", rows)

    def evals(self, row: Row) -> None:
        self._writer.write("evals.csv", [row])

    def restarts(self, row: Row) -> None:
        self._writer.write("restarts.csv", [row])


def _result(outcome: Outcome) -> dict[str, Any]:
    final = dict(zip(EVAL_COLUMNS, outcome.final, strict=True))
    return {
        "outcome": "complete" if outcome.diverged_at is None else "diverged",
        "diverged_at": outcome.diverged_at,
        # JSON has no NaN; the row with it stands in evals.csv.
        "final": {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in final.items()
        },
        "batch_chain": outcome.batch_chain,
        "weights_digest": outcome.weights_digest,
    }


def _report(record: Record, was_there: bool, started: float) -> RunReport:
    return RunReport(
        path=record.path,
        status=record.status,
        metrics=record.result["final"],
        diverged_at=record.result["diverged_at"],
        was_there=was_there,
        seconds=time.monotonic() - started,
    )
