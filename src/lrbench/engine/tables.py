"""Schedules as tables: every value of a run is computed once, in float64, before training."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lrbench.engine.base import Restart
from lrbench.errors import ScheduleError
from lrbench.schedules.base import Schedule


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


def control_rates(table: NDArray[np.float64], step: int, until: int) -> NDArray[np.float64]:
    """Rates of a run that does not restart at ``step`` and ends at ``until`` at the same rate.

    Up to ``step`` they are those of ``table``; from the one of update ``step - 1`` they go in a
    straight line to the one that ``table`` has at update ``until - 1``, and are there at that
    update. The same of momenta and weight decays.

    Parameters
    ----------
    table : ndarray of shape (total_steps, num_lanes), float64
    step : int in [1, until)
    until : int in [2, total_steps]

    Returns
    -------
    ndarray of shape (until, num_lanes), float64
    """
    rates = table[:until].copy()
    way = np.arange(1, until - step + 1)[:, None] / (until - step)
    # In this form the last one is the end exactly, and a constant one stays as it is to a bit.
    start, end = table[step - 1], table[until - 1]
    rates[step:] = np.where(start == end, end, (1 - way) * start + way * end)
    return rates


def restarts_of(schedule: Schedule, total_steps: int) -> tuple[Restart, ...]:
    """The warm restarts of a run, with the length each new cycle has in it."""
    starts = schedule.restarts(total_steps)
    ends = (*starts[1:], total_steps)
    return tuple(
        Restart(step, cycle, end - step)
        for cycle, (step, end) in enumerate(zip(starts, ends, strict=False), start=1)
    )


def table_digest(column: NDArray[np.float64]) -> str:
    """sha256 of one run's learning rates, little-endian float64 in the order of the steps."""
    return hashlib.sha256(column.astype("<f8").tobytes()).hexdigest()
