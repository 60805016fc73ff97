"""Snapshots: alone, together, and on the way between two of them."""

import importlib.util
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load, save
from torch import nn

from lrbench.engine.base import State
from lrbench.engine.snapshots import POINTS, measure
from lrbench.errors import RecordError

_source = Path(__file__).parents[2] / "contracts" / "test_engines.py"
_module = importlib.util.spec_from_file_location("contract_of_rows", _source)
rows = importlib.util.module_from_spec(_module)
sys.modules["contract_of_rows"] = rows
_module.loader.exec_module(rows)

SGDR = ("sgdr", {"first_cycle": 6, "cycle_mult": 1.0})


def snapshots_of(plan):
    """The states at the ends of its cycles."""
    run = rows.train("loop", plan)
    return [run.kept[step] for step in sorted(run.kept)], run


def planned(**changes):
    usual = {"schedule": SGDR, "steps": 18, "lr": 0.4, "precision": "float64"}
    return rows.plan_of("loop", **usual | changes)


def at(plan, state):
    """The model of a snapshot, put together by hand."""

    model = plan.build_model(plan.lanes[0].streams).double()
    found = {n.removeprefix("model/"): t for n, t in load(state.body).items() if "model/" in n}
    model.load_state_dict(found)
    return model


def validation(plan):
    val = plan.data.val
    return torch.as_tensor(val.inputs).double(), torch.as_tensor(val.targets)


def test_singles_and_ensembles_are_those_of_plain_torch():
    plan = planned()
    states, run = snapshots_of(plan)
    assert [state.step for state in states] == [6, 12, 18]
    found = measure(plan, states)
    x, y = validation(plan)
    with torch.no_grad():
        outputs = [at(plan, state)(x) for state in states]
    losses = [float(F.cross_entropy(one, y)) for one in outputs]
    assert [single.loss for single in found.singles] == pytest.approx(losses, rel=1e-12)
    ends = dict(zip(run.evaluated("step"), run.evaluated("val_loss"), strict=True))
    assert [single.loss for single in found.singles] == [ends[state.step] for state in states]
    accuracies = [float((one.argmax(1) == y).double().mean()) for one in outputs]
    assert [single.accuracy for single in found.singles] == accuracies
    # The mean of probabilities of the last one, two, three.
    for count, together in enumerate(found.ensembles, start=1):
        mean = torch.stack([one.softmax(1) for one in outputs[-count:]]).mean(0)
        assert together.loss == pytest.approx(float(F.nll_loss(mean.log(), y)), rel=1e-12)
        assert together.accuracy == float((mean.argmax(1) == y).double().mean())
    assert found.ensembles[0].loss == pytest.approx(found.singles[-1].loss, rel=1e-12)
    # Not that of logits.
    logits = float(F.cross_entropy(torch.stack(outputs).mean(0), y))
    assert found.ensembles[2].loss != pytest.approx(logits, rel=1e-9)


def test_disagreement_and_path_are_those_of_plain_torch():
    plan = planned(lr=2.0)
    states, _ = snapshots_of(plan)
    found = measure(plan, states)
    x, y = validation(plan)
    models = [at(plan, state) for state in states]
    with torch.no_grad():
        for between, before, now in zip(found.between, models, models[1:], strict=False):
            differing = (before(x).argmax(1) != now(x).argmax(1)).double().mean()
            assert between.disagreement == float(differing)
            path = []
            for point in range(POINTS):
                a = point / 10
                mixed = {
                    name: (1 - a) * weight + a * now.state_dict()[name]
                    for name, weight in before.state_dict().items()
                }
                outputs = torch.func.functional_call(now, mixed, (x,))
                path.append(float(F.cross_entropy(outputs, y)))
            assert list(between.path) == pytest.approx(path, rel=1e-12)
            highest = max(path) - max(path[0], path[-1])
            assert between.barrier == pytest.approx(highest, abs=1e-12)
    assert len(found.between) == 2
    assert any(between.disagreement > 0 for between in found.between)


class Valley(nn.Module):
    """One weight, two valleys at -1 and 1, a hill of height 1 between them."""

    def __init__(self):
        super().__init__()
        self.x = nn.Parameter(torch.zeros(()))

    def forward(self, samples):
        return ((self.x**2 - 1) ** 2).expand(len(samples), 1)


def in_valley(plan, *places):
    states, _ = snapshots_of(plan)
    found = []
    for place in places:
        tensors = load(states[0].body)
        tensors["model/x"] = torch.full_like(tensors["model/x"], place)
        found.append(State(states[0].step, states[0].facts, save(tensors)))
    return found


