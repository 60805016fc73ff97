"""A user's own function as a schedule."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, get_type_hints

from lrbench.errors import ScheduleError
from lrbench.schedules.base import Schedule
from lrbench.schedules.catalog import ScheduleEntry

NOT_STEP = {"t", "i", "n", "it", "iteration", "epoch", "steps", "global_step", "current_step"}
"""What a function's first parameter may be called that is meant for the step."""


def own_entry(name: str, found: Callable[..., Any]) -> ScheduleEntry:
    """The entry of a function that is no part of the library.

    A function with a parameter ``step`` is the schedule itself: it is called with the step, its
    other parameters are settings. Any other one is a builder: it is called with its settings, and
    returns a :class:`Schedule` or a function of the step. In both, ``total_steps`` is filled in
    with the length of the run, without the warmup that may stand before it; one with a parameter
    ``warmup_steps`` makes its own.

    Raises
    ------
    ScheduleError
        Its first parameter looks like the step under another name; or, called for a builder, what
        it returns cannot be called with a step.
    """
    try:
        signature = inspect.signature(found)
    except (ValueError, TypeError):
        relation = "must have parameters that can be read, as a function written in Python has"
        raise ScheduleError(relation, key="_target_", got=str(found)) from None
    first = next(iter(signature.parameters.values()), None)
    if first is not None and "step" not in signature.parameters and first.name in NOT_STEP:
        relation = (
            f"must have a parameter named step, the updates made so far (it has {first.name})"
        )
        raise ScheduleError(relation, key="_target_", got=found.__qualname__)
    settings = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in signature.parameters.values()
        if parameter.name != "step"
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]

    def builder(**arguments: Any) -> Schedule:
        # As they were typed, and anew for every schedule.
        arguments = {k: list(v) if isinstance(v, tuple) else v for k, v in arguments.items()}
        if "step" in signature.parameters:
            call = partial(found, **arguments)
            if signature.parameters["step"].kind is inspect.Parameter.POSITIONAL_ONLY:
                return Schedule(lambda step: float(call(step)))
            return Schedule(lambda step: float(call(step=step)))
        built = found(**arguments)
        if isinstance(built, Schedule):
            return built
        if not callable(built):
            relation = "must return a schedule, or have a parameter named step"
            raise ScheduleError(relation, key="_target_", got=type(built).__name__)
        return Schedule(lambda step: float(built(step)))

    builder.__signature__ = signature.replace(parameters=settings)  # type: ignore[attr-defined]
    builder.__doc__ = inspect.getdoc(found)
    builder.__annotations__ = _hints(found)
    return ScheduleEntry(name, builder)


def _hints(found: Callable[..., Any]) -> dict[str, Any]:
    """Its annotations; a parameter whose own cannot be read takes any value."""
    source = found.__init__ if isinstance(found, type) else found  # type: ignore[misc]
    try:
        return get_type_hints(source)
    except (NameError, TypeError, AttributeError):
        return {}
