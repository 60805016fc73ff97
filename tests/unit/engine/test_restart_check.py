"""Policies tried before a run: what an optimizer does not keep cannot be reset, and is named."""

import pytest
import torch

from lrbench.engine.base import Restart
from lrbench.engine.flat import FlatModel
from lrbench.engine.optimizers import OPTIMIZERS, BoundOptimizer
from lrbench.engine.restart_check import check_policy
from lrbench.engine.restarting import Restarter
from lrbench.errors import ConfigError
from lrbench.restarts.policy import PRESETS
from lrbench.spec.restart import RestartSpec
from lrbench.streams import Streams

FULL = RestartSpec(**PRESETS["full_reset"].switches)
RESET_MOMENTUM = RestartSpec(momentum="reset")
ADAM_REL = RestartSpec(counter="reset")
BUILT_IN = {name: entry.builder for name, entry in OPTIMIZERS.items()}
TORCH = {
    kind.__name__: kind
    for kind in vars(torch.optim).values()
    if isinstance(kind, type) and kind.__name__ not in ("Optimizer", "LBFGS", "SparseAdam", "Muon")
}
"""All that lrbench accepts: the others need a closure, sparse gradients, or matrices only."""


class Heavy(torch.optim.Optimizer):
    """Momentum under another name; ``is_aside`` keeps a count that no state shows."""

    def __init__(self, weights, lr, is_aside=False):
        super().__init__(weights, {"lr": lr})
        self._updates = 0 if is_aside else None

    @torch.no_grad()
    def step(self):
        boost = 1.0
        if self._updates is not None:
            self._updates += 1
            boost = 1.0 / self._updates
        for group in self.param_groups:
            for weight in group["params"]:
                buf = self.state[weight].setdefault("buf", torch.zeros_like(weight))
                buf.mul_(0.9).add_(weight.grad)
                weight.sub_(buf, alpha=group["lr"] * boost)


def check(spec, builder, allow=False, **settings):
    return check_policy(spec, builder, 0.1, settings, allow)


def refusal(spec, builder, **settings):
    with pytest.raises(ConfigError) as caught:
        check(spec, builder, **settings)
    return caught.value.problems[0]


@pytest.mark.parametrize("builder", [*BUILT_IN.values(), *TORCH.values(), Heavy])
def test_keeping_all_is_fine_for_every_optimizer(builder):
    assert check(RestartSpec(), builder) is None
    assert check(RestartSpec(weights="rewind_best", rewarm=9), builder) is None


@pytest.mark.parametrize(
    ("spec", "name", "settings"),
    [
        (RESET_MOMENTUM, "sgd", {}),
        (RestartSpec(momentum="delete"), "sgd", {"dampening": 0.9}),
        (FULL, "sgd", {}),
        (FULL, "adam", {}),
        (FULL, "adamw", {"decay_follows_lr": False}),
        (ADAM_REL, "adam", {}),
    ],
)
def test_policies_of_what_is_there_are_fine(spec, name, settings):
    assert check(spec, BUILT_IN[name], **settings) is None


@pytest.mark.parametrize(
    ("spec", "name", "settings", "key", "remedy"),
    [
        (RESET_MOMENTUM, "sgd", {"momentum": 0.0}, "restart.momentum", "restart=keep"),
        (RESET_MOMENTUM, "adam", {}, "restart.momentum", "restart=full_reset"),
        (ADAM_REL, "sgd", {}, "restart.counter", "restart=reset_momentum"),
        (FULL, "sgd", {"momentum": 0.0}, "restart", "restart=keep"),
        (FULL, "sgd", {"dampening": 0.9}, "restart", "restart.momentum=delete"),
        (RestartSpec(averages="reset"), "adam", {}, "restart.averages", "restart=full_reset"),
        (
            RestartSpec(first_moment=0.5),
            "sgd",
            {},
            "restart.first_moment",
            "restart=reset_momentum",
        ),
    ],
)
def test_what_a_built_in_optimizer_does_not_keep_is_refused(spec, name, settings, key, remedy):
    problem = refusal(spec, BUILT_IN[name], **settings)
    assert (problem.key, problem.remedy) == (key, remedy)


AS_NEW = [
    ("Adam", {}, {}),
    ("AdamW", {}, {}),
    ("RAdam", {}, {}),
    ("SGD", {"momentum": 0.9}, {}),
    ("Adagrad", {"lr_decay": 0.1}, {"second_moment": "sum"}),
    ("Adamax", {}, {"second_moment": "exp_inf"}),
    ("RMSprop", {"momentum": 0.9}, {"second_moment": "square_avg"}),
    ("Adadelta", {}, {"first_moment": "acc_delta", "second_moment": "square_avg"}),
]


@pytest.mark.parametrize(("name", "settings", "names"), AS_NEW)
def test_an_optimizer_that_was_fully_reset_makes_the_updates_of_a_new_one(name, settings, names):
    spec = FULL.model_copy(update={"state_names": names})
    assert check(spec, TORCH[name], **settings) is None
    model, flat, optimizer = own(name, settings)
    go(flat, optimizer, [5.0, -3.0, 4.0, -7.0])
    Restarter(model, flat, optimizer, Streams(0), [spec]).apply(Restart(4, 1, 4, spec))
    _, flat_of_new, new = own(name, settings)
    after = go(flat, optimizer, [1.0, 0.5, -2.0])
    assert after == go(flat_of_new, new, [1.0, 0.5, -2.0])
    assert after != go(flat, optimizer, [1.0, 0.5, -2.0])


