"""What restarts do in a run and what sets them off: from settings as typed to a specification."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from lrbench.adapters.build import schedule_of
from lrbench.config.components import Parts
from lrbench.config.findings import Findings
from lrbench.config.lengths import Lengths
from lrbench.config.settings import Settings
from lrbench.config.triggering import FittedTrigger, fit_trigger
from lrbench.engine.optimizers import OPTIMIZERS
from lrbench.engine.restart_check import check_policy
from lrbench.errors import ConfigError, ScheduleError
from lrbench.restarts.policy import policy_name, rewarm_steps
from lrbench.schedules.base import Schedule
from lrbench.schedules.frozen import replanned
from lrbench.schedules.frozen import shortest_cycle as shortest_planned
from lrbench.schedules.rewarm import rewarmed
from lrbench.spec.restart import RestartSpec
from lrbench.spec.run import Component
from lrbench.triggers.base import Aftermath, Trigger


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
    base: Mapping[str, float],
    lengths: Lengths,
    findings: Findings,
) -> Restarting:
    """The restarts that the settings ask for.

    Parameters
    ----------
    component, schedule : Component, Schedule
        Of the learning rate, fitted to the run; with a trigger, to be made anew for every cycle.
    base : mapping
        Momentum and weight decay of the optimizer, as far as it has one of each.

    Raises
    ------
    ConfigError
        They do not fit the run, with whatever was found before.
    """
    total = lengths.train.steps
    fitted: FittedTrigger | None = None
    if parts.trigger is not None:
        # The cycles it can make do not depend on the re-warmup, which depends on them.
        fitted = findings.insist("trigger", fit_trigger, parts.trigger, lengths, 0)
        after = fitted.trigger.after
        make = partial(_cycle, component, parts.optimizer.lr)
        findings.insist("", _check_cycles, make, after, total, schedule)
        schedule = _replanned(make, after, total)
        shortest = _shortest_planned(after, total)
    else:
        shortest = shortest_cycle(schedule, total)
    asked = settings.restart
    if asked.rewarm is None:
        beta2 = parts.optimizer.params.get("beta2")
        rewarm = rewarm_steps(max(shortest, 1), beta2 if isinstance(beta2, float) else None)
    else:
        rewarm = findings.insist("", lengths.updates, "restart.rewarm", asked.rewarm, least=0)
    if fitted is not None and rewarm:
        findings.insist("", _check_rewarm, rewarm, asked.rewarm, fitted.trigger.after, total)
        assert parts.trigger is not None
        fitted = findings.insist("trigger", fit_trigger, parts.trigger, lengths, rewarm)
    findings.attempt("", rewarmed, schedule, rewarm, total)
    switches = asked.model_dump(exclude={"allow_mismatch", "keep_checkpoints"})
    switches |= {"rewarm": rewarm, "state_names": asked.state_names or {}}
    spec = RestartSpec(**switches)
    mismatch = findings.attempt_own(
        parts.optimizer.target,
        "",
        check_policy,
        spec,
        parts.optimizer_target or OPTIMIZERS[parts.optimizer.name].builder,
        parts.optimizer.lr,
        parts.optimizer.params,
        asked.allow_mismatch,
    )
    if fitted is not None:
        findings.attempt("", _check_watched, fitted.trigger, base, lengths.train.batch_size)
        findings.attempt("", _check_does_something, fitted.trigger, spec, parts.optimizer.name)
    findings.raise_if_any()
    never = fitted is None and not schedule.restarts(total)
    return Restarting(
        spec,
        fitted.component if fitted else None,
        tuple(_notes(spec, fitted.trigger if fitted else None, never=never)),
        mismatch or "",
    )


def shortest_cycle(schedule: Schedule, total_steps: int) -> int:
    """Updates of the shortest cycle that begins with a restart; of the run where none does.

    A last cycle that the end of the run cuts short counts as it was planned.
    """
    lengths = [
        schedule.cycles.length(index) or total_steps - start
        for index, start in enumerate(schedule.restarts(total_steps), start=1)
    ]
    return min(lengths, default=total_steps)


def _cycle(component: Component, lr: float, steps: int) -> Schedule:
    return schedule_of(component, lr=lr, total_steps=steps)


def _replanned(make: Callable[[int], Schedule], after: Aftermath, total: int) -> Schedule:
    """The schedule of a run whose trigger has not decided anything yet."""
    return replanned(
        make,
        (),
        total_steps=total,
        peak_decay=after.peak_decay,
        decay_factor=after.decay_factor,
        num_cycles=after.num_cycles,
        final_fraction=after.final_fraction,
    )


def _shortest_planned(after: Aftermath, total: int) -> int:
    return shortest_planned(total, num_cycles=after.num_cycles, final_fraction=after.final_fraction)


def _check_cycles(
    make: Callable[[int], Schedule], after: Aftermath, total: int, whole: Schedule
) -> bool:
    """Refuse a schedule that restarts by itself, or that not every cycle has room for.

    Raises
    ------
    ConfigError
    """
    if own := whole.restarts(total):
        raise ConfigError(
            "must have no restarts of its own where a trigger decides on them",
            key="schedule",
            got=f"restarts at {', '.join(map(str, own[:3]))}{' …' if len(own) > 3 else ''}",
            remedy="schedule=cosine",
        )
    for steps in (total // after.num_cycles, max(1, _shortest_planned(after, total))):
        try:
            cycle = make(steps)
        except ScheduleError as error:
            problem = error.problems[0]
            where = f"in a cycle of {steps} updates, which the trigger may make"
            raise ConfigError(
                f"{problem.relation} {where}",
                key=f"schedule.{problem.key}" if problem.key else "schedule",
                got=problem.got,
                remedy="a length as a part of the cycle, such as 5%",
            ) from None
        if cycle.restarts(steps):
            relation = f"must have no restarts in a cycle of {steps} updates"
            raise ConfigError(relation, key="schedule", remedy="schedule=cosine")
    return True


def _check_rewarm(rewarm: int, typed: object, after: Aftermath, total: int) -> bool:
    """Refuse a rise that is longer than a cycle that the trigger may begin.

    Raises
    ------
    ConfigError
    """
    shortest = _shortest_planned(after, total)
    if after.num_cycles > 1 and rewarm > shortest:
        raise ConfigError(
            f"must not be longer than the shortest cycle the trigger may begin ({shortest} steps)",
            key="restart.rewarm",
            got=typed,
            remedy=f"restart.rewarm={shortest}",
        )
    return True


def _check_watched(trigger: Trigger, base: Mapping[str, float], batch_size: int) -> None:
    """Refuse a trigger that watches what is not there.

    Raises
    ------
    ConfigError
    """
    if "cosine" in trigger.needs and base.get("momentum") == 0:
        raise ConfigError(
            "watches the momentum, and the optimizer has none",
            key="trigger",
            got=trigger.name,
            remedy="optimizer.momentum=0.9",
        )
    if "noise" in trigger.needs and batch_size < 2:
        raise ConfigError(
            "watches the noise of the gradient, which needs batches of at least 2 samples",
            key="trigger",
            got=trigger.name,
            remedy="train.batch_size=32",
        )


def _check_does_something(trigger: Trigger, spec: RestartSpec, optimizer: str) -> None:
    """Refuse a trigger that only resets the state with a policy that keeps all of it.

    Raises
    ------
    ConfigError
    """
    if (
        not trigger.after.only_resets
        or policy_name(spec.model_copy(update={"rewarm": 0})) != "keep"
    ):
        return
    raise ConfigError(
        f"only does to the state what restart says, and that is nothing; {trigger.name} "
        "needs a policy that changes the momentum",
        key="trigger",
        got=trigger.name,
        remedy="restart=reset_momentum" if optimizer == "sgd" else "restart.first_moment=reset",
    )


def _notes(spec: RestartSpec, trigger: Trigger | None, *, never: bool) -> Iterator[str]:
    if never and spec != RestartSpec():
        yield "restart has no effect: the schedule never restarts, and there is no trigger"
    if trigger is not None and trigger.after.num_cycles == 1 and spec.rewarm:
        yield f"restart.rewarm has no effect: {trigger.name} never lets the rate jump"
