"""What a run must be to have twins, and the restarts at which it can have them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from lrbench.config.resolve import Resolved
from lrbench.engine.base import Course
from lrbench.engine.device import check_device, profile
from lrbench.engine.optimizers import OPTIMIZERS
from lrbench.engine.restart_check import check_policy
from lrbench.errors import ConfigError, RecordError
from lrbench.record import layout
from lrbench.record.comparison.changes import Change
from lrbench.record.reader import Record, Status, read_json
from lrbench.restarts.policy import PRESETS, rewarm_steps
from lrbench.schedules.events import Event
from lrbench.spec.imports import resolve_import
from lrbench.spec.restart import EventSpec, RestartSpec
from lrbench.spec.run import RunSpec
from lrbench.workflows.plan import course_in
from lrbench.workflows.recorded import resolved_of
from lrbench.workflows.replay import differing_profile

PLACE = ("lrbench", "machine", "cpu", "torch", "torch_git", "torch_build", "numpy", "engine")
"""Facts of a profile that are known before a process is started as the run's was."""

GO_ON = "--force goes on, and the twins' records say so"


def parent_of(record: Record, *, trust: bool, data_root: Path | None) -> Resolved:
    """A run that twins can be made of.

    Raises
    ------
    LrbenchError
        It is none: damaged, not finished, a twin itself, or to be trusted first.
    """
    if not record.status.is_finished and record.status is not Status.CORRUPT:
        raise ConfigError(
            f"must be finished to have twins (it is {record.status})",
            key=record.run_id,
            remedy=f"lrbench resume {shlex.quote(str(record.path))}",
        )
    run = resolved_of(record, trust=trust, data_root=data_root)
    if run.spec.fork is not None:
        remedy = "the run that it is a twin of"
        raise ConfigError("must not be a twin itself", key=record.run_id, remedy=remedy)
    return run


def refuse_elsewhere(record: Record, spec: RunSpec) -> None:
    """Refuse to go on here with what was trained with other versions or on another machine.

    The rest of what decides bits is known only in a process started as the run's was, and is held
    against there.

    Raises
    ------
    ConfigError
    """
    check_device(spec.compute)
    keys = {f"profile.{name}" for name in PLACE}
    changes = differing_profile(record, profile(spec.compute, {}))
    if changes := tuple(change for change in changes if change.key in keys):
        raise refused(record, changes)


def told(changes: Sequence[Change]) -> str:
    """What is not as it was when a run was trained, in words."""
    return "; ".join(f"{c.key} was {c.recorded} and is {c.other}" for c in changes)


def refused(record: Record, changes: Sequence[Change]) -> ConfigError:
    """What is said where nobody asked to go on all the same."""
    relation = f"must be gone on with as it was trained ({told(changes)})"
    return ConfigError(relation, key=record.run_id, remedy=GO_ON)


def events_of(record: Record) -> tuple[Event, ...]:
    """What the trigger of a finished run decided; none where it had none.

    Raises
    ------
    RecordError
        The closing file does not say it.
    """
    told = record.result.get("events") or ()
    events = (EventSpec.of(event, record.run_id) for event in told)
    return tuple(Event(**vars(event)) for event in events)


def course_of_record(record: Record, spec: RunSpec) -> Course:
    """The rates of a finished run, and the restarts that came about.

    Raises
    ------
    RecordError
        Its ledger speaks of others than its schedule has.
    """
    samples = read_json(record.path / layout.MANIFEST)["data"]["samples"]["train"]
    course = course_in(spec, events_of(record), max(1, samples // spec.train.batch_size))
    # Of a run that diverged, or of the last moment of any, not all that were due.
    steps = record.log("restarts.csv").column("step")
    happened = course.restarts[: len(steps)]
    if [one.step for one in happened] != steps:
        relation = "must have the restarts of its schedule in its ledger"
        raise RecordError(relation, key=record.run_id)
    return course


def policy_of(name: str, spec: RunSpec, course: Course) -> RestartSpec:
    """A preset for a run; what the run's own optimizer calls things it calls them still.

    Raises
    ------
    ConfigError
        The optimizer has not the state that it changes.
    """
    switches: dict[str, object] = dict(PRESETS[name].switches)
    if name == "rewarm":
        steps = [*(restart.step for restart in course.restarts), spec.train.steps]
        shortest = min(b - a for a, b in pairwise(steps))
        beta2 = spec.optimizer.params.get("beta2")
        usual = rewarm_steps(shortest, beta2 if isinstance(beta2, float) else None)
        switches["rewarm"] = spec.restart.rewarm or usual
    switches["state_names"] = spec.restart.state_names
    policy = RestartSpec.model_validate(switches)
    if policy != spec.restart:
        _refuse_without_state(name, policy, spec)
    return policy


def _refuse_without_state(name: str, policy: RestartSpec, spec: RunSpec) -> None:
    target = spec.optimizer.target
    builder = OPTIMIZERS[spec.optimizer.name].builder if target is None else None
    if target is not None:
        builder = resolve_import(target, key="optimizer._target_")
    assert builder is not None
    try:
        check_policy(policy, builder, spec.optimizer.lr, spec.optimizer.params, False)
    except ConfigError as error:
        # As an option of this command: nobody typed a setting of the policy.
        relation = error.problems[0].relation
        raise ConfigError(
            relation, key="--policies", got=name, remedy="--policies keep,full_reset,none"
        ) from None
