"""What every engine promises of its states: a run that goes on from one has the same rows."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lrbench.engine.base import State
from lrbench.errors import RecordError, RunError
from triggering import EVERY_ONE

# Fixtures and helpers of the contract of rows.
_source = Path(__file__).parent / "test_engines.py"
_module = importlib.util.spec_from_file_location("contract_of_rows", _source)
rows = importlib.util.module_from_spec(_module)
sys.modules["contract_of_rows"] = rows
_module.loader.exec_module(rows)

data_cache, engine, optimizer_path = rows.data_cache, rows.engine, rows.optimizer_path
STEPS = 12
LENGTH = rows.RESTART_COLUMNS.index("length")


def saved(engine, plan, at=range(1, STEPS)):
    """A run that nothing interrupts, and its state at every step."""
    sink = rows.Delivered(saves_at=frozenset(at))
    (sink.outcome,) = rows.ENGINES[engine](plan, [sink])
    return sink


def gone_on(engine, plan, state, at=()):
    return saved(engine, replace(plan, lanes=(replace(plan.lanes[0], state=state),)), at)


def after(whole, step):
    """The rows a run that goes on at ``step`` has to deliver."""
    ends = {row[0]: row[0] + row[LENGTH] for row in whole.restart_rows}
    return [
        [row for row in whole.step_rows if row[0] >= step],
        [row for row in whole.layer_rows if row[0] >= step],
        [row for row in whole.eval_rows if row[0] > step],
        # A cycle that ends there is closed by whoever makes the update that follows.
        [row for row in whole.restart_rows if row[0] + row[LENGTH] >= step],
        [row for row in whole.restart_layer_rows if ends[row[0]] >= step],
        [row for row in whole.curvature_rows if row[0] > step],
    ]


def goes_on_anywhere(engine, plan):
    plain = rows.train(engine, plan)
    whole = saved(engine, plan)
    assert whole.text == plain.text, "saving the state must change no number"
    last = plan.total_steps
    assert sorted(whole.states) == list(range(1, last))
    for step, state in whole.states.items():
        rest = gone_on(engine, plan, state)
        assert repr(rest.rows) == repr(after(whole, step)), step
        assert rest.outcome == whole.outcome, step
        assert rest.start == whole.start
    return whole


OPTIMIZERS: dict[str, Any] = {
    "plain": ("sgd", {"momentum": 0.0}),
    "momentum": ("sgd", {"momentum": 0.8, "dampening": 0.3}),
    "nesterov": ("sgd", {"nesterov": True, "weight_decay": 0.01}),
    "adam": ("adam", {"weight_decay": 0.01}),
    "adamw": ("adamw", {}),
    "adamw, own decay": ("adamw", {"decay_follows_lr": False}),
}


@pytest.mark.parametrize("scheduled", [False, True], ids=["", "scheduled"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_goes_on_from_every_step_to_the_same_bits(engine, optimizer, dropout, scheduled):
    plan = rows.plan_of(
        engine,
        model=("mlp", {"hidden": [6], "dropout": dropout}),
        optimizer=OPTIMIZERS[optimizer],
        lr=0.02,
        schedule=("sgdr", {"first_cycle": 5, "cycle_mult": 1.0}),
        steps=STEPS,
        eval_every=4,
        layers_every=3,
    )
    if scheduled:
        random = np.random.default_rng(0)
        plan = replace(
            plan,
            momenta=random.uniform(0.5, 0.9, (STEPS, 1)),
            weight_decays=random.uniform(0, 0.1, (STEPS, 1)),
        )
    whole = goes_on_anywhere(engine, plan)
    assert whole.restart_rows


POLICIES: dict[str, Any] = {
    "reset_momentum": ("sgd", {"momentum": "reset"}),
    "momentum deleted": ("sgd", {"momentum": "delete"}),
    "rewind_best": ("sgd", {"weights": "rewind_best"}),
    "rewind_cycle_end": ("sgd", {"weights": "rewind_cycle_end"}),
    "shrink_perturb": ("sgd", {"weights": "shrink_perturb"}),
    "full_reset": ("adam", {"first_moment": "reset", "second_moment": "reset"}),
    "adam_rel": ("adam", {"counter": "reset"}),
    "second moment at its largest": ("adam", {"second_moment": "max"}),
    "rewarm": ("adamw", {"rewarm": 3}),
}


@pytest.mark.parametrize("window", [0, 50])
@pytest.mark.parametrize("policy", POLICIES)
def test_a_run_goes_on_from_every_step_between_restarts_of_every_policy(engine, policy, window):
    optimizer, restart = POLICIES[policy]
    plan = rows.plan_of(
        engine,
        optimizer=(optimizer, {}),
        # High enough that the best weights are not always the last.
        lr=2.0 if optimizer == "sgd" else 0.4,
        schedule=("sgdr", {"first_cycle": 3, "cycle_mult": 1.0}),
        steps=STEPS,
        eval_every=2,
        layers_every=5,
        restart=restart,
        restart_window=window,
    )
    whole = goes_on_anywhere(engine, plan)
    assert len(whole.restart_rows) == 3
    if not restart.get("rewarm"):
        keeping = rows.train(engine, replace(plan, lanes=(keeping_all(plan.lanes[0]),)))
        assert whole.outcome.weights != keeping.outcome.weights, "the policy must do something"


def keeping_all(lane):
    restarts = tuple(replace(r, policy=rows.RestartSpec()) for r in lane.restarts)
    return replace(lane, restarts=restarts)


@pytest.mark.parametrize("method", ["lanczos", "power"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_looks_at_the_curvature_go_on_to_the_same_bits(engine, optimizer, method):
    plan = rows.plan_of(
        engine,
        optimizer=(optimizer, {}),
        lr=0.02,
        schedule=("sgdr", {"first_cycle": 5, "cycle_mult": 1.0}),
        steps=STEPS,
        # Too few products to forget where a look began.
        curvature={"every": 2, "samples": 20, "iterations": 2, "method": method},
    )
    whole = goes_on_anywhere(engine, plan)
    assert len(whole.curvature_rows) > 6


TRIGGERS: dict[str, Any] = {
    "plateau": {"gate": None, "refractory": 8},
    "plateau_slope": {"gate": None, "refractory": 8},
    "grad_norm": {"gate": None, "refractory": 8, "fraction": 0.9},
    "snr": {"gate": None, "refractory": 8, "noise_ratio": 0.2},
    "stall": {"gate": None, "refractory": 8, "threshold": 0.97, "window": 4},
    "function_scheme": {"refractory": 8, "margin": 0.1, "consecutive": 1},
    "gradient_scheme": {"refractory": 8, "margin": 0.1, "consecutive": 1},
}


@pytest.mark.slow
@pytest.mark.parametrize("restart", [{"momentum": "reset"}, {"weights": "rewind_best"}], ids=str)
@pytest.mark.parametrize("name", TRIGGERS)
def test_an_adaptive_run_goes_on_from_before_and_after_every_decision(engine, name, restart):
    steps = 60
    plan = rows.plan_of(
        engine,
        trigger=(name, EVERY_ONE[name] | {"final_fraction": 0.1} | TRIGGERS[name]),
        schedule=("constant", {}),
        restart=restart,
        lr=0.5,
        steps=steps,
        eval_every=7,
        restart_window=3,
    )
    plain = rows.train(engine, plan)
    fired = [event.step for event in plain.outcome.events]
    assert fired
    # Before a decision, right after it and before its restart, in the refractory period, elsewhere.
    at = {step + shift for step in fired for shift in (-1, 0, 1, 5)} | {1, 2, steps - 1}
    whole = saved(engine, plan, at & set(range(1, steps)))
    assert whole.text == plain.text
    assert set(fired) < set(whole.states)
    for step, state in whole.states.items():
        rest = gone_on(engine, plan, state, [steps - 1])
        assert repr(rest.rows) == repr(after(whole, step)), step
        assert rest.outcome == whole.outcome, step
        if step < steps - 1:
            assert rest.states[steps - 1] == whole.states[steps - 1], step


@pytest.mark.parametrize("model", ["cnn", "resnet_small", "transformer_small"])
def test_models_with_more_than_weights_go_on_to_the_same_bits(engine, model):
    plan = rows.plan_of(
        engine, dataset=("digits", {}), model=(model, {}), steps=4, eval_every=2, batch_size=8
    )
    goes_on_anywhere(engine, plan)


def test_a_run_in_float64_goes_on_to_the_same_bits(engine):
    plan = rows.plan_of(engine, optimizer=("adam", {}), steps=STEPS)
    goes_on_anywhere(engine, replace(plan, compute=replace_precision(plan.compute)))


def replace_precision(compute):
    return compute.model_copy(update={"precision": "float64"})


class Odd(nn.Module):
    """A frozen weight, a buffer that no state_dict has, and a plain tensor that changes."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.map = nn.Linear(input_shape[0], num_outputs)
        self.frozen = nn.Parameter(torch.full((1,), 0.5), requires_grad=False)
        self.register_buffer("seen", torch.zeros(1), persistent=False)
        self.plain = torch.zeros(1)

    def forward(self, x):
        if self.training:
            self.seen += x.mean().detach()
            self.plain = self.plain + 1
        return self.map(x) * (1 + self.frozen) + self.seen + self.plain / 100


