"""The learning rates that specifications come to, for many runs at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lrbench.errors import LrbenchError
from lrbench.report.sanity.curves import Rates
from lrbench.report.sanity.study import Facts, Floats, Study
from lrbench.schedules.catalog import build_schedule
from lrbench.schedules.events import Event
from lrbench.schedules.rewarm import rewarmed
from lrbench.spec.run import RunSpec


def expected_rates(study: Study, *, without_torch: bool = False) -> tuple[Rates, list[str]]:
    """The rate of every update by run, and the runs whose schedule cannot be had without trust.

    Those of a schedule without a trigger are tabulated once an arm. Twins, whose rates follow from
    their parents', are left out; and ``without_torch`` so are those that are made by it, or by a
    trigger, for torch takes seconds to load.
    """
    expected: dict[str, Floats] = {}
    unknown: list[str] = []
    for arm in study.arms:
        try:
            if not (without_torch and _needs_torch(arm.runs[0])):
                expected |= dict(_of_arm(arm.runs))
        except (LrbenchError, LookupError, TypeError, ValueError):
            unknown += arm.ids
    return expected, unknown


def _needs_torch(run: Facts) -> bool:
    return run.spec["schedule"]["target"] is not None or run.spec.get("trigger") is not None


def _of_arm(runs: tuple[Facts, ...]) -> Iterator[tuple[str, Floats]]:
    spec = RunSpec.of(runs[0].spec, runs[0].run)
    if spec.fork is not None:
        return
    if spec.schedule.target is None and spec.trigger is None:
        rates = _tabulated(spec)
        yield from ((run.run, rates) for run in runs)
        return
    # They load torch, which takes longer than all the rest.
    from lrbench.workflows.plan import course_in
    from lrbench.workflows.recorded import refuse_own_code

    if spec.schedule.target is not None:
        refuse_own_code(spec, runs[0].run)
    for run in runs:
        spec = RunSpec.of(run.spec, run.run)
        events = tuple(Event(**event) for event in run.result.get("events", ()))
        per_epoch = max(1, run.samples // spec.train.batch_size)
        yield run.run, course_in(spec, events, per_epoch).rates


def _tabulated(spec: RunSpec) -> Floats:
    """As :func:`lrbench.engine.tables.tabulate` does it, which has torch behind it."""
    steps = spec.train.steps
    schedule = build_schedule(spec.schedule.name, spec.schedule.params, steps)
    schedule = rewarmed(schedule, spec.restart.rewarm, steps)
    return np.array([schedule(step) * spec.optimizer.lr for step in range(steps)])
