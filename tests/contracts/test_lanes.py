"""What the lanes engine promises besides: a lane's bytes never depend on what its neighbours do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from lrbench.engine import conductor, loop
from lrbench.engine.base import Failure, Outcome, Plan, Row, Start, State
from lrbench.engine.compiled import Compiled
from lrbench.engine.device import configure
from lrbench.engine.lanes import program
from lrbench.engine.lanes import train as lanes
from lrbench.engine.lanes.check import check_lanes
from lrbench.engine.lanes.independence import Independence, measure
from lrbench.errors import ConfigError
from lrbench.record.layout import STEP_COLUMNS
from lrbench.spec.restart import CurvatureSpec, RestartSpec
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
from lrbench.tasks.data.catalog import forget, prepare
from lrbench.tasks.models.build import build_model
from lrbench.workflows.packing import joined
from lrbench.workflows.plan import make_plan

WIDTH, STEPS, BATCH = 4, 24, 16

MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "mlp": ("wine", "mlp", {"hidden": [8]}),
    "dropout": ("wine", "mlp", {"hidden": [8, 8], "dropout": 0.3}),
    "cnn": ("digits", "cnn", {"channels": [4], "hidden": 8}),
    "batch norm": ("digits", "resnet_small", {"width": 4, "blocks": [1]}),
    "attention": (
        "digits",
        "transformer_small",
        {"dim": 8, "depth": 1, "heads": 2, "dropout": 0.2},
    ),
    "quadratic": ("noisy_quadratic", "quadratic", {}),
}
"""A dataset and a model of every family, small."""

OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("sgd", {}),
    "nesterov": ("sgd", {"nesterov": True, "weight_decay": 1e-3}),
    "adam": ("adam", {}),
    "adamw": ("adamw", {}),
}


@pytest.fixture(scope="module", autouse=True)
def data_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LRBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        forget()
        yield
        forget()


class Delivered:
    """A sink that keeps everything, and may fail or save at an update."""

    def __init__(self, saves_at: int | None = None, fails_at: int | None = None) -> None:
        self.told: list[Any] = []
        self.rows: list[Row] = []
        self.states: dict[int, State] = {}
        self.blocks = 0
        self._saves_at, self._fails_at = saves_at, fails_at

    def begin(self, start: Start) -> None:
        self.told.append(start)

    def steps(self, rows: Sequence[Row]) -> None:
        if self._fails_at is not None and any(row[0] == self._fails_at for row in rows):
            raise OSError("no space left")
        self.rows += rows
        self.blocks += 1

    def layers(self, rows: Sequence[Row]) -> None:
        self.told += [("layers", row) for row in rows]

    def evals(self, row: Row) -> None:
        self.told.append(("evals", row))

    def restarts(self, row: Row) -> None:
        self.told.append(("restarts", row))

    def restart_layers(self, rows: Sequence[Row]) -> None:
        self.told += [("restart_layers", row) for row in rows]

    def curvature(self, row: Row) -> None:
        self.told.append(("curvature", row))

    def keep(self, done: int, capture: Callable[[], State]) -> None:
        self.told.append(("keep", done))

    def wants_state(self, done: int, is_look: bool) -> bool:
        return done == self._saves_at

    def next_state(self, done: int) -> int | None:
        return self._saves_at if self._saves_at and self._saves_at > done else None

    def save(self, capture: Callable[[], State]) -> None:
        state = capture()
        self.states[state.step] = state


def spec_of(
    family: str = "mlp",
    optimizer: str = "sgd",
    *,
    lr: float = 0.05,
    schedule: tuple[str, dict[str, Any]] = ("cosine", {"decay": None}),
    seed: int = 0,
    restart: RestartSpec | None = None,
    trigger: Component | None = None,
    momentum_schedule: Component | None = None,
    engine: str = "lanes",
    compile_: bool = False,
    width: int = WIDTH,
) -> RunSpec:
    dataset, model, params = MODELS[family]
    name, settings_ = OPTIMIZERS[optimizer]
    data = prepare(dataset, {}, split_root=0)
    compute = ComputeSpec(engine=engine, lanes=width, compile=compile_)
    configure(compute)
    return RunSpec(
        dataset=DatasetSpec(name=dataset, params={}, digest=data.digest),
        model=Component(name=model, params=params),
        optimizer=OptimizerSpec(
            name=name, params=settings_, lr=lr, momentum_schedule=momentum_schedule
        ),
        schedule=Component(name=schedule[0], params=schedule[1]),
        train=TrainSpec(steps=STEPS, batch_size=BATCH, eval_every=10),
        diagnostics=DiagnosticsSpec(layers_every=7, restart_window=3),
        compute=compute,
        seed=seed,
        streams=StreamSeeds(),
        restart=restart or RestartSpec(),
        trigger=trigger,
    )


def plan_of(specs: Sequence[RunSpec], slots: Sequence[int]) -> Plan:
    data = prepare(specs[0].dataset.name, {}, split_root=0)
    return joined([make_plan(spec, data) for spec in specs], specs, slots)


def alone(spec: RunSpec, slot: int = 0) -> tuple[Delivered, Outcome]:
    sink = Delivered()
    (outcome,) = lanes.train(plan_of([spec], [slot]), [sink])
    assert isinstance(outcome, Outcome)
    return sink, outcome


def text(sink: Delivered, outcome: object) -> str:
    """Every bit of it, NaN included."""
    return repr((sink.rows, sink.told, outcome))


SGDR = ("sgdr", {"first_cycle": 8, "cycle_mult": 1.0})
PLATEAU = Component(
    name="plateau",
    params={"every": 2, "patience": 2, "half_life": 2, "gate": None, "rtol": 0.5, "refractory": 4},
)

NEIGHBOURS = st.lists(
    st.builds(
        dict,
        lr=st.sampled_from([0.0003, 0.05, 0.7, 1e6]),
        seed=st.integers(0, 5),
        schedule=st.sampled_from(
            [("constant", {}), ("cosine", {"decay": None}), SGDR, ("wsd", {"cooldown": 6})]
        ),
        restart=st.sampled_from([None, RestartSpec(momentum="reset"), RestartSpec(rewarm=3)]),
    ),
    min_size=WIDTH - 1,
    max_size=WIDTH - 1,
)


PAIRS = [*(("mlp", name) for name in OPTIMIZERS), *((family, "adamw") for family in MODELS)]
"""Every optimizer and every family of models, without all of their products."""


@pytest.mark.parametrize(("family", "optimizer"), PAIRS)
def test_a_lane_has_the_same_bytes_in_any_company(family, optimizer):
    changes = {"momentum": "reset"} if OPTIMIZERS[optimizer][0] == "sgd" else {"counter": "reset"}
    own = spec_of(family, optimizer, schedule=SGDR, restart=RestartSpec(**changes))
    reference = text(*alone(own, 2))

    @settings(
        max_examples=3, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(neighbours=NEIGHBOURS)
    def check(neighbours):
        others = [
            spec_of(family, optimizer, **{**one, "restart": one["restart"] and own.restart})
            for one in neighbours
        ]
        specs = [*others[:2], own, others[2]]
        sinks = [Delivered() for _ in specs]
        outcomes = lanes.train(plan_of(specs, range(WIDTH)), sinks)
        assert text(sinks[2], outcomes[2]) == reference

    check()


def test_a_lane_that_diverges_is_marked_and_its_neighbours_keep_their_bytes():
    calm = spec_of(seed=1)
    wild = spec_of(lr=1e9, seed=2)
    reference = text(*alone(calm, 1))
    sinks = [Delivered() for _ in range(2)]
    outcomes = lanes.train(plan_of([wild, calm], [0, 1]), sinks)
    assert isinstance(outcomes[0], Outcome)
    assert outcomes[0].diverged_at is not None
    assert len(sinks[0].rows) == outcomes[0].diverged_at + 1
    assert text(sinks[1], outcomes[1]) == reference


def test_a_restart_and_a_trigger_in_one_lane_change_no_other_lane():
    plain, restarting = spec_of(seed=3), spec_of(seed=4, schedule=SGDR)
    triggered = spec_of(seed=5, schedule=("constant", {}), trigger=PLATEAU)
    references = [text(*alone(s, slot)) for slot, s in enumerate((plain, restarting, triggered))]
    sinks = [Delivered() for _ in range(3)]
    outcomes = lanes.train(plan_of([plain, restarting, triggered], [0, 1, 2]), sinks)
    assert [text(*pair) for pair in zip(sinks, outcomes, strict=True)] == references
    assert outcomes[2].events, "the trigger was to fire"  # type: ignore[union-attr]
    assert any(kind == "restarts" for kind, *_ in sinks[1].told[1:])
    assert not any(kind == "restarts" for kind, *_ in sinks[0].told[1:])


def test_a_sink_that_fails_stops_its_own_lane_alone():
    specs = [spec_of(seed=seed) for seed in range(3)]
    references = [text(*alone(spec, slot)) for slot, spec in enumerate(specs)]
    sinks = [Delivered(), Delivered(fails_at=4), Delivered()]
    outcomes = lanes.train(plan_of(specs, [0, 1, 2]), sinks)
    assert isinstance(outcomes[1], Failure)
    assert isinstance(outcomes[1].error, OSError)
    for place in (0, 2):
        assert text(sinks[place], outcomes[place]) == references[place]


@pytest.mark.parametrize(
    ("family", "optimizer", "step"),
    [
        *(("mlp", optimizer, step) for optimizer in OPTIMIZERS for step in (1, 8, 17)),
        *((family, "adamw", 17) for family in MODELS),
    ],
)
def test_a_plan_goes_on_from_its_saved_states_to_the_same_bytes(family, optimizer, step):
    specs = [spec_of(family, optimizer, seed=1), spec_of(family, optimizer, seed=2, schedule=SGDR)]
    plan = plan_of(specs, [1, 3])
    whole = [Delivered(saves_at=step) for _ in specs]
    outcomes = lanes.train(plan, whole)
    later = [Delivered() for _ in specs]
    on = replace(
        plan,
        lanes=tuple(
            replace(lane, state=sink.states[step])
            for lane, sink in zip(plan.lanes, whole, strict=True)
        ),
    )
    assert lanes.train(on, later) == outcomes
    for before, after in zip(whole, later, strict=True):
        assert repr(after.rows) == repr([row for row in before.rows if row[0] >= step])


@pytest.mark.parametrize(("family", "optimizer"), [*PAIRS, ("cnn", "sgd"), ("attention", "sgd")])
def test_loop_and_lanes_agree_up_to_rounding(family, optimizer):
    spec = spec_of(family, optimizer, lr=0.01, schedule=SGDR)
    lane, _ = alone(spec, 1)
    sink = Delivered()
    loop.train(
        plan_of([spec_of(family, optimizer, lr=0.01, schedule=SGDR, engine="loop")], [0]), [sink]
    )
    columns = [
        STEP_COLUMNS.index(n) for n in ("train_loss", "grad_norm", "update_norm", "weight_norm")
    ]
    for at, (ours, theirs) in enumerate(zip(lane.rows, sink.rows, strict=True)):
        tolerance = 1e-5 if at < 5 else 2e-3
        for column in columns:
            assert ours[column] == pytest.approx(theirs[column], rel=tolerance), (at, column)
        assert ours[-1] == theirs[-1], "the batches are the same"
        assert ours[:5] == theirs[:5], "step, epoch and settings are the same"


def test_schedules_of_momentum_are_each_lanes_own():
    falling = Component(name="linear", params={"decay": STEPS, "final_factor": 0.5})
    specs = [spec_of(momentum_schedule=falling), spec_of()]
    sinks = [Delivered(), Delivered()]
    lanes.train(plan_of(specs, [0, 1]), sinks)
    momenta = [[row[STEP_COLUMNS.index("momentum")] for row in sink.rows] for sink in sinks]
    assert momenta[0][0] == 0.9
    assert momenta[0][-1] < 0.5
    assert set(momenta[1]) == {0.9}


def test_the_measured_level_of_a_plain_model_is_two_at_least():
    found = measure(plan_of([spec_of()], [0]))
    assert found.level in (Independence.L2, Independence.L3, Independence.L4)
    assert all(trial.is_same for trial in found.trials[:5])


class Leaky(nn.Module):
    """Wrong on purpose: what it gives depends on the pass before."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.layer = nn.Linear(input_shape[0], num_outputs)
        self.passes = 0

    def forward(self, x):
        self.passes += 1
        return self.layer(x) * self.passes


