"""Training against mathematics: runs whose end can be worked out with a pencil.

Each test says what it would do to a schedule that is shifted by one step, since that is the fault
nobody sees in a plot.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lrbench.config.resolve import Resolved, with_seed
from lrbench.engine.base import Plan
from lrbench.engine.device import configure
from lrbench.record.layout import STEP_COLUMNS
from lrbench.tasks.data.catalog import forget
from lrbench.tasks.models.build import build_model
from lrbench.workflows.plan import ENGINES, load_data, make_plan
from lrbench.workflows.run import resolve_overrides

NOISY = ["dataset=noisy_quadratic", "model=quadratic", "diagnostics=minimal"]


@pytest.fixture(scope="module", autouse=True)
def data_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LRBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        forget()
        yield
        forget()


@pytest.fixture(params=["loop", pytest.param("lanes", marks=pytest.mark.slow)])
def engine(request):
    def train(plan: Plan, sinks: Sequence[Any]) -> Any:
        more = {"lanes": max(2, len(sinks)), "compile": False}
        return ENGINES[request.param](
            replace(plan, compute=plan.compute.model_copy(update=more)), sinks
        )

    return train


@dataclass
class Ends:
    """The rows a closed form speaks of."""

    step_rows: list[Any] = field(default_factory=list)
    eval_rows: list[Any] = field(default_factory=list)

    def begin(self, start: Any) -> None:
        pass

    def steps(self, rows: Any) -> None:
        self.step_rows += rows

    def layers(self, rows: Any) -> None:
        pass

    def evals(self, row: Any) -> None:
        self.eval_rows.append(row)

    def restarts(self, row: Any) -> None:
        pass

    def restart_layers(self, rows: Any) -> None:
        pass

    def curvature(self, row: Any) -> None:
        pass

    def keep(self, done: int, capture: Any) -> None:
        pass

    def wants_state(self, done: int, is_look: bool) -> bool:
        return False

    def next_state(self, done: int) -> int | None:
        return None

    def save(self, capture: Any) -> None:
        raise AssertionError

    def column(self, name: str) -> list[Any]:
        return [row[STEP_COLUMNS.index(name)] for row in self.step_rows]


def planned(run: Resolved) -> Plan:
    configure(run.spec.compute)
    return make_plan(run.spec, load_data(run))


def trained(engine: Any, plan: Plan) -> Ends:
    sink = Ends()
    engine(plan, [sink])
    return sink


SCHEDULES = {
    "constant": ["schedule=constant"],
    "cosine": ["schedule=cosine"],
    "sgdr": ["schedule=sgdr", "schedule.first_cycle=25", "schedule.warmup=7"],
}


# ----------------------------------------------------- O1: gradient descent, no noise, every step


@pytest.mark.parametrize("name", SCHEDULES)
def test_gradient_descent_contracts_by_one_minus_rate_times_curvature(engine, name):
    """x_T = x_0 * prod(1 - lr_t * curvature), to 1e-12 in float64; O1."""
    curvature = [2.0, 0.5, 0.125]  # exact in float32, in which the data are kept
    run = resolve_overrides(
        [
            *NOISY,
            *SCHEDULES[name],
            "dataset.curvature=[2.0,0.5,0.125]",
            "dataset.noise_std=0",
            "dataset.num_samples=64",
            "train.batch_size=4",
            "train.steps=120",
            "train.eval_every=1",
            "optimizer.momentum=0",
            "optimizer.lr=0.3",
            "compute.precision=float64",
        ]
    )
    plan = planned(run)
    rates = plan.rates[:, 0].tolist()

    def losses(table: Sequence[float]) -> list[float]:
        x = [5.0, 5.0, 5.0]
        found = [sum(c * v * v / 2 for c, v in zip(curvature, x, strict=True))]
        for rate in table:
            x = [v * (1 - rate * c) for c, v in zip(curvature, x, strict=True)]
            found.append(sum(c * v * v / 2 for c, v in zip(curvature, x, strict=True)))
        return found

    ends = trained(engine, plan)
    wanted = losses(rates)
    assert [row[2] for row in ends.eval_rows] == pytest.approx(wanted, rel=1e-12)
    # Row t is the loss before update t, the look after it is the loss after.
    assert ends.column("train_loss") == pytest.approx(wanted[:-1], rel=1e-12)
    if name != "constant":
        for shifted in ([*rates[1:], rates[-1]], [rates[0], *rates[:-1]]):
            assert abs(losses(shifted)[-1] / wanted[-1] - 1) > 1e-3


def test_the_start_and_the_curvature_are_those_of_the_settings(engine):
    run = resolve_overrides(
        [
            *NOISY,
            "model.start=2.0",
            "dataset.curvature=[4.0]",
            "train.steps=1",
            "dataset.num_samples=64",
        ]
    )
    assert trained(engine, planned(run)).eval_rows[0][2] == 8.0


# ---------------------------------------------------------- O3: noise, in the mean over the seeds


def law_of_the_end(
    rates: Sequence[float], *, start: float, bias: float, variance: float
) -> tuple[float, float]:
    """Mean and variance of x after x <- x - lr (x + xi), for a batch's xi; O3."""
    mean, spread = start, 0.0
    for rate in rates:
        mean = (1 - rate) * mean - rate * bias
        spread = (1 - rate) ** 2 * spread + rate**2 * variance
    return mean, spread