class Counting(nn.Module):
    """Has a count that it tells nobody."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.map = nn.Linear(input_shape[0], num_outputs)
        self.count = 0

    def forward(self, x):
        self.count += self.training
        return self.map(x) * (1 + self.count / 100)


@pytest.mark.parametrize("model", [Odd, Counting])
def test_what_a_model_keeps_beside_its_weights_goes_on_with_them(engine, model):
    rows.takes_what_is_the_users_own(engine)
    plan = rows.with_model(rows.plan_of(engine, steps=STEPS, eval_every=5), model)
    goes_on_anywhere(engine, plan)


class InGroups(torch.optim.SGD):
    """Keeps a tensor and a number in its groups."""

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            group["count"] = group.get("count", 0) + 1
            group["mean"] = group.get("mean", torch.zeros(1)) * 0.5 + group["count"]
            for p in group["params"]:
                p.add_(p.grad, alpha=-float(group["lr"] / group["mean"]))


class ByItself(torch.optim.SGD):
    """Counts in an attribute, and puts its gradients' average into another."""

    def __init__(self, params, lr):
        super().__init__(params, lr=lr)
        self.count = 0
        self.average = None

    @torch.no_grad()
    def step(self, closure=None):
        self.count += 1
        first = self.param_groups[0]["params"][0].grad
        self.average = first.clone() if self.average is None else 0.9 * self.average + first
        for group in self.param_groups:
            for p in group["params"]:
                p.add_(p.grad, alpha=-group["lr"] / self.count)
        self.param_groups[0]["params"][0].sub_(self.average, alpha=0.01)


