"""Twins as plans: what a run has that parts from another one at a restart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lrbench.engine.base import Lane, Plan, Restart
from lrbench.engine.tables import control_rates
from lrbench.errors import RecordError
from lrbench.spec.restart import ForkSpec

Table = NDArray[np.float64]


def forked(whole: Plan, rates: Table, fork: ForkSpec) -> Plan:
    """The plan of a twin.

    Parameters
    ----------
    whole : Plan
        Of its parent, with all that the parent's trigger decided up to the twin's end.
    rates : ndarray of shape (total_steps, num_lanes), float64
        The whole ones of a run all of whose restarts are as the twin's one is.
    fork : ForkSpec

    Raises
    ------
    RecordError
        The parent has no such restart.
    """
    step, until = fork.step, fork.until
    is_control = fork.policy is None

    def cut(table: Table) -> Table:
        if not is_control:
            return table[:until]
        columns = [control_rates(column, step, until) for column in table.T.tolist()]
        return np.array(columns, dtype=np.float64).T

    return replace(
        whole,
        rates=cut(np.concatenate([whole.rates[:step], rates[step:]])),
        momenta=None if whole.momenta is None else cut(whole.momenta),
        weight_decays=None if whole.weight_decays is None else cut(whole.weight_decays),
        lanes=tuple(_lane(lane, fork, whole.total_steps) for lane in whole.lanes),
    )


def _lane(lane: Lane, fork: ForkSpec, total: int) -> Lane:
    known = {restart.step: restart for restart in lane.restarts}
    ends = {restart.step for restart in lane.restarts} | {total}
    restart = known.get(fork.step)
    if restart is None or restart.cycle != fork.restart or fork.until not in ends:
        relation = f"must have restart {fork.restart} at step {fork.step} and a cycle to its end"
        raise RecordError(f"{relation} at step {fork.until}", key="the parent of the twin")
    return replace(lane, restarts=tuple(_restarts(lane, fork)), adaptive=None)


def _restarts(lane: Lane, fork: ForkSpec) -> Iterator[Restart]:
    """Those up to the end of the twin, with the lengths their cycles were planned for.

    Where the twin does not restart and its parent does, it is looked at as closely: their rows are
    to be compared, and up to the fork they are the same.
    """
    for restart in lane.restarts:
        if restart.step < fork.step:
            yield restart
        elif restart.step == fork.step:
            yield replace(restart, policy=fork.policy)
        elif restart.step == fork.until:
            yield replace(restart, policy=None)