def expected_loss(rates: Sequence[float], **facts: float) -> float:
    mean, spread = law_of_the_end(rates, **facts)
    return (mean**2 + spread) / 2


SEEDS = 200
BATCH = 4
LR = 0.2
CASES = {
    # The run of the restarts ends within its third cycle, four steps before it is over.
    "constant": (["schedule=constant"], 40),
    "cosine": (["schedule=cosine"], 60),
    "sgdr": (["schedule=sgdr", "schedule.first_cycle=8"], 52),
}


@pytest.mark.parametrize(
    "name", ["constant", "sgdr", pytest.param("cosine", marks=pytest.mark.slow)]
)
def test_the_mean_loss_of_many_seeds_is_the_exact_one_of_the_noisy_quadratic(engine, name):
    """O3; |z| < 4, which fails once in 15000 samples.

    The standard error is the exact one of x**2 / 2 for a normal x. That of the sample would be too
    small whenever the mean is: the law is skewed.
    """
    overrides, steps = CASES[name]
    run = resolve_overrides(
        [
            *NOISY,
            *overrides,
            f"train.steps={steps}",
            f"train.eval_every={steps}",
            f"train.batch_size={BATCH}",
            "optimizer.momentum=0",
            f"optimizer.lr={LR}",
        ]
    )
    plan = planned(run)
    noise = plan.data.train.inputs[:, 1, 0].astype(np.float64)
    rates = plan.rates[:, 0].tolist()
    facts = {"start": 5.0, "bias": float(noise.mean()), "variance": float(noise.var()) / BATCH}
    losses = [
        trained(engine, planned(with_seed(run, seed))).eval_rows[-1][2] for seed in range(SEEDS)
    ]
    mean, spread = law_of_the_end(rates, **facts)
    error = math.sqrt((spread**2 / 2 + mean**2 * spread) / SEEDS)
    found = statistics.fmean(losses)
    assert abs(found - (mean**2 + spread) / 2) < 4 * error
    # And the sample scatters as it should: the standard deviation of 200 such losses is known to
    # about one part in seven.
    assert statistics.stdev(losses) == pytest.approx(error * math.sqrt(SEEDS), rel=0.5)
    # The test sees a noise that is not divided by the batch, and another schedule.
    others = [expected_loss(rates, **facts | {"variance": float(noise.var())})]
    if name == "constant":
        others.append(expected_loss([2 * LR] * steps, **facts))
    else:
        others.append(expected_loss([LR] * steps, **facts))
    for other in others:
        assert abs(found - other) > 4 * error


# ------------------------------------------------------- O6: the area under the schedule, by Adam


class ConstantGradient(nn.Module):
    """``loss = sum(slopes * x)``, whatever the sample."""

    slopes = (1.0, -3.0, 0.25, -1e-3)

    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.full((len(self.slopes),), 2.0))

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        slopes = torch.tensor(self.slopes, dtype=self.x.dtype)
        return (slopes * self.x).sum().expand(len(samples), 1)


