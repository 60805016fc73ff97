"""The torch scheduler under examination, and the ways a probe may drive it."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch.optim import Optimizer

from lrbench.adapters.torch_bench import Bench, Course, drive, parts, sgd
from lrbench.checks.findings import Finding

TOLERANCE = 1e-9
"""Rates this far apart, relative to the highest, are the same: recursive forms drift by 1e-12."""

LONGEST = 20_000
"""Most steps that are driven beyond the run, or in a loop of cuts."""


@dataclass(frozen=True)
class Subject:
    """A scheduler, its settings and the run it is for.

    Parameters
    ----------
    found : callable
        Class or factory.
    settings : mapping
    lr : float
        The optimizer's base learning rate.
    total_steps : int in [1, inf), in updates
    """

    found: Callable[..., Any]
    settings: Mapping[str, Any]
    lr: float
    total_steps: int

    def bench(self, optimizer: Optimizer | None = None, **more: Any) -> Bench:
        """The scheduler anew, on the usual optimizer if none is given."""
        settings = {**self.settings, **more}
        return Bench(self.found, settings, optimizer or sgd(self.lr))

    def drive(self, steps: int, *, lr: float | None = None) -> Course:
        """Its rates over ``steps`` updates, at another base rate if one is given."""
        return drive(self.found, self.settings, lr=lr or self.lr, steps=steps)

    @cached_property
    def course(self) -> Course:
        """The run, and as much again behind its end."""
        return self.drive(self.total_steps + min(self.total_steps + 2, LONGEST))

    @property
    def rates(self) -> tuple[float, ...]:
        """Rates of the run, or of what the scheduler lets be run."""
        return self.course.rates[: self.total_steps]

    @property
    def first_steps(self) -> int:
        """Length of the run, or as much of it as is driven more than once."""
        return min(self.total_steps, LONGEST)

    @cached_property
    def scale(self) -> float:
        """The highest rate of the run: what differences are measured by."""
        return max(map(abs, self.rates), default=self.lr) or self.lr

    def differ(self, rate: float, other: float) -> bool:
        """Whether two rates are more than rounding apart; NaN differs from everything."""
        return not abs(rate - other) <= TOLERANCE * self.scale

    @cached_property
    def parts(self) -> list[Any]:
        """The scheduler as built and, where it is made of others, those."""
        return parts(self.bench().scheduler)

    @cached_property
    def takes_last_epoch(self) -> bool:
        """Whether it can be built in the middle of a run."""
        try:
            return "last_epoch" in inspect.signature(self.found).parameters
        except (ValueError, TypeError):
            return False

    @cached_property
    def keeps_state(self) -> bool:
        """Whether it has the two methods a checkpoint needs."""
        return all(hasattr(self.parts[0], name) for name in ("state_dict", "load_state_dict"))

    def cuts(self, steps_each: int) -> list[int]:
        """Steps at which to interrupt the run: all, or evenly spread so that work stays bounded."""
        last = len(self.rates) - 1
        stride = max(1, -(-last * steps_each // LONGEST))
        return list(range(1, last + 1, stride))


Probe = Callable[[Subject], Iterable[Finding]]
"""Looks for one kind of trouble. It may raise: what a user's scheduler raises is a finding too."""


def named(scheduler: Any) -> str:
    """The class of a scheduler."""
    return type(scheduler).__name__


def copied(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state dict as a checkpoint keeps it: nothing in it is shared with what goes on."""
    return copy.deepcopy(dict(state))
