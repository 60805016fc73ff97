"""What every engine promises: the same rows, in order, from the same plan, and nothing else."""

from __future__ import annotations

import itertools
import math
import random
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lrbench.engine.base import Outcome, Plan, Row, Start, State
from lrbench.engine.device import configure
from lrbench.errors import RunError
from lrbench.record.layout import (
    EVAL_COLUMNS,
    LAYER_COLUMNS,
    NORMS,
    RESTART_COLUMNS,
    STEP_COLUMNS,
)
from lrbench.schedules.catalog import build_schedule
from lrbench.spec.restart import CurvatureSpec, RestartSpec
from lrbench.spec.run import (
    RESTART_WINDOW,
    Component,
    ComputeSpec,
    DatasetSpec,
    DiagnosticsSpec,
    OptimizerSpec,
    RunSpec,
    StreamSeeds,
    TrainSpec,
)
from lrbench.streams import Streams
from lrbench.tasks.base import Split
from lrbench.tasks.data.catalog import forget, prepare
from lrbench.tasks.models.build import build_model
from lrbench.workflows.plan import ENGINES, make_plan

BATCH = 8


@pytest.fixture(scope="module", autouse=True)
def data_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LRBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        forget()
        yield
        forget()


@pytest.fixture(params=["loop", pytest.param("lanes", marks=pytest.mark.slow)])
def engine(request):
    """The name of each engine in turn; what lanes alone promise is in ``test_lanes.py``."""
    assert set(ENGINES) == {"loop", "lanes"}
    return request.param


def takes_what_is_the_users_own(engine: str) -> None:
    """Skip for the engine that refuses other optimizers, and models that are more than a function
    of their weights."""
    if engine == "lanes":
        pytest.skip("the lanes engine refuses optimizers and models like these")


@dataclass
class Delivered:
    """What an engine delivered, and in which order."""

    start: Start | None = None
    step_rows: list[Row] = field(default_factory=list)
    layer_rows: list[Row] = field(default_factory=list)
    eval_rows: list[Row] = field(default_factory=list)
    restart_rows: list[Row] = field(default_factory=list)
    restart_layer_rows: list[Row] = field(default_factory=list)
    curvature_rows: list[Row] = field(default_factory=list)
    keeps: bool = True
    kept: dict[int, State] = field(default_factory=dict)
    events: list[tuple[str, Any]] = field(default_factory=list)
    outcome: Outcome | None = None
    saves_at: frozenset[int] = frozenset()
    states: dict[int, State] = field(default_factory=dict)

    def begin(self, start: Start) -> None:
        self.events.append(("begin", None))
        self.start = start

    def steps(self, rows: Sequence[Row]) -> None:
        self.events += [("step", row[0]) for row in rows]
        self.step_rows += rows

    def layers(self, rows: Sequence[Row]) -> None:
        self.events += [("layer", row[0]) for row in rows]
        self.layer_rows += rows

    def evals(self, row: Row) -> None:
        self.events.append(("eval", row[0]))
        self.eval_rows.append(row)

    def restarts(self, row: Row) -> None:
        self.events.append(("restart", row[0]))
        self.restart_rows.append(row)

    def restart_layers(self, rows: Sequence[Row]) -> None:
        self.events += [("restart layer", row[0]) for row in rows]
        self.restart_layer_rows += rows

    def curvature(self, row: Row) -> None:
        self.events.append(("curvature", row[0]))
        self.curvature_rows.append(row)

    def keep(self, done: int, capture: Callable[[], State]) -> None:
        self.events.append(("keep", done))
        if not self.keeps:
            return
        state = capture()
        assert state.step == done
        self.kept[done] = state

    def wants_state(self, done: int, is_look: bool) -> bool:
        return done in self.saves_at

    def next_state(self, done: int) -> int | None:
        return min((at for at in self.saves_at if at > done), default=None)

    def save(self, capture: Callable[[], State]) -> None:
        state = capture()
        self.events.append(("save", state.step))
        self.states[state.step] = state

    @property
    def ledger(self) -> list[dict[str, Any]]:
        return [dict(zip(RESTART_COLUMNS, row, strict=True)) for row in self.restart_rows]

    @property
    def rows(self) -> list[list[Row]]:
        return [
            self.step_rows,
            self.layer_rows,
            self.eval_rows,
            self.restart_rows,
            self.restart_layer_rows,
            self.curvature_rows,
        ]

    @property
    def text(self) -> str:
        """Every bit of it, NaN included."""
        return repr((self.rows, self.start, self.outcome))

    def column(self, name: str) -> list[Any]:
        return [row[STEP_COLUMNS.index(name)] for row in self.step_rows]

    def evaluated(self, name: str) -> list[Any]:
        return [row[EVAL_COLUMNS.index(name)] for row in self.eval_rows]


