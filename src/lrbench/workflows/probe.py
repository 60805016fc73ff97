"""How long a run would take: a few updates and one evaluation, measured, leaving nothing."""

from __future__ import annotations

import time
from dataclasses import replace

from lrbench.config.resolve import Resolved
from lrbench.engine.base import Row, Start
from lrbench.engine.device import configure
from lrbench.engine.silent import Silent
from lrbench.workflows.plan import ENGINES, load_data, make_plan


class _Clock(Silent):
    """A sink that keeps nothing but times."""

    def __init__(self) -> None:
        self.begun = 0.0
        self.looks: list[float] = []

    def begin(self, start: Start) -> None:
        self.begun = time.perf_counter()

    def evals(self, row: Row) -> None:
        self.looks.append(time.perf_counter())


def seconds_of(run: Resolved, probe_steps: int) -> tuple[float, float]:
    """Seconds of one update and of one evaluation of this kind of run.

    The first updates of a process are slower than the rest, so a warm-up run comes first.
    """
    configure(run.spec.compute)
    plan = make_plan(run.spec, load_data(run))
    steps = min(probe_steps, plan.total_steps)
    # Looking once at the start, once in the middle and once at the end tells the two costs apart:
    # the second and third look differ by updates only.
    plan = replace(plan, rates=plan.rates[:steps], eval_every=max(1, steps // 2))
    engine = ENGINES[run.spec.compute.engine]
    engine(replace(plan, rates=plan.rates[:2], eval_every=2), [_Clock()])
    clock = _Clock()
    engine(plan, [clock])
    # What comes before is done once a run, or once a plan of many.
    look = clock.looks[0] - clock.begun
    update = max(clock.looks[-1] - clock.looks[0] - look * (len(clock.looks) - 1), 0.0) / steps
    return update, look
