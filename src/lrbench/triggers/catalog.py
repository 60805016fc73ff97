"""All triggers by name, and how a setting becomes a builder's argument.

A builder's keyword ``every_steps: Steps`` is the setting ``every``; every other keyword is the
setting of the same name. What only the run knows is filled in here where a builder asks for it:
``total_steps``, ``steps_per_epoch``, ``eval_every``, ``batch_size`` and ``rewarm_steps``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args, get_type_hints

from lrbench.errors import TriggerError
from lrbench.triggers import grad_norm, plateau, schemes, slope, snr, stall
from lrbench.triggers.base import Steps, Trigger

CONTEXT = frozenset({"total_steps", "steps_per_epoch", "eval_every", "batch_size", "rewarm_steps"})
"""Keywords of builders that are no settings."""


@dataclass(frozen=True)
class Parameter:
    """One setting of a trigger: its name in the config, its keyword, its type and default."""

    name: str
    keyword: str
    annotation: Any
    default: Any

    @property
    def is_duration(self) -> bool:
        """Whether it is a length that may be written in epochs or parts of the run."""
        return Steps in (self.annotation, *get_args(self.annotation))


@dataclass(frozen=True)
class TriggerEntry:
    """A trigger of the library: its name and its builder, whose signature is its settings."""

    name: str
    builder: Callable[..., Any]

    @property
    def documentation(self) -> str:
        """Its docstring, without the indentation."""
        return inspect.getdoc(self.builder) or ""

    @property
    def summary(self) -> str:
        """The first line of its documentation."""
        return self.documentation.partition("\n")[0].replace("``", "")

    @cached_property
    def keywords(self) -> frozenset[str]:
        """The builder's own keywords."""
        return frozenset(inspect.signature(self.builder).parameters)

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """Its settings by name; all of them have a default."""
        hints = get_type_hints(self.builder)
        known = [
            Parameter(keyword.removesuffix("_steps"), keyword, hints[keyword], argument.default)
            for keyword, argument in inspect.signature(self.builder).parameters.items()
            if keyword not in CONTEXT
        ]
        return {parameter.name: parameter for parameter in known}


TRIGGERS: dict[str, TriggerEntry] = {
    builder.__name__: TriggerEntry(builder.__name__, builder)
    for builder in (
        plateau.plateau,
        slope.plateau_slope,
        grad_norm.grad_norm,
        snr.snr,
        stall.stall,
        schemes.function_scheme,
        schemes.gradient_scheme,
    )
}


def build_trigger(
    name: str,
    settings: Mapping[str, Any],
    *,
    total_steps: int,
    steps_per_epoch: int,
    eval_every: int,
    batch_size: int,
    rewarm_steps: int = 0,
) -> Trigger:
    """The trigger ``name`` for a run.

    Parameters
    ----------
    name : str, a key of :data:`TRIGGERS`
    settings : mapping from the names of ``TRIGGERS[name].parameters``
        Lengths in updates, already converted from epochs and parts.
    total_steps, steps_per_epoch, eval_every : int in [1, inf), in updates
    batch_size : int in [1, inf), in samples
    rewarm_steps : int in [0, inf), in updates
        Of a restart; the refractory period is longer.

    Raises
    ------
    TriggerError
        A value is outside its interval or does not fit the run; its key is the setting's name.
    """
    entry = TRIGGERS[name]
    context = {
        "total_steps": total_steps,
        "steps_per_epoch": steps_per_epoch,
        "eval_every": eval_every,
        "batch_size": batch_size,
        "rewarm_steps": rewarm_steps,
    }
    arguments = {key: value for key, value in context.items() if key in entry.keywords}
    for key, value in settings.items():
        parameter = entry.parameters.get(key)
        if parameter is None:
            known = ", ".join(entry.parameters)
            raise TriggerError(f"is not a setting of {name} (there are: {known})", key=key)
        arguments[parameter.keyword] = value
    trigger: Trigger = entry.builder(**arguments)
    return trigger