USERS = {
    "RMSprop": (torch.optim.RMSprop, {"momentum": 0.5, "centered": True}),
    "Adagrad": (torch.optim.Adagrad, {}),
    "Rprop": (torch.optim.Rprop, {}),
    "RAdam": (torch.optim.RAdam, {}),
    "NAdam": (torch.optim.NAdam, {}),
    "Adadelta": (torch.optim.Adadelta, {}),
    "Adamax": (torch.optim.Adamax, {}),
    "ASGD": (torch.optim.ASGD, {}),
    "amsgrad": (torch.optim.Adam, {"amsgrad": True}),
    "in groups": (InGroups, {}),
    "by itself": (ByItself, {}),
}


@pytest.mark.parametrize("name", USERS)
def test_a_users_own_optimizer_goes_on_to_the_same_bits(engine, name, optimizer_path):
    rows.takes_what_is_the_users_own(engine)
    kind, settings = USERS[name]
    target = optimizer_path(kind)
    goes_on_anywhere(
        engine,
        rows.plan_of(engine, optimizer=("own", settings), target=target, lr=0.01, steps=STEPS),
    )


class WithItsOwn(torch.optim.SGD):
    """Tells of its state in its own way."""

    def state_dict(self):
        return {**super().state_dict(), "more": 1}


class Callback(torch.optim.SGD):
    """Keeps what no file can hold."""

    def __init__(self, params, lr):
        super().__init__(params, lr=lr)
        self.draw = torch.Generator()


class ItsParameters(torch.optim.SGD):
    """Keeps the list of its parameters, as LBFGS does: copies of them would be updated instead."""

    def __init__(self, params, lr):
        super().__init__(params, lr=lr)
        self.kept = self.param_groups[0]["params"]


class ItsGradients(torch.optim.SGD):
    """Keeps gradients that are the model's own, and change with them."""

    def step(self, closure=None):
        super().step()
        for p in self.param_groups[0]["params"]:
            self.state[p]["before"] = p.grad


