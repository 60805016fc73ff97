"""Restarts in a whole run, against what is known with a pencil of Adam and of noisy quadratics."""

from __future__ import annotations

import importlib.util
import math
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load
from torch import nn

_source = Path(__file__).parents[1] / "contracts" / "test_engines.py"
_module = importlib.util.spec_from_file_location("contract_of_rows", _source)
rows = importlib.util.module_from_spec(_module)
sys.modules["contract_of_rows"] = rows
_module.loader.exec_module(rows)

data_cache, engine = rows.data_cache, rows.engine

# ----------------------------------------------- six policies on Adam, under a constant gradient


class Slope(nn.Module):
    """``loss = sum(x)``, whatever the sample: every gradient is 1."""

    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.zeros(4))

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        return self.x.sum().expand(len(samples), 1)


MADE, LATER = 300, 40
B1, B2 = 0.9, 0.999


def share(beta: float, k: int) -> float:
    """Of its weight that a moment has after k of MADE + k updates, when it began anew."""
    return (1 - beta**k) / (1 - beta ** (MADE + k))


POLICIES: dict[str, tuple[dict[str, Any], Any]] = {
    "keep all": ({}, lambda k: 1.0),
    "reset all": ({"first_moment": "reset", "second_moment": "reset"}, lambda k: 1.0),
    "reset both moments, keep the counter": (
        {"first_moment": "reset", "second_moment": "reset", "counter": "keep"},
        lambda k: share(B1, k) / math.sqrt(share(B2, k)),
    ),
    "reset the first moment only": (
        {"first_moment": "reset", "counter": "keep"},
        lambda k: share(B1, k),
    ),
    "reset the second moment only": (
        {"second_moment": "reset", "counter": "keep"},
        lambda k: 1 / math.sqrt(share(B2, k)),
    ),
    "reset the counter only": (
        {"counter": "reset"},
        lambda k: math.sqrt(share(B2, k)) / share(B1, k),
    ),
}


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
@pytest.mark.parametrize("name", POLICIES)
def test_adam_after_a_restart_moves_as_its_state_says(engine, name, optimizer):
    """Updates in units of the rate, to 1e-12; O7."""
    restart, expected = POLICIES[name]
    settings: dict[str, Any] = {"eps": 1e-30}
    if optimizer == "adamw":
        settings["weight_decay"] = 0.0
    plan = rows.plan_of(
        engine,
        dataset=("noisy_quadratic", {"num_samples": 64}),
        model=("quadratic", {}),
        optimizer=(optimizer, settings),
        lr=1.0,
        schedule=("sgdr", {"first_cycle": MADE, "cycle_mult": 1.0, "final_factor": 1.0}),
        steps=MADE + LATER,
        eval_every=1000,
        restart=restart,
        precision="float64",
    )
    run = rows.train(engine, rows.with_model(plan, Slope))
    moved = [norm / 2 for norm in run.column("update_norm")]
    assert moved[:MADE] == pytest.approx([1.0] * MADE, abs=1e-12)
    wanted = [expected(k) for k in range(1, LATER + 1)]
    assert moved[MADE:] == pytest.approx(wanted, rel=1e-12)
    (row,) = run.ledger
    assert row["step"] == MADE
    assert row["effective_step_before"] == pytest.approx(1.0, abs=1e-12)
    assert row["effective_step_after"] == pytest.approx(wanted[0], rel=1e-12)


def test_the_multipliers_of_an_old_state_are_the_published_ones(engine):
    old = 20_000

    def part(beta: float, k: int) -> float:
        return (1 - beta**k) / (1 - beta ** (old + k))

    both = [part(B1, k) / math.sqrt(part(B2, k)) for k in range(1, 2000)]
    assert both[0] == pytest.approx(3.162, abs=5e-4)
    assert max(both) == pytest.approx(6.57, abs=5e-3)
    assert both.index(max(both)) + 1 == 12
    assert next(k for k, u in enumerate(both, start=1) if k > 12 and u < 1.1) == 1751
    # The engine's audit tells the same two numbers.
    plan = rows.plan_of(
        engine,
        optimizer=("adam", {}),
        schedule=("sgdr", {"first_cycle": 5, "cycle_mult": 1.0}),
        steps=8,
        restart={"first_moment": "reset", "second_moment": "reset", "counter": "keep"},
    )
    audit = rows.train(engine, plan).ledger[0]["audit"]
    assert audit.endswith(": update 1 times 3.16, update 12 times 6.57")


# ------------------------------------------------ momentum restarts on a quadratic with noise


CYCLE, PEAK, BETA, START = 100, 0.05, 0.9, 5.0
COPIES = 3000
"""Coordinates that never meet: each of them is one more run of the same process."""

LOOKS = (99, 100, 101, 108, 125, 150, 200, 208, 299, 300)
"""Updates made where the whole distribution is compared: around restarts, and at the peaks."""


