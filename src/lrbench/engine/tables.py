"""Schedules as tables: every value of a run is computed once, in float64, before training."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lrbench.engine.base import Restart
from lrbench.errors import ScheduleError
from lrbench.schedules.base import Schedule
from lrbench.spec.restart import RestartSpec


def tabulate(
    schedules: Sequence[Schedule], rates: Sequence[float], total_steps: int
) -> NDArray[np.float64]:
    """``factor(t) * lr`` of every update.

    Parameters
    ----------
    schedules, rates : sequences of length num_lanes
        A schedule and a base learning rate for each lane.
    total_steps : int

    Returns
    -------
    ndarray of shape (total_steps, num_lanes), float64

    Raises
    ------
    ScheduleError
        A schedule gives a factor that is not finite or is negative; the step is named.
    """
    table = np.empty((total_steps, len(schedules)), dtype=np.float64)
    for lane, (schedule, rate) in enumerate(zip(schedules, rates, strict=True)):
        table[:, lane] = [schedule(step) * rate for step in range(total_steps)]
    wrong = np.argwhere(~(np.isfinite(table) & (table >= 0)))
    if len(wrong):
        step, lane = (int(i) for i in wrong[0])
        relation = f"must be finite and not negative at every step; step {step} is not"
        raise ScheduleError(relation, got=float(table[step, lane]))
    return table


def restarts_of(schedule: Schedule, total_steps: int, policy: RestartSpec) -> tuple[Restart, ...]:
    """The warm restarts of a run, with the length each new cycle has in it.

    ``policy`` is what each of them does to the state.

    Where something else than the schedule has decided on them they have the lengths that they were
    planned with, and their causes.
    """
    if schedule.planned is not None:
        return tuple(
            Restart(
                restart.step,
                restart.cycle,
                restart.planned_length,
                policy,
                cause=restart.cause,
                statistic=restart.statistic,
                threshold=restart.threshold,
            )
            for restart in schedule.planned
            if restart.step < total_steps
        )
    starts = schedule.restarts(total_steps)
    ends = (*starts[1:], total_steps)
    return tuple(
        Restart(step, cycle, end - step, policy)
        for cycle, (step, end) in enumerate(zip(starts, ends, strict=False), start=1)
    )


def control_rates(rates: Sequence[float], step: int, until: int) -> list[float]:
    """The rates of a run that does not restart at ``step`` and is annealed to the same end.

    Unchanged before ``step``; from ``rates[step - 1]`` at ``step - 1`` on the straight line that
    gets to ``rates[until - 1]`` at ``until - 1``, and is exactly there.

    Parameters
    ----------
    rates : sequence of float
        Of the run that does restart.
    step : int in [1, until)
    until : int in (step, len(rates)], updates

    Returns
    -------
    list of float, of length ``until``
    """
    first, last = rates[step - 1], rates[until - 1]
    line = [
        first + (last - first) * ((t - (step - 1)) / (until - step)) for t in range(step, until - 1)
    ]
    return [*rates[:step], *line, last]


def table_digest(column: NDArray[np.float64]) -> str:
    """sha256 of one run's learning rates, little-endian float64 in the order of the steps."""
    return hashlib.sha256(column.astype("<f8").tobytes()).hexdigest()