class NoGradient(nn.Module):
    """A loss that has nothing to do with the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.tensor([2.0, -3.0]))

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        return (0.0 * self.x).sum().expand(len(samples), 1)


AREAS = {
    "constant": ["schedule=constant"],
    "cosine": ["schedule=cosine"],
    "linear": ["schedule=linear", "schedule.warmup=10"],
    "sgdr": ["schedule=sgdr", "schedule.first_cycle=20", "schedule.warmup=13"],
}


def own_model(
    overrides: list[str], module: type[nn.Module]
) -> tuple[Plan, Callable[[], nn.Module]]:
    """A plan with a model of ours in float64, and how to get at that model."""
    common = ["train.steps=140", "train.batch_size=4", "compute.precision=float64"]
    plan = planned(resolve_overrides([*NOISY, "dataset.num_samples=64", *common, *overrides]))
    built: list[nn.Module] = []
    info = plan.data.info

    def build(streams: Any) -> nn.Module:
        built.append(build_model("mine", {}, info, streams, target=module))
        return built[-1]

    return replace(plan, build_model=build), lambda: built[-1]


@pytest.mark.parametrize("name", AREAS)
def test_adam_moves_by_the_area_under_the_schedule(engine, name):
    """theta_T - theta_0 = -sign(g) * sum(lr_t) for a constant gradient; O6."""
    adam = ["optimizer=adam", "optimizer.eps=1e-20", "optimizer.lr=0.01"]
    plan, model = own_model([*AREAS[name], *adam], ConstantGradient)
    ends = trained(engine, plan)
    rates = plan.rates[:, 0]
    area = math.fsum(rates)
    moved = model().x.detach().numpy() - 2.0
    assert moved == pytest.approx(-np.sign(ConstantGradient.slopes) * area, abs=1e-9)
    # Every single update, too: its norm is lr_t * sqrt(number of weights).
    assert ends.column("update_norm") == pytest.approx(list(rates * 2.0), abs=1e-9)
    if name != "constant":
        for skipped in (0, len(rates) - 1):
            shifted = area - rates[skipped] + rates[len(rates) // 2]
            assert abs(shifted - area) > 1e-5  # what a shift by one would make of it


@pytest.mark.parametrize("name", AREAS)
def test_adamw_without_a_gradient_decays_by_the_schedule_alone(engine, name):
    """theta_T = theta_0 * prod(1 - lr_t * weight_decay)."""
    adamw = ["optimizer=adamw", "optimizer.weight_decay=0.3", "optimizer.lr=0.05"]
    plan, model = own_model([*AREAS[name], *adamw], NoGradient)
    ends = trained(engine, plan)
    shrunk = math.prod(1 - rate * 0.3 for rate in plan.rates[:, 0].tolist())
    assert 0.05 < shrunk < 0.5
    assert model().x.tolist() == pytest.approx([2.0 * shrunk, -3.0 * shrunk], rel=1e-12)
    assert ends.column("grad_norm") == [0.0] * 140
    assert ends.column("momentum_norm") == [0.0] * 140


def test_momentum_of_a_constant_gradient_grows_as_a_geometric_sum(engine):
    """b_k = g (1 - beta^k) / (1 - beta), and the displacement is lr times their sum; O6."""
    sgd = ["optimizer=sgd", "optimizer.momentum=0.8", "optimizer.lr=0.01"]
    plan, model = own_model(["schedule=constant", *sgd], ConstantGradient)
    ends = trained(engine, plan)
    size = math.sqrt(sum(slope**2 for slope in ConstantGradient.slopes))
    sums = [(1 - 0.8**k) / (1 - 0.8) for k in range(1, 141)]
    assert ends.column("momentum_norm") == pytest.approx([size * s for s in sums], rel=1e-12)
    assert ends.column("update_norm") == pytest.approx([0.01 * size * s for s in sums], rel=1e-9)
    moved = model().x.detach().numpy() - 2.0
    slopes = np.array(ConstantGradient.slopes)
    assert moved == pytest.approx(-0.01 * slopes * math.fsum(sums), rel=1e-12)
