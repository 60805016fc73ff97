"""The learning rate of a run as it is trained, as far as that is known before it. No torch.

Where a trigger decides on restarts, that is its course while nothing fires; restarts that are
re-warmed have their rise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from lrbench.adapters.build import schedule_of
from lrbench.config.findings import Findings, raised
from lrbench.config.lengths import Lengths
from lrbench.config.settings import Restart
from lrbench.config.triggering import FittedTrigger, fit_trigger
from lrbench.errors import ConfigError, LrbenchError, Problem, ScheduleError
from lrbench.restarts.policy import rewarm_steps
from lrbench.schedules.base import Schedule
from lrbench.schedules.frozen import replanned
from lrbench.schedules.frozen import shortest_cycle as shortest_planned
from lrbench.schedules.rewarm import rewarmed
from lrbench.spec.run import Component
from lrbench.triggers.base import Aftermath


@dataclass(frozen=True)
class KnownCourse:
    """What is known of a learning rate before it is trained with.

    Parameters
    ----------
    schedule : Schedule
        While no trigger fires.
    rewarm : int in [0, inf), in updates
        Of every restart.
    trigger : FittedTrigger or None
    """

    schedule: Schedule
    rewarm: int
    trigger: FittedTrigger | None = None


def known_course(
    asked: Restart,
    trigger: Component | None,
    component: Component,
    schedule: Schedule,
    lr: float,
    beta2: float | None,
    lengths: Lengths,
    findings: Findings,
) -> KnownCourse:
    """The course of a run that these settings ask for.

    Parameters
    ----------
    asked : Restart
        Settings of restarts, the re-warmup as typed.
    trigger : Component, optional
        Lengths as typed.
    component, schedule : Component, Schedule
        Of the learning rate, fitted to the run; with a trigger, to be made anew for every cycle.
    lr : float
        Base learning rate.
    beta2 : float, optional
        The optimizer's; see :func:`lrbench.restarts.policy.rewarm_steps`.

    Raises
    ------
    ConfigError
        They do not fit the run, with whatever was found before.
    """
    total = lengths.train.steps
    if trigger is None:
        shortest = shortest_cycle(schedule, total)
        steps = asked_rewarm(asked, shortest, beta2, lengths, findings)
        if asked.rewarm is None:
            # The rule counts a cycle as it was planned, the rise has to end within what is left.
            starts = (*schedule.restarts(total), total)
            steps = min([steps, *(b - a for a, b in pairwise(starts))])
        course = findings.attempt("", rewarmed, schedule, steps, total)
        return KnownCourse(course or schedule, steps)
    fitted = fitted_trigger(asked, trigger, beta2, lengths, findings)
    after = fitted.trigger.after
    make = partial(_cycle, component, lr)
    findings.insist("", _check_cycles, make, after, total, schedule)
    planned = findings.attempt_own(
        component.target,
        "schedule",
        replanned,
        make,
        (),
        total_steps=total,
        peak_decay=after.peak_decay,
        decay_factor=after.decay_factor,
        num_cycles=after.num_cycles,
        final_fraction=after.final_fraction,
    )
    findings.raise_if_any()
    assert planned is not None
    return KnownCourse(planned, fitted.rewarm, fitted)


def fitted_trigger(
    asked: Restart,
    trigger: Component,
    beta2: float | None,
    lengths: Lengths,
    findings: Findings,
) -> FittedTrigger:
    """The trigger of a run with the re-warmup of its restarts.

    Raises
    ------
    ConfigError
        They do not fit the run, with whatever was found before.
    """
    # The cycles it can make do not depend on the re-warmup, which depends on them.
    fitted = findings.insist("trigger", fit_trigger, trigger, lengths, 0)
    after, total = fitted.trigger.after, lengths.train.steps
    shortest = shortest_planned(
        total, num_cycles=after.num_cycles, final_fraction=after.final_fraction
    )
    steps = asked_rewarm(asked, shortest, beta2, lengths, findings)
    if not steps or after.num_cycles == 1:
        # Where the rate never jumps there is no rise, and nothing has to wait for its end.
        return fitted
    findings.insist("", _check_rewarm, steps, asked.rewarm, shortest)
    return findings.insist("trigger", fit_trigger, trigger, lengths, steps)


def asked_rewarm(
    asked: Restart,
    shortest: int,
    beta2: float | None,
    lengths: Lengths,
    findings: Findings,
) -> int:
    """The re-warmup in updates: as typed, or by the rule for a shortest cycle.

    Raises
    ------
    ConfigError
        As typed it is no length, with whatever was found before.
    """
    if asked.rewarm is None:
        return rewarm_steps(max(shortest, 1), beta2)
    return findings.insist("", lengths.updates, "restart.rewarm", asked.rewarm, least=0)


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
    """The schedule of a cycle.

    Raises
    ------
    ScheduleError
        It cannot be made for so many steps; of the user's own, whatever it raises.
    """
    try:
        return schedule_of(component, lr=lr, total_steps=steps)
    except (Exception, SystemExit) as error:
        if component.target is None or isinstance(error, LrbenchError):
            raise
        relation = f"must work with these settings (it {raised(error)})"
        raise ScheduleError(relation, key="_target_", got=component.target) from error


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
    shortest = shortest_planned(
        total, num_cycles=after.num_cycles, final_fraction=after.final_fraction
    )
    for steps in (total // after.num_cycles, max(1, shortest)):
        try:
            cycle = make(steps)
        except ScheduleError as error:
            raise ConfigError([_of_a_cycle(error.problems[0], steps)]) from None
        if cycle.restarts(steps):
            relation = f"must have no restarts in a cycle of {steps} updates"
            raise ConfigError(relation, key="schedule", remedy="schedule=cosine")
    return True


def _of_a_cycle(problem: Problem, steps: int) -> Problem:
    key, got = problem.key, problem.got
    is_length = isinstance(got, int) and not isinstance(got, bool)
    return Problem(
        f"{problem.relation}; here that is a cycle of {steps} updates, which the trigger may begin",
        key=f"schedule.{key}" if key else "schedule",
        got=got,
        remedy=f"schedule.{key}=5%" if key and is_length else "schedule=cosine",
    )


def _check_rewarm(rewarm: int, typed: object, shortest: int) -> bool:
    """Refuse a rise that is longer than a cycle that the trigger may begin.

    Raises
    ------
    ConfigError
    """
    if rewarm > shortest:
        raise ConfigError(
            f"must not be longer than the shortest cycle the trigger may begin ({shortest} steps)",
            key="restart.rewarm",
            got=typed,
            remedy=f"restart.rewarm={shortest}",
        )
    return True
