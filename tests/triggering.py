"""What the tests of triggers share: triggers for short runs, and observations of plain numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from lrbench.triggers.base import Observation, Trigger
from lrbench.triggers.catalog import build_trigger

EVERY_ONE: dict[str, dict[str, Any]] = {
    "plateau": {"every": 1, "patience": 4},
    "plateau_slope": {"every": 1, "evaluations": 6},
    "grad_norm": {"every": 1, "patience": 2},
    "snr": {"every": 1, "patience": 2, "half_life": 5, "on_noise": "restart"},
    "stall": {"window": 2},
    "function_scheme": {"window": 2},
    "gradient_scheme": {"window": 5},
}
"""Settings of every trigger with which it may fire often in a run of a hundred updates."""


def make(name: str, total_steps: int = 100, **settings: Any) -> Trigger:
    """A trigger for a run in which there is an evaluation after every update."""
    return build_trigger(
        name,
        settings,
        total_steps=total_steps,
        steps_per_epoch=5,
        eval_every=1,
        batch_size=10,
    )


def seen(step: int, value: float, heat: float = 0.0, every: int = 1) -> Observation:
    """``value`` in every guise that a trigger may watch."""
    return Observation(
        step=step,
        heat=heat,
        train_losses=(value,) * every,
        grad_norms=(value,) * every,
        val_loss=value,
        cosines=(max(-1.0, min(1.0, value)),) * every,
        displacement=abs(value),
        path=1.0,
        gradient_square=value,
        gradient_trace=10.0,
    )


def stream(trigger: Trigger, values: Sequence[float], heat: float = 0.0) -> list[Observation]:
    """An observation for every number."""
    n = trigger.every
    return [seen((k + 1) * n, value, heat, n) for k, value in enumerate(values)]


def fired(trigger: Trigger, watched: Iterable[Observation], *, saved: bool = False) -> list[Any]:
    """Index, action, statistic and threshold of every decision; ``saved``: by way of JSON."""
    state, found = trigger.start(), []
    for index, observation in enumerate(watched):
        if saved:
            state = json.loads(json.dumps(state, allow_nan=False))
        before = json.dumps(state)
        after, decision = trigger.observe(state, observation)
        assert json.dumps(state) == before, "a state was changed in place"
        state = after
        if decision:
            found.append((index, decision.action, decision.statistic, decision.threshold))
    return found


def indices(trigger: Trigger, values: Sequence[float], heat: float = 0.0) -> list[int]:
    """Evaluations, from 0, at which it fires."""
    return [index for index, *_ in fired(trigger, stream(trigger, values, heat))]
