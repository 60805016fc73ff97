"""What a trigger decided in a run, as a schedule that restarts there in any run."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrbench.adapters.build import schedule_of
from lrbench.config.freezing import choosing, other_overrides, read_back, schedule_file
from lrbench.config.home import CUSTOM
from lrbench.errors import ConfigError, DamageError, LrbenchError, ScheduleError
from lrbench.record import layout
from lrbench.record.files import read_file
from lrbench.record.reader import Record, Status, read_record
from lrbench.schedules.base import Schedule
from lrbench.schedules.events import Event
from lrbench.schedules.frozen import replanned
from lrbench.spec.run import RunSpec
from lrbench.triggers.base import Aftermath
from lrbench.triggers.catalog import build_trigger
from lrbench.workflows.recorded import find_run

FOLDER = Path("mine")
"""Configuration of one's own, where nobody says where it is."""

NEW_SEEDS = 3
"""Seeds in the command that is shown."""


@dataclass(frozen=True)
class Frozen:
    """What ``lrbench freeze`` answers, as plain data.

    Parameters
    ----------
    path : Path
        The file that was written.
    run_id : str
    events : tuple of Event
    commands : tuple of str
        What uses it on new seeds, ready for a shell.
    remarks : tuple of str
    """

    path: Path
    run_id: str
    events: tuple[Event, ...]
    commands: tuple[str, ...]
    remarks: tuple[str, ...]


def freeze(path: Path, out: Path | None = None) -> Frozen:
    """Write what fired in the run at ``path`` as the file of a schedule.

    Parameters
    ----------
    path : Path
        A finished record of a run with a trigger.
    out : Path, optional
        The file, whose folder is made if it is not there; default: in :data:`FOLDER`, by the name
        of the run.

    Raises
    ------
    ConfigError
        There is no such run, its schedule cannot be part of a file, or the file is there already.
    DamageError
        The record is damaged.
    """
    path = find_run(path)
    record = read_record(path)
    spec = _spec_of(record)
    events = _events_of(record)
    out = _checked(out) if out else FOLDER / "schedule" / f"{spec.run_id}.yaml"
    if os.path.lexists(out):
        relation = "must not be there yet; nothing is overwritten"
        remedy = f"-o {shlex.quote(str(out.with_stem(f'{out.stem}_2')))}"
        raise ConfigError(relation, key=str(out), remedy=remedy)
    after = _after(spec)
    text = schedule_file(spec.schedule, events, after, "\n".join(_about(spec, events)))
    _compare(text, spec, events, after)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        relation = f"must be a place that can be written to ({error.strerror})"
        raise ConfigError(relation, key=str(error.filename or out)) from None
    others = other_overrides(read_file(path / layout.CONFIG).decode(), spec)
    return Frozen(
        out,
        spec.run_id,
        events,
        tuple(_commands(out, spec, others)),
        tuple(_remarks(record, events)),
    )


def _spec_of(record: Record) -> RunSpec:
    """The specification of a run that can be frozen.

    Raises
    ------
    ConfigError, DamageError
    """
    key = str(record.path)
    if record.status is Status.CORRUPT:
        raise DamageError(f"is damaged ({record.reason})", key=key)
    if not record.status.is_finished:
        relation = f"must be finished to be frozen (it is {record.status})"
        raise ConfigError(relation, key=key, remedy=f"lrbench resume {shlex.quote(key)}")
    spec = RunSpec.of(record.spec, str(record.path / layout.SPEC))
    if spec.fork is not None:
        relation = "must be a whole run, not a twin, which has one cycle of its parent"
        raise ConfigError(relation, key=key, remedy="the run that it is a twin of")
    if spec.trigger is None:
        relation = "must be of a run with a trigger; the restarts of this one stand in its schedule"
        raise ConfigError(relation, key=key, remedy="lrbench run trigger=plateau")
    if spec.schedule.target is not None:
        relation = "must be one of lrbench's own: a file of a schedule cannot hold other code"
        raise ConfigError(relation, key=f"schedule of {key}", got=spec.schedule.target)
    return spec


def _events_of(record: Record) -> tuple[Event, ...]:
    """What its trigger decided.

    Raises
    ------
    DamageError
        The closing file does not say it.
    """
    found = record.result.get("events")
    try:
        assert isinstance(found, list)
        return tuple(Event(**event) for event in found)
    except (AssertionError, TypeError):
        relation = "must state what the trigger of the run decided (events)"
        raise DamageError(relation, key=str(record.path / layout.RESULT)) from None


