"""A restart that forgets one thing: the audit must name it, and the run must stop."""

import pytest
import torch
from torch import nn

from lrbench.engine.base import Restart
from lrbench.engine.flat import FlatModel
from lrbench.engine.optimizers import OPTIMIZERS, BoundOptimizer
from lrbench.engine.restarting import Restarter
from lrbench.errors import RunError
from lrbench.spec.restart import RestartSpec
from lrbench.streams import Streams


class Model(nn.Module):
    """Two layers, one of them with buffers, and a weight that is not trained."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.last = nn.Linear(4, 2)
        self.fixed = nn.Parameter(torch.ones(2), requires_grad=False)

    def forward(self, x):
        return self.last(self.norm(self.first(x))) * self.fixed


class Bench:
    """A model that was trained a little."""

    def __init__(self, kind, settings, policy, restarter=Restarter):
        torch.manual_seed(0)
        self.model = Model()
        self.flat = FlatModel(self.model)
        own = not isinstance(kind, str)
        builder = kind if own else OPTIMIZERS[kind].builder
        self.optimizer = BoundOptimizer(self.flat, builder, 0.05, settings, own=own)
        self.policy = policy
        parts = (self.model, self.flat, self.optimizer, Streams(0), [policy])
        self.restarter = restarter(*parts)
        self.restarter.look(1.0, is_cycle_end=True)
        self.go()

    def go(self, updates=4):
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))
        for _ in range(updates):
            self.flat.grad.zero_()
            self.model(x).square().mean().backward()
            self.optimizer.update(0.05)

    def restart(self, step=4):
        return self.restarter.apply(Restart(step, 1, 10, self.policy))

    def entry(self, place=0):
        return self.optimizer.optimizer.state[self.optimizer.tensors[place]]


def forgetting(*spoils):
    """A restarter that does all that it promised, and then something else."""

    class Forgetting(Restarter):
        def _change_state(self, policy):
            super()._change_state(policy)
            for spoil in spoils:
                spoil(self)

    return Forgetting


def tensor_of(name, place=0):
    def spoil(restarter):
        optimizer = restarter._optimizer
        entry = optimizer.optimizer.state[optimizer.tensors[place]]
        # The last number of it only: the audit compares all of them.
        entry[name].view(-1)[-1] += 1e-3

    return spoil


def group(name, value):
    def spoil(restarter):
        restarter._optimizer.optimizer.param_groups[0][name] = value

    return spoil


def weight(name):
    def spoil(restarter):
        dict([*restarter._model.named_parameters(), *restarter._model.named_buffers()])[name].add_(
            1
        )

    return spoil


def row(name):
    return lambda restarter: getattr(restarter._flat, name).add_(1)


def elsewhere(restarter):
    entry = restarter._optimizer.optimizer.state[restarter._optimizer.tensors[0]]
    entry["momentum_buffer"] = entry["momentum_buffer"].clone()


def put(name):
    def spoil(restarter):
        entry = restarter._optimizer.optimizer.state[restarter._optimizer.tensors[0]]
        entry[name] = torch.zeros(1)

    return spoil


ALL = {"momentum": "reset", "first_moment": "reset", "second_moment": "reset"}
MISMATCH = {"first_moment": "reset", "second_moment": "reset", "counter": "keep"}
RMS = {"state_names": {"second_moment": "square_avg"}}
BROKEN = {
    "momentum not zero": ("sgd", {"momentum": "reset"}, tensor_of("momentum_buffer"), "momentum_b"),
    "momentum not scaled": ("sgd", {"momentum": 0.5}, tensor_of("momentum_buffer"), "momentum_b"),
    "momentum not kept": ("sgd", {}, tensor_of("momentum_buffer"), "momentum_buffer"),
    "momentum put back": ("sgd", {"momentum": "delete"}, put("momentum_buffer"), "momentum_buffer"),
    "first moment": ("adam", ALL, tensor_of("exp_avg"), "optimizer's exp_avg"),
    "second moment": ("adam", ALL, tensor_of("exp_avg_sq"), "optimizer's exp_avg_sq"),
    "largest": ("adam", {"second_moment": "max"}, tensor_of("exp_avg_sq"), "exp_avg_sq"),
    "second moment kept": ("adam", {"first_moment": 0.5}, tensor_of("exp_avg_sq"), "exp_avg_sq"),
    "counter not reset": ("adam", ALL, tensor_of("step"), "optimizer's step"),
    "counter not kept": ("adam", MISMATCH, tensor_of("step"), "optimizer's step"),
    "weights not kept": ("sgd", {}, weight("last.weight"), "last.weight"),
    "weights not gone back to": (
        "sgd",
        {"weights": "rewind_best"},
        weight("first.bias"),
        "first.bias",
    ),
    "statistics not gone back to": (
        "sgd",
        {"weights": "rewind_best"},
        weight("norm.running_mean"),
        "norm.running_mean",
    ),
    "noise added twice": ("sgd", {"weights": "shrink_perturb"}, weight("last.bias"), "last.bias"),
    "what is not trained": ("sgd", {"weights": "shrink_perturb"}, weight("fixed"), "fixed"),
    "a rate that changed": ("adam", {}, group("lr", 0.1), "lr of parameter group 0"),
    "betas that changed": ("adam", ALL, group("betas", (0.5, 0.9)), "betas of parameter group 0"),
    "a setting that is new": ("sgd", {}, group("boost", 2), "boost of parameter group 0"),
    "state that is new": ("adam", {}, put("extra"), "optimizer's extra"),
    "the engine's momentum": ("sgd", {"momentum": "reset"}, row("momentum"), "momentum"),
    "the engine's second moment": (torch.optim.Adam, ALL, row("second_moment"), "second_moment"),
    "a moment in another place": ("sgd", {"momentum": "reset"}, elsewhere, "moments"),
    "an average": (
        torch.optim.ASGD,
        {"averages": "reset"},
        tensor_of("ax", 2),
        "ax of norm.weight",
    ),
    "a mapped moment": (
        torch.optim.RMSprop,
        {"second_moment": 0.5, **RMS},
        tensor_of("square_avg", 5),
        "square_avg of last.bias",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_promise_that_is_broken_in_one_number_stops_the_run_and_names_it(name):
    kind, switches, spoil, what = BROKEN[name]
    policy = RestartSpec(**switches)
    bench = Bench(kind, {}, policy, forgetting(spoil))
    with pytest.raises(RunError) as caught:
        bench.restart()
    problem = caught.value.problems[0]
    assert what in problem.key
    assert "must be what the restart at step 4 promised" in problem.relation
    # Without that one fault the promise is kept.
    assert Bench(kind, {}, policy).restart().audit.startswith("kept")


@pytest.mark.parametrize(
    ("kind", "switches", "method"),
    [
        ("sgd", {"momentum": "reset"}, "_change_state"),
        ("sgd", {"momentum": "delete"}, "_change_state"),
        ("adam", ALL, "_change_state"),
        ("adam", {"counter": "reset"}, "_change_state"),
        ("sgd", {"weights": "rewind_best"}, "_change_weights"),
        ("sgd", {"weights": "shrink_perturb"}, "_change_weights"),
        (torch.optim.ASGD, {"averages": "reset"}, "_change_state"),
    ],
)
def test_a_restart_that_does_nothing_is_found_out(kind, switches, method):
    idle = type("Idle", (Restarter,), {method: lambda self, *given: None})
    settings = {"t0": 0.0} if kind is torch.optim.ASGD else {}
    with pytest.raises(RunError, match="promised"):
        Bench(kind, settings, RestartSpec(**switches), idle).restart()


def test_what_is_not_a_number_and_stays_so_is_a_promise_kept():
    bench = Bench("sgd", {}, RestartSpec())
    bench.flat.weight[0] = float("nan")
    assert bench.restart().audit == "kept"


@pytest.mark.parametrize(
    ("kind", "settings", "switches", "what"),
    [
        ("adam", {}, {"momentum": "reset"}, "momentum_buffer"),
        ("sgd", {"momentum": 0.0}, {"momentum": "reset"}, "momentum_buffer"),
        (torch.optim.RMSprop, {}, {"second_moment": "reset"}, "exp_avg_sq"),
        ("sgd", {}, {"counter": "reset"}, "step"),
        ("adam", {}, {"averages": "reset"}, "ax"),
        (torch.optim.Adadelta, {}, ALL, "momentum_buffer"),
    ],
)
def test_a_policy_of_state_that_is_nowhere_to_be_found_is_refused(kind, settings, switches, what):
    with pytest.raises(RunError) as caught:
        Bench(kind, settings, RestartSpec(**switches)).restart()
    problem = caught.value.problems[0]
    assert problem.key.startswith("restart")
    assert what in problem.relation
    assert "restart.state_names" in (problem.remedy or "")


def test_a_full_reset_is_of_whatever_there_is():
    assert Bench("sgd", {}, RestartSpec(**ALL)).restart().audit == "kept"
    assert Bench("adam", {}, RestartSpec(**ALL)).restart().audit == "kept"


def test_the_largest_second_moment_is_of_now_and_of_after_the_restart_before():
    bench = Bench("adam", {}, RestartSpec(second_moment="max"))
    first = bench.entry()["exp_avg_sq"].clone()
    bench.restart()
    assert torch.equal(bench.entry()["exp_avg_sq"], first)
    bench.entry()["exp_avg_sq"][::2].mul_(0.5)
    bench.entry()["exp_avg_sq"][1::2].mul_(2.0)
    bench.restart(8)
    wanted = first.clone()
    wanted[1::2] *= 2.0
    assert torch.equal(bench.entry()["exp_avg_sq"], wanted)


def test_weights_of_equal_loss_are_gone_back_to_in_the_first_place():
    bench = Bench("sgd", {}, RestartSpec(weights="rewind_best"))
    best = bench.flat.weight.clone()
    mean = bench.model.norm.running_mean.clone()
    for loss in (0.5, 0.5, float("nan"), 0.7):
        bench.restarter.look(loss, is_cycle_end=False)
        bench.go(1)
    applied = bench.restart()
    assert torch.equal(bench.flat.weight, best)
    assert torch.equal(bench.model.norm.running_mean, mean)
    assert applied.before[0].weight_norm != applied.after[0].weight_norm


def test_there_must_be_weights_to_go_back_to():
    bench = Bench("sgd", {}, RestartSpec(weights="rewind_best"))
    bench.restarter.restore({"losses": {}}, {})
    bench.restarter.look(float("inf"), is_cycle_end=True)
    with pytest.raises(RunError, match="there are none yet"):
        bench.restart()


def test_hidden_multipliers_stand_in_the_outcome_of_the_audit():
    spec = RestartSpec(**MISMATCH)
    assert Bench("adam", {"beta2": 0.99}, spec).restart().audit == (
        "kept, but first moment zeroed, second moment zeroed, counter kept: "
        "update 1 times 1, update 13 times 2.13"
    )
    assert Bench("adam", {}, RestartSpec(counter="reset")).restart().audit == "kept"
    # Of the first moment alone there is no way to know betas of an optimizer without them.
    spec = RestartSpec(second_moment="max", counter="reset", first_moment="reset")
    assert Bench("adam", {}, spec).restart().audit == (
        "kept, but first moment zeroed, second moment at its largest, counter reset"
    )
