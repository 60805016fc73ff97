"""Every model of the catalog: shapes, gradients, settings, and what each refuses."""

from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from lrbench.errors import ConfigError
from lrbench.spec.parameters import check, settings_of
from lrbench.streams import Streams
from lrbench.tasks.base import DataInfo
from lrbench.tasks.loss import mean_loss
from lrbench.tasks.models.build import build_model
from lrbench.tasks.models.catalog import MODELS

CONF = Path(__file__).parents[4] / "conf" / "model"
IMAGES = [(1, 8, 8), (1, 28, 28), (3, 32, 32)]
OF_IMAGES = ["linear", "mlp", "cnn", "resnet_small", "transformer_small"]
DIGITS = DataInfo("classification", (1, 8, 8), 10)
FLAT = DataInfo("regression", (7,), 3)
TOKENS = DataInfo("classification", (12,), 4, vocab_size=20)
OBJECTIVE = DataInfo("objective", (2, 6), 1)

CASES = [(name, DataInfo("classification", shape, 10)) for name in OF_IMAGES for shape in IMAGES]
CASES += [("linear", FLAT), ("mlp", FLAT), ("transformer_small", TOKENS), ("quadratic", OBJECTIVE)]


def build(name, info=DIGITS, seed=0, **params):
    return build_model(name, params, info, Streams(seed))


def inputs_for(info, batch=4):
    generator = torch.Generator().manual_seed(1)
    if info.vocab_size is not None:
        return torch.randint(info.vocab_size, (batch, *info.input_shape), generator=generator)
    return torch.randn(batch, *info.input_shape, generator=generator)


@pytest.mark.parametrize(("name", "info"), CASES)
def test_a_model_has_an_output_for_every_sample_and_learns_with_every_parameter(name, info):
    model = build(name, info)
    outputs = model(inputs_for(info))
    assert outputs.shape == (4, info.num_outputs)
    targets = torch.arange(4) % 3 if info.kind == "classification" else torch.ones_like(outputs)
    mean_loss(info.kind, outputs, targets).backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.dtype == torch.float32
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


def test_the_digits_mlp_has_the_layers_64_128_128_10():
    model = build("mlp")
    count = 64 * 128 + 128 + 128 * 128 + 128 + 128 * 10 + 10
    assert sum(parameter.numel() for parameter in model.parameters()) == count
    assert [name for name, _ in model.named_parameters()] == [
        f"{layer}.{part}"
        for layer in ("hidden1", "hidden2", "output")
        for part in ("weight", "bias")
    ]


def test_an_mlp_without_hidden_layers_is_linear_in_its_input():
    model = build("mlp", FLAT, hidden=[])
    first, second = inputs_for(FLAT, 2)
    zero = model(torch.zeros(1, 7))
    both = model((first + second)[None]) - zero
    torch.testing.assert_close(both, model(first[None]) + model(second[None]) - 2 * zero)


@pytest.mark.parametrize(
    ("activation", "module"),
    [("relu", nn.ReLU), ("tanh", nn.Tanh), ("gelu", nn.GELU), ("silu", nn.SiLU)],
)
@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_an_activation_is_used_after_every_hidden_layer(name, activation, module):
    model = build(name, activation=activation)
    hidden = 2 if name == "mlp" else 3
    assert sum(isinstance(part, module) for part in model) == hidden


def test_a_cnn_can_do_without_a_hidden_layer():
    layers = [module for module in build("cnn", hidden=0) if isinstance(module, nn.Linear)]
    assert [layer.in_features for layer in layers] == [32 * 2 * 2]


@pytest.mark.parametrize(
    ("norm", "present", "absent"),
    [("batch", nn.BatchNorm2d, nn.GroupNorm), ("group", nn.GroupNorm, nn.BatchNorm2d)],
)
def test_a_resnet_has_the_norm_that_was_chosen(norm, present, absent):
    modules = list(build("resnet_small", norm=norm).modules())
    # One after the first convolution, two a block, one in each of the two strided shortcuts.
    assert sum(isinstance(module, present) for module in modules) == 1 + 3 * 2 + 2
    assert not any(isinstance(module, absent) for module in modules)


def test_each_later_stage_of_a_resnet_halves_the_image_and_doubles_the_channels():
    model = build("resnet_small", width=8, blocks=[1, 2, 1])
    maps, shapes = inputs_for(DIGITS), []
    for name, module in model.named_children():
        maps = module(maps)
        if name.startswith("stage"):
            shapes.append(tuple(maps.shape[1:]))
    assert shapes == [(8, 8, 8), (16, 4, 4), (16, 4, 4), (32, 2, 2)]


