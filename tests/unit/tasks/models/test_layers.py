"""The layers of a model are its modules that own trainable parameters."""

import pytest
import torch
from torch import nn

from lrbench.streams import Streams
from lrbench.tasks.base import DataInfo
from lrbench.tasks.models.build import build_model
from lrbench.tasks.models.catalog import MODELS
from lrbench.tasks.models.layers import Layer, parameter_layers
from lrbench.tasks.models.resnet import ResidualBlock
from lrbench.tasks.models.transformer import EncoderBlock

DIGITS = DataInfo("classification", (1, 8, 8), 10)
OBJECTIVE = DataInfo("objective", (2, 6), 1)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.shift = nn.Parameter(torch.zeros(1))
        self.first = nn.Linear(3, 3)
        self.frozen = nn.Linear(3, 3).requires_grad_(False)
        self.second = nn.Linear(3, 3)
        self.second.weight = self.first.weight


def layers(name, info=DIGITS, **params):
    return parameter_layers(build_model(name, params, info, Streams(0)))


def test_the_digits_mlp_has_three_linear_layers():
    assert layers("mlp") == [
        Layer(name, "linear", depth, (f"{name}.weight", f"{name}.bias"))
        for depth, name in enumerate(["hidden1", "hidden2", "output"])
    ]


@pytest.mark.parametrize("name", MODELS)
def test_the_parameters_of_the_layers_in_turn_are_those_of_the_model(name):
    info = OBJECTIVE if name == "quadratic" else DIGITS
    model = build_model(name, {}, info, Streams(0))
    found = parameter_layers(model)
    in_turn = [parameter for layer in found for parameter in layer.parameters]
    assert in_turn == [parameter for parameter, _ in model.named_parameters()]
    assert [layer.depth for layer in found] == list(range(len(found)))


@pytest.mark.parametrize(
    ("name", "layer", "kind"),
    [
        ("cnn", "conv1", "convolution"),
        ("resnet_small", "norm", "normalisation"),
        ("resnet_small", "stage2_block1.shortcut.conv", "convolution"),
        ("transformer_small", "embedding.project", "linear"),
        ("transformer_small", "position", "embedding"),
        ("transformer_small", "blocks.0.attention.project", "attention"),
        ("transformer_small", "blocks.0.attention.output", "attention"),
        ("transformer_small", "blocks.0.norm1", "normalisation"),
        ("transformer_small", "output", "linear"),
    ],
)
def test_a_layer_has_the_kind_of_its_module(name, layer, kind):
    assert {found.name: found.kind for found in layers(name)}[layer] == kind


def test_what_the_model_itself_owns_is_named_after_the_parameter():
    assert layers("quadratic", OBJECTIVE) == [Layer("x", "other", 0, ("x",))]


def test_a_shared_parameter_is_counted_once_and_a_frozen_one_never():
    assert [(layer.name, layer.parameters) for layer in parameter_layers(Tied())] == [
        ("scale", ("scale",)),
        ("shift", ("shift",)),
        ("first", ("first.weight", "first.bias")),
        ("second", ("second.bias",)),
    ]


class Skips(nn.Module):
    residual_branch = ("inner",)

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
        self.outer = nn.Linear(2, 2)


def test_layers_on_a_residual_branch_are_known_as_such():
    on_branch = {layer.name for layer in parameter_layers(Skips()) if layer.is_residual}
    assert on_branch == {"inner.0", "inner.1"}
    for first, norms in ((True, {"norm1", "norm2"}), (False, set())):
        block = nn.TransformerEncoderLayer(4, 2, 8, norm_first=first)
        found = {layer.name for layer in parameter_layers(block) if layer.is_residual}
        assert found == {"self_attn", "self_attn.out_proj", "linear1", "linear2"} | norms


def test_a_projection_beside_a_residual_branch_is_not_on_it():
    block = ResidualBlock(2, 4, 2, "batch", 1)
    found = {layer.name: layer.is_residual for layer in parameter_layers(block)}
    assert [name for name, is_on in found.items() if not is_on] == [
        "shortcut.conv",
        "shortcut.norm",
    ]
    block = EncoderBlock(4, 2, 2, 0.0)
    assert all(layer.is_residual for layer in parameter_layers(block))
