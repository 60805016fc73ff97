"""The edge of stability, and restarts that jump beyond it (Cohen et al. 2021, arXiv:2103.00065;
Lewkowycz et al. 2020, arXiv:2003.02218).

Gradient descent on all of 500 digits makes the loss sharper until its rate is 2 over the largest
eigenvalue. A restart to a higher rate then throws the weights out of their valley, into a wider one
or, above twice the edge, to infinity; a rate that rises slowly finds the wider one quietly.
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import importlib.util
import numpy as np
import pytest
import torch
from torch import nn

from lrbench.engine.base import Plan, Restart, State
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

SAMPLES, EDGE = 500, 0.8
SETTLED = 1000
"""Updates after which the sharpness follows the rate."""


class Tanh(nn.Module):
    """64-64-64-10, the plainest model that sharpens."""

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int) -> None:
        super().__init__()
        widths = [math.prod(input_shape), 64, 64, num_outputs]
        self.maps = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:], strict=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(1)
        for linear in self.maps[:-1]:
            x = torch.tanh(linear(x))
        return self.maps[-1](x)


def plan_of(rates: list[float], restarts: tuple[Restart, ...] = (), every: int = 100) -> Plan:
    """All samples in every batch, and a look at the sharpness now and then."""
    plan = rows.plan_of("loop", dataset=("digits", {}), optimizer=("sgd", {"momentum": 0.0}))
    train = plan.data.train
    pixels = train.inputs[:SAMPLES].reshape(SAMPLES, -1)
    pixels = (pixels - pixels.min()) / (pixels.max() - pixels.min())
    targets = np.eye(10, dtype=np.float32)[train.targets[:SAMPLES]]
    split = Split(pixels.astype(np.float32), targets)
    data = replace(
        plan.data,
        info=DataInfo("regression", (64,), 10),
        train=split,
        val=split,
        sample_digests=plan.data.sample_digests[:SAMPLES],
        digest="all of 500 digits in every batch",
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


def sharpness(run: Any) -> dict[int, float]:
    place = CURVATURE_COLUMNS.index("lambda_max")
    return {row[0]: row[place] for row in run.curvature_rows}


@cache
def settled() -> tuple[State, dict[int, float], float]:
    """A run at the edge, and how sharp its loss was on the way; its last loss."""
    restart = Restart(SETTLED, 1, 1)
    run = trained(plan_of([EDGE] * (SETTLED + 1), (restart,)))
    return run.kept[SETTLED], sharpness(run), run.column("train_loss")[SETTLED - 1]


def jumped(factor: float, after: int, rise: int = 0) -> Any:
    """From there on a rate of ``factor`` times 2 over the sharpness, reached in ``rise`` updates."""
    state, known, _ = settled()
    top = factor * 2 / known[SETTLED]
    ramp = [EDGE + (top - EDGE) * (k + 1) / rise for k in range(rise)]
    rates = [EDGE] * SETTLED + ramp + [top] * (after - rise)
    restart = Restart(SETTLED, 1, after, RestartSpec(rewarm=rise))
    plan = plan_of(rates, (restart,), every=after)
    return trained(replace(plan, lanes=(replace(plan.lanes[0], state=state),)))


@pytest.mark.slow
def test_gradient_descent_settles_where_its_rate_is_at_the_edge_of_stability():
    _, known, loss = settled()
    late = [known[step] for step in range(SETTLED - 300, SETTLED + 1, 100)]
    print(known, loss)
    assert np.mean(late) * EDGE / 2 == pytest.approx(1.0, abs=0.05)


@pytest.mark.slow
def test_the_spike_grows_with_the_jump_and_the_valley_behind_it_is_wider():
    _, known, loss = settled()
    peaks, ends = [], []
    for factor in (1.2, 1.4, 1.6, 1.8):
        run = jumped(factor, after=400)
        assert run.outcome.diverged_at is None
        peaks.append(max(run.column("train_loss")))
        ends.append(sharpness(run)[SETTLED + 400] * factor * 2 / known[SETTLED] / 2)
        print(
            factor,
            peaks[-1],
            ends[-1],
            run.ledger[0]["steps_to_peak"],
            run.ledger[0]["recovery_steps"],
        )
    print(loss)
    assert loss < peaks[0]
    assert peaks == sorted(peaks)


@pytest.mark.slow
def test_beyond_twice_the_edge_a_jump_diverges_and_a_rise_does_not():
    for factor in (2.0, 2.1, 2.3, 2.6):
        run = jumped(factor, after=60)
        print(factor, run.outcome.diverged_at, max(run.column("train_loss")))
    run = jumped(2.3, after=600, rise=300)
    print("rise", run.outcome.diverged_at, max(run.column("train_loss")), sharpness(run))
