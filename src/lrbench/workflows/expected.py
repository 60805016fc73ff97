"""The learning rates that specifications come to, for many runs at once."""

from __future__ import annotations

from collections.abc import Iterator

from lrbench.errors import LrbenchError
from lrbench.report.sanity.curves import Rates
from lrbench.report.sanity.study import Facts, Floats, Study
from lrbench.schedules.events import Event
from lrbench.spec.run import RunSpec


def expected_rates(study: Study) -> tuple[Rates, list[str]]:
    """The rate of every update by run, and the runs whose schedule cannot be had without trust.

    Those of a schedule without a trigger are tabulated once an arm. Twins, whose rates follow from
    their parents', are left out.
    """
    expected: dict[str, Floats] = {}
    unknown: list[str] = []
    for arm in study.arms:
        try:
            expected |= dict(_of_arm(arm.runs))
        except (LrbenchError, LookupError, TypeError, ValueError):
            unknown += arm.ids
    return expected, unknown


def _of_arm(runs: tuple[Facts, ...]) -> Iterator[tuple[str, Floats]]:
    # They load torch, which costs a second.
    from lrbench.workflows.plan import course_in
    from lrbench.workflows.recorded import refuse_own_code

    first = RunSpec.of(runs[0].spec, runs[0].run)
    if first.fork is not None:
        return
    if first.schedule.target is not None:
        refuse_own_code(first, runs[0].run)
    if first.trigger is None:
        rates = course_in(first, (), 1).rates
        yield from ((run.run, rates) for run in runs)
        return
    for run in runs:
        events = tuple(Event(**event) for event in run.result["events"])
        spec = RunSpec.of(run.spec, run.run)
        per_epoch = run.samples // spec.train.batch_size
        yield run.run, course_in(spec, events, per_epoch).rates