@pytest.mark.parametrize("info", [DIGITS, TOKENS])
def test_a_transformer_knows_the_order_of_its_tokens_only_by_their_positions(info):
    model = build("transformer_small", info)
    inputs = inputs_for(info)
    backwards = inputs.flip(2 if info is DIGITS else 1)
    assert not torch.allclose(model(inputs), model(backwards), rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        model.position.weight.zero_()
    torch.testing.assert_close(model(inputs), model(backwards))


def test_attention_is_the_formula_of_torch():
    attention = build("transformer_small").blocks[0].attention
    tokens = torch.randn(2, 8, 32, generator=torch.Generator().manual_seed(2))
    query, key, value = (
        part.unflatten(-1, (4, 8)).transpose(1, 2)
        for part in attention.project(tokens).chunk(3, -1)
    )
    mixed = nn.functional.scaled_dot_product_attention(query, key, value)
    torch.testing.assert_close(
        attention(tokens), attention.output(mixed.transpose(1, 2).flatten(2))
    )


@pytest.mark.parametrize("name", OF_IMAGES)
def test_a_model_has_second_derivatives(name):
    model = build(name)
    loss = mean_loss("classification", model(inputs_for(DIGITS)), torch.arange(4))
    parameters = list(model.parameters())
    gradients = torch.autograd.grad(loss, parameters, create_graph=True)
    slope = sum(gradient.square().sum() for gradient in gradients)
    curvature = torch.autograd.grad(slope, parameters, materialize_grads=True)
    assert all(values.isfinite().all() for values in curvature)


def test_the_gradient_of_the_quadratic_is_curvature_times_x_plus_the_mean_noise():
    model = build("quadratic", OBJECTIVE, start=3.0)
    assert model.x.tolist() == [3.0] * 6
    curvature = torch.arange(1.0, 7.0).expand(4, 6)
    noise = inputs_for(OBJECTIVE)[:, 1]
    mean_loss("objective", model(torch.stack([curvature, noise], 1)), torch.empty(0)).backward()
    torch.testing.assert_close(model.x.grad, 3.0 * curvature[0] + noise.mean(0))


def test_the_quadratic_starts_at_the_same_point_whatever_the_seed():
    assert build("quadratic", OBJECTIVE, seed=1).x.tolist() == [5.0] * 6


@pytest.mark.parametrize(
    ("name", "info", "remedy"),
    [
        *[(name, OBJECTIVE, "model=quadratic") for name in OF_IMAGES],
        *[(name, FLAT, "model=mlp") for name in ("cnn", "resnet_small", "transformer_small")],
        *[(name, TOKENS, "model=transformer_small") for name in OF_IMAGES[:4]],
        ("quadratic", DIGITS, "dataset=noisy_quadratic"),
        ("quadratic", DataInfo("objective", (3, 6), 1), "dataset=noisy_quadratic"),
    ],
)
def test_a_model_refuses_data_it_was_not_made_for_and_names_what_fits(name, info, remedy):
    with pytest.raises(ConfigError, match=r"takes|outputs") as caught:
        build(name, info)
    (problem,) = caught.value.under("model").problems
    assert (problem.key, problem.remedy, problem.got) == ("model", remedy, info.input_shape)


@pytest.mark.parametrize(
    ("name", "params", "key", "relation"),
    [
        ("transformer_small", {"heads": 5}, "heads", "must divide dim (32)"),
        ("resnet_small", {"norm": "group", "groups": 3}, "groups", "must divide width (16)"),
        ("cnn", {"kernel": 4}, "kernel", "must be odd"),
        (
            "cnn",
            {"channels": [4] * 4},
            "channels",
            "must list at most 3 blocks for images of 8 × 8",
        ),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(name, params, key, relation):
    with pytest.raises(ConfigError) as caught:
        build(name, **params)
    (problem,) = caught.value.problems
    assert (problem.key, problem.relation, problem.got) == (key, relation, params[key])


def test_a_cnn_takes_as_many_blocks_as_the_image_has_halves():
    assert build("cnn", channels=[4] * 3)(inputs_for(DIGITS)).shape == (4, 10)


@pytest.mark.parametrize("name", MODELS)
def test_the_config_file_of_a_model_lists_every_setting_with_its_default(name):
    settings = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    assert settings.pop("name") == name
    builder = MODELS[name].builder
    assert settings == {key: p.default for key, p in settings_of(builder).items()}
    assert check(builder, settings) == settings


def test_there_is_a_config_file_for_every_model_and_no_other():
    assert {path.stem for path in CONF.glob("*.yaml")} - {"custom"} == set(MODELS)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("mlp", {"hidden": [0]}),
        ("mlp", {"hidden": 128}),
        ("mlp", {"activation": "swish"}),
        ("mlp", {"dropout": 1.0}),
        ("cnn", {"kernel": 0}),
        ("resnet_small", {"norm": "layer"}),
        ("transformer_small", {"depth": 0}),
        ("quadratic", {"start": float("nan")}),
    ],
)
def test_the_annotations_of_a_builder_refuse_a_setting_outside_its_range(name, settings):
    with pytest.raises(ConfigError) as caught:
        check(MODELS[name].builder, settings)
    assert caught.value.problems[0].key.startswith(next(iter(settings)))