def test_a_hill_between_two_valleys_is_a_barrier_and_one_valley_has_none():
    plan = planned(dataset=("noisy_quadratic", {"num_samples": 64}), model=("quadratic", {}))
    plan = rows.with_model(plan, Valley)
    found = measure(plan, in_valley(plan, -1.0, 1.0, 0.5, 1.0))
    hill, down, up = found.between
    assert hill.barrier == pytest.approx(1.0, rel=1e-12)
    assert hill.path.index(max(hill.path)) == 5
    assert hill.path[0] == hill.path[-1] == 0.0
    assert down.path[0] == 0.0
    assert (down.barrier, up.barrier) == (0.0, 0.0)
    assert up.path == tuple(sorted(up.path, reverse=True))
    # Outputs that are losses belong to no ensemble, and to no class.
    assert found.ensembles == ()
    assert {between.disagreement for between in found.between} == {None}


class Normed(nn.Module):
    """A batch norm between two layers."""

    def __init__(self, input_shape, num_outputs):
        super().__init__()
        self.first = nn.Linear(input_shape[0], 5)
        self.norm = nn.BatchNorm1d(5, momentum=0.3)
        self.last = nn.Linear(5, num_outputs)

    def forward(self, x):
        return self.last(torch.relu(self.norm(self.first(x))))


def test_statistics_of_batch_norm_are_estimated_anew_on_the_way_and_singles_keep_theirs():
    plan = rows.with_model(planned(lr=0.5), Normed)
    states, run = snapshots_of(plan)
    found = measure(plan, states)
    assert found.singles[-1].loss == run.evaluated("val_loss")[-1]
    x, y = validation(plan)
    train = torch.as_tensor(plan.data.train.inputs).double()
    before, now = at(plan, states[0]), at(plan, states[1])
    by_hand = []
    with torch.no_grad():
        for point in range(POINTS):
            a, mixed = point / 10, at(plan, states[1])
            pairs = zip(mixed.parameters(), before.parameters(), now.parameters(), strict=True)
            for weight, first, second in pairs:
                weight.copy_((1 - a) * first + a * second)
            inside = mixed.first(train)
            mixed.norm.running_mean.copy_(inside.mean(0))
            mixed.norm.running_var.copy_(inside.var(0))
            by_hand.append(float(F.cross_entropy(mixed.eval()(x), y)))
    assert list(found.between[0].path) == pytest.approx(by_hand, rel=1e-9)
    # At its ends, too: the path is of one kind throughout.
    assert found.between[0].path[-1] != pytest.approx(found.singles[1].loss, rel=1e-6)
    # Two snapshots of the same weights: no way, no barrier.
    still = measure(plan, [states[0], states[0]]).between[0]
    assert list(still.path) == pytest.approx([still.path[0]] * POINTS, rel=1e-12)
    assert (still.barrier, still.disagreement) == (pytest.approx(0.0, abs=1e-12), 0.0)


def test_a_way_through_nothing_is_as_high_as_can_be():
    plan = planned(dataset=("noisy_quadratic", {"num_samples": 64}), model=("quadratic", {}))
    plan = rows.with_model(plan, Valley)
    (between,) = measure(plan, in_valley(plan, 1.0, 1e200)).between
    assert between.path[-1] == math.inf
    assert between.barrier == 0.0


def test_one_snapshot_has_nothing_between_and_none_measure_nothing():
    plan = planned()
    states, _ = snapshots_of(plan)
    one = measure(plan, states[:1])
    assert (len(one.singles), len(one.ensembles), one.between) == (1, 1, ())
    none = measure(plan, [])
    assert (none.singles, none.ensembles, none.between) == ((), (), ())


def test_measuring_changes_neither_the_world_nor_itself():
    plan = planned(model=("mlp", {"hidden": [6], "dropout": 0.4}))
    states, _ = snapshots_of(plan)
    generator = torch.get_rng_state()
    first = measure(plan, states)
    assert torch.equal(torch.get_rng_state(), generator)
    assert measure(plan, states) == first


def test_a_snapshot_of_another_model_is_refused():
    plan, other = planned(), planned(model=("mlp", {"hidden": [7]}))
    states, _ = snapshots_of(plan)
    with pytest.raises(RecordError):
        measure(other, states)


def test_a_regression_is_averaged_over_its_outputs():
    plan = planned()
    train, val = plan.data.train, plan.data.val

    def real(split):
        targets = np.eye(3, dtype=np.float32)[split.targets]
        return replace(split, targets=targets)

    data = replace(
        plan.data,
        info=replace(plan.data.info, kind="regression"),
        train=real(train),
        val=real(val),
        digest="wine as a regression",
    )
    plan = replace(plan, data=data)
    states, _ = snapshots_of(plan)
    found = measure(plan, states[:2])
    x, y = validation(plan)
    with torch.no_grad():
        mean = torch.stack([at(plan, state)(x) for state in states[:2]]).mean(0)
    assert found.ensembles[1].loss == pytest.approx(float(F.mse_loss(mean, y)), rel=1e-9)
    assert found.ensembles[1].accuracy is None
    assert found.between[0].disagreement is None
