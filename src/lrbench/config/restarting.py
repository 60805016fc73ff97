"""What restarts do in a run and what sets them off: from settings as typed to a specification."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from lrbench.config.components import Parts
from lrbench.config.course import KnownCourse, known_course
from lrbench.config.findings import Findings
from lrbench.config.lengths import Lengths
from lrbench.config.settings import Restart, Settings
from lrbench.engine.optimizers import OPTIMIZERS
from lrbench.engine.restart_check import check_policy, keeps_momentum
from lrbench.errors import ConfigError
from lrbench.restarts.policy import PRESETS, policy_name
from lrbench.schedules.base import Schedule
from lrbench.schedules.frozen import anneal_start
from lrbench.spec.restart import RestartSpec
from lrbench.spec.run import Component
from lrbench.triggers.base import Trigger


@dataclass(frozen=True)
class Restarting:
    """The restarts of a run.

    Parameters
    ----------
    spec : RestartSpec
    trigger : Component or None
        With all its settings, lengths in updates.
    notes : tuple of str
        What of them a person should know.
    mismatch : str
        The multiplier of the learning rate that they hide, in words; empty for none.
    """

    spec: RestartSpec
    trigger: Component | None = None
    notes: tuple[str, ...] = ()
    mismatch: str = ""


def resolve_restarts(
    settings: Settings,
    parts: Parts,
    component: Component,
    schedule: Schedule,
    lengths: Lengths,
    findings: Findings,
) -> Restarting:
    """The restarts that the settings ask for.

    Parameters
    ----------
    component, schedule : Component, Schedule
        Of the learning rate, fitted to the run; with a trigger, to be made anew for every cycle.

    Raises
    ------
    ConfigError
        They do not fit the run, with whatever was found before.
    """
    asked, optimizer = settings.restart, parts.optimizer
    beta2 = optimizer.params.get("beta2")
    course = known_course(
        asked,
        parts.trigger,
        component,
        schedule,
        optimizer.lr,
        beta2 if isinstance(beta2, float) else None,
        lengths,
        findings,
    )
    switches = asked.model_dump(exclude={"allow_mismatch", "keep_checkpoints"})
    switches |= {"rewarm": course.rewarm, "state_names": asked.state_names or {}}
    spec = RestartSpec(**switches)
    builder = parts.optimizer_target or OPTIMIZERS[optimizer.name].builder
    check = partial(check_policy, builder=builder, lr=optimizer.lr, settings=optimizer.params)
    mismatch = findings.attempt_own(
        optimizer.target, "", check, spec, allow_mismatch=asked.allow_mismatch
    )
    trigger = course.trigger.trigger if course.trigger else None
    if trigger is not None:
        has_momentum = "cosine" not in trigger.needs or findings.attempt_own(
            optimizer.target, "", keeps_momentum, builder, optimizer.lr, optimizer.params
        )
        findings.attempt("", _check_watched, trigger, has_momentum, lengths, optimizer.name)
        if trigger.after.only_resets and policy_name(spec) == "keep":
            findings.attempt("", _refuse_to_keep, trigger.name, check)
    findings.raise_if_any()
    never = trigger is None and not schedule.restarts(lengths.train.steps)
    return Restarting(
        spec,
        course.trigger.component if course.trigger else None,
        (
            *_notes(asked, spec, trigger, mismatch, never=never),
            *_too_hot(course, lengths),
            *_too_cold(course, lengths),
        ),
        mismatch or "",
    )


def _check_watched(
    trigger: Trigger, has_momentum: bool | None, lengths: Lengths, optimizer: str
) -> None:
    """Refuse a trigger that watches what is not there.

    Raises
    ------
    ConfigError
    """
    if has_momentum is False:
        raise ConfigError(
            "watches the momentum, and the optimizer keeps none",
            key="trigger",
            got=trigger.name,
            remedy="optimizer.momentum=0.9" if optimizer == "sgd" else "optimizer=sgd",
        )
    if "noise" in trigger.needs and lengths.train.batch_size < 2:
        raise ConfigError(
            "watches the noise of the gradient, which needs batches of at least 2 samples",
            key="trigger",
            got=trigger.name,
            remedy="train.batch_size=32",
        )


def _refuse_to_keep(name: str, check: partial[str | None]) -> None:
    """Refuse a trigger that only resets the state with a policy that keeps all of it.

    Raises
    ------
    ConfigError
        With a preset that this optimizer can have.
    """
    remedy = None
    for preset in ("full_reset", "reset_momentum"):
        with suppress(Exception):  # an optimizer of the user's own may raise anything
            check(RestartSpec.model_validate(PRESETS[preset].switches), allow_mismatch=False)
            remedy = f"restart={preset}"
    raise ConfigError(
        f"only does to the state what restart says, and that is nothing; {name} "
        "needs a policy that changes the momentum",
        key="trigger",
        got=name,
        remedy=remedy,
    )


def _notes(
    asked: Restart,
    spec: RestartSpec,
    trigger: Trigger | None,
    mismatch: str | None,
    *,
    never: bool,
) -> Iterator[str]:
    if never and spec != RestartSpec():
        yield "restart has no effect: the schedule never restarts, and there is no trigger"
    elif mismatch:
        yield f"restarts hide a multiplier of the learning rate: {mismatch}"
    if trigger is None or trigger.after.num_cycles > 1:
        return
    if asked.rewarm != 0:
        yield f"restart.rewarm has no effect: {trigger.name} never lets the rate jump"
    if not trigger.after.only_resets and spec != RestartSpec():
        yield f"restart has no effect: {trigger.name} only lowers the rate with these settings"


def _too_cold(course: KnownCourse, lengths: Lengths) -> Iterator[str]:
    """A remark where a cycle that a trigger ends may be over long before."""
    if course.trigger is None or course.trigger.trigger.after.num_cycles == 1:
        return
    total = lengths.train.steps
    end = total // course.trigger.trigger.after.num_cycles
    if 0 < end < total and course.schedule(end) == 0:
        yield (
            f"each cycle is planned for a part of the run: the rate is 0 from update {end} on "
            "until the trigger fires; schedule.final_factor=0.1 would keep it training"
        )


def _too_hot(course: KnownCourse, lengths: Lengths) -> Iterator[str]:
    """A remark where the rate never comes down to where a trigger may restart."""
    if course.trigger is None or course.trigger.trigger.after.num_cycles == 1:
        return
    trigger, gate = course.trigger.trigger, course.trigger.component.params.get("gate")
    is_lowered = course.trigger.component.params.get("on_plateau") == "decay_then_restart"
    if not isinstance(gate, float) or is_lowered:
        return
    total = lengths.train.steps
    factors = [course.schedule(step) for step in range(total)]
    reserve = anneal_start(total, trigger.after.final_fraction)
    # As the run has it: the peak is that of all of the cycle, the end of the run is its own.
    if min(factors[:reserve], default=0.0) > gate * max(factors):
        yield (
            f"{trigger.name} never restarts with this schedule: its rate is above trigger.gate "
            f"({gate:g} of the peak) up to update {reserve}; trigger.gate=null lets it"
        )