@pytest.mark.parametrize("name", TORCH)
def test_every_other_optimizer_is_refused_a_full_reset_by_name(name):
    if any(name == other and not settings and not names for other, settings, names in AS_NEW):
        assert check(FULL, TORCH[name]) is None
        return
    problem = refusal(FULL, TORCH[name])
    assert problem.key == "restart"
    assert name in problem.relation


def own(name, settings):
    model = torch.nn.Linear(3, 1)
    flat = FlatModel(model)
    return model, flat, BoundOptimizer(flat, TORCH[name], 0.1, settings, own=True)


def go(flat, optimizer, factors):
    """The way of the weights from zero."""
    flat.weight.zero_()
    way = []
    for factor in factors:
        for grad in flat.views(flat.grad):
            grad.copy_(factor * torch.arange(1.0, grad.numel() + 1).view(grad.shape))
        optimizer.update(0.1)
        way.append(flat.weight.tolist())
    return way


@pytest.mark.parametrize(
    ("name", "settings", "left"),
    [
        ("NAdam", {}, "mu_product"),
        ("Adam", {"amsgrad": True}, "max_exp_avg_sq"),
        ("Adamax", {}, "exp_inf"),
        ("RMSprop", {"momentum": 0.9}, "square_avg"),
    ],
)
def test_what_a_full_reset_would_leave_is_named(name, settings, left):
    problem = refusal(FULL, TORCH[name], **settings)
    assert problem.relation.endswith(f"would not reset its {left}")


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("preset", ["reset_momentum", "full_reset", "adam_rel"])
def test_every_remedy_works(name, preset):
    spec = RestartSpec(**PRESETS[preset].switches)
    try:
        check(spec, TORCH[name])
        return
    except ConfigError as error:
        remedy = error.problems[0].remedy
    if remedy.startswith("restart="):
        other = RestartSpec(**PRESETS[remedy.removeprefix("restart=")].switches)
    else:
        inside = remedy.removeprefix("'restart.state_names={").removesuffix("}'")
        names = dict(pair.split(": ") for pair in inside.split(", "))
        other = spec.model_copy(update={"state_names": names})
    check(other, TORCH[name])


def test_a_count_of_other_ends_is_no_counter_of_a_bias():
    for name in ("ASGD", "Rprop", "Adagrad", "RMSprop"):
        assert "bias" in refusal(ADAM_REL, TORCH[name]).relation


def test_an_own_optimizers_state_is_changed_by_the_name_it_is_given():
    problem = refusal(RESET_MOMENTUM, Heavy)
    assert "Heavy keeps buf" in problem.relation
    assert problem.remedy == "'restart.state_names={momentum: buf}'"
    named = RestartSpec(momentum="reset", state_names={"momentum": "buf"})
    assert check(named, Heavy) is None


def test_what_an_own_optimizer_keeps_aside_cannot_be_reset():
    spec = FULL.model_copy(update={"state_names": {"momentum": "buf"}})
    assert check(spec, Heavy) is None
    assert refusal(spec, Heavy, is_aside=True).relation.endswith("something besides its state")


def test_a_buffer_that_must_be_there_cannot_be_deleted():
    problem = refusal(RestartSpec(momentum="delete"), TORCH["RMSprop"], momentum=0.9)
    assert (problem.key, problem.remedy) == ("restart.momentum", "restart.momentum=reset")


def test_names_of_no_switch_and_names_given_twice_are_refused():
    problem = refusal(RestartSpec(state_names={"momentun": "buf"}), Heavy)
    assert problem.got == "momentun"
    assert problem.remedy == "'restart.state_names={momentum: buf}'"
    twice = RestartSpec(momentum="reset", state_names={"momentum": "exp_avg"})
    assert refusal(twice, TORCH["Adam"]).got == "exp_avg"


def test_an_optimizer_that_cannot_be_tried_is_refused_without_a_traceback():
    problem = refusal(RESET_MOMENTUM, torch.optim.Muon)
    assert (problem.key, problem.remedy) == ("optimizer", "restart=keep")


def test_a_hidden_multiplier_needs_leave_and_is_told():
    spec = RestartSpec(first_moment="reset", second_moment="reset", counter="keep")
    problem = refusal(spec, BUILT_IN["adam"], beta2=0.99)
    assert (problem.key, problem.remedy) == ("restart.counter", "restart.allow_mismatch=true")
    told = check(spec, BUILT_IN["adam"], allow=True, beta2=0.99)
    assert told.endswith("update 1 times 1, update 13 times 2.13")
    assert told in problem.relation


def test_trying_draws_nothing_from_the_global_generators():
    before = torch.get_rng_state()
    check(FULL, BUILT_IN["adam"])
    refusal(RESET_MOMENTUM, BUILT_IN["adam"])
    assert torch.equal(torch.get_rng_state(), before)