class ByColumns(torch.optim.SGD):
    """Keeps a tensor whose numbers lie in another order, by which sums of them are rounded."""

    def step(self, closure=None):
        super().step()
        for p in self.param_groups[0]["params"]:
            self.state[p]["columns"] = torch.arange(6.0).reshape(2, 3).t()


class Defaults(torch.optim.SGD):
    """Keeps what it counts among its defaults."""

    def step(self, closure=None):
        super().step()
        self.defaults["count"] = self.defaults.get("count", 0) + 1


class InAList(nn.Linear):
    """A model that keeps what it has seen in a list."""

    def __init__(self, input_shape, num_outputs):
        super().__init__(input_shape[0], num_outputs)
        self.seen = []

    def forward(self, x):
        self.seen.append(float(x.sum()))
        return super().forward(x)


class Alias(nn.Linear):
    """A model with a second name for the memory of a buffer."""

    def __init__(self, input_shape, num_outputs):
        super().__init__(input_shape[0], num_outputs)
        self.register_buffer("mean", torch.zeros(1))
        self.also = self.mean.view(1, 1)

    def forward(self, x):
        self.mean.add_(1.0)
        return super().forward(x) + 0 * self.also


@pytest.mark.parametrize("model", [InAList, Alias])
def test_a_model_whose_state_would_not_come_back_is_told_so(engine, model):
    rows.takes_what_is_the_users_own(engine)
    plan = rows.with_model(rows.plan_of(engine, steps=4), model)
    with pytest.raises(RunError, match="checkpoint cannot hold"):
        saved(engine, plan, at=[2])


OWN_WAYS = [WithItsOwn, Callback, ItsParameters, ItsGradients, ByColumns, Defaults]


@pytest.mark.parametrize("kind", OWN_WAYS)
def test_a_state_that_cannot_be_held_is_told_when_it_is_asked_for_not_later(
    engine, kind, optimizer_path
):
    rows.takes_what_is_the_users_own(engine)
    plan = rows.plan_of(engine, optimizer=("own", {}), target=optimizer_path(kind), steps=4)
    with pytest.raises(RunError, match="checkpoint cannot hold"):
        saved(engine, plan, [2])
    assert rows.train(engine, plan, keeps=False).outcome.weights_digest


def test_a_run_that_goes_on_and_on_has_the_same_bits(engine):
    plan = rows.plan_of(engine, optimizer=("adam", {}), steps=STEPS, eval_every=5)
    whole = saved(engine, plan)
    state = saved(engine, plan, [1]).states[1]
    for step in range(2, STEPS):
        state = gone_on(engine, plan, state, [step]).states[step]
        assert state == whole.states[step]
    assert gone_on(engine, plan, state).outcome == whole.outcome


@pytest.mark.parametrize("at", [1, 20, 50])
def test_a_run_that_diverges_after_it_went_on_ends_at_the_same_step(engine, at):
    plan = rows.plan_of(engine, **rows.DIVERGING)
    whole = saved(engine, plan, [at])
    assert whole.outcome.diverged_at > at
    rest = gone_on(engine, plan, whole.states[at])
    assert repr(rest.outcome) == repr(whole.outcome)
    assert repr(rest.rows) == repr(after(whole, at))


@pytest.mark.parametrize(
    "other",
    [
        {"model": ("mlp", {"hidden": [7]})},
        {"model": ("mlp", {"hidden": [6, 6]})},
        {"model": ("linear", {})},
        {"seed": 1},
        {"batch_size": 9},
        {"optimizer": ("adam", {})},
    ],
    ids=str,
)
def test_a_state_of_another_run_is_refused(engine, other):
    state = saved(engine, rows.plan_of(engine, steps=STEPS), [5]).states[5]
    with pytest.raises(RecordError) as caught:
        gone_on(engine, rows.plan_of(engine, steps=STEPS, **other), state)
    assert caught.value.problems[0].key == "checkpoint"


@pytest.mark.parametrize("body", [b"", b"x" * 100, None])
def test_a_state_without_its_tensors_is_refused(engine, body):
    plan = rows.plan_of(engine, steps=STEPS)
    state = saved(engine, plan, [5]).states[5]
    torn = State(5, state.facts, state.body[:-4] if body is None else body)
    with pytest.raises(RecordError):
        gone_on(engine, plan, torn)
