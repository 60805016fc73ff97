"""Snapshots, worked out once more from the kept weights with a plain model and numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load
from torch import nn

from lrbench.record.checkpoint import read_checkpoint
from lrbench.record.reader import read_record
from lrbench.streams import Streams
from lrbench.tasks.models.build import build_model
from lrbench.workflows.plan import load_data
from lrbench.workflows.replay import Source
from lrbench.workflows.run import resolve_overrides, run
from lrbench.workflows.snapshots import snapshots_job

WORDS = [
    "dataset=digits",
    "train.batch_size=64",
    "train.steps=36",
    "schedule=sgdr",
    "schedule.cycle_lengths=[10,12,14]",
    "optimizer.lr=0.2",
    "restart.keep_checkpoints=true",
]
MODELS = {
    "batch normalisation": ["model=resnet_small", "model.width=2", "model.blocks=[1]"],
    "dropout": ["model.hidden=[10]", "model.dropout=0.4"],
}


@pytest.fixture(scope="module", params=MODELS)
def case(request, data_cache, tmp_path_factory):
    resolved = resolve_overrides([*WORDS, *MODELS[request.param]])
    record = read_record(run(resolved, tmp_path_factory.mktemp("runs")).path)
    found = snapshots_job(Source(record.path), lambda value: None)
    data = load_data(resolved)
    return record, found, data, resolved.spec


def loaded(record, data, spec, updates):
    model = build_model(spec.model.name, spec.model.params, data.info, Streams(0), None).eval()
    body = load(read_checkpoint(record.kept()[updates]).body)
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            tensor.copy_(body[f"model/{name}"])
    return model


def probabilities(model, split):
    with torch.no_grad():
        logits = model(torch.from_numpy(split.inputs)).double().numpy()
    exps = np.exp(logits - logits.max(1, keepdims=True))
    return exps / exps.sum(1, keepdims=True)


def measured(p, split):
    rows = np.arange(len(split.targets))
    return -np.log(p[rows, split.targets]).mean(), (p.argmax(1) == split.targets).mean()


def test_single_and_together_they_are_what_their_probabilities_say(case):
    record, found, data, spec = case
    assert found.steps == (10, 22, 36)
    each = [probabilities(loaded(record, data, spec, at), data.val) for at in found.steps]
    for p, single in zip(each, found.measured.singles, strict=True):
        loss, accuracy = measured(p, data.val)
        assert single.loss == pytest.approx(loss, rel=1e-5)
        assert single.accuracy == accuracy
    for count, together in enumerate(found.measured.ensembles, start=1):
        loss, accuracy = measured(np.mean(each[-count:], axis=0), data.val)
        assert together.loss == pytest.approx(loss, rel=1e-5)
        assert together.accuracy == accuracy
    losses = [single.loss for single in found.measured.singles]
    assert found.gain == np.mean(losses) - found.measured.ensembles[-1].loss
    # The last look of the run is at the last of them.
    looks = record.log("evals.csv")
    assert found.measured.singles[-1].loss == looks.column("val_loss")[-1]
    for place, between in enumerate(found.measured.between, start=1):
        apart = (each[place].argmax(1) != each[place - 1].argmax(1)).mean()
        assert between.disagreement == apart > 0


def test_the_barrier_is_the_highest_of_eleven_losses_on_the_straight_line(case):
    record, found, data, spec = case
    for place, between in enumerate(found.measured.between, start=1):
        ends = [loaded(record, data, spec, at) for at in found.steps[place - 1 : place + 1]]
        first, last = (dict(model.named_parameters()) for model in ends)
        path = []
        for point in range(11):
            mixed = loaded(record, data, spec, found.steps[place])
            with torch.no_grad():
                for name, parameter in mixed.named_parameters():
                    parameter.copy_(first[name] + point / 10 * (last[name] - first[name]))
            with_new_statistics(mixed, data.train)
            path.append(measured(probabilities(mixed, data.val), data.val)[0])
        assert between.path == pytest.approx(path, rel=2e-4)
        expected = max(path) - max(path[0], path[-1])
        assert between.barrier == pytest.approx(expected, abs=2e-4 * max(path))
        assert between.barrier == max(between.path) - max(between.path[0], between.path[-1])


def with_new_statistics(model, split):
    """Mean and variance of each normalisation's inputs over all the training data, layer by layer.

    Those of a later one depend on those of an earlier one, whose own batch is all of the data too.
    """
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    with torch.no_grad():
        model(torch.from_numpy(split.inputs))
    model.eval()


def test_statistics_of_a_mixed_model_are_not_those_of_an_end(case):
    """Otherwise the barrier would say that they do not fit, and nothing of the weights."""
    record, found, data, spec = case
    model = loaded(record, data, spec, found.steps[-1])
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    kept = [norm.running_mean.clone() for norm in norms]
    with_new_statistics(model, data.train)
    assert all(
        not torch.allclose(norm.running_mean, mean) for norm, mean in zip(norms, kept, strict=True)
    )
    if norms:
        assert found.measured.between[-1].path[-1] != found.measured.singles[-1].loss
    else:
        assert found.measured.between[-1].path[-1] == found.measured.singles[-1].loss
