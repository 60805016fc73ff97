"""Training a run into its record, from the start or from where it can be gone on with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lrbench.config.resolve import Resolved
from lrbench.engine.base import State
from lrbench.engine.device import configure, profile
from lrbench.errors import RecordError
from lrbench.record.checkpoint import Checkpoint, read_checkpoint
from lrbench.record.comparison.changes import differing_environment
from lrbench.record.forking import begin_forked, beginnings
from lrbench.record.layout import CHECKPOINT, MANIFEST, PREVIOUS
from lrbench.record.reader import read_json
from lrbench.record.writer import RecordWriter
from lrbench.workflows.plan import ENGINES, load_data, make_plan
from lrbench.workflows.recording import Progress, Recording, facts_of, more_logs_of
from lrbench.workflows.stopping import gentle_stop


@dataclass(frozen=True)
class Origin:
    """Where a twin may begin instead of at its first update.

    Parameters
    ----------
    record : Path
        Of its parent, or of the beginning of it made again.
    checkpoint : Path
        In that record, after the updates that they share.
    remarks : tuple of str
        For the note of the attempt.
    """

    record: Path
    checkpoint: Path
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manner:
    """How a run is trained, none of which changes a number; see :func:`workflows.run.run`."""

    force: bool
    reason: str
    until: int | None
    any_profile: bool
    origin: Origin | None = None


def train(
    run: Resolved,
    writer: RecordWriter,
    manner: Manner,
    *,
    on_progress: Callable[[Progress], None],
    on_stop: Callable[[], None],
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Train to the end, and close the record.

    Returns
    -------
    result : dict
        The closing file.
    talk : tuple of str
        What else there is to say of this attempt; its note has it too.
    """
    spec = run.spec
    switches = configure(spec.compute)
    plan = make_plan(spec, load_data(run))
    facts = facts_of(run, plan, profile(spec.compute, switches))
    if manner.origin is not None:
        _fork(writer, run, facts, manner.origin)
    checkpoint, remarks = _where_to_go_on(writer, facts, manner)
    remarks += manner.origin.remarks if manner.origin else ()
    if checkpoint is not None:
        state = State(checkpoint.step, checkpoint.facts, checkpoint.body)
        plan = replace(plan, lanes=(replace(plan.lanes[0], state=state),))
    with gentle_stop(on_stop) as stop:
        sink = Recording(
            writer,
            facts,
            run,
            manner.reason,
            more_logs=more_logs_of(plan),
            checkpoint=checkpoint,
            remarks=remarks,
            stop=stop,
            until=manner.until,
            on_progress=on_progress,
        )
        (outcome,) = ENGINES[spec.compute.engine](plan, [sink])
        for sentence in outcome.talk:
            writer.remark(sentence)
        return writer.close(sink.result(outcome)), outcome.talk


def _fork(writer: RecordWriter, run: Resolved, facts: Mapping[str, Any], origin: Origin) -> None:
    """Begin a record with what its run shares with its parent, if it has not begun.

    Raises
    ------
    RecordError
        That is not as it was written.
    """
    if any((writer.path / name).exists() for name in (CHECKPOINT, PREVIOUS)):
        return
    checkpoint = read_checkpoint(origin.checkpoint)
    begun = read_json(origin.record / MANIFEST)
    shared = {name: begun[name] for name in ("model", "init", "first_batch")}
    begin_forked(
        writer,
        checkpoint,
        beginnings(origin.record, checkpoint),
        config=run.config,
        manifest={**facts, **shared},
    )


def _where_to_go_on(
    writer: RecordWriter, facts: Mapping[str, Any], manner: Manner
) -> tuple[Checkpoint | None, tuple[str, ...]]:
    """The checkpoint to go on at, and what was wrong with later ones.

    Raises
    ------
    RecordError
        There is one, of another profile: one record must not have rows of two.
    """
    if manner.force or not any((writer.path / name).exists() for name in (CHECKPOINT, PREVIOUS)):
        return None, ()
    begun = writer.manifest()
    if begun["profile"]["digest"] != facts["profile"]["digest"] and not manner.any_profile:
        told = "; ".join(
            f"{change.key} was {change.recorded} and is {change.other}"
            for change in differing_environment(begun, facts)
            if change.key.startswith("profile.")
        )
        raise RecordError(
            f"must be continued with the profile it was begun with ({told})",
            key=str(writer.path),
            remedy="lrbench resume --start-over, or run --force, trains it from the start",
        )
    return writer.checkpoint()