class Drawing(nn.Module):
    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.layer = nn.Linear(input_shape[0], num_outputs)

    def forward(self, x):
        return self.layer(x + 0.1 * torch.randn_like(x))


class Branching(nn.Module):
    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.layer = nn.Linear(input_shape[0], num_outputs)

    def forward(self, x):
        out = self.layer(x)
        return out if out.sum() > 0 else -out


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (Leaky, "keeps passes, which a pass changes"),
        (Drawing, "draws random numbers of its own"),
        (Branching, "cannot be done for many runs at once"),
    ],
)
def test_a_model_that_cannot_be_a_lane_is_refused_with_the_reason_and_the_way_out(module, reason):
    data = prepare("wine", {}, split_root=0)
    model = module(data.info.input_shape, data.info.num_outputs)
    with pytest.raises(ConfigError) as caught:
        check_lanes(model, data, BATCH)
    problem = caught.value.problems[0]
    assert reason in problem.relation
    assert problem.remedy == "compute.engine=loop"


def test_generators_stand_where_they_stood_after_a_plan_with_dropout():
    before = torch.random.get_rng_state()
    alone(spec_of("dropout"))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_copies_fill_the_slots_that_are_left_and_change_nothing():
    spec = spec_of()
    assert text(*alone(spec, 1)) == text(*alone(spec, 1))
    with_others = [Delivered() for _ in range(2)]
    outcomes = lanes.train(plan_of([spec, spec_of(seed=9)], [1, 0]), with_others)
    assert text(with_others[0], outcomes[0]) == text(*alone(spec, 1))


