"""Accelerated gradient descent whose momentum a trigger resets: counts of updates that are known.

A quadratic with 200 curvatures evenly spaced on a logarithmic scale, rate 1 over the largest, the
momentum of FISTA (Beck & Teboulle 2009). How many updates the loss takes to fall by 1e10 without
resets, and with either scheme of O'Donoghue & Candès (arXiv:1204.3982), is a published figure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from lrbench.triggers.base import Observation, Trigger
from lrbench.triggers.catalog import build_trigger


@dataclass
class Descent:
    """What became of it."""

    losses: list[float]
    resets: list[int]

    @property
    def updates(self) -> int:
        return len(self.losses) - 1


def descend(condition: float, trigger: Trigger | None = None, every: int = 0) -> Descent:
    """Until the loss is 1e-10 of what it was."""
    curvature = np.logspace(0, -math.log10(condition), 200)
    x = y = np.ones(200)
    theta, losses, resets = 1.0, [float(curvature @ x**2) / 2], []
    state = trigger.start() if trigger else {}
    while losses[-1] > 1e-10 * losses[0]:
        gradient = curvature * y
        before, x = x, y - gradient / curvature[0]
        way = x - before
        losses.append(float(curvature @ x**2) / 2)
        done, decision = len(losses) - 1, None
        if trigger:
            scale = float(np.linalg.norm(gradient) * np.linalg.norm(way))
            seen = Observation(
                step=done,
                heat=1.0,
                train_losses=(losses[-1],),
                # The way is minus the momentum, which sums gradients.
                cosines=(-float(gradient @ way) / scale,),
            )
            state, decision = trigger.observe(state, seen)
        if decision or (every and done % every == 0):
            resets.append(done)
            theta, y = 1.0, x
            continue
        following = (1 + math.sqrt(1 + 4 * theta**2)) / 2
        y = x + (theta - 1) / following * way
        theta = following
    return Descent(losses, resets)


def scheme(name: str, **settings: object) -> Trigger:
    settings = {"deterministic": True, "max_restarts": 1000, **settings}
    return build_trigger(
        name, settings, total_steps=10_000, steps_per_epoch=1, eval_every=1, batch_size=200
    )


@pytest.mark.parametrize(
    ("condition", "name", "updates"),
    [
        (1e2, None, 521),
        (1e2, "function_scheme", 214),
        (1e2, "gradient_scheme", 137),
        (1e3, None, 2293),
        (1e3, "function_scheme", 1308),
        (1e3, "gradient_scheme", 768),
    ],
)
def test_a_scheme_saves_the_updates_it_is_known_to_save(condition, name, updates):
    assert descend(condition, name and scheme(name)).updates == updates


@pytest.mark.parametrize("condition", [1e2, 1e3])
def test_without_resets_the_loss_ripples_with_the_root_of_the_condition(condition):
    losses = descend(condition).losses
    tops = [k for k in range(1, len(losses) - 1) if losses[k - 1] < losses[k] > losses[k + 1]]
    period = np.mean(np.diff(tops))
    assert period == pytest.approx(math.pi * math.sqrt(condition), rel=0.03)


def test_the_function_scheme_resets_at_the_first_update_that_raised_the_loss():
    with_resets, without = descend(1e2, scheme("function_scheme")), descend(1e2)
    rises = [k for k in range(1, 521) if without.losses[k] > without.losses[k - 1]]
    assert with_resets.resets[0] == rises[0]
    assert with_resets.losses[: rises[0] + 1] == without.losses[: rises[0] + 1]
    assert all(with_resets.losses[k] > with_resets.losses[k - 1] for k in with_resets.resets)


def test_the_gradient_scheme_resets_before_the_loss_rises():
    first = descend(1e2, scheme("gradient_scheme")).resets[0]
    assert first < descend(1e2, scheme("function_scheme")).resets[0]


def test_a_cap_on_resets_leaves_the_rest_of_the_ripples():
    one = descend(1e2, scheme("gradient_scheme", max_restarts=1))
    assert len(one.resets) == 1
    assert 137 < one.updates < 521
    # And resets at the interval that theory names come close to those of a scheme.
    assert descend(1e2, every=round(math.e * math.sqrt(8e2))).updates == pytest.approx(184, abs=1)
