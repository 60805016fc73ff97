"""The update rules of the lanes engine are those of torch.optim, lane by lane."""

from __future__ import annotations

import pytest
import torch

from lrbench.engine.lanes.stack import stacked_numbers
from lrbench.engine.optimizers import OPTIMIZERS
from lrbench.engine.update_rules import Setting, params_of, rule_key, rule_of
from lrbench.errors import ConfigError
from lrbench.spec.run import OptimizerSpec

LANES, COLUMNS, UPDATES = 3, 40, 30
RATES = (0.01, 0.001, 0.02)

OPTIMIZER_SETTINGS = [
    ("sgd", {}),
    ("sgd", {"momentum": 0.0}),
    ("sgd", {"nesterov": True, "weight_decay": 0.1}),
    ("sgd", {"dampening": 0.5, "momentum": 0.5}),
    ("adam", {}),
    ("adam", {"beta1": 0.5, "beta2": 0.9, "weight_decay": 0.2, "eps": 1e-3}),
    ("adamw", {}),
    ("adamw", {"weight_decay": 0.3, "decay_follows_lr": False}),
]


def gradient(weight: torch.Tensor, update: int) -> torch.Tensor:
    return torch.sin(3 * weight + update) + 0.1 * weight


def by_torch(spec: OptimizerSpec, start: torch.Tensor, rates: list[float]) -> torch.Tensor:
    weight = torch.nn.Parameter(start.clone())
    optimizer = OPTIMIZERS[spec.name].builder([weight], lr=spec.lr, **params_of(spec))
    for update, rate in enumerate(rates):
        weight.grad = gradient(weight.detach(), update)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
    return weight.detach()


@pytest.mark.parametrize(("name", "settings"), OPTIMIZER_SETTINGS)
def test_every_rule_makes_the_updates_of_torch_in_every_lane(name, settings):
    specs = [OptimizerSpec(name=name, params=settings, lr=rate) for rate in RATES]
    rule = rule_of(specs[0])
    params = params_of(specs[0])
    start = torch.linspace(-1, 1, LANES * COLUMNS, dtype=torch.float64).view(LANES, COLUMNS)
    rates = [[rate * (1 + update % 4) for update in range(UPDATES)] for rate in RATES]
    weight, moments = start.clone(), rule.init(start)
    for update in range(UPDATES):
        now = [
            Setting(
                lr=rates[lane][update],
                momentum=params.get("momentum", params.get("beta1")),
                weight_decay=params["weight_decay"],
                counted=update + 1,
                is_first=update == 0,
                base_lr=specs[lane].lr,
            )
            for lane in range(LANES)
        ]
        numbers = stacked_numbers([[rule.numbers(one)] for one in now], weight)[0]
        weight, moments = rule.update(weight, gradient(weight, update), moments, numbers)
    for lane in range(LANES):
        expected = by_torch(specs[lane], start[lane], rates[lane])
        torch.testing.assert_close(weight[lane], expected, rtol=1e-12, atol=1e-13)


def test_optimizers_that_need_another_rule_have_another_key():
    keys = {
        rule_key(OptimizerSpec(name=name, params=settings, lr=0.1))
        for name, settings in OPTIMIZER_SETTINGS
        # The decay and the first beta are each lane's own.
        if settings.keys() <= {"nesterov", "dampening", "beta2", "eps", "decay_follows_lr"}
        or settings == {"momentum": 0.0}
    }
    assert len(keys) == 4
    alike = [{"weight_decay": 0.1}, {"momentum": 0.5}, {}]
    assert len({rule_key(OptimizerSpec(name="sgd", params=p, lr=0.1)) for p in alike}) == 1


def test_another_optimizer_is_refused_with_the_way_out():
    spec = OptimizerSpec(name="rmsprop", target="torch.optim:RMSprop", params={}, lr=0.1)
    with pytest.raises(ConfigError, match="update rules of its own") as caught:
        rule_of(spec)
    assert caught.value.problems[0].remedy == "compute.engine=loop"