def test_a_compiled_program_never_sees_other_shapes(monkeypatch):
    made = []

    class Watched(Compiled):
        def __init__(self, function, rules=None):
            super().__init__(function, rules)
            made.append(self)
            self.known = []

        def see(self, arguments):
            leaves = [one for a in arguments for one in (a.values() if type(a) is dict else [a])]
            self.known.append([(one.shape, one.stride(), one.dtype) for one in leaves])
            assert self.known[-1] == self.known[0]

        def __call__(self, *arguments):
            self.see(arguments)
            return self.function(*arguments)

    def see_all(asked):
        for one, arguments in asked:
            one.see(arguments)

    monkeypatch.setattr(program, "prepare", see_all)
    monkeypatch.setattr(program, "Compiled", Watched)
    monkeypatch.setattr(program, "_PROGRAMS", {})
    plan = plan_of([spec_of(compile_=True)], [0])
    for share in (0.2, 0.4, 0.2):
        data = prepare("wine", {"val_fraction": share}, split_root=0)
        (outcome,) = lanes.train(replace(plan, data=data), [Delivered()])
        assert isinstance(outcome, Outcome)
    assert len(made) == 2 * 3
    assert all(len(one.known) > 1 for one in made)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["mlp", "cnn", "batch norm", "attention"])
