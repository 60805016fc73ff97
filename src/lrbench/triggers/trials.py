"""Curves that show what a trigger does: when it fires, and how often without a reason.

A curve has a number for every update. What is observed of it is the same number in every guise: a
loss, the norm of a gradient; a way that is as straight as the number is large; momentum that leads
downhill where the curve falls (reference/schedules.md §3.4).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lrbench.triggers.base import Decision, Observation, Trigger

PROMISED = 0.05
"""How seldom a trigger with its default settings fires in a tenth of the run without a reason."""

CORRELATION = 0.5
"""Of the noise of neighbouring numbers."""

NOISE = 0.1
"""Standard deviation of the noise, as a part of the level."""


@dataclass(frozen=True)
class Curve:
    """A course that a watched number may take.

    Parameters
    ----------
    name, sentence : str
        What it is called, and what a trigger should make of it.
    value : callable, (updates made in [0, 1] of the run, noise) -> float
        ``noise`` is a standard normal number, correlated with its neighbours.
    """

    name: str
    sentence: str
    value: Callable[[float, float], float]


def _spiked(part: float) -> float:
    spike = 50.0 * math.exp(-(part - 0.3) / 0.002) if part >= 0.3 else 0.0
    return _improving(part) * (1 + spike)


def _improving(part: float) -> float:
    return math.exp(-8 * part)


CURVES = (
    Curve("constant", "a loss that never changes", lambda part, noise: 1.0),
    Curve(
        "improving", "falls by a factor of e**8 in the run", lambda part, noise: _improving(part)
    ),
    Curve("slow decay", "0.2 + exp(-20 p): ever slower", lambda p, noise: 0.2 + math.exp(-20 * p)),
    Curve("worsening", "a negative one that rises from -1", lambda part, noise: -1.0 + part),
    Curve("spike", "improving, but 50 times as high at 0.3", lambda part, noise: _spiked(part)),
    Curve("noise floor", "noise around 1", lambda part, noise: noisy(1.0, noise)),
    Curve("diverging", "NaN from the middle on", lambda p, noise: 1.0 if p < 0.5 else math.nan),
)
"""The reference curves."""


def noisy(level: float, noise: float) -> float:
    """The level with its noise, never below a thousandth of it."""
    return level * max(1 + NOISE * noise, 1e-3)


def correlated(normal: Sequence[float]) -> Iterator[float]:
    """Stationary noise of variance 1 from independent standard normal numbers (AR(1))."""
    state = None
    fresh = math.sqrt(1 - CORRELATION**2)
    for draw in normal:
        state = draw if state is None else CORRELATION * state + fresh * draw
        yield state


def observations(
    trigger: Trigger, values: Sequence[float], cosines: Sequence[float], batch_size: int
) -> Iterator[Observation]:
    """What the trigger is told of a curve with a number for every update, the rate being 0.

    Parameters
    ----------
    values, cosines : sequences of one length, in updates
    batch_size : int
        The noise of the gradient is such that the batch has a signal of ``value``.
    """
    for step in range(trigger.every, len(values) + 1, trigger.every):
        window = slice(step - trigger.every, step)
        last = values[step - 1]
        yield Observation(
            step=step,
            heat=0.0,
            train_losses=tuple(values[window]),
            grad_norms=tuple(values[window]),
            val_loss=last,
            cosines=tuple(cosines[window]),
            displacement=last,
            path=1.0,
            gradient_square=last,
            gradient_trace=float(batch_size),
        )


def downhill(values: Sequence[float]) -> list[float]:
    """Cosines of momentum and gradient on a curve: 0.5 where it falls, -0.5 where it rises."""
    before = [values[0], *values]
    pairs = zip(values, before, strict=False)
    return [0.5 * ((value < last) - (value > last)) for value, last in pairs]


def firings(
    trigger: Trigger, seen: Iterator[Observation], most: int | None = None
) -> list[tuple[int, Decision]]:
    """Indices of the evaluations, from 0, at which the trigger fires, and its decisions.

    Raises
    ------
    ValueError
        Something observed is not finite.
    """
    state, found = trigger.start(), []
    for index, observation in enumerate(seen):
        state, decision = trigger.observe(state, observation)
        if decision is not None:
            found.append((index, decision))
            if len(found) == most:
                break
    return found