def _checked(out: Path) -> Path:
    """Where the file is to be written.

    Raises
    ------
    ConfigError
        It has no name that a schedule can be chosen by.
    """
    if out.suffix != ".yaml" or not out.stem or out.stem == CUSTOM:
        relation = "must be a file NAME.yaml, from which schedule=NAME takes its name"
        stem = out.stem if out.stem not in ("", CUSTOM) else "frozen_run"
        remedy = f"-o {shlex.quote(str(out.with_name(f'{stem}.yaml')))}"
        raise ConfigError(relation, key="-o", got=str(out), remedy=remedy)
    return out


def _after(spec: RunSpec) -> Aftermath:
    assert spec.trigger is not None
    return build_trigger(
        spec.trigger.name,
        spec.trigger.params,
        total_steps=spec.train.steps,
        steps_per_epoch=1,  # its lengths are in updates already
        eval_every=spec.train.eval_every,
        batch_size=spec.train.batch_size,
        rewarm_steps=spec.restart.rewarm,
    ).after


def _about(spec: RunSpec, events: Sequence[Event]) -> Iterator[str]:
    assert spec.trigger is not None
    yield f"What {spec.trigger.name} decided in {spec.run_id}, written by lrbench freeze."
    yield f"It is for runs of {spec.train.steps} updates: the steps are counted from their start."
    if not events:
        yield "It never fired, so there is no restart: its first cycle goes on to the final anneal."


def _compare(text: str, spec: RunSpec, events: Sequence[Event], after: Aftermath) -> None:
    """See that the file, read as one that is chosen, gives the rates the run was trained with.

    Raises
    ------
    ConfigError
        The schedule of the run cannot be part of a file.
    DamageError
        What the record says of its events cannot have happened.
    """
    lr, steps = spec.optimizer.lr, spec.train.steps
    trained = _trained(spec, events, after)
    try:
        schedule = read_back(text, lr=lr, total_steps=steps)
        is_same = all(schedule(step) == trained(step) for step in range(steps))
    except LrbenchError as error:
        relation = f"must be one that can stand in a file ({error.problems[0].relation})"
        raise ConfigError(relation, key=f"schedule of {spec.run_id}", got=spec.schedule.name) from (
            error
        )
    if not is_same or schedule.planned != trained.planned:
        relation = "must give the same rates when it is read from a file"
        raise ConfigError(relation, key=f"schedule of {spec.run_id}", got=spec.schedule.name)


def _trained(spec: RunSpec, events: Sequence[Event], after: Aftermath) -> Schedule:
    try:
        return replanned(
            lambda steps: schedule_of(spec.schedule, lr=spec.optimizer.lr, total_steps=steps),
            events,
            total_steps=spec.train.steps,
            peak_decay=after.peak_decay,
            decay_factor=after.decay_factor,
            num_cycles=after.num_cycles,
            final_fraction=after.final_fraction,
        )
    except (ScheduleError, TypeError) as error:
        relation = f"must state events that can have happened ({error})"
        raise DamageError(relation, key=f"result of {spec.run_id}") from None


def _commands(out: Path, spec: RunSpec, others: Sequence[str]) -> Iterator[str]:
    folder = out.parent.parent
    if out.parent.name != "schedule":
        # A file is chosen by its name from the folder of its group.
        folder = FOLDER
        place = folder / "schedule"
        yield f"mkdir -p {place} && mv {shlex.quote(str(out))} {place}/"
    seeds = ",".join(str(spec.seed + 1 + number) for number in range(NEW_SEEDS))
    words = ["lrbench", "sweep", "--config-dir", shlex.quote(str(folder))]
    words += [shlex.quote(choosing(out.stem)), *others, "--seeds", seeds]
    yield " ".join(words)


def _remarks(record: Record, events: Sequence[Event]) -> Iterator[str]:
    if record.status is Status.DIVERGED:
        at = record.result["diverged_at"]
        yield f"the run diverged at step {at}; what fired before is frozen"
    if not events:
        yield "the trigger never fired: the schedule never restarts"


def plain(frozen: Frozen) -> Mapping[str, Any]:
    """The answer as JSON has it."""
    return {
        "path": str(frozen.path),
        "run": frozen.run_id,
        "events": [vars(event) for event in frozen.events],
        "commands": list(frozen.commands),
        "remarks": list(frozen.remarks),
    }
