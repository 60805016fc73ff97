"""An engine's rows into a record: what the manifest says, when to save, what the end states."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lrbench.config.resolve import Resolved
from lrbench.engine.base import Outcome, Plan, Row, Start, State
from lrbench.engine.tables import table_digest
from lrbench.errors import RecordError, RunError
from lrbench.record.checkpoint import Checkpoint
from lrbench.record.environment import environment
from lrbench.record.layout import EVAL_COLUMNS, STEP_COLUMNS
from lrbench.record.writer import RecordWriter
from lrbench.spec.run import FORMAT_VERSION
from lrbench.streams import PURPOSES, SCHEME, Streams
from lrbench.workflows.stopping import Stop

_LR, _LOSS = STEP_COLUMNS.index("lr"), STEP_COLUMNS.index("train_loss")

WORK_S = 10.0
"""Seconds of work between two checkpoints."""

LOOK_S = 2.0
"""Seconds of work before a checkpoint at an evaluation: doing a short run again costs less."""

COST = 100.0
"""How many times longer than a checkpoint took there is work before the next one."""


@dataclass(frozen=True)
class Progress:
    """How far a run is: the last update known, of how many, and its figures.

    ``doing`` says what else it is about, where that takes long; there are no figures then.
    """

    step: int
    total: int
    loss: float
    lr: float
    steps_per_s: float
    doing: str = ""


def facts_of(
    run: Resolved,
    plan: Plan,
    profile: Mapping[str, Any],
    lanes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What a manifest says of a run before its model is built.

    ``lanes`` is what there is to say of its slot in the program of a plan.
    """
    spec, data = run.spec, plan.data
    streams = plan.lanes[0].streams
    return {
        "format_version": FORMAT_VERSION,
        "run_id": spec.run_id,
        "spec_digest": spec.digest,
        "profile": dict(profile),
        **({} if lanes is None else {"lanes": dict(lanes)}),
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
            "roots": {purpose: streams.root_of(purpose) for purpose in PURPOSES},  # type: ignore[arg-type]
            "keys": stream_keys(streams),
        },
        "schedule": {
            "digest": schedule_digest(plan),
            "notes": list(run.notes),
            "restarts": [r.step for r in plan.lanes[0].restarts if r.policy is not None],
        },
        "checkpoint_every": run.checkpoint_every,
        "keep_checkpoints": run.keep_checkpoints,
        "note": run.note,
        "tags": list(run.tags),
    }


def more_logs_of(plan: Plan) -> tuple[str, ...]:
    """The logs of a run that not every record has."""
    lane = plan.lanes[0]
    has_restarts = bool(lane.restarts) or lane.adaptive is not None
    restarts = ("restart_layers.csv",) if has_restarts else ()
    return (*restarts, *(("curvature.csv",) if plan.curvature else ()))


def begun(facts: Mapping[str, Any], start: Start) -> dict[str, Any]:
    """The whole manifest."""
    return {
        **facts,
        "model": {
            "parameters": start.parameters,
            "layers": [asdict(layer) for layer in start.layers],
        },
        "init": {"digest": start.init_digest, "tensors": start.init_digests},
        "first_batch": start.first_batch,
    }


