"""The loop engine against the few lines of plain torch it stands for."""

from __future__ import annotations

import math
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lrbench.engine import loop
from lrbench.engine.base import Outcome, Plan
from lrbench.engine.device import configure
from lrbench.errors import ConfigError
from lrbench.record.layout import LAYER_COLUMNS, NORMS, STEP_COLUMNS
from lrbench.spec.run import (
    Component,
    ComputeSpec,
    DatasetSpec,
    DiagnosticsSpec,
    OptimizerSpec,
    RunSpec,
    StreamSeeds,
    TrainSpec,
)
from lrbench.streams import stream
from lrbench.tasks.data.catalog import forget, prepare
from lrbench.tasks.models.build import build_model
from lrbench.workflows.plan import make_plan
from lrbench.workflows.run import resolve_overrides

STEPS = 50
BATCH = 16


@pytest.fixture(scope="module", autouse=True)
def data_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LRBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        forget()
        yield
        forget()


def plan_of(
    *,
    dataset: str = "digits",
    model: str = "mlp",
    settings: dict[str, Any] | None = None,
    optimizer: str = "sgd",
    lr: float = 0.05,
    optimizer_settings: dict[str, Any] | None = None,
    target: str | None = None,
    precision: str = "float32",
    steps: int = STEPS,
    eval_every: int = 20,
) -> Plan:
    data = prepare(dataset, {})
    spec = RunSpec(
        dataset=DatasetSpec(name=dataset, digest=data.digest),
        model=Component(name=model, params=settings or {}),
        optimizer=OptimizerSpec(
            name=optimizer, lr=lr, params=optimizer_settings or {}, target=target
        ),
        schedule=Component(
            name="sgdr",
            params={"first_cycle": 2 * steps // 5, "cycle_mult": 1.0, "warmup": steps // 10},
        ),
        train=TrainSpec(steps=steps, batch_size=BATCH, eval_every=eval_every),
        diagnostics=DiagnosticsSpec(layers_every=1),
        compute=ComputeSpec(precision=precision),
        seed=3,
        streams=StreamSeeds(),
    )
    configure(spec.compute)
    return make_plan(spec, data)


@dataclass
class Logged:
    """Rows by column, and how the run ended."""

    step_rows: list[Any] = field(default_factory=list)
    layer_rows: list[Any] = field(default_factory=list)
    eval_rows: list[Any] = field(default_factory=list)
    outcome: Outcome | None = None

    def begin(self, start: Any) -> None:
        pass

    def steps(self, rows: Any) -> None:
        self.step_rows += rows

    def layers(self, rows: Any) -> None:
        self.layer_rows += rows

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

    def layer_column(self, layer: str, name: str) -> list[Any]:
        return [row[LAYER_COLUMNS.index(name)] for row in self.layer_rows if row[1] == layer]


def logged(plan: Plan) -> Logged:
    sink = Logged()
    (sink.outcome,) = loop.train(plan, [sink])
    return sink


def batches(plan: Plan) -> Iterator[np.ndarray]:
    """Indices of each batch, from the order stream of seed 3."""
    size = len(plan.data.train)
    epoch = 0
    while True:
        order = stream(3, "order", epoch).permutation(size)
        for place in range(size // plan.batch_size):
            yield order[place * plan.batch_size : (place + 1) * plan.batch_size]
        epoch += 1


def norm(tensors: list[torch.Tensor]) -> float:
    return math.sqrt(sum(float((t.double() ** 2).sum()) for t in tensors))


MOMENTUM = ("momentum_buffer", "exp_avg")


class Plain:
    """A training loop without anything that lrbench adds."""

    def __init__(self, plan: Plan, builder: Any, **settings: Any) -> None:
        dtype = torch.float64 if plan.compute.precision == "float64" else torch.float32
        self.model = plan.build_model(plan.lanes[0].streams).to(dtype)
        optimizer = builder(self.model.parameters(), lr=1.0, **settings)
        inputs = torch.tensor(plan.data.train.inputs, dtype=dtype)
        targets = torch.tensor(plan.data.train.targets)
        self.losses: list[float] = []
        self.measured: dict[tuple[str, str], list[float | None]] = {}
        self.model.train()
        for rate, indices in zip(plan.rates[:, 0].tolist(), batches(plan), strict=False):
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
            outputs = self.model(inputs[indices])
            if plan.data.info.kind == "classification":
                loss = F.cross_entropy(outputs, targets[indices])
            else:
                loss = ((outputs - targets[indices].to(dtype)) ** 2).mean()
            loss.backward()
            before = {name: p.detach().clone() for name, p in self.model.named_parameters()}
            optimizer.step()
            self.losses.append(loss.item())
            self.measure(optimizer, before)

    def measure(self, optimizer: torch.optim.Optimizer, before: dict[str, torch.Tensor]) -> None:
        named = dict(self.model.named_parameters())
        parts = {"": list(named)}
        for name in named:
            parts.setdefault(name.rpartition(".")[0], []).append(name)
        for part, names in parts.items():
            ours = [named[name] for name in names]
            state = [optimizer.state[p] for p in ours]
            moments = [
                [s[key] for key in MOMENTUM if isinstance(s.get(key), torch.Tensor)] for s in state
            ]
            seconds = [s["exp_avg_sq"] for s in state if "exp_avg_sq" in s]
            values = {
                "grad_norm": norm([p.grad for p in ours]),
                "update_norm": norm([named[n].detach().double() - before[n] for n in names]),
                "weight_norm": norm([p.detach() for p in ours]),
                "momentum_norm": norm([m[0] for m in moments]) if all(moments) else None,
                "second_moment_mean": float(torch.cat([s.double().ravel() for s in seconds]).mean())
                if seconds
                else None,
            }
            for name, value in values.items():
                self.measured.setdefault((part, name), []).append(value)

    def val_loss(self, plan: Plan, *, training: bool = False) -> float:
        self.model.train(training)
        with torch.no_grad():
            outputs = self.model(torch.tensor(plan.data.val.inputs))
            return F.cross_entropy(outputs.double(), torch.tensor(plan.data.val.targets)).item()


def assert_same(run: Logged, plain: Plain, rel: float) -> None:
    """Losses and every measurement; updates are differences, so they lose a few digits more."""
    assert len(run.step_rows) == len(plain.losses)
    assert run.column("train_loss") == pytest.approx(plain.losses, rel=rel)
    for (part, name), values in plain.measured.items():
        found = run.layer_column(part, name) if part else run.column(name)
        if values[0] is None:
            assert set(found) == {None}, (part, name)
            continue
        assert all(isinstance(value, float) for value in found), (part, name)
        loss_of_digits = 100 if name == "update_norm" else 10
        assert found == pytest.approx(values, rel=loss_of_digits * rel, abs=1e-12), (part, name)
    assert {name for _, name in plain.measured} == set(NORMS)


BUILT_IN = {
    "sgd-plain": ("sgd", {"momentum": 0.0}, torch.optim.SGD, {}),
    "sgd-momentum": ("sgd", {}, torch.optim.SGD, {"momentum": 0.9}),
    "sgd-nesterov": (
        "sgd",
        {"momentum": 0.8, "nesterov": True, "weight_decay": 1e-2},
        torch.optim.SGD,
        {"momentum": 0.8, "nesterov": True, "weight_decay": 1e-2},
    ),
    "sgd-dampening": (
        "sgd",
        {"momentum": 0.9, "dampening": 0.5},
        torch.optim.SGD,
        {"momentum": 0.9, "dampening": 0.5},
    ),
    "adam": ("adam", {}, torch.optim.Adam, {}),
    "adam-decay": (
        "adam",
        {"beta1": 0.8, "beta2": 0.95, "eps": 1e-4, "weight_decay": 0.1},
        torch.optim.Adam,
        {"betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1},
    ),
    "adamw": ("adamw", {}, torch.optim.AdamW, {}),
    "adamw-decay": ("adamw", {"weight_decay": 0.5}, torch.optim.AdamW, {"weight_decay": 0.5}),
}


@pytest.mark.parametrize("case", BUILT_IN)
@pytest.mark.parametrize(("precision", "rel"), [("float32", 1e-5), ("float64", 1e-12)])
@pytest.mark.parametrize("dataset", ["digits", "diabetes"])
def test_a_built_in_optimizer_on_the_flat_model_is_torchs_on_the_parameters(
    case, precision, rel, dataset
):
    name, ours, builder, theirs = BUILT_IN[case]
    plan = plan_of(
        dataset=dataset,
        settings={"hidden": [9, 5], "activation": "tanh"},  # sizes that need padding
        optimizer=name,
        optimizer_settings=ours,
        lr=0.05 if name == "sgd" else 0.01,
        precision=precision,
    )
    assert_same(logged(plan), Plain(plan, builder, **theirs), rel)


@pytest.mark.parametrize("changed", [1, STEPS - 1])
def test_one_other_rate_is_enough_to_be_noticed(changed):
    # The comparison above has teeth: a schedule shifted at a single step fails it.
    plan = plan_of(settings={"hidden": [9]}, precision="float64")
    shifted = plan.rates.copy()
    shifted[changed - 1] = plan.rates[changed]
    run = logged(plan)
    with pytest.raises(AssertionError):
        assert_same(run, Plain(replace(plan, rates=shifted), torch.optim.SGD, momentum=0.9), 1e-12)


OF_TORCH = {
    "RMSprop": {"momentum": 0.5, "alpha": 0.9},
    "NAdam": {"weight_decay": 0.01},
    "Adafactor": {},
    "RAdam": {},
    "SGD": {"momentum": 0.9},
}


@pytest.mark.parametrize("name", OF_TORCH)
def test_an_optimizer_of_torch_given_by_its_path_is_that_optimizer(name):
    builder = getattr(torch.optim, name, None)
    if builder is None:
        pytest.skip(f"torch {torch.__version__} has no {name}")
    plan = plan_of(
        settings={"hidden": [9]},
        optimizer=name.lower(),
        target=f"torch.optim:{name}",
        optimizer_settings=OF_TORCH[name],
        lr=0.003,
    )
    run = logged(plan)
    assert_same(run, Plain(plan, builder, **OF_TORCH[name]), 1e-5)
    keeps = {"NAdam": {"momentum_norm", "second_moment_mean"}, "Adafactor": set()}
    keeps["RAdam"] = keeps["NAdam"]
    columns = {c for c in ("momentum_norm", "second_moment_mean") if run.column(c)[0] is not None}
    assert columns == keeps.get(name, {"momentum_norm"})


class NoBias(nn.Module):
    def __init__(self, input_shape: tuple[int, ...], num_outputs: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(math.prod(input_shape), 12, bias=False)
        self.output = nn.Linear(12, num_outputs, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.output(torch.tanh(self.hidden(x.flatten(1))))


def test_an_optimizer_of_matrices_gets_matrices():
    if not hasattr(torch.optim, "Muon"):
        pytest.skip(f"torch {torch.__version__} has no Muon")
    plan = plan_of(optimizer="muon", target="torch.optim:Muon", lr=0.01)
    info = plan.data.info
    plan = replace(
        plan, build_model=lambda streams: build_model("mine", {}, info, streams, target=NoBias)
    )
    assert_same(logged(plan), Plain(plan, torch.optim.Muon), 1e-5)


class Rebinding(torch.optim.Optimizer):
    """Momentum whose buffer is a new tensor after every update."""

    def __init__(self, params: Any, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                old = self.state[p].get("momentum_buffer", torch.zeros_like(p))
                self.state[p]["momentum_buffer"] = 0.9 * old + p.grad
                p.sub_(self.state[p]["momentum_buffer"], alpha=group["lr"])


def test_the_moments_of_an_optimizer_that_keeps_new_tensors_are_followed(monkeypatch):
    module = types.ModuleType("users_own")
    module.Rebinding = Rebinding  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "users_own", module)
    plan = plan_of(optimizer="rebinding", target="users_own:Rebinding", settings={"hidden": [9]})
    run = logged(plan)
    assert_same(run, Plain(plan, Rebinding), 1e-5)
    assert len(set(run.column("momentum_norm"))) == STEPS
    assert set(run.column("momentum")) == {None}


@pytest.mark.parametrize("target", ["torch.optim:LBFGS", "torch.optim.LBFGS"])
def test_an_optimizer_that_needs_a_closure_is_refused_before_anything_is_written(target):
    with pytest.raises(ConfigError, match="closure") as caught:
        resolve_overrides([f"optimizer._target_={target}", "optimizer.lr=0.1", "train.steps=3"])
    assert caught.value.problems[0].key == "optimizer._target_"


@pytest.mark.parametrize("eps", ["0", "1e-40", "-1e-8"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_an_eps_that_float32_rounds_to_nothing_is_refused(optimizer, eps):
    with pytest.raises(ConfigError) as caught:
        resolve_overrides([f"optimizer={optimizer}", f"optimizer.eps={eps}", "train.steps=3"])
    assert caught.value.problems[0].key == "optimizer.eps"


def test_the_smallest_eps_gives_finite_norms():
    plan = plan_of(optimizer="adam", optimizer_settings={"eps": 1e-30}, lr=0.001, steps=5)
    run = logged(plan)
    for name in NORMS:
        assert all(map(math.isfinite, run.column(name))), name


MODELS = {
    "linear": ("wine", {}),
    "mlp": ("diabetes", {"dropout": 0.2}),
    "cnn": ("digits", {}),
    "resnet_small": ("digits", {}),
    "resnet_small-group": ("digits", {"norm": "group"}),
    "transformer_small": ("digits", {"dropout": 0.1}),
    "quadratic": ("noisy_quadratic", {}),
}


@pytest.mark.parametrize("precision", ["float32", "float64", "bf16"])
@pytest.mark.parametrize("name", MODELS)
def test_every_built_in_model_trains_in_every_precision(name, precision):
    dataset, settings = MODELS[name]
    plan = plan_of(
        dataset=dataset,
        model=name.partition("-")[0],
        settings=settings,
        precision=precision,
        steps=3,
        lr=0.01,
    )
    run = logged(plan)
    assert len(run.step_rows) == 3
    assert run.outcome.diverged_at is None
    for column in ("train_loss", "grad_norm", "update_norm", "weight_norm"):
        assert all(math.isfinite(v) and v > 0 for v in run.column(column)), column
    assert run.eval_rows[-1] != run.eval_rows[0]


def test_bf16_rounds_the_passes_but_not_the_weights():
    settings: dict[str, Any] = {"settings": {"hidden": [32]}, "lr": 0.02}
    exact, rounded = (logged(plan_of(precision=p, **settings)) for p in ("float32", "bf16"))
    assert exact.column("train_loss") != rounded.column("train_loss")
    # bfloat16 has 8 bits: two or three digits of the loss are left over a short run.
    assert rounded.column("train_loss") == pytest.approx(exact.column("train_loss"), rel=0.05)
    # The first update is -rate * gradient in float32: 8 bits of it would show here.
    first = rounded.step_rows[0]
    rate, grad = first[STEP_COLUMNS.index("lr")], first[STEP_COLUMNS.index("grad_norm")]
    assert first[STEP_COLUMNS.index("update_norm")] == pytest.approx(rate * grad, rel=1e-4)


def test_evaluation_uses_the_running_statistics_of_batch_norm():
    plan = plan_of(model="resnet_small", steps=25, eval_every=25, lr=0.02)
    run = logged(plan)
    plain = Plain(plan, torch.optim.SGD, momentum=0.9)
    found = run.eval_rows[-1][2]
    assert found == pytest.approx(plain.val_loss(plan), rel=1e-3)
    assert abs(found / plain.val_loss(plan, training=True) - 1) > 0.01
    assert run.column("train_loss") == pytest.approx(plain.losses, rel=1e-3)


def test_evaluation_does_not_feed_the_running_statistics():
    seldom = logged(plan_of(model="resnet_small", steps=10, eval_every=10))
    often = logged(plan_of(model="resnet_small", steps=10, eval_every=1))
    assert seldom.eval_rows[-1] == often.eval_rows[-1]
    assert seldom.outcome.weights_digest == often.outcome.weights_digest
