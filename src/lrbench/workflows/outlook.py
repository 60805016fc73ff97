"""What triggers and restarts of a run come to, in words, before it is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lrbench.config.course import KnownCourse
from lrbench.config.triggering import FittedTrigger
from lrbench.restarts.policy import policy_name
from lrbench.schedules.frozen import anneal_start
from lrbench.spec.run import RunSpec
from lrbench.triggers.base import Need, Trigger
from lrbench.triggers.catalog import build_trigger

if TYPE_CHECKING:
    from lrbench.config.resolve import Resolved

MOST_NAMED = 10
"""Restarts that are named; of others it is said that there are more."""

WATCHED: dict[Need, str] = {
    "val_loss": "the held-out loss",
    "cosine": "the cosine of gradient and momentum",
    "path": "how far the weights get on their way",
    "noise": "the noise of the gradient",
}


def course_in_words(course: KnownCourse, total_steps: int) -> tuple[str, ...]:
    """What a curve of this course does not show."""
    if course.trigger is None:
        return ()
    fitted = course.trigger
    return (
        trigger_in_words(fitted, total_steps),
        "shown is the schedule while nothing fires: restarts and decays are decided in the run",
    )


def outlook(run: Resolved) -> Iterator[str]:
    """Sentences about the restarts of a run: when, what decides on them, what they do."""
    spec = run.spec
    policy = policy_name(spec.restart)
    if spec.trigger is not None:
        fitted = FittedTrigger(spec.trigger, _built(spec), spec.restart.rewarm)
        yield trigger_in_words(fitted, spec.train.steps)
        if fitted.trigger.after.num_cycles > 1 or fitted.trigger.after.only_resets:
            yield f"what a restart does: {policy}"
        return
    from lrbench.workflows.plan import course_in

    steps = [restart.step for restart in course_in(spec, (), 1).restarts]
    if not steps:
        yield "no warm restarts"
        return
    named = ", ".join(map(str, steps[:MOST_NAMED])) + (", …" if len(steps) > MOST_NAMED else "")
    yield f"warm restarts at updates {named}"
    yield f"what a restart does: {policy}"


def trigger_in_words(fitted: FittedTrigger, total_steps: int) -> str:
    """What a trigger watches, what it may do, and where."""
    trigger, params = fitted.trigger, fitted.component.params
    after = trigger.after
    most = params["max_restarts"]
    times = "once" if most == 1 else f"{most} times"
    every = "update" if trigger.every == 1 else f"{trigger.every} updates"
    words = f"trigger {trigger.name} watches {_watched(trigger)} every {every}"
    words += f"; it may {_action(trigger, params)} at most {times}"
    limits = []
    reserve = anneal_start(total_steps, after.final_fraction)
    if reserve < total_steps:
        limits.append(f"before update {reserve}")
    if after.num_cycles > 1 and params.get("gate") is not None:
        limits.append(f"where the rate is at most {params['gate']:g} of its cycle's peak")
    words += f", only {' and '.join(limits)}" if limits else ""
    return words


def _watched(trigger: Trigger) -> str:
    found = next((WATCHED[need] for need in sorted(trigger.needs)), None)
    if found is None:
        found = "the norm of the gradient" if trigger.name == "grad_norm" else "the train loss"
    return found


def _action(trigger: Trigger, params: Mapping[str, Any]) -> str:
    if trigger.after.only_resets:
        return "reset the state of the optimizer"
    if trigger.after.num_cycles == 1:
        return "lower the rate"
    is_both = params.get("on_plateau") == "decay_then_restart"
    return "lower the rate and then restart, the latter" if is_both else "restart"


def _built(spec: RunSpec) -> Trigger:
    assert spec.trigger is not None
    return build_trigger(
        spec.trigger.name,
        spec.trigger.params,
        total_steps=spec.train.steps,
        steps_per_epoch=1,  # its lengths are in updates already
        eval_every=spec.train.eval_every,
        batch_size=spec.train.batch_size,
        rewarm_steps=spec.restart.rewarm,
    )