def law(scale: float) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Mean and covariance of weight and momentum after so many updates; exact."""
    mean, covariance = np.array([START, 0.0]), np.zeros((2, 2))
    known = {}
    for t in range(3 * CYCLE):
        if t and t % CYCLE == 0:
            policy = np.diag([1.0, scale])
            mean, covariance = policy @ mean, policy @ covariance @ policy
        lr = PEAK * (1 + math.cos(math.pi * (t % CYCLE) / CYCLE)) / 2
        step, noise = np.array([[1 - lr, -lr * BETA], [1.0, BETA]]), np.array([-lr, 1.0])
        mean, covariance = step @ mean, step @ covariance @ step.T + np.outer(noise, noise)
        known[t + 1] = mean, covariance
    return known


@cache
def restarted(engine: str, policy: str) -> Any:
    """A run with restarts of that momentum, and its states at :data:`LOOKS`."""
    momentum: Any = {"keep": "keep", "halved": 0.5, "reset": "reset"}[policy]
    plan = rows.plan_of(
        engine,
        dataset=("noisy_quadratic", {"curvature": [1.0] * COPIES, "num_samples": 3 * CYCLE}),
        model=("quadratic", {"start": START}),
        optimizer=("sgd", {"momentum": BETA}),
        lr=PEAK,
        schedule=("sgdr", {"first_cycle": CYCLE, "cycle_mult": 1.0}),
        steps=3 * CYCLE,
        eval_every=1,
        batch_size=1,  # one epoch: no draw of the noise is used twice
        restart={"momentum": momentum},
        restart_window=0,
    )
    sink = rows.Delivered(saves_at=frozenset(LOOKS))
    (sink.outcome,) = rows.ENGINES[engine](plan, [sink])
    sink.states |= sink.kept
    return sink


SCALES = {"keep": 1.0, "halved": 0.5, "reset": 0.0}


def halves(state: Any) -> tuple[np.ndarray, np.ndarray]:
    """Weights and momentum buffer of a state."""
    found = {name: t.double().numpy() for name, t in load(state.body).items()}
    x = found["model/x"]
    (buffer,) = (
        t for name, t in found.items() if name.startswith("optimizer/") and t.size >= x.size
    )
    return x, buffer[: x.size]


@pytest.mark.parametrize("policy", SCALES)
def test_means_and_covariances_around_a_momentum_restart_are_those_of_theory(engine, policy):
    """|z| < 4 for every mean, variance and covariance; O8."""
    run, known = restarted(engine, policy), law(SCALES[policy])
    for done in LOOKS:
        mean, covariance = known[done]
        both = np.array(halves(run.states[done]))
        sd = np.sqrt(np.diag(covariance))
        z = [(both[i].mean() - mean[i]) / (sd[i] / math.sqrt(COPIES)) for i in range(2)]
        sample = np.cov(both)
        for i, j in ((0, 0), (0, 1), (1, 1)):
            # Of a normal law the sample covariance has this variance (Isserlis 1918).
            error = math.sqrt((covariance[i, j] ** 2 + (sd[i] * sd[j]) ** 2) / COPIES)
            z.append((sample[i, j] - covariance[i, j]) / error)
        assert np.abs(z).max() < 4, (done, z)


@pytest.mark.parametrize(
    ("policy", "peak", "at"), [("keep", 0.1608, 7), ("halved", 0.1120, 23), ("reset", 0.1084, 24)]
)
def test_the_spike_of_a_run_is_as_high_as_theory_says_and_its_end_the_same(
    engine, policy, peak, at
):
    run = restarted(engine, policy)
    losses = [loss / COPIES for loss in run.evaluated("val_loss")]
    spread = math.sqrt(2 / COPIES)
    # After update t, counted from 0: the look after t + 1 updates.
    assert abs(losses[CYCLE] / 0.02215 - 1) < 4 * spread
    assert abs(losses[CYCLE + 1 + at] / peak - 1) < 4 * spread
    exact = {t: (m[0] ** 2 + c[0, 0]) / 2 for t, (m, c) in law(SCALES[policy]).items()}
    assert max(exact[t] for t in range(CYCLE + 1, 2 * CYCLE + 1)) == exact[CYCLE + 1 + at]
    assert exact[CYCLE + 1 + at] == pytest.approx(peak, abs=5e-5)
    assert abs(losses[-1] / 0.021252 - 1) < 4 * spread
    # The ledger's figures are of the same run.
    first = run.ledger[0]
    assert first["val_loss_before"] == run.evaluated("val_loss")[CYCLE]
    assert first["momentum_norm_after"] == pytest.approx(
        SCALES[policy] * first["momentum_norm_before"], rel=1e-6
    )


def test_the_engine_tells_the_three_policies_apart(engine):
    """Else the tests above would hold for a policy that does nothing."""
    peaks = [restarted(engine, p).evaluated("val_loss")[CYCLE + 8] / COPIES for p in SCALES]
    exact = [law(s)[CYCLE + 8] for s in SCALES.values()]
    wanted = [(m[0] ** 2 + c[0, 0]) / 2 for m, c in exact]
    assert peaks == pytest.approx(wanted, rel=4 * math.sqrt(2 / COPIES))
    assert wanted[0] > 1.3 * wanted[1] > 1.3 * wanted[2]
