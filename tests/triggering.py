"""What the tests of triggers share: triggers for short runs, and observations of plain numbers."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

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

FIRING: dict[str, list[float]] = {
    "plateau": [1.0] * 100,
    "plateau_slope": [1.0] * 100,
    "grad_norm": ([1.0] * 10 + [0.01] * 20) * 4,
    "snr": [0.01] * 100,
    "stall": [0.01] * 50,
    "function_scheme": [1.5**k for k in range(50)],
    "gradient_scheme": [-1.0] * 20,
}
"""A course on which each trigger fires again and again, with those settings."""


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


# Slow second versions: what a trigger decides, from the whole history since it began anew.


def slow_indices(
    judge: Callable[[list[Observation]], bool],
    watched: Sequence[Observation],
    *,
    every: int = 1,
    refractory: int,
    most: int = 3,
    reserve: int = 75,
    gate: float | None = None,
) -> list[int]:
    """Where a trigger fires that has no state but its history; ``judge``: is there a reason?"""
    found: list[int] = []
    history: list[Observation] = []
    for k, observation in enumerate(watched):
        if found and observation.step - every < watched[found[-1]].step + refractory:
            continue
        history.append(observation)
        is_low = gate is None or observation.heat <= gate * (1 + 1e-9)
        is_allowed = observation.step < reserve and len(found) < most and is_low
        if is_allowed and judge(history):
            found.append(k)
            history = []
    return found


def averages(numbers: Sequence[float], half_life: float) -> list[float]:
    """The average after each number, every weight written out."""
    found = []
    for k in range(len(numbers)):
        weights = [0.5 ** ((k - i) / half_life) for i in range(k + 1)]
        found.append(float(np.average(numbers[: k + 1], weights=weights)))
    return found


def counted(residuals: Sequence[float]) -> float:
    """Independent numbers among ``residuals``: n (1 - rho) / (1 + rho)."""
    r = np.asarray(residuals)
    rho = min(max(float(r[1:] @ r[:-1] / (r @ r)), 0.0), 0.99) if r.any() else 0.0
    return len(r) * (1 - rho) / (1 + rho)


@st.composite
def courses(
    draw: st.DrawFn, length: int = 90, noises: Sequence[float] = (0.0, 0.01, 0.1, 0.5)
) -> list[float]:
    """Numbers above 0 as a run may show them: falls, floors, rises and noise of any correlation."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    noise, rho = draw(st.sampled_from(noises)), draw(st.sampled_from([0.0, 0.5, 0.9]))
    ends = sorted(chance.randrange(1, length) for _ in range(3))
    rates = [chance.choice([0.0, 0.0, -0.2, -0.02, -0.001, 0.02, 0.1]) for _ in range(4)]
    level, shift, found = 1.0, 0.0, []
    for k in range(length):
        level = min(level * math.exp(rates[sum(end <= k for end in ends)]), 1e6)
        shift = rho * shift + math.sqrt(1 - rho**2) * chance.gauss(0, 1)
        found.append(level * math.exp(noise * shift))
    return found
