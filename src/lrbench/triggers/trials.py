"""Curves that show what a trigger does: when it fires, and how often without a reason.

A curve has a number for every update. What is observed of it is that number in every guise: a loss,
the norm of a gradient, a way that is the straighter and a gradient that is the less noisy the
larger it is, and a momentum that leads downhill where it falls (reference/schedules.md §3.4).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from lrbench.triggers.base import Decision, Observation, Trigger
from lrbench.triggers.stall import usual_threshold

PROMISED = 0.05
"""How seldom a trigger with its default settings fires in a tenth of the run without a reason."""

CORRELATION = 0.5
"""Of the noise of neighbouring numbers."""

NOISE = 0.1
"""Standard deviation of the noise, as a part of the level."""

COSINE, COSINE_NOISE = -0.05, 0.3
"""Of momentum and gradient in noise: a little below 0, since noise is taken back."""

STRAIGHTNESS = 2.0
"""Of the way, as a multiple of what is a stall, on a curve at 1."""

SIGNAL = 0.1
"""Of the gradient to its noise, on a curve at 1: twice the default threshold."""


@dataclass(frozen=True)
class Curve:
    """A course that a watched number may take.

    Parameters
    ----------
    name, sentence : str
        What it is called, and what it does.
    value : callable, (part of the run in [0, 1), noise) -> float
        ``noise`` is a standard normal number, correlated with its neighbours.
    has_noise : bool
        Whether it depends on the noise.
    """

    name: str
    sentence: str
    value: Callable[[float, float], float]
    has_noise: bool = False


def _improving(part: float) -> float:
    return math.exp(-8 * part)


def _spiked(part: float) -> float:
    return _improving(part) * (1 + (49 * math.exp(-300 * (part - 0.3)) if part >= 0.3 else 0))


CURVES = (
    Curve("constant", "never changes", lambda p, _: 1.0),
    Curve("improving", "exp(-8 p), p the part of the run", lambda p, _: _improving(p)),
    Curve("slow decay", "0.2 + exp(-20 p)", lambda p, _: 0.2 + math.exp(-20 * p)),
    Curve("worsening", "-1 + p, a negative loss that rises", lambda p, _: -1.0 + p),
    Curve("spike", "improving, but 50 times as high at p = 0.3", lambda p, _: _spiked(p)),
    Curve("noise floor", "1 with noise", lambda p, noise: noisy(1.0, noise), has_noise=True),
    Curve("diverging", "1, and not a number from p = 0.5 on", lambda p, _: _nan_from_half(p)),
)
"""The reference curves."""


def _nan_from_half(part: float) -> float:
    return 1.0 if part < 0.5 else math.nan


def noisy(level: float, noise: float) -> float:
    """The level with its noise, never below a thousandth of it."""
    return level * max(1 + NOISE * noise, 1e-3)


def correlated(normal: Sequence[float]) -> list[float]:
    """Stationary noise of variance 1 from independent standard normal numbers (AR(1))."""
    fresh = math.sqrt(1 - CORRELATION**2)
    return list(accumulate(normal, lambda last, draw: CORRELATION * last + fresh * draw))


def along(curve: Curve, total_steps: int, noise: Sequence[float] = ()) -> list[float]:
    """The curve's number for every update of a run."""
    noise = noise or [0.0] * total_steps
    return [curve.value(step / total_steps, noise[step]) for step in range(total_steps)]


def standstill(total_steps: int, noise: Sequence[float], *, after_a_fall: bool) -> list[float]:
    """Noise around 1 for a tenth of the run; where asked, after a quarter in which it fell from 2.

    Whatever fires there does it without a reason: a tenth of the run without progress is not much.
    ``noise`` has as many numbers as are asked for, see :func:`standstill_length`.
    """
    fall = total_steps // 4 if after_a_fall else 0
    return [
        noisy(1 + max(fall - step, 0) / max(fall, 1), noise[step])
        for step in range(standstill_length(total_steps, after_a_fall=after_a_fall))
    ]


def standstill_length(total_steps: int, *, after_a_fall: bool) -> int:
    """Updates of :func:`standstill`."""
    return math.ceil(total_steps / 10) + (total_steps // 4 if after_a_fall else 0)


def noisy_cosines(noise: Sequence[float]) -> list[float]:
    """Cosines of momentum and gradient that have nothing to do with each other but their noise."""
    return [min(max(COSINE + COSINE_NOISE * draw, -1.0), 1.0) for draw in noise]


def observations(
    trigger: Trigger, values: Sequence[float], cosines: Sequence[float], *, batch_size: int
) -> Iterator[Observation]:
    """What the trigger is told of a curve with a number for every update, the rate being 0.

    The squared gradient is estimated as in a run, by the product of the gradients of two halves of
    a batch, whose cosine goes up and down as much as that of gradient and momentum.

    Parameters
    ----------
    values, cosines : sequences of one length, in updates
    batch_size : int
        What the trigger was built for.
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
            displacement=min(STRAIGHTNESS * usual_threshold(trigger.every), 1.0) * last,
            path=1.0,
            # The squared norm of half a batch's gradient is 2 where that of its noise is 1.
            gradient_square=SIGNAL * last + 2 * (cosines[step - 1] - COSINE),
            gradient_trace=float(batch_size),
        )


def downhill(values: Sequence[float]) -> list[float]:
    """Cosines of momentum and gradient on a curve: 0.5 where it falls, -0.5 where it rises."""
    before = [values[0], *values]
    pairs = zip(values, before, strict=False)
    return [0.5 * ((value < last) - (value > last)) for value, last in pairs]


def firings(
    trigger: Trigger, seen: Iterable[Observation], most: int | None = None
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
