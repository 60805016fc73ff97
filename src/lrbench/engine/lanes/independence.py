"""How independent a lane is of slot, width and company: measured, since no library promises it.

A short run is trained in several arrangements and its rows are held against each other, bit for
bit. Each level includes those before it:

- L0: not even the same arrangement twice, or with other neighbours, gives the same bits;
- L1: the same width and slot give the same bits in any company;
- L2: so does any slot, and any width from two up;
- L3: so does a width of one;
- L4: so does the loop engine.

Replaying a run among copies of itself needs L1. Where differences were ever found, they were there
within the first updates, so some dozens of updates are enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from lrbench.engine import loop
from lrbench.engine.base import Failure, Plan, Row
from lrbench.engine.lanes import train as lanes
from lrbench.engine.silent import Silent
from lrbench.streams import Streams

UPDATES = 64

RATE = 1e-3

HOT = 1e9
"""What the rate of a neighbour is multiplied by, so that it diverges."""


class Independence(StrEnum):
    """The levels."""

    L0 = "L0"
    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    L4 = "L4"


@dataclass(frozen=True)
class Trial:
    """One arrangement, held against the first.

    Parameters
    ----------
    name : str
        In words.
    parted_at : int or None
        The first update with another row; None: not one bit is another.
    """

    name: str
    parted_at: int | None

    @property
    def is_same(self) -> bool:
        """Whether every bit was the same."""
        return self.parted_at is None


@dataclass(frozen=True)
class Measured:
    """What was found.

    Parameters
    ----------
    level : Independence
        The highest that was found; where not all was tried, it may be higher in truth.
    trials : tuple of Trial
    is_whole : bool
        Whether everything was tried.
    """

    level: Independence
    trials: tuple[Trial, ...]
    is_whole: bool


def measure(plan: Plan, *, is_whole: bool = True) -> Measured:
    """The level of a plan's first lane.

    Parameters
    ----------
    plan : Plan
        Its first lane is tried, from its first update, without trigger or state.
    is_whole : bool
        Also other slots, widths and the loop: each width is a program of its own to compile.
    """
    short = _short(plan)
    width = plan.compute.lanes
    slot = min(3, width - 1)
    reference = _rows(short, slot)

    def trial(name: str, rows: Sequence[Row]) -> Trial:
        apart = (i for i, pair in enumerate(zip(reference, rows, strict=False)) if _differ(*pair))
        unequal = None if len(rows) == len(reference) else min(len(rows), len(reference))
        return Trial(name, next(apart, unequal))

    first = [
        trial("the same again", _rows(short, slot)),
        trial("neighbours that diverge", _rows(short, slot, with_neighbours=True)),
    ]
    if not all(one.is_same for one in first):
        return Measured(Independence.L0, tuple(first), is_whole)
    if not is_whole:
        return Measured(Independence.L1, tuple(first), is_whole)
    tried, level = list(first), Independence.L1
    for reached, trials in _further(short, slot, width):
        found = [trial(name, rows()) for name, rows in trials]
        tried += found
        if not all(one.is_same for one in found):
            break
        level = reached
    return Measured(level, tuple(tried), is_whole)


Trials = list[tuple[str, Callable[[], list[Row]]]]


def _further(plan: Plan, slot: int, width: int) -> Iterator[tuple[Independence, Trials]]:
    other = 0 if slot else width - 1
    half = max(2, width // 2)
    yield (
        Independence.L2,
        [
            (f"slot {other} instead of {slot}", lambda: _rows(plan, other)),
            ("2 lanes", lambda: _rows(_of_width(plan, 2), 1)),
            *(
                [(f"{half} lanes", lambda: _rows(_of_width(plan, half), half - 1))]
                if half > 2
                else []
            ),
        ],
    )
    yield Independence.L3, [("1 lane", lambda: _rows(_of_width(plan, 1), 0))]
    yield Independence.L4, [("the loop engine", lambda: _of_loop(plan))]


def _short(plan: Plan) -> Plan:
    """Updates of the first lane at a rate that every model bears, whatever the run is: a run that
    is over, or has diverged, before anything could part would show nothing.
    """
    lane = replace(plan.lanes[0], restarts=(), adaptive=None, state=None)
    return replace(
        plan,
        rates=np.full((UPDATES, 1), RATE),
        momenta=None,
        weight_decays=None,
        lanes=(lane,),
        slots=(0,),
        eval_every=UPDATES,
        layers_every=None,
        curvature=None,
    )


def _of_width(plan: Plan, width: int) -> Plan:
    # Made without a check, because a specification has two lanes at least.
    compute = plan.compute.model_construct(**dict(plan.compute) | {"lanes": width})
    return replace(plan, compute=compute)


def _rows(plan: Plan, slot: int, *, with_neighbours: bool = False) -> list[Row]:
    """The rows of the lane in this slot, among copies of itself or among others."""
    sink = _Rows()
    sinks = [sink]
    plan = replace(plan, slots=(slot,))
    if with_neighbours:
        others = [other for other in range(plan.compute.lanes) if other != slot]
        lane = plan.lanes[0]
        lanes_ = [replace(lane, streams=Streams(7919 + other)) for other in others]
        hot = np.where(np.arange(len(others)) % 2 == 0, HOT, 0.5)
        plan = replace(
            plan,
            rates=np.concatenate([plan.rates, plan.rates * hot], axis=1),
            momenta=_repeated(plan.momenta, len(others)),
            weight_decays=_repeated(plan.weight_decays, len(others)),
            lanes=(lane, *lanes_),
            slots=(slot, *others),
        )
        sinks += [_Rows() for _ in others]
    (first, *_) = lanes.train(plan, sinks)
    if isinstance(first, Failure):
        raise first.error
    return sink.rows


def _repeated(table: np.ndarray | None, times: int) -> np.ndarray | None:
    return None if table is None else np.repeat(table, 1 + times, axis=1)


def _of_loop(plan: Plan) -> list[Row]:
    sink = _Rows()
    loop.train(plan, [sink])
    return sink.rows


def _differ(one: Row, other: Row) -> bool:
    # By their text: a nan is not equal to itself.
    return repr(one) != repr(other)


class _Rows(Silent):
    """A sink that keeps the rows of updates and evaluations."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def steps(self, rows: Sequence[Row]) -> None:
        self.rows += rows

    def evals(self, row: Row) -> None:
        self.rows.append(row)
