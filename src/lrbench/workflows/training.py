"""Training runs into their records, from the start or from where they can be gone on with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lrbench.config.resolve import Resolved
from lrbench.engine.base import Failure, Plan, State
from lrbench.engine.compiled import told_of_compiling
from lrbench.engine.device import configure, profile
from lrbench.engine.lanes.independence import Measured
from lrbench.errors import RecordError
from lrbench.record.checkpoint import Checkpoint, read_checkpoint
from lrbench.record.comparison.changes import differing_environment
from lrbench.record.forking import begin_forked, beginnings
from lrbench.record.layout import CHECKPOINT, MANIFEST, PREVIOUS
from lrbench.record.reader import read_json
from lrbench.record.writer import RecordWriter
from lrbench.workflows.levels import level_of
from lrbench.workflows.packing import joined
from lrbench.workflows.plan import ENGINES, load_data, make_plan
from lrbench.workflows.recording import Paused, Progress, Recording, facts_of, more_logs_of
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
    """How runs are trained, none of which changes a number; see :func:`workflows.run.run`."""

    force: bool
    reason: str
    until: int | None = None
    any_profile: bool = False


@dataclass(frozen=True)
class Trainee:
    """A run to be trained into the record that is open for it.

    Parameters
    ----------
    run : Resolved
    writer : RecordWriter
    slot : int
        In the program of a plan; the loop engine has one.
    on_progress : callable
    origin : Origin, optional
        Where it begins, if it has not begun.
    """

    run: Resolved
    writer: RecordWriter
    slot: int
    on_progress: Callable[[Progress], None]
    origin: Origin | None = None


@dataclass(frozen=True)
class Trained:
    """A run that was trained to its end.

    Parameters
    ----------
    result : dict
        The closing file.
    talk : tuple of str
        What else there is to say of this attempt; its note has it too.
    """

    result: dict[str, Any]
    talk: tuple[str, ...]


Ended = Trained | Exception | Paused
"""What a run came to, what stopped it while others went on, or that it was to go no further."""


@dataclass(frozen=True)
class _Entrant:
    """A trainee, with all that its training begins with."""

    trainee: Trainee
    plan: Plan
    facts: Mapping[str, Any]
    checkpoint: Checkpoint | None
    remarks: tuple[str, ...]

    @property
    def step(self) -> int:
        """Its next update."""
        return 0 if self.checkpoint is None else self.checkpoint.step


def train(
    trainees: Sequence[Trainee], manner: Manner, *, on_stop: Callable[[], None]
) -> list[Ended]:
    """Train runs that fit together to their ends, and close their records.

    Returns
    -------
    list of Ended
        Of each. An error that stops the only one is raised.
    """
    with told_of_compiling(lambda: _say_compiling(trainees)):
        return _trained(trainees, manner, on_stop)


def _say_compiling(trainees: Sequence[Trainee]) -> None:
    for one in trainees:
        total = one.run.spec.total_steps
        one.on_progress(Progress(0, total, math.nan, math.nan, 0.0, "compiling"))


def _trained(
    trainees: Sequence[Trainee], manner: Manner, on_stop: Callable[[], None]
) -> list[Ended]:
    compute = trainees[0].run.spec.compute
    facts = profile(compute, configure(compute))
    level: Measured | None = None
    entrants: list[_Entrant | Exception] = []
    for trainee in trainees:
        try:
            plan = make_plan(trainee.run.spec, load_data(trainee.run))
            if compute.engine == "lanes" and level is None:
                level = level_of(plan, facts["digest"])
            entrants.append(_entrant(trainee, plan, manner, facts, level))
        except Exception as error:
            if len(trainees) == 1:
                raise
            entrants.append(error)
    ended: dict[int, Ended] = {
        place: one for place, one in enumerate(entrants) if isinstance(one, Exception)
    }
    there = {place: one for place, one in enumerate(entrants) if isinstance(one, _Entrant)}
    # Runs of a plan that were killed while their states were saved may go on at two steps.
    for step in sorted({one.step for one in there.values()}):
        places = [place for place, one in there.items() if one.step == step]
        results: Sequence[Ended]
        try:
            results = _train_at_one_step([there[place] for place in places], manner, on_stop)
        except Paused as paused:
            results = [paused] * len(places)
        except Exception as error:
            if len(trainees) == 1:
                raise
            # What stops these is nothing to those that go on at another step.
            results = [error] * len(places)
        ended |= dict(zip(places, results, strict=True))
    return [ended[place] for place in range(len(trainees))]


def _entrant(
    trainee: Trainee,
    plan: Plan,
    manner: Manner,
    profile: Mapping[str, Any],
    level: Measured | None,
) -> _Entrant:
    run, writer = trainee.run, trainee.writer
    lanes = None
    if level is not None:
        lanes = {
            "width": run.spec.compute.lanes,
            "slot": trainee.slot,
            "level": level.level,
            "level_is_whole": level.is_whole,
        }
    facts = facts_of(run, plan, profile, lanes)
    origin = trainee.origin
    if origin is not None:
        _fork(writer, run, facts, origin)
    checkpoint, remarks = _where_to_go_on(writer, facts, manner)
    remarks += origin.remarks if origin else ()
    if checkpoint is not None:
        state = State(checkpoint.step, checkpoint.facts, checkpoint.body)
        plan = replace(plan, lanes=(replace(plan.lanes[0], state=state),))
    return _Entrant(trainee, plan, facts, checkpoint, remarks)


def _train_at_one_step(
    entrants: Sequence[_Entrant], manner: Manner, on_stop: Callable[[], None]
) -> list[Trained | Exception]:
    specs = [one.trainee.run.spec for one in entrants]
    slots = [one.trainee.slot for one in entrants]
    plan = joined([one.plan for one in entrants], specs, slots)
    with gentle_stop(on_stop) as stop:
        sinks = [
            Recording(
                one.trainee.writer,
                one.facts,
                one.trainee.run,
                manner.reason,
                more_logs=more_logs_of(one.plan),
                checkpoint=one.checkpoint,
                remarks=one.remarks,
                stop=stop,
                until=manner.until,
                on_progress=one.trainee.on_progress,
            )
            for one in entrants
        ]
        outcomes = ENGINES[specs[0].compute.engine](plan, sinks)
        closed: list[Trained | Exception] = []
        for one, sink, outcome in zip(entrants, sinks, outcomes, strict=True):
            if isinstance(outcome, Failure):
                closed.append(outcome.error)
                continue
            try:
                for sentence in outcome.talk:
                    one.trainee.writer.remark(sentence)
                result = one.trainee.writer.close(sink.result(outcome))
                closed.append(Trained(result, outcome.talk))
            except Exception as error:
                if len(entrants) == 1:
                    raise
                closed.append(error)
        return closed


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
