"""What an engine needs to train a specification."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from lrbench.adapters.build import schedule_of
from lrbench.config.resolve import Resolved
from lrbench.engine import loop
from lrbench.engine.base import Adaptive, Course, Lane, Plan, Train
from lrbench.engine.lanes import train as lanes
from lrbench.engine.optimizers import base_settings
from lrbench.engine.tables import restarts_of, table_digest, tabulate
from lrbench.errors import RecordError
from lrbench.schedules.base import Schedule
from lrbench.schedules.events import Event
from lrbench.schedules.frozen import replanned
from lrbench.schedules.rewarm import rewarmed
from lrbench.spec.canonical import canonical
from lrbench.spec.imports import resolve_import
from lrbench.spec.restart import RestartSpec
from lrbench.spec.run import Component, RunSpec
from lrbench.streams import Streams
from lrbench.tasks.base import Prepared
from lrbench.tasks.data.catalog import prepare
from lrbench.tasks.models.build import build_model
from lrbench.triggers.catalog import build_trigger
from lrbench.workflows.forks import forked

ENGINES: dict[str, Train] = {"loop": loop.train, "lanes": lanes.train}


def make_plan(spec: RunSpec, data: Prepared) -> Plan:
    """What the engine needs to train ``spec``."""
    plan = _whole_plan(spec, data)
    if spec.fork is None:
        return plan
    policy = spec.fork.policy or spec.restart
    per_epoch = len(data.train) // spec.train.batch_size
    rates = _course(spec, per_epoch, policy).rates[:, np.newaxis]
    return forked(plan, rates, spec.fork)


def _whole_plan(spec: RunSpec, data: Prepared) -> Plan:
    """The plan of a run, of a twin that of its parent."""
    per_epoch = len(data.train) // spec.train.batch_size
    course = _course(spec, per_epoch, spec.restart)
    adaptive = None
    if spec.trigger is not None:
        adaptive = _adaptive(spec, spec.trigger, per_epoch, spec.restart)
    target = None
    if spec.model.target is not None:
        target = resolve_import(spec.model.target, key="model._target_")
    model = spec.model
    return Plan(
        data=data,
        build_model=lambda streams: build_model(
            model.name, model.params, data.info, streams, target
        ),
        rates=course.rates[:, np.newaxis],
        momenta=_scheduled(spec, "momentum", spec.optimizer.momentum_schedule),
        weight_decays=_scheduled(spec, "weight_decay", spec.optimizer.weight_decay_schedule),
        batch_size=spec.train.batch_size,
        eval_every=spec.train.eval_every,
        layers_every=spec.diagnostics.layers_every,
        compute=spec.compute,
        lanes=(
            Lane(
                Streams(spec.seed, spec.streams.pinned()),
                spec.optimizer,
                course.restarts,
                adaptive,
            ),
        ),
        restart_window=spec.diagnostics.restart_window,
        model_key=canonical({"model": model.model_dump(mode="json"), "data": asdict(data.info)}),
        curvature=spec.diagnostics.curvature,
    )


def course_in(spec: RunSpec, events: tuple[Event, ...], steps_per_epoch: int) -> Course:
    """The rates and restarts of a run that is over.

    Parameters
    ----------
    spec : RunSpec
    events : tuple of Event
        What its trigger decided; none where it has no trigger.
    steps_per_epoch : int in [1, inf)
    """
    if spec.trigger is None:
        return _course(spec, steps_per_epoch, spec.restart)
    return _adaptive(spec, spec.trigger, steps_per_epoch, spec.restart).course(events)


def _course(spec: RunSpec, steps_per_epoch: int, policy: RestartSpec) -> Course:
    """Rates and restarts as they are known beforehand: of a twin all there were.

    ``policy`` is what restarts do; of a twin perhaps another one than its parent had.
    """
    if spec.trigger is None:
        schedule = _as_specified(spec.schedule, spec.optimizer.lr, spec.train.steps)
        return course_of(schedule, spec, policy)
    adaptive = _adaptive(spec, spec.trigger, steps_per_epoch, policy)
    known = spec.fork.events if spec.fork else ()
    return adaptive.course(tuple(Event(**vars(event)) for event in known))


def course_of(schedule: Schedule, spec: RunSpec, policy: RestartSpec) -> Course:
    """The rates and restarts that a schedule of the learning rate comes to."""
    steps = spec.train.steps
    schedule = rewarmed(schedule, policy.rewarm, steps)
    rates = tabulate([schedule], [spec.optimizer.lr], steps)[:, 0]
    return Course(rates, restarts_of(schedule, steps, policy))


def _adaptive(
    spec: RunSpec, component: Component, steps_per_epoch: int, policy: RestartSpec
) -> Adaptive:
    """The trigger of a run; its decisions make a frozen schedule of the one specified.

    The trigger is that of the run's own policy, whatever another ``policy`` makes of the rates.
    """
    steps, lr = spec.train.steps, spec.optimizer.lr
    # Made anew for every cycle, a schedule of the user's own must be the one that was recorded.
    _as_specified(spec.schedule, lr, steps)
    trigger = build_trigger(
        component.name,
        component.params,
        total_steps=steps,
        steps_per_epoch=steps_per_epoch,
        eval_every=spec.train.eval_every,
        batch_size=spec.train.batch_size,
        rewarm_steps=spec.restart.rewarm,
    )
    after = trigger.after

    def course(events: tuple[Event, ...]) -> Course:
        schedule = replanned(
            lambda length: schedule_of(spec.schedule, lr=lr, total_steps=length),
            events,
            total_steps=steps,
            peak_decay=after.peak_decay,
            decay_factor=after.decay_factor,
            num_cycles=after.num_cycles,
            final_fraction=after.final_fraction,
        )
        return course_of(schedule, spec, policy)

    return Adaptive(trigger, policy, course)


def _scheduled(spec: RunSpec, name: str, component: Component | None) -> NDArray[np.float64] | None:
    """Momentum or weight decay of every update; None where it does not change."""
    if component is None:
        return None
    target = None
    if spec.optimizer.target is not None:
        target = resolve_import(spec.optimizer.target, key="optimizer._target_")
    base = base_settings(spec.optimizer, target)[name]
    schedule = _as_specified(component, spec.optimizer.lr, spec.train.steps)
    return tabulate([schedule], [base], spec.train.steps)


def _as_specified(component: Component, lr: float, total_steps: int) -> Schedule:
    """The schedule of a specification.

    Raises
    ------
    RecordError
        A user's own no longer gives the factors the run was specified with.
    """
    schedule = schedule_of(component, lr=lr, total_steps=total_steps)
    if component.target is not None:
        digest = table_digest(tabulate([schedule], [1.0], total_steps)[:, 0])
        if digest != component.code:
            relation = "must give the factors the run was specified with"
            raise RecordError(relation, key=f"schedule {component.target}")
    return schedule


def load_data(run: Resolved) -> Prepared:
    """The data of a run, as its specification has them.

    Raises
    ------
    RecordError
        They are not the data the specification was made with.
    """
    spec = run.spec
    streams = Streams(spec.seed, spec.streams.pinned())
    builder = None
    if spec.dataset.target is not None:
        builder = resolve_import(spec.dataset.target, key="dataset._target_")
    data = prepare(
        spec.dataset.name, run.data_settings, split_root=streams.root_of("split"), builder=builder
    )
    if data.digest != spec.dataset.digest:
        relation = f"must be the data the run was specified with ({spec.dataset.digest[:12]}…)"
        raise RecordError(relation, key="dataset", got=f"{data.digest[:12]}…")
    return data