def plan_of(
    engine: str,
    *,
    dataset: tuple[str, dict[str, Any]] = ("wine", {}),
    model: tuple[str, dict[str, Any]] = ("mlp", {"hidden": [6]}),
    optimizer: tuple[str, dict[str, Any]] = ("sgd", {}),
    lr: float = 0.1,
    schedule: tuple[str, dict[str, Any]] = ("cosine", {"decay": None}),
    steps: int = 30,
    eval_every: int = 7,
    layers_every: int | None = None,
    batch_size: int = BATCH,
    seed: int = 0,
    streams: dict[str, int] | None = None,
    target: str | None = None,
    restart: dict[str, Any] | None = None,
    trigger: tuple[str, dict[str, Any]] | None = None,
    restart_window: int = RESTART_WINDOW,
    curvature: dict[str, Any] | None = None,
    precision: str = "float32",
) -> Plan:
    seeds = StreamSeeds(**(streams or {}))
    name, settings = dataset
    roots = Streams(seed, seeds.pinned())
    data = prepare(name, settings, split_root=roots.root_of("split"))
    spec = RunSpec(
        dataset=DatasetSpec(name=name, params=settings, digest=data.digest),
        model=Component(name=model[0], params=model[1]),
        optimizer=OptimizerSpec(name=optimizer[0], params=optimizer[1], lr=lr, target=target),
        schedule=Component(name=schedule[0], params=schedule[1]),
        train=TrainSpec(steps=steps, batch_size=batch_size, eval_every=eval_every),
        diagnostics=DiagnosticsSpec(
            layers_every=layers_every,
            restart_window=restart_window,
            curvature=curvature and CurvatureSpec(**curvature),
        ),
        compute=ComputeSpec(engine=engine, precision=precision, lanes=2, compile=False),
        seed=seed,
        streams=seeds,
        restart=RestartSpec(**(restart or {})),
        trigger=trigger and Component(name=trigger[0], params=trigger[1]),
    )
    configure(spec.compute)
    return make_plan(spec, data)


def train(engine: str, plan: Plan, *, keeps: bool = True) -> Delivered:
    sink = Delivered(keeps=keeps)
    (sink.outcome,) = ENGINES[engine](plan, [sink])
    return sink


def trained(engine: str, **changes: Any) -> Delivered:
    return train(engine, plan_of(engine, **changes))


def with_model(plan: Plan, module: type[nn.Module]) -> Plan:
    """The plan with a user's own model."""
    info = plan.data.info
    return replace(
        plan, build_model=lambda streams: build_model("mine", {}, info, streams, target=module)
    )


@pytest.fixture
def optimizer_path(monkeypatch):
    """Makes a class importable by a path, as a user's own."""

    def importable(found: type) -> str:
        module = types.ModuleType("users_own")
        setattr(module, found.__name__, found)
        monkeypatch.setitem(sys.modules, "users_own", module)
        return f"users_own:{found.__name__}"

    return importable


