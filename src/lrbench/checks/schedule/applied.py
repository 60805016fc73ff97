"""What a schedule does to a weight: its rates as the engine applies them, beside the exact ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from numbers import Real
from typing import Any, NamedTuple

import torch
from torch import nn

from lrbench.checks.reference.exact import Exact
from lrbench.checks.reference.numbers import Number, double, miss
from lrbench.engine.flat import FlatModel
from lrbench.engine.optimizers import OPTIMIZERS, BoundOptimizer
from lrbench.engine.tables import tabulate
from lrbench.schedules.base import Schedule

LONGEST = 100_000
"""Updates that are made one by one; of a longer run, evenly spread ones and those at restarts."""

RELATIVE = 1e-12
ULPS = 4
"""A rate may be off by so much of itself, for powers of long products, and by so many units in the
last place of the highest rate, for the few roundings of a formula and the one of the product."""


class Update(NamedTuple):
    """One update: the rate in the table, that of the optimizer, the way of the weight, and truth.

    ``miss`` is how far the weight went beyond ``due``.
    """

    step: int
    rate: float
    in_optimizer: float
    way: float
    due: Number | None
    miss: float


class Accuracy(NamedTuple):
    """How near a schedule comes to its formula.

    ``ulps`` is the largest error, in units in the last place of the highest rate, and ``step``
    where it is; ``updates`` are those compared.
    """

    updates: int
    ulps: float
    step: int


class Course(NamedTuple):
    """Factors from step 0 on, as they came, up to the exception that ended them."""

    factors: tuple[Any, ...]
    error: BaseException | None


@dataclass(frozen=True)
class Subject:
    """The schedule under examination and the run it is for.

    Parameters
    ----------
    schedule : Schedule
    settings : mapping
        Lengths in updates.
    lr : float
    total_steps : int in [1, inf), in updates
    exact : Exact or None
        The reference, where there is one.
    build : callable, () -> Schedule
        Makes the schedule anew.
    """

    schedule: Schedule
    settings: Mapping[str, Any]
    lr: float
    total_steps: int
    exact: Exact | None
    build: Callable[[], Schedule]

    @cached_property
    def course(self) -> Course:
        """The run, and as much again behind its end."""
        factors: list[Any] = []
        try:
            for step in range(self.total_steps + min(self.total_steps, LONGEST) + 10):
                factors.append(self.schedule(step))  # noqa: PERF401 - those before an error count
        except (Exception, SystemExit) as error:
            return Course(tuple(factors), error)
        return Course(tuple(factors), None)

    @cached_property
    def factors(self) -> tuple[Any, ...]:
        """Those of the run."""
        return self.course.factors[: self.total_steps]

    @cached_property
    def steps(self) -> list[int]:
        """Steps of the run that are looked at one by one."""
        return spread(self.total_steps, LONGEST, self.exact.restarts if self.exact else ())

    @cached_property
    def updates(self) -> tuple[Update, ...]:
        """Every update as it is really made."""
        table = tabulate([self.schedule], [self.lr], self.total_steps)[:, 0]
        rates = [float(table[step]) for step in self.steps]
        return tuple(
            Update(step, rate, in_optimizer, way, due, 0.0 if due is None else miss(way, due))
            for step, rate, (in_optimizer, way) in zip(
                self.steps, rates, made(rates, self.lr), strict=True
            )
            for due in (self.due(step),)
        )

    def due(self, step: int) -> Number | None:
        """The exact rate of a step."""
        return self.exact and self.exact.factor(step) * Fraction(self.lr)

    @cached_property
    def unit(self) -> float:
        """One unit in the last place of the highest rate that is due."""
        return math.ulp(max((double(update.due) for update in self.updates), default=self.lr))

    def is_wrong(self, off: float, due: Number) -> bool:
        """Whether a rate is farther from ``due`` than rounding explains."""
        return not abs(off) <= RELATIVE * abs(double(due)) + ULPS * self.unit

    @property
    def accuracy(self) -> Accuracy | None:
        """The largest error; None without a reference."""
        if self.exact is None:
            return None
        worst = max(self.updates, key=lambda update: abs(update.miss))
        return Accuracy(len(self.updates), abs(worst.miss) / self.unit, worst.step)


def made(rates: Iterable[float], lr: float) -> Iterator[tuple[float, float]]:
    """Make one update with each rate, by plain gradient descent in float64.

    The gradient is -1 and the weight starts from 0 each time, so that the way it goes is the rate,
    without a rounding.

    Yields
    ------
    in_optimizer, way : float, float
        The optimizer's rate at the moment of the update, and the weight after it.
    """
    model = nn.Module()
    model.weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    flat = FlatModel(model)
    optimizer = BoundOptimizer(flat, OPTIMIZERS["sgd"].builder, lr, {"momentum": 0.0}, own=False)
    assert model.weight.grad is not None
    model.weight.grad.fill_(-1.0)
    for rate in rates:
        flat.weight.zero_()
        in_optimizer = optimizer.update(rate)[0]
        yield in_optimizer, model.weight.item()


def unusable(factor: Any) -> str | None:
    """Why no update can be made with ``factor``; None if one can."""
    if type(factor) is bool or not isinstance(factor, Real):
        return f"of type {type(factor).__name__}; it should be a float"
    if not math.isfinite(factor):
        return "it should be finite"
    return "below 0" if factor < 0 else None


def spread(steps: int, most: int, wanted: Iterable[int] = ()) -> list[int]:
    """All of ``range(steps)``, or about ``most`` of them, the ends and those around ``wanted``."""
    if steps <= most:
        return list(range(steps))
    stride = -(-steps // most)
    near = {place + side for place in wanted for side in (-1, 0, 1)}
    return sorted({*range(0, steps, stride), steps - 1, *(step for step in near if step < steps)})
