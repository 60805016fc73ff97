"""Optimizers at work: what an update is made with, against closed forms in float64."""

import math

import pytest
import torch
from torch import nn

from lrbench.engine.flat import FlatModel
from lrbench.engine.optimizers import OPTIMIZERS, BoundOptimizer, base_settings
from lrbench.spec.run import OptimizerSpec

RATES = [0.5, 0.4, 0.25, 0.0, 0.5]
START = 3.0


class Sorted(torch.optim.AdamW):
    """Vectors are not decayed."""

    def __init__(self, weights, lr):
        weights = list(weights)
        groups = [
            {"params": [w for w in weights if w.ndim > 1], "weight_decay": 0.1},
            {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
        ]
        super().__init__(groups, lr=lr)


class Aside(torch.optim.Optimizer):
    """Its weight decay is its own affair."""

    def __init__(self, weights, lr, weight_decay=0.5):
        super().__init__(weights, {"lr": lr, "momentum": 0.8})
        self.weight_decay = weight_decay

    def step(self):
        pass


def bound(name, lr=0.5, **settings):
    model = nn.Linear(1, 1, bias=False).to(torch.float64)
    with torch.no_grad():
        model.weight.fill_(START)
    flat = FlatModel(model)
    return (
        model.weight,
        flat,
        BoundOptimizer(flat, OPTIMIZERS[name].builder, lr, settings, own=False),
    )


def weights_after(name, gradient, updates, **settings):
    """The weight after every update made with a constant gradient."""
    weight, flat, optimizer = bound(name, **settings)
    seen = []
    for rate, others in updates:
        flat.grad.fill_(gradient)
        optimizer.update(rate, **others)
        seen.append(weight.item())
    return seen


def test_coupled_decay_shrinks_by_the_current_rate():
    seen = weights_after("adamw", 0.0, [(rate, {}) for rate in RATES], weight_decay=0.1)
    expected = [START * math.prod(1 - r * 0.1 for r in RATES[: n + 1]) for n in range(5)]
    assert seen == pytest.approx(expected, rel=1e-14)
    assert seen[3] == seen[2]  # no rate, no decay


def test_independent_decay_shrinks_by_the_base_rate_whatever_the_schedule_does():
    updates = [(rate, {}) for rate in RATES]
    seen = weights_after("adamw", 0.0, updates, weight_decay=0.1, decay_follows_lr=False)
    expected = [START * (1 - 0.5 * 0.1) ** (n + 1) for n in range(5)]
    assert seen == pytest.approx(expected, rel=1e-14)


def test_at_the_base_rate_independent_decay_is_torchs_own_to_the_bit():
    updates = [(0.5, {})] * 6
    follows = weights_after("adamw", 0.3, updates, weight_decay=0.1)
    independent = weights_after("adamw", 0.3, updates, weight_decay=0.1, decay_follows_lr=False)
    assert independent == follows


def test_a_weight_decay_schedule_multiplies_the_decay_of_each_update():
    decays = [0.1, 0.05, 0.0, 0.2, 0.1]
    updates = [(0.5, {"weight_decay": d}) for d in decays]
    for follows in (True, False):
        seen = weights_after("adamw", 0.0, updates, weight_decay=9.0, decay_follows_lr=follows)
        expected = [START * math.prod(1 - 0.5 * d for d in decays[: n + 1]) for n in range(5)]
        assert seen == pytest.approx(expected, rel=1e-14)


def test_a_momentum_schedule_sets_the_momentum_of_each_update():
    momenta = [0.9, 0.5, 0.1, 0.8, 0.9]
    updates = [(rate, {"momentum": m}) for rate, m in zip(RATES, momenta, strict=True)]
    seen = weights_after("sgd", 0.7, updates, momentum=0.9)
    weight, buffer, expected = START, None, []
    for rate, momentum in zip(RATES, momenta, strict=True):
        buffer = 0.7 if buffer is None else momentum * buffer + 0.7
        weight -= rate * buffer
        expected.append(weight)
    assert seen == pytest.approx(expected, rel=1e-14)


def test_adam_gets_a_momentum_schedule_as_its_first_beta_and_keeps_the_second():
    _, flat, optimizer = bound("adam", beta1=0.9, beta2=0.95)
    flat.grad.fill_(1.0)
    assert optimizer.update(0.1, momentum=0.6) == (0.1, 0.6, 0.0)
    assert optimizer.optimizer.param_groups[0]["betas"] == (0.6, 0.95)
    # m = 0.4 * 1 after the first update: the beta was there before it.
    assert flat.momentum[0].item() == pytest.approx(0.4, rel=1e-14)


def test_an_update_tells_what_it_was_made_with():
    _, flat, optimizer = bound("sgd", momentum=0.9, weight_decay=0.25)
    flat.grad.fill_(1.0)
    assert optimizer.update(0.3) == (0.3, 0.9, 0.25)
    assert optimizer.update(0.2, momentum=0.5, weight_decay=0.125) == (0.2, 0.5, 0.125)
    assert optimizer.update(0.1) == (0.1, 0.5, 0.125)


def test_the_decay_of_an_independent_group_stands_after_the_step():
    _, flat, optimizer = bound("adamw", weight_decay=0.1, decay_follows_lr=False)
    flat.grad.fill_(1.0)
    optimizer.update(0.5)
    assert optimizer.optimizer.param_groups[0]["weight_decay"] == 0.1


@pytest.mark.parametrize(
    ("name", "params", "target", "expected"),
    [
        (
            "sgd",
            {"momentum": 0.8, "weight_decay": 0.1},
            None,
            {"momentum": 0.8, "weight_decay": 0.1},
        ),
        ("adam", {"beta1": 0.7, "weight_decay": 0.0}, None, {"momentum": 0.7, "weight_decay": 0.0}),
        ("own", {"betas": [0.5, 0.9]}, torch.optim.AdamW, {"momentum": 0.5, "weight_decay": 0.01}),
        ("own", {}, Sorted, {"momentum": 0.9}),  # groups of two decays have no one decay
        ("own", {}, Aside, {"momentum": 0.8}),  # a decay beside the groups cannot be scheduled
        ("own", {}, torch.optim.SGD, {"momentum": 0.0, "weight_decay": 0.0}),
        ("own", {}, torch.optim.Adagrad, {"weight_decay": 0.0}),
    ],
)
def test_what_a_schedule_multiplies_is_what_the_optimizer_has_without(
    name, params, target, expected
):
    assert base_settings(OptimizerSpec(name=name, lr=0.1, params=params), target) == expected