def set_block(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Another size of block in every module of the engines that knows one."""
    found = [
        module
        for name, module in sys.modules.items()
        if name.startswith("lrbench.engine.") and hasattr(module, "BLOCK")
    ]
    assert found
    for module in found:
        monkeypatch.setattr(module, "BLOCK", size)


# --------------------------------------------------------------------------- which rows there are


@pytest.mark.parametrize("steps", [1, 99, 100, 101, 250])
@pytest.mark.parametrize("eval_every", [1, 7, 50, 100, 1000])
def test_every_update_has_one_row_and_every_look_comes_between_the_right_ones(
    engine, steps, eval_every
):
    run = trained(engine, steps=steps, eval_every=eval_every, layers_every=9)
    looks = sorted({0, steps, *range(0, steps, eval_every)})
    assert run.column("step") == list(range(steps))
    assert run.evaluated("step") == looks
    # The row of a look after t updates follows the row of update t - 1 and precedes that of t.
    order = [event for event in run.events if event[0] in ("step", "eval")]
    expected: list[tuple[str, int]] = [("eval", 0)]
    for step in range(steps):
        expected.append(("step", step))
        if step + 1 in looks:
            expected.append(("eval", step + 1))
    assert order == expected
    assert run.events[0] == ("begin", None)
    assert [e for e in run.events if e[0] == "begin"] == [("begin", None)]
    assert run.outcome.diverged_at is None
    assert run.outcome.final == run.eval_rows[-1]


def test_rows_have_the_columns_of_the_record_and_their_types(engine):
    schedule = ("sgdr", {"first_cycle": 10, "cycle_mult": 1.0})
    run = trained(engine, layers_every=3, schedule=schedule)
    wanted = [STEP_COLUMNS, LAYER_COLUMNS, EVAL_COLUMNS]
    for rows, columns in zip(run.rows[:3], wanted, strict=True):
        assert rows
        assert {len(row) for row in rows} == {len(columns)}
        for row in rows:
            for name, value in zip(columns, row, strict=True):
                if name == "step":
                    assert type(value) is int, name
                elif name in ("batch_digest", "layer"):
                    assert type(value) is str, name
                elif "second_moment" in name:
                    assert value is None
                elif name == "momentum_cosine" and row[0] == 0:
                    assert value is None, "there is no momentum before the first update"
                else:
                    assert type(value) is float, name


@pytest.mark.parametrize("layers_every", [1, 7, 100, 249, 1000])
def test_layer_rows_come_at_the_steps_they_are_asked_for(engine, layers_every):
    run = trained(engine, steps=250, eval_every=90, layers_every=layers_every)
    wanted = [
        (step, name) for step in range(0, 250, layers_every) for name in ("hidden1", "output")
    ]
    assert [row[:2] for row in run.layer_rows] == wanted


def test_no_layer_rows_come_when_none_are_asked_for_and_nothing_else_changes(engine):
    without, with_them = trained(engine), trained(engine, layers_every=2)
    assert without.layer_rows == []
    assert without.step_rows == with_them.step_rows
    assert without.eval_rows == with_them.eval_rows
    assert without.outcome == with_them.outcome


def test_epochs_count_whole_batches_only(engine):
    plan = plan_of(engine, steps=40)
    per_epoch = len(plan.data.train) // BATCH
    assert len(plan.data.train) % BATCH, "samples must be left over for this to test anything"
    run = train(engine, plan)
    assert run.column("epoch") == [step / per_epoch for step in range(40)]
    assert run.evaluated("epoch") == [step / per_epoch for step in (0, 7, 14, 21, 28, 35, 40)]


def test_looking_more_often_changes_no_update(engine):
    seldom, often = trained(engine, eval_every=30), trained(engine, eval_every=1)
    assert seldom.step_rows == often.step_rows
    assert seldom.eval_rows == [often.eval_rows[0], often.eval_rows[-1]]
    assert seldom.outcome == often.outcome


@pytest.mark.parametrize("size", [1, 3, 64])
@pytest.mark.parametrize("kind", ["plain", "dropout", "diverging"])
def test_no_row_depends_on_the_size_of_a_block(engine, size, kind, monkeypatch):
    changes: dict[str, Any] = {"steps": 130, "layers_every": 3, "eval_every": 50}
    if kind == "dropout":
        changes |= {"model": ("mlp", {"hidden": [6], "dropout": 0.3})}
    if kind == "diverging":
        changes |= DIVERGING | {"steps": 130, "eval_every": 130}
    whole = trained(engine, **changes)
    set_block(monkeypatch, size)
    assert trained(engine, **changes).text == whole.text


# ---------------------------------------------------------------------------- what stands in them


SCHEDULES = {
    "constant": {},
    "cosine": {"decay": None},
    "linear": {"decay": None, "endpoint": "inclusive"},
    "sgdr": {"first_cycle": 37, "cycle_mult": 1.5, "warmup": 11},
}


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_the_learning_rate_of_every_row_is_the_schedule_times_the_base_rate(
    engine, name, optimizer
):
    run = trained(
        engine, schedule=(name, SCHEDULES[name]), lr=0.03, steps=120, optimizer=(optimizer, {})
    )
    schedule = build_schedule(name, SCHEDULES[name], 120)
    table = [schedule(step) * 0.03 for step in range(120)]
    assert [lr.hex() for lr in run.column("lr")] == [lr.hex() for lr in table]


def test_the_learning_rate_column_is_the_table_of_the_plan_bit_for_bit(engine):
    plan = plan_of(engine, steps=120)
    rates = np.random.default_rng(0).uniform(0, 0.1, size=(120, 1))
    run = train(engine, replace(plan, rates=rates))
    assert run.column("lr") == rates[:, 0].tolist()
    # And it is the rate the update was made with: without momentum, update = lr * gradient.
    plain = train(engine, replace(plan_of(engine, steps=120, optimizer=NO_MOMENTUM), rates=rates))
    updates = [rate * g for rate, g in zip(rates[:, 0], plain.column("grad_norm"), strict=True)]
    assert plain.column("update_norm") == pytest.approx(updates, rel=1e-3)  # float32 differences


NO_MOMENTUM: tuple[str, dict[str, Any]] = ("sgd", {"momentum": 0.0})


@pytest.mark.parametrize(
    ("optimizer", "momentum", "has_buffer", "has_second"),
    [
        (("sgd", {"momentum": 0.7}), 0.7, True, False),
        (NO_MOMENTUM, 0.0, False, False),
        (("adam", {"beta1": 0.8}), 0.8, True, True),
        (("adamw", {}), 0.9, True, True),
    ],
)
def test_the_momentum_columns_hold_what_the_optimizer_has(
    engine, optimizer, momentum, has_buffer, has_second
):
    run = trained(engine, optimizer=optimizer, lr=0.001, layers_every=1)
    assert set(run.column("momentum")) == {momentum}
    assert all(isinstance(v, float) for v in run.column("momentum_norm")) is has_buffer
    assert all(isinstance(v, float) for v in run.column("second_moment_mean")) is has_second
    for row in run.layer_rows:
        assert (row[LAYER_COLUMNS.index("momentum_norm")] is not None) is has_buffer
        assert (row[LAYER_COLUMNS.index("second_moment_mean")] is not None) is has_second


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("model", ["mlp", "cnn", "resnet_small", "transformer_small"])
def test_the_layers_of_a_step_add_up_to_its_row(engine, model, optimizer):
    run = trained(
        engine,
        dataset=("digits", {}),
        model=(model, {}),
        optimizer=(optimizer, {}),
        lr=0.01,
        steps=4,
        layers_every=1,
        batch_size=16,
    )
    sizes: dict[str, int] = {}
    for name, shape in run.start.parameters.items():
        owner = name.rpartition(".")[0] or name
        sizes[owner] = sizes.get(owner, 0) + math.prod(shape)
    for step, row in enumerate(run.step_rows):
        layers = [r for r in run.layer_rows if r[0] == step]
        assert [r[1] for r in layers] == list(sizes)
        for norm in NORMS:
            whole = row[STEP_COLUMNS.index(norm)]
            parts = [r[LAYER_COLUMNS.index(norm)] for r in layers]
            if whole is None:
                assert set(parts) == {None}
            elif norm == "second_moment_mean":
                mean = sum(p * n for p, n in zip(parts, sizes.values(), strict=True))
                assert mean / sum(sizes.values()) == pytest.approx(whole, rel=1e-5)
            else:
                assert sum(p * p for p in parts) == pytest.approx(whole * whole, rel=1e-5)
                assert whole > 0


def test_restart_rows_stand_at_the_steps_where_the_rate_jumps(engine):
    schedule = ("sgdr", {"first_cycle": 30, "cycle_mult": 2.0, "peak_decay": 0.5})
    plan = plan_of(engine, schedule=schedule, steps=230, lr=0.05, eval_every=45)
    run = train(engine, plan)
    rates = run.column("lr")
    jumps = [t for t in range(1, 230) if rates[t] > rates[t - 1]]
    assert jumps == [30, 90, 210]
    found = run.ledger
    assert [r["step"] for r in found] == jumps
    assert [r["cycle"] for r in found] == [1, 2, 3]
    assert [r["planned_length"] for r in found] == [60, 120, 20]  # the last is cut off
    assert {r["cause"] for r in found} == {"schedule"}
    per_epoch = len(plan.data.train) // BATCH
    for row in found:
        assert row["lr_before"] == rates[row["step"] - 1]
        assert row["lr_after"] == rates[row["step"]]
        assert row["lr_after"] > 10 * row["lr_before"]
        assert row["epoch"] == row["step"] / per_epoch
    # A restart is told when its cycle is over: after the look at its end, before the next update.
    for row in found:
        end = row["step"] + row["length"]
        place = run.events.index(("restart", row["step"]))
        assert run.events.index(("eval", end)) < place
        assert end == 230 or place < run.events.index(("step", end))


def test_no_restart_rows_come_without_restarts(engine):
    assert trained(engine, steps=120).restart_rows == []


# --------------------------------------------------------------------------------- same and other


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_same_plan_gives_the_same_rows_and_digests_twice(engine, dropout, optimizer):
    changes: dict[str, Any] = {
        "model": ("mlp", {"hidden": [6], "dropout": dropout}),
        "optimizer": (optimizer, {}),
        "steps": 110,
        "layers_every": 5,
    }
    first = trained(engine, **changes)
    torch.manual_seed(12345)  # the state of the world must not matter
    random.seed(6)
    second = trained(engine, **changes)
    assert first.text == second.text
    assert len(first.outcome.weights_digest) == 64


def test_other_seeds_give_other_weights_batches_and_losses(engine):
    runs = [trained(engine, seed=seed) for seed in (0, 1, 2**32)]
    for first, second in itertools.combinations(runs, 2):
        assert first.start.init_digest != second.start.init_digest
        assert first.outcome.batch_chain != second.outcome.batch_chain
        assert first.outcome.weights_digest != second.outcome.weights_digest
        assert not set(first.column("train_loss")) & set(second.column("train_loss"))
        assert not set(first.column("batch_digest")) & set(second.column("batch_digest"))


def test_arms_that_differ_in_schedule_rate_or_optimizer_start_equal_and_see_equal_batches(engine):
    arms = [
        trained(engine),
        trained(engine, schedule=("constant", {})),
        trained(engine, schedule=("sgdr", {"first_cycle": 5, "cycle_mult": 1.0})),
        trained(engine, lr=0.01),
        trained(engine, optimizer=("adam", {}), lr=0.01),
        trained(engine, eval_every=3, layers_every=2),
        trained(engine, model=("mlp", {"hidden": [6], "dropout": 0.2})),
    ]
    for arm in arms[1:]:
        assert arm.start.init_digest == arms[0].start.init_digest
        assert arm.start.init_digests == arms[0].start.init_digests
        assert arm.column("batch_digest") == arms[0].column("batch_digest")
        assert arm.outcome.batch_chain == arms[0].outcome.batch_chain
        assert arm.eval_rows[0] == arms[0].eval_rows[0]
    differing = [arm.outcome.weights_digest for arm in (*arms[:5], arms[6])]
    assert len(set(differing)) == len(differing)


def test_a_longer_run_begins_with_the_batches_of_a_shorter_one(engine):
    short, longer = trained(engine, steps=20), trained(engine, steps=60)
    assert longer.column("batch_digest")[:20] == short.column("batch_digest")
    assert longer.outcome.batch_chain != short.outcome.batch_chain


def test_batches_of_one_epoch_do_not_come_again_in_the_next(engine):
    digests = trained(engine, steps=60).column("batch_digest")
    assert len(set(digests)) == 60


def test_pinning_a_stream_changes_what_it_draws_and_nothing_else(engine):
    model = ("mlp", {"hidden": [6], "dropout": 0.4})

    def run(seed: int, **streams: int) -> Delivered:
        return trained(engine, model=model, seed=seed, streams=streams)

    free = run(1)
    for pinned, same_init, same_batches in (("init", False, True), ("order", True, False)):
        other = run(1, **{pinned: 5})
        assert (other.start.init_digest == free.start.init_digest) is same_init
        assert (other.column("batch_digest") == free.column("batch_digest")) is same_batches
    other = run(1, dropout=5)
    assert other.start.init_digest == free.start.init_digest
    assert other.outcome.batch_chain == free.outcome.batch_chain
    assert other.eval_rows[0] == free.eval_rows[0]
    assert other.column("train_loss")[0] != free.column("train_loss")[0]
    # With everything pinned, the seed decides nothing any more.
    everything = {"init": 1, "order": 1, "dropout": 1}
    assert run(77, **everything).text == free.text


# -------------------------------------------------------------------------- nobody else's numbers


class Noisy(nn.Module):
    """Draws in training and in evaluation, from torch's own generator."""

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int) -> None:
        super().__init__()
        self.map = nn.Linear(input_shape[0], num_outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.map(F.dropout(x, 0.5, training=True))


class InPlace(nn.Module):
    """Works on its input in place."""

    def __init__(self, input_shape: tuple[int, ...], num_outputs: int) -> None:
        super().__init__()
        self.map = nn.Linear(input_shape[0], num_outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.map(x.div_(2).relu_())


class Jittered(torch.optim.SGD):
    """Adds noise to every gradient, from torch's own generator."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                p.grad.add_(torch.randn_like(p.grad), alpha=0.1)
        super().step()


@pytest.mark.parametrize("kind", ["plain", "dropout", "own model", "own optimizer", "diverging"])
def test_a_run_leaves_everybody_elses_random_numbers_alone(engine, kind, optimizer_path):
    if kind.startswith("own"):
        takes_what_is_the_users_own(engine)
    changes: dict[str, Any] = {}
    if kind == "dropout":
        changes = {"model": ("mlp", {"hidden": [6], "dropout": 0.4})}
    if kind == "own optimizer":
        changes = {"target": optimizer_path(Jittered), "optimizer": ("jittered", {})}
    if kind == "diverging":
        changes = DIVERGING
    torch.manual_seed(99)
    np.random.seed(99)
    random.seed(99)
    before = torch.get_rng_state(), repr(np.random.get_state()), random.getstate()
    plan = plan_of(engine, **changes)
    train(engine, with_model(plan, Noisy) if kind == "own model" else plan)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert repr(np.random.get_state()) == before[1]
    assert random.getstate() == before[2]


def test_a_model_that_draws_where_lrbench_cannot_see_it_is_replayed_all_the_same(engine):
    takes_what_is_the_users_own(engine)
    plan = with_model(plan_of(engine, steps=12, eval_every=5), Noisy)
    torch.manual_seed(1)
    first = train(engine, plan)
    torch.manual_seed(2)
    assert train(engine, plan).text == first.text
    assert first.column("train_loss") != train(
        engine, with_model(plan_of(engine, steps=12, eval_every=5, streams={"dropout": 3}), Noisy)
    ).column("train_loss")


def test_an_optimizer_that_draws_is_replayed_all_the_same(engine, optimizer_path):
    takes_what_is_the_users_own(engine)
    changes = {"target": optimizer_path(Jittered), "optimizer": ("jittered", {}), "steps": 12}
    torch.manual_seed(1)
    first = trained(engine, **changes)
    torch.manual_seed(2)
    assert trained(engine, **changes).text == first.text


def test_a_model_that_works_in_place_does_not_spoil_the_data(engine):
    plan = with_model(plan_of(engine, steps=12, eval_every=1, schedule=("constant", {})), InPlace)
    # A rate this small moves no float32 weight: every look must see the same loss.
    still = replace(plan, rates=np.full((12, 1), 1e-30))
    before = plan.data.val.inputs.copy(), plan.data.train.inputs.copy()
    losses = train(engine, still).evaluated("val_loss")
    assert len(set(losses)) == 1
    assert np.array_equal(plan.data.val.inputs, before[0])
    assert np.array_equal(plan.data.train.inputs, before[1])
    assert train(engine, still).evaluated("val_loss") == losses


def test_dropout_drops_other_units_at_every_step_and_none_in_evaluation(engine):
    # All samples are equal and the weights stand still: only dropout can make two steps differ.
    changes: dict[str, Any] = {"steps": 20, "eval_every": 1}
    dropping = plan_of(engine, model=("mlp", {"hidden": [6], "dropout": 0.5}), **changes)
    train_part = dropping.data.train
    same = Split(
        np.repeat(train_part.inputs[:1], len(train_part), axis=0),
        np.repeat(train_part.targets[:1], len(train_part), axis=0),
    )
    data = replace(dropping.data, train=same, digest="the same sample again and again")
    rates = np.full((20, 1), 1e-30)
    run = train(engine, replace(dropping, data=data, rates=rates))
    keeping = train(engine, replace(plan_of(engine, **changes), data=data, rates=rates))
    assert len(set(keeping.column("train_loss"))) == 1
    assert len(set(run.column("train_loss"))) == 20
    assert run.eval_rows == keeping.eval_rows
    assert len(set(run.evaluated("val_loss"))) == 1


# ------------------------------------------------------------------------------------- divergence


DIVERGING: dict[str, Any] = {
    # x <- x - 3 (x + noise) doubles x at every step: x**2 leaves float32 after about 62 of them.
    "dataset": ("noisy_quadratic", {"num_samples": 512}),
    "model": ("quadratic", {}),
    "optimizer": NO_MOMENTUM,
    "lr": 3.0,
    "batch_size": 4,
    # A restart every 20 steps of a rate that stays the same.
    "schedule": ("sgdr", {"first_cycle": 20, "cycle_mult": 1.0, "final_factor": 1.0}),
    "steps": 160,
    "eval_every": 160,
    "layers_every": 1,
}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_rate_that_is_far_too_large_ends_the_run_at_the_first_loss_that_is_not_finite(
    engine, optimizer
):
    run = trained(engine, optimizer=(optimizer, {}), lr=1e30, schedule=("constant", {}), steps=90)
    losses = run.column("train_loss")
    assert run.outcome.diverged_at == len(losses) - 1 < 10
    assert all(map(math.isfinite, losses[:-1]))
    assert not math.isfinite(losses[-1])
    assert run.column("step") == list(range(len(losses)))
    assert run.outcome.weights_digest is None


def test_nothing_is_told_of_the_updates_after_the_first_loss_that_is_not_finite(engine):
    run = trained(engine, **DIVERGING)
    at = run.outcome.diverged_at
    assert 55 < at < 70
    assert run.column("step") == list(range(at + 1))
    assert [math.isfinite(loss) for loss in run.column("train_loss")] == [True] * at + [False]
    assert [row[0] for row in run.layer_rows] == list(range(at + 1))
    assert [row[0] for row in run.restart_rows] == [20, 40, 60][: at // 20]
    assert run.evaluated("step") == [0, *[20, 40, 60][: at // 20]]
    assert run.outcome.final == run.eval_rows[-1]
    assert run.outcome.weights_digest is None


def test_the_chain_of_a_diverged_run_ends_with_its_last_row(engine):
    run = trained(engine, **DIVERGING)
    at = run.outcome.diverged_at
    gentle = DIVERGING | {"lr": 0.1, "steps": at + 1, "eval_every": at + 1}
    whole = trained(engine, **gentle)
    assert whole.outcome.diverged_at is None
    assert run.outcome.batch_chain == whole.outcome.batch_chain


def test_a_validation_loss_that_is_not_finite_ends_the_run_as_well(engine):
    run = trained(engine, **DIVERGING | {"eval_every": 1})
    at = run.outcome.diverged_at
    assert run.column("step") == list(range(at))
    assert all(map(math.isfinite, run.column("train_loss")))
    assert run.evaluated("step") == list(range(at + 1))
    losses = run.evaluated("val_loss")
    assert [math.isfinite(loss) for loss in losses] == [True] * at + [False]
    assert run.outcome.final[0] == at
    assert run.outcome.weights_digest is None
    # It is the same step that the training loss would have named.
    assert at == trained(engine, **DIVERGING).outcome.diverged_at


def test_a_run_that_is_lost_before_it_begins_makes_no_update(engine):
    plan = plan_of(engine, **DIVERGING | {"model": ("quadratic", {"start": 1e30})})
    run = train(engine, plan)
    assert run.outcome.diverged_at == 0
    assert run.step_rows == run.layer_rows == run.restart_rows == []
    assert run.evaluated("step") == [0]
    assert run.outcome.weights_digest is None


# --------------------------------------------------------------------------------- the user's own


class Replacing(torch.optim.SGD):
    """Puts new tensors in the place of the weights."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                p.data = p.data - group["lr"] * p.grad


class ReplacingLate(torch.optim.SGD):
    """Does so only at its fifth update."""

    count = 0

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        super().step()
        self.count += 1
        if self.count == 5:
            for group in self.param_groups:
                for p in group["params"]:
                    p.data = p.data.clone()


class Forgetful(torch.optim.SGD):
    """Drops the gradients once they are used."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        super().step()
        self.zero_grad(set_to_none=True)


@pytest.mark.parametrize("optimizer", [Replacing, ReplacingLate, Forgetful])
def test_an_optimizer_that_puts_other_tensors_in_place_is_refused(
    engine, optimizer, optimizer_path
):
    takes_what_is_the_users_own(engine)
    changes = {"target": optimizer_path(optimizer), "optimizer": ("own", {})}
    with pytest.raises(RunError, match="in place") as caught:
        trained(engine, **changes)
    assert caught.value.problems[0].key == "optimizer"


def test_two_lanes_of_a_plan_each_get_their_own(engine):
    first = plan_of(engine, steps=20)
    second = plan_of(engine, steps=20, seed=3, schedule=("constant", {}))
    both = replace(
        first,
        rates=np.concatenate([first.rates, second.rates], axis=1),
        lanes=first.lanes + second.lanes,
    )
    sinks = [Delivered(), Delivered()]
    outcomes = ENGINES[engine](both, sinks)
    assert len(outcomes) == 2
    for sink, outcome, plan in zip(sinks, outcomes, (first, second), strict=True):
        alone = train(engine, plan)
        assert sink.start == alone.start
        assert sink.column("lr") == alone.column("lr")
        assert sink.column("batch_digest") == alone.column("batch_digest")
        assert outcome.batch_chain == alone.outcome.batch_chain
        # Lanes and loop agree to rounding; one engine in any company is tested with that engine.
        assert sink.column("train_loss") == pytest.approx(alone.column("train_loss"), rel=1e-4)
