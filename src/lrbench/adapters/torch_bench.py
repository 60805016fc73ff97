"""A torch scheduler at work on an optimizer that trains nothing, and what it wrote there."""

from __future__ import annotations

import contextlib
import copy
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CyclicLR

from lrbench.adapters.torch_scheduler import name_of, refuse_metric
from lrbench.errors import LrbenchError

MOMENTUM = 0.9
"""Momentum of the optimizer a scheduler is driven on."""


def weights() -> list[torch.Tensor]:
    """One weight without a gradient: every optimizer's ``step()`` leaves it alone."""
    return [torch.nn.Parameter(torch.zeros(1))]


def sgd(lr: float) -> Optimizer:
    """The optimizer a scheduler is driven on unless a check wants another."""
    return torch.optim.SGD(weights(), lr=lr, momentum=MOMENTUM)


@contextlib.contextmanager
def undisturbed() -> Iterator[list[str]]:
    """Run other people's code: it may draw and warn, and nobody outside notices.

    Yields
    ------
    list of str
        Filled at the end with what was warned of, each text once.
    """
    numpy = sys.modules.get("numpy")
    drawn = random.getstate(), torch.get_rng_state(), numpy and numpy.random.get_state()
    heard: list[str] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            yield heard
    finally:
        heard.extend(dict.fromkeys(str(warning.message) for warning in caught))
        random.setstate(drawn[0])
        torch.set_rng_state(drawn[1])
        if numpy:
            numpy.random.set_state(drawn[2])


class Bench:
    """A scheduler on its optimizer.

    Parameters
    ----------
    found : callable
    settings : mapping
    optimizer : torch optimizer
        New, or with the state of a checkpoint.

    Raises
    ------
    ConfigError
        The scheduler follows a metric.
    Exception
        Whatever ``found`` raises.
    """

    def __init__(
        self, found: Callable[..., Any], settings: Mapping[str, Any], optimizer: Optimizer
    ) -> None:
        self.optimizer = optimizer
        self.scheduler = found(optimizer, **copy.deepcopy(dict(settings)))
        refuse_metric(self.scheduler, name_of(found))
        if not callable(getattr(self.scheduler, "step", None)):
            got = type(self.scheduler).__name__
            raise TypeError(f"expected a scheduler with a method step(), got {got}")

    @property
    def group(self) -> dict[str, Any]:
        """The one parameter group of the optimizer."""
        return self.optimizer.param_groups[0]

    @property
    def rate(self) -> float:
        """What the next update would be made with."""
        return float(self.group["lr"])

    def advance(self) -> None:
        """Make an update, then step the scheduler."""
        self.optimizer.step()
        self.scheduler.step()

    def rates(self, steps: int) -> list[float]:
        """The rates of the next ``steps`` updates; the scheduler is not stepped after the last."""
        rates = [self.rate] if steps > 0 else []
        while len(rates) < steps:
            self.advance()
            rates.append(self.rate)
        return rates


@dataclass(frozen=True)
class Course:
    """What a scheduler wrote while it was driven.

    Parameters
    ----------
    rates, momenta : tuple of float
        Of every update that was reached.
    restarts : tuple of int
        Steps at which some ``T_cur`` fell back.
    cycle_steps : int, optional
        Length of a cycle of ``CyclicLR``, where it is a whole number.
    error : Exception, optional
        What it raised at step ``len(rates)``; with no rates, when it was built.
    """

    rates: tuple[float, ...]
    momenta: tuple[float, ...]
    restarts: tuple[int, ...] = ()
    cycle_steps: int | None = None
    error: BaseException | None = None


def drive(
    found: Callable[..., Any], settings: Mapping[str, Any], *, lr: float, steps: int
) -> Course:
    """Drive a scheduler through ``steps`` updates, or as many as it lets itself be driven."""
    rates: list[float] = []
    momenta: list[float] = []
    restarts: list[int] = []
    cycle_steps: int | None = None
    error: BaseException | None = None
    try:
        bench = Bench(found, settings, sgd(lr))
        cycle_steps = _cycle_steps(bench.scheduler)
        positions = _positions(bench.scheduler)
        for step in range(steps):
            if step:
                bench.advance()
                before, positions = positions, _positions(bench.scheduler)
                if any(now < then for now, then in zip(positions, before, strict=False)):
                    restarts.append(step)
            rate, momentum = bench.rate, float(bench.group["momentum"])
            rates.append(rate)
            momenta.append(momentum)
    except LrbenchError:
        raise
    except (Exception, SystemExit) as raised:
        error = raised
    return Course(tuple(rates), tuple(momenta), tuple(restarts), cycle_steps, error)


def parts(scheduler: Any) -> list[Any]:
    """The scheduler and, where it is made of others, those, outermost first."""
    inner = getattr(scheduler, "_schedulers", ())
    return [scheduler, *(part for each in inner for part in parts(each))]


def _positions(scheduler: Any) -> list[float]:
    return [float(part.T_cur) for part in parts(scheduler) if hasattr(part, "T_cur")]


def _cycle_steps(scheduler: Any) -> int | None:
    if not isinstance(scheduler, CyclicLR):
        return None
    length = float(scheduler.total_size)
    return int(length) if length.is_integer() else None
