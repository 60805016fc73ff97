"""torch's learning-rate schedulers, and factories of them, as schedules.

A torch scheduler is a state machine that writes into an optimizer; a schedule is a function of the
step. The way from one to the other is to drive it once, on an optimizer that trains nothing, and to
keep what it wrote. Nothing here loads torch before a scheduler is built.
"""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lrbench.errors import ConfigError, ScheduleError, nearest
from lrbench.schedules.base import Cycles, Schedule, no_cycles

if TYPE_CHECKING:
    from lrbench.adapters.torch_bench import Course

KEY = "_target_"
"""The setting of the ``schedule`` group that names the scheduler."""


def is_torch_scheduler(found: object) -> bool:
    """Whether ``found`` is a class of torch's schedulers or a factory of one.

    A factory is anything that can be called and whose first parameter is named ``optimizer``; it
    returns the scheduler. A plain function is recognised without torch: no class can be a torch
    scheduler before torch is loaded.
    """
    if isinstance(found, type) and issubclass(found, _scheduler_classes()):
        return True
    return next(iter(_parameters(found)), None) == "optimizer"


def follows_a_metric(found: object) -> bool:
    """Whether ``found``, a class or a scheduler, is torch's plateau scheduler."""
    plateau = getattr(sys.modules.get("torch.optim.lr_scheduler"), "ReduceLROnPlateau", ())
    return issubclass(found, plateau) if isinstance(found, type) else isinstance(found, plateau)


def refuse_metric(found: object, name: str) -> None:
    """A rate that depends on what a run measures is no function of the step.

    Raises
    ------
    ConfigError
        ``found`` is ``ReduceLROnPlateau``.
    """
    if follows_a_metric(found):
        relation = "must be a function of the step; ReduceLROnPlateau follows a metric"
        raise ConfigError(relation, key=KEY, got=name)


def name_of(found: Callable[..., Any]) -> str:
    """``module:name`` of a class, a function or the function inside a partial."""
    inner = getattr(found, "func", found)
    return f"{inner.__module__}:{getattr(inner, '__qualname__', type(inner).__qualname__)}"


def tabulate_scheduler(
    found: Callable[..., Any], settings: Mapping[str, Any], *, lr: float, total_steps: int
) -> Schedule:
    """What a torch scheduler does in a run, as a schedule.

    It is built on an SGD optimizer with momentum 0.9 that trains nothing and driven as torch asks:
    ``optimizer.step(); scheduler.step()``. Update t is made with the rate that stands in the
    optimizer before it.

    Parameters
    ----------
    found : callable
        Something :func:`is_torch_scheduler` recognises.
    settings : mapping
        Keyword arguments beside the optimizer; they are copied, the scheduler may change them.
    lr : float in (0, inf)
        The optimizer's base learning rate.
    total_steps : int in [1, inf), in updates

    Returns
    -------
    Schedule
        ``factor(t) * lr`` is torch's rate of update t, or the float next to it where no factor
        gives that very rate; a note says how many. The last factor is held past the end. Restarts
        are where a scheduler's ``T_cur`` returns to 0, cycles those of ``CyclicLR``.

    Raises
    ------
    ConfigError
        The scheduler follows a metric.
    ScheduleError
        It takes no such setting, cannot be built, raises on its way, or gives a rate that is
        negative or not finite.
    """
    from lrbench.adapters.torch_bench import MOMENTUM, drive, undisturbed

    name = name_of(found)
    if not 0 < lr < math.inf:
        raise ScheduleError("must be finite and above 0", key="lr", got=lr)
    refuse_metric(found, name)
    _check_settings(found, settings)
    with undisturbed() as warnings:
        course = drive(found, settings, lr=lr, steps=total_steps)
    _require_rates(course, name, total_steps)
    factors = tuple(exact_factor(rate, lr) for rate in course.rates)
    last = total_steps - 1
    return Schedule(
        lambda step: factors[min(step, last)],
        _cycles(course),
        conventions=_conventions(course, lr, MOMENTUM),
        notes=(
            *_rounding(factors, course.rates, lr),
            *(f"torch warns: {text}" for text in warnings),
        ),
    )


