"""The edge of stability, and restarts that jump beyond it (Cohen et al. 2021, arXiv:2103.00065;
Lewkowycz et al. 2020, arXiv:2003.02218).

Gradient descent on all of 500 digits makes the loss sharper until its rate is 2 over the largest
eigenvalue. A restart to a higher rate then throws the weights out of their valley, into a wider one
or, above twice the edge, to infinity; a rate that rises slowly finds the wider one quietly.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from lrbench.engine.base import Plan, Restart
from lrbench.record.layout import CURVATURE_COLUMNS
from lrbench.spec.restart import CurvatureSpec, RestartSpec
from lrbench.tasks.base import DataInfo, Split
from lrbench.workflows.plan import ENGINES

_source = Path(__file__).parents[1] / "contracts" / "test_engines.py"
_module = importlib.util.spec_from_file_location("contract_of_rows", _source)
rows = importlib.util.module_from_spec(_module)
sys.modules["contract_of_rows"] = rows
_module.loader.exec_module(rows)

data_cache = rows.data_cache

SAMPLES = 500
EDGE, SETTLED = 0.25, 1200
"""A rate, and updates after which the sharpness follows it."""

SCALE = math.sqrt(5.0)
"""Of outputs and targets: the mean over 10 outputs is then half the sum of squared errors."""


class Tanh(nn.Module):
    """64-64-64-10, the plainest model that sharpens."""

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int) -> None:
        super().__init__()
        widths = (math.prod(input_shape), 64, 64, num_outputs)
        self.maps = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(1)
        for linear in self.maps[:-1]:
            x = torch.tanh(linear(x))
        return SCALE * self.maps[-1](x)


def plan_of(rates: list[float], restarts: tuple[Restart, ...] = (), every: int = 100) -> Plan:
    """All samples in every batch, and a look at the sharpness now and then."""
    plan = rows.plan_of("loop", dataset=("digits", {}), optimizer=("sgd", {"momentum": 0.0}))
    found = load_digits()
    pixels = found.data / 16
    pixels = (pixels - pixels.mean(axis=0)) / (pixels.std(axis=0) + 1e-5)
    order = np.random.default_rng(0).permutation(len(pixels))[:SAMPLES]
    targets = SCALE * np.eye(10)[found.target[order]]
    split = Split(pixels[order].astype(np.float32), targets.astype(np.float32))
    data = replace(
        plan.data,
        info=DataInfo("regression", (64,), 10),
        train=split,
        val=split,
        sample_digests=plan.data.sample_digests[:SAMPLES],
        digest="500 digits in every batch",
    )
    plan = rows.with_model(replace(plan, data=data), Tanh)
    return replace(
        plan,
        rates=np.array(rates)[:, np.newaxis],
        batch_size=SAMPLES,
        eval_every=len(rates),
        curvature=CurvatureSpec(every=every, samples=SAMPLES),
        lanes=(replace(plan.lanes[0], restarts=restarts),),
    )


def trained(plan: Plan) -> Any:
    sink = rows.Delivered()
    (sink.outcome,) = ENGINES["loop"](plan, [sink])
    return sink


def looked(run: Any, name: str) -> dict[int, float]:
    """A column of the looks, by their steps."""
    place = CURVATURE_COLUMNS.index(name)
    return {row[0]: row[place] for row in run.curvature_rows}


@cache
def settled() -> Any:
    """A run at the edge."""
    return trained(plan_of([EDGE] * (SETTLED + 1), (Restart(SETTLED, 1, 1),)))


def jumped(rate: float, after: int, rise: int = 0) -> Any:
    """From there another rate, reached in ``rise`` updates."""
    ramp = [EDGE + (rate - EDGE) * (k + 1) / rise for k in range(rise)]
    rates = [EDGE] * SETTLED + ramp + [rate] * (after - rise)
    restart = Restart(SETTLED, 1, after, RestartSpec(rewarm=rise))
    plan = plan_of(rates, (restart,), every=SETTLED)
    state = settled().kept[SETTLED]
    return trained(replace(plan, lanes=(replace(plan.lanes[0], state=state),)))


@pytest.mark.slow
def test_gradient_descent_settles_where_its_rate_is_at_the_edge_of_stability():
    margins = looked(settled(), "stability_margin")
    late = [margins[step] for step in range(SETTLED - 300, SETTLED + 1, 100)]
    assert late == pytest.approx([1.0] * 4, abs=0.05)
    # It is no accident of the start, which is well below.
    assert margins[0] < 0.5
    sharp = looked(settled(), "lambda_max")
    assert list(margins.values()) == pytest.approx(
        [EDGE * value / 2 for value in sharp.values()], rel=1e-12
    )


@pytest.mark.slow
def test_the_spike_grows_with_the_jump_and_the_valley_behind_it_is_wider():
    loss = settled().column("train_loss")[SETTLED - 1]
    peaks, spikes = [loss], [0.0]
    for rate in (0.30, 0.35, 0.40, 0.45):
        run = jumped(rate, after=500)
        assert run.outcome.diverged_at is None
        (row,) = run.ledger
        assert 2 < rate * row["lambda_max_before"] < 4
        peaks.append(max(run.column("train_loss")))
        spikes.append(row["spike"])
        # Where the new rate is at the edge.
        assert row["lambda_max_end"] * rate / 2 == pytest.approx(1.0, abs=0.1)
    assert peaks == sorted(peaks)
    assert spikes == sorted(spikes)
    assert peaks[-1] > 20 * loss


@pytest.mark.slow
def test_beyond_twice_the_edge_a_jump_diverges_and_a_rise_does_not():
    jump = jumped(0.7, after=100)
    (row,) = jump.ledger
    assert 0.7 * row["lambda_max_before"] > 4
    assert SETTLED < jump.outcome.diverged_at < SETTLED + 60
    assert row["length"] == jump.outcome.diverged_at - SETTLED
    assert row["recovery_steps"] is None
    rise = jumped(0.7, after=800, rise=300)
    assert rise.outcome.diverged_at is None
    assert rise.ledger[0]["policy"] == "rewarm=300"
    assert max(rise.column("train_loss")) < 1.0
    assert rise.ledger[0]["lambda_max_end"] * 0.7 / 2 == pytest.approx(1.0, abs=0.1)