def inputs_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Digests of all that a run is given: where two runs agree in one, they share it."""
    return {
        "data": manifest["data"]["digest"],
        "split": manifest["data"]["split_digest"],
        "init": manifest["init"]["digest"],
        "schedule": manifest["schedule"]["digest"],
        "first_batch": manifest["first_batch"],
        "streams": manifest["seeds"]["keys"],
    }


def stream_keys(streams: Streams) -> dict[str, str]:
    """The key each stream begins with, in hex: streams with one key draw the same numbers."""
    return {purpose: f"{streams(purpose).key:032x}" for purpose in PURPOSES}  # type: ignore[arg-type]


def schedule_digest(plan: Plan) -> str:
    """sha256 over the learning rates, and over momenta and weight decays where they change."""
    tables = (plan.rates, plan.momenta, plan.weight_decays)
    digests = [table_digest(table[:, 0]) for table in tables if table is not None]
    return digests[0] if len(digests) == 1 else "+".join(digests)


class Paused(KeyboardInterrupt):
    """A run was stopped where it was to be stopped."""


class Cadence:
    """When to save: every so many updates, or as often as costs next to nothing.

    Parameters
    ----------
    every : int or None
        Updates. None: after :data:`WORK_S` of work, at evaluations after :data:`LOOK_S`, and never
        before :data:`COST` times what the last one took.
    """

    def __init__(self, every: int | None) -> None:
        self._every = every
        self._last = time.monotonic()
        self._cost = 0.0

    def is_due(self, done: int, is_look: bool, now: float) -> bool:
        """Whether to save after ``done`` updates."""
        if self._every is not None:
            return done % self._every == 0
        return now - self._last >= max(LOOK_S if is_look else WORK_S, COST * self._cost)

    def next_due(self, done: int) -> int | None:
        """The first number of updates beyond ``done`` at which it is, where that is known."""
        return None if self._every is None else done - done % self._every + self._every

    def took(self, seconds: float) -> None:
        """A checkpoint was written just now."""
        self._cost = seconds
        self._last = time.monotonic()


class Recording:
    """The sink of one run: :class:`lrbench.engine.base.Sink`.

    Parameters
    ----------
    writer : RecordWriter
    facts : mapping
        Of :func:`facts_of`.
    run : Resolved
    reason : str
        Of this attempt.
    more_logs : sequence of str
        Logs of this run that not every record has.
    checkpoint : Checkpoint, optional
        Where it goes on.
    remarks : sequence of str
        Why it does not go on at a later place.
    stop : Stop
        Asked where the engine asks; a stopped run saves its state and raises KeyboardInterrupt.
    until : int, optional
        Updates after which the run saves its state and raises :class:`Paused`.
    on_progress : callable
    """

    def __init__(
        self,
        writer: RecordWriter,
        facts: Mapping[str, Any],
        run: Resolved,
        reason: str,
        *,
        more_logs: Sequence[str],
        checkpoint: Checkpoint | None,
        remarks: Sequence[str],
        stop: Stop,
        until: int | None,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._writer = writer
        self._facts = facts
        self._run = run
        self._reason = reason
        self._more_logs = more_logs
        self._checkpoint = checkpoint
        self._remarks = remarks
        self._stop = stop
        self._until = until
        self._on_progress = on_progress
        self._cadence = Cadence(run.checkpoint_every)
        self._last = time.monotonic()
        self._manifest: dict[str, Any] = {}
        self._is_paused = False

    def begin(self, start: Start) -> None:
        """Open the record, or go on with it."""
        self._manifest = begun(self._facts, start)
        if self._checkpoint is None:
            self._writer.begin(
                config=self._run.config,
                manifest=self._manifest,
                reason=self._reason,
                remarks=self._remarks,
                more_logs=self._more_logs,
            )
        else:
            self._refuse_other_inputs()
            self._writer.resume(self._checkpoint, reason=self._reason, remarks=self._remarks)
        self._last = time.monotonic()

    def steps(self, rows: Sequence[Row]) -> None:
        """A block of updates."""
        self._writer.write("steps.csv", rows)
        now = time.monotonic()
        rate = len(rows) / max(now - self._last, 1e-9)
        self._last = now
        step, lr, loss = rows[-1][0], rows[-1][_LR], rows[-1][_LOSS]
        assert isinstance(step, int)
        assert isinstance(lr, float)
        assert isinstance(loss, float)
        self._writer.tick(step, rate)
        self._on_progress(Progress(step + 1, self._run.spec.total_steps, loss, lr, rate))

    def layers(self, rows: Sequence[Row]) -> None:
        """Their layers."""
        self._writer.write("layers.csv", rows)

    def evals(self, row: Row) -> None:
        """An evaluation."""
        self._writer.write("evals.csv", [row])

    def restarts(self, row: Row) -> None:
        """A warm restart, its cycle over."""
        self._writer.write("restarts.csv", [row])

    def restart_layers(self, rows: Sequence[Row]) -> None:
        """Its layers."""
        self._writer.write("restart_layers.csv", rows)

    def curvature(self, row: Row) -> None:
        """A look at the curvature."""
        self._writer.write("curvature.csv", [row])

    def keep(self, done: int, capture: Callable[[], State]) -> None:
        """Put the state at the end of a cycle among the kept ones, where they are wanted.

        Raises
        ------
        RunError
            It cannot be captured: what was asked for is not to be had.
        """
        if self._run.keep_checkpoints:
            self._writer.keep(**self._saved(capture()))

    def _saved(self, state: State) -> dict[str, Any]:
        return {
            "profile_digest": self._facts["profile"]["digest"],
            "step": state.step,
            "facts": state.facts,
            "body": state.body,
        }

    def wants_state(self, done: int, is_look: bool) -> bool:
        """Whether the cadence says so, or the run is to stop."""
        now = time.monotonic()
        self._writer.beat(done, now)
        self._is_paused = done == self._until
        return self._is_paused or self._stop.is_asked or self._cadence.is_due(done, is_look, now)

    def next_state(self, done: int) -> int | None:
        """Where the cadence, or the end of this attempt, comes next."""
        until = self._until
        known = [self._cadence.next_due(done), until if until and until > done else None]
        return min((one for one in known if one is not None), default=None)

    def save(self, capture: Callable[[], State]) -> None:
        """Write a checkpoint; then stop if that was asked for.

        Raises
        ------
        KeyboardInterrupt
            It was; :class:`Paused` where that was known beforehand.
        """
        started = time.monotonic()
        try:
            state = capture()
        except RunError as error:
            # The run is as good as ever; only going on with it after a kill is not to be had.
            self._writer.remark(f"no checkpoint: {error.problems[0].relation}")
        else:
            self._writer.save(**self._saved(state))
        self._cadence.took(time.monotonic() - started)
        if self._is_paused:
            raise Paused
        if self._stop.is_asked:
            raise KeyboardInterrupt

    def result(self, outcome: Outcome) -> dict[str, Any]:
        """What the closing file states besides the logs."""
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
            "weights": outcome.weights,
            "inputs": inputs_of(self._manifest),
            **({} if outcome.events is None else {"events": [asdict(e) for e in outcome.events]}),
        }

    def _refuse_other_inputs(self) -> None:
        begun_with, now = inputs_of(self._writer.manifest()), inputs_of(self._manifest)
        if differing := [name for name, digest in begun_with.items() if now[name] != digest]:
            raise RecordError(
                f"must be continued with what it was begun with; {', '.join(differing)} differs",
                key=str(self._writer.path),
                remedy="run --force trains it again from the start",
            )