def torch_defaults(found: Callable[..., Any]) -> dict[str, Any]:
    """What settings a class has where they are not given, as far as JSON can say it.

    A factory's defaults are its own affair: its file is the user's.
    """
    if not isinstance(found, type):
        return {}
    return {
        parameter.name: parameter.default
        for parameter in inspect.signature(found).parameters.values()
        if parameter.name not in ("optimizer", "last_epoch", "verbose")
        and type(parameter.default) in (int, float, str, bool, type(None))
    }


def exact_factor(rate: float, lr: float) -> float:
    """The factor whose product with ``lr`` is ``rate``, or as near to it as floats allow.

    The quotient is rounded, and so is the product; one of the quotient and its two neighbours
    gives the rate back wherever any float does, and is one unit in the last place off elsewhere.
    """
    quotient = rate / lr
    around = (quotient, math.nextafter(quotient, math.inf), math.nextafter(quotient, 0.0))
    return min(around, key=lambda factor: abs(factor * lr - rate))


def _scheduler_classes() -> tuple[type, ...]:
    base = getattr(sys.modules.get("torch.optim.lr_scheduler"), "LRScheduler", None)
    return () if base is None else (base,)


def _parameters(found: object) -> Mapping[str, inspect.Parameter]:
    if not callable(found):
        return {}
    try:
        return inspect.signature(found).parameters
    except (ValueError, TypeError):
        return {}


def _check_settings(found: Callable[..., Any], settings: Mapping[str, Any]) -> None:
    known = _parameters(found)
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values()):
        return
    for name, value in settings.items():
        if name not in known:
            relation = f"is not a setting of {name_of(found)}"
            like = nearest(name, known)
            remedy = f".{like}={value}" if like else None
            raise ScheduleError(relation, key=name, got=value, remedy=remedy)


def _require_rates(course: Course, name: str, total_steps: int) -> None:
    if course.error is not None:
        where = f"at step {len(course.rates)} it" if course.rates else "building it"
        said = f"{where} raised {type(course.error).__name__}: {course.error}"
        relation = f"must give a rate to each of {total_steps} steps ({said})"
        raise ScheduleError(relation, key=KEY, got=name) from course.error
    for step, rate in enumerate(course.rates):
        if not 0 <= rate < math.inf:
            relation = f"must give rates that are finite and at least 0 (step {step}: {rate!r})"
            raise ScheduleError(relation, key=KEY, got=name)


def _cycles(course: Course) -> Cycles:
    if course.cycle_steps is not None:
        length = course.cycle_steps
        return Cycles(lambda index: index * length, are_restarts=False)
    if not course.restarts:
        return Cycles(no_cycles)
    starts = (0, *course.restarts)
    return Cycles(lambda index: starts[index] if index < len(starts) else None)


def _conventions(course: Course, lr: float, momentum: float) -> tuple[str, ...]:
    said = [
        "step: update t is made with the rate after t calls of scheduler.step()",
        f"factor: torch's rate divided by the base rate {lr:g}, read once for this run",
        f"past the end: the last factor {course.rates[-1] / lr:g} is held",
    ]
    low, high = min(course.momenta), max(course.momenta)
    if (low, high) != (momentum, momentum):
        said.append(
            f"momentum: the scheduler would set it between {low:g} and {high:g}; that is left to "
            "optimizer.momentum_schedule"
        )
    return tuple(said)


def _rounding(factors: Sequence[float], rates: Sequence[float], lr: float) -> tuple[str, ...]:
    off = sum(factor * lr != rate for factor, rate in zip(factors, rates, strict=True))
    if not off:
        return ()
    return (f"{off} of {len(rates)} rates differ from torch's by one unit in the last place",)
