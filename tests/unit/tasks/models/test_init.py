"""The first weights are a law of the seed and the parameters' names."""

import hashlib
import math
import random

import numpy as np
import pytest
import torch
from torch import nn

from lrbench.streams import Streams
from lrbench.tasks.base import DataInfo
from lrbench.tasks.models.build import build_model
from lrbench.tasks.models.catalog import MODELS
from lrbench.tasks.models.init import initialise

DIGITS = DataInfo("classification", (1, 8, 8), 10)


def weights(name="mlp", seed=0, info=DIGITS, **params):
    model = build_model(name, params, info, Streams(seed))
    return {key: value.detach().clone() for key, value in model.named_parameters()}


def test_linear_and_convolution_weights_are_uniform_within_one_over_the_root_of_the_fan_in():
    layers = [
        (weights(hidden=[512, 512])["hidden2.weight"], 512),
        (weights("cnn", channels=[64, 128])["conv2.weight"], 64 * 9),
    ]
    for values, fan_in in layers:
        bound = 1 / math.sqrt(fan_in)
        assert values.abs().max() <= bound * (1 + 1e-6)
        assert values.abs().max() > 0.999 * bound
        assert values.var().item() == pytest.approx(1 / (3 * fan_in), rel=0.05)
        assert abs(values.mean().item()) < 4 * bound / math.sqrt(3 * values.numel())


def test_biases_follow_the_law_of_their_weights():
    bias = weights(hidden=[4096])["hidden1.bias"]
    assert bias.abs().max() <= (1 + 1e-6) / 8
    assert bias.var().item() == pytest.approx(1 / (3 * 64), rel=0.05)


def test_each_parameter_is_drawn_from_the_stream_of_its_name():
    uniform = Streams(3)("init", "hidden1.bias").uniform(128)
    expected = ((2 * uniform - 1) / math.sqrt(64)).astype(np.float32)
    assert weights(seed=3)["hidden1.bias"].tolist() == expected.tolist()


def test_norms_start_as_the_identity():
    for name, params in [("resnet_small", {}), ("resnet_small", {"norm": "group"})]:
        found = weights(name, **params)
        assert torch.equal(found["norm.weight"], torch.ones(16))
        assert torch.equal(found["norm.bias"], torch.zeros(16))
    assert torch.equal(weights("transformer_small")["norm.weight"], torch.ones(32))


def test_embeddings_have_a_standard_deviation_of_two_hundredths():
    info = DataInfo("classification", (300,), 4, vocab_size=400)
    found = weights("transformer_small", info=info)
    for key in ("embedding.weight", "position.weight"):
        assert found[key].std().item() == pytest.approx(0.02, rel=0.05)


def test_another_layer_leaves_the_values_of_the_others_as_they_are():
    short, long = weights(hidden=[128, 128]), weights(hidden=[128, 128, 64])
    for key in ("hidden1.weight", "hidden1.bias", "hidden2.weight", "hidden2.bias"):
        assert torch.equal(short[key], long[key])


def test_dropout_and_activation_leave_all_values_as_they_are():
    plain, other = weights(), weights(dropout=0.5, activation="tanh")
    assert plain.keys() == other.keys()
    assert all(torch.equal(plain[key], other[key]) for key in plain)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "quadratic"])
def test_equal_seeds_give_equal_weights_and_other_seeds_give_others(name):
    first, again, other = weights(name), weights(name), weights(name, seed=1)
    assert all(torch.equal(first[key], again[key]) for key in first)
    drawn = [key for key in first if first[key].unique().numel() > 1]
    assert drawn
    assert not any(torch.equal(first[key], other[key]) for key in drawn)


def test_two_parameters_of_a_model_have_different_values():
    found = weights(hidden=[64, 64])
    assert not torch.equal(found["hidden1.weight"], found["hidden2.weight"])


def test_a_pinned_init_does_not_follow_the_root_seed():
    pinned = build_model("mlp", {}, DIGITS, Streams(7, {"init": 0}))
    assert torch.equal(pinned.get_parameter("output.weight"), weights()["output.weight"])


@pytest.mark.parametrize("name", MODELS)
def test_building_a_model_neither_moves_nor_needs_a_global_generator(name):
    info = DataInfo("objective", (2, 6), 1) if name == "quadratic" else DIGITS
    build_model(name, {}, info, Streams(0))  # what a first call imports may draw
    before = torch.get_rng_state(), repr(np.random.get_state()), random.getstate()
    first = weights(name, info=info)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (repr(np.random.get_state()), random.getstate())
    with torch.random.fork_rng(devices=[]):
        torch.rand(3)
        second = weights(name, info=info)
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_parameter_without_a_rule_is_an_error():
    with pytest.raises(TypeError, match="no rule for the first value of weight of PReLU"):
        initialise(nn.Sequential(nn.PReLU()), Streams(0))


def test_the_first_weights_of_the_digits_mlp_are_those_of_scheme_v1():
    # Frozen: whoever changes this changes every recorded run, and needs a new stream scheme.
    digest = hashlib.sha256()
    for value in weights().values():
        digest.update(value.numpy().astype("<f4").tobytes())
    assert digest.hexdigest()[:16] == "3117e7a0dec454bf"