def test_compiled_lanes_have_the_same_bytes_in_any_company(family):
    own = spec_of(family, "adamw", compile_=True)
    reference = text(*alone(own, 2))
    others = [
        spec_of(family, "adamw", seed=s, lr=lr, compile_=True) for s, lr in ((7, 1e6), (8, 1))
    ]
    specs = [others[0], own, others[1]]
    sinks = [Delivered() for _ in specs]
    outcomes = lanes.train(plan_of(specs, [0, 2, 3]), sinks)
    assert text(sinks[1], outcomes[1]) == reference
    assert np.isfinite([row[5] for row in sinks[1].rows]).all()  # type: ignore[arg-type]


class Featured(nn.Module):
    """Random features, each seed's own, where no lane can have them."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.features = torch.randn(input_shape[0], 6)
        self.layer = nn.Linear(6, num_outputs)

    def forward(self, x):
        return self.layer(x @ self.features)


def test_a_model_with_an_attribute_of_each_seeds_own_is_refused():
    data = prepare("wine", {}, split_root=0)
    one, other = (Featured(data.info.input_shape, data.info.num_outputs) for _ in range(2))
    check_lanes(one, data, BATCH)
    with pytest.raises(ConfigError, match="features as a plain attribute"):
        check_lanes(one, data, BATCH, other)
    plan = plan_of([spec_of(seed=1), spec_of(seed=2)], [0, 1])
    info = data.info
    unlike = replace(
        plan, build_model=lambda streams: build_model("mine", {}, info, streams, target=Featured)
    )
    with pytest.raises(ConfigError, match="register_buffer"):
        lanes.train(unlike, [Delivered(), Delivered()])


@pytest.mark.parametrize("engine", [loop, lanes])
@pytest.mark.parametrize("every", [None, 7])
def test_how_often_rows_are_fetched_changes_no_byte(engine, every, monkeypatch):
    """A slow model's rows are fetched earlier, even after every update."""
    spec = spec_of(schedule=SGDR, restart=RestartSpec(momentum="reset"))
    if every:
        curvature = CurvatureSpec(every=every, samples=20, iterations=3)
        looked = spec.diagnostics.model_copy(update={"curvature": curvature})
        spec = spec.model_copy(update={"diagnostics": looked})

    def trained() -> tuple[str, int]:
        sink = Delivered()
        (outcome,) = engine.train(plan_of([spec], [0]), [sink])
        return text(sink, outcome), sink.blocks

    in_blocks = trained()
    monkeypatch.setattr(conductor, "PATIENCE_S", 0.0)
    monkeypatch.setattr(lanes, "PATIENCE_S", 0.0)
    one_by_one = trained()
    assert one_by_one[1] == STEPS > in_blocks[1]
    assert one_by_one[0] == in_blocks[0]
