"""Convolutions and poolings as compiled lanes have them, against torch's own."""

from __future__ import annotations

import random

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from lrbench.engine.compiled import Compiled
from lrbench.engine.lanes import convolution
from lrbench.engine.lanes.convolution import convolution_rules, convolve
from lrbench.engine.lanes.pooling import pooling_rules

aten = torch.ops.aten

LANES = 3


@pytest.fixture(autouse=True)
def no_onednn(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def a_convolution(number: int) -> dict:
    """A convolution of any shape that torch allows, for each number another."""
    chance = random.Random(number)
    rank = chance.choice([1, 2, 2, 2, 3])
    kernel = [chance.randint(1, 4) for _ in range(rank)]
    dilation = [chance.randint(1, 3) for _ in range(rank)]
    padding = [chance.randint(0, 3) for _ in range(rank)]
    stride = [chance.randint(1, 4) for _ in range(rank)]
    space = [
        max(1, d * (k - 1) + 1 - 2 * p) + chance.randint(0, 5)
        for k, d, p in zip(kernel, dilation, padding, strict=True)
    ]
    groups = chance.choice([1, 1, 2, 3, 6])
    maps, outputs, samples = (chance.randint(1, 4) for _ in range(3))
    return {
        "x": drawn(samples, groups * maps, *space, seed=number),
        "weight": drawn(groups * outputs, maps, *kernel, seed=number + 1),
        "bias": drawn(groups * outputs, seed=number + 2) if chance.random() < 0.5 else None,
        "geometry": (stride, padding, dilation),
        "groups": groups,
    }


@pytest.mark.parametrize("number", range(80))
def test_a_convolution_and_its_gradients_are_torchs(number):
    asked = a_convolution(number)
    x, weight, bias, groups = (asked[name] for name in ("x", "weight", "bias", "groups"))
    geometry = asked["geometry"]
    rank = x.dim() - 2
    theirs = aten.convolution(x, weight, bias, *geometry, False, [0] * rank, groups)
    ours = convolve(x, weight, bias, *geometry, groups)
    torch.testing.assert_close(ours, theirs)

    back = drawn(*theirs.shape, seed=number + 3)
    for wanted in ([True] * 3, [True, False, False], [False, True, False], [False, False, True]):
        given = (back, x, weight, [weight.shape[0]], *geometry, False, [0] * rank, groups, wanted)
        theirs = aten.convolution_backward(*given)
        ours = convolution_rules(1)[aten.convolution_backward.default](*given)
        for own, other, is_wanted in zip(ours, theirs, wanted, strict=True):
            assert (own is not None) == is_wanted
            if is_wanted:
                torch.testing.assert_close(own, other)


@pytest.mark.parametrize("kernel", [(1, 1), (2, 2), (3, 3), (2, 3), (3, 1)])
@pytest.mark.parametrize("size", [(4, 6), (8, 8), (7, 5)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_pooling_and_its_gradient_are_torchs(kernel, size, dtype):
    x = drawn(LANES * 4, 3, *size).to(dtype)
    # Equals, also in one window, and numbers that are none.
    x = x.round().relu()
    x[1, 0], x[2, 1, :, 1], x[3, 2, 0, 0] = float("nan"), float("nan"), float("-inf")
    geometry = (kernel, kernel, [0, 0], [1, 1], False)
    theirs = aten.max_pool2d_with_indices(x, *geometry)
    rules = pooling_rules(LANES)
    ours = rules[aten.max_pool2d_with_indices.default](x, *geometry)
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other, rtol=0, atol=0, equal_nan=True)
    back = drawn(*theirs[0].shape, seed=1).to(dtype)
    given = (back, x, *geometry, theirs[1])
    theirs = aten.max_pool2d_with_indices_backward(*given)
    ours = rules[aten.max_pool2d_with_indices_backward.default](*given)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


NETWORKS = {
    "plain": nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
    "groups of one's own": nn.Conv2d(
        2, 4, 3, stride=2, groups=2, padding_mode="reflect", padding=1
    ),
    "no bias, dilation": nn.Conv2d(2, 3, (3, 2), dilation=(1, 2), bias=False),
    "padding by name": nn.Conv2d(2, 3, 5, padding="same"),
    "one dimension": nn.Sequential(nn.Flatten(2), nn.Conv1d(2, 3, 5, stride=3)),
    "odd pooling": nn.Sequential(nn.Conv2d(2, 3, 1), nn.MaxPool2d((2, 3))),
}

LEFT = {
    "transposed": nn.ConvTranspose2d(2, 3, 3, stride=2),
    "overlapping": nn.Sequential(nn.MaxPool2d(3, 2), nn.MaxPool2d(2, padding=1)),
    "rounded up": nn.MaxPool2d(2, ceil_mode=True),
    "a large kernel": nn.Conv2d(2, 3, 8, padding=4),
    "a large window": nn.MaxPool2d(7),
}

REWRITTEN = {rule.name() for rule in (*convolution_rules(1), *pooling_rules(1))}


def lanes_of(network: nn.Module):
    """The gradient of a network's lanes, traced with the rules, with arguments and without."""
    network = network.double()
    weights = {
        name: drawn(LANES, *parameter.shape, seed=place)
        for place, (name, parameter) in enumerate(network.named_parameters())
    }
    inputs = drawn(LANES, 4, 2, 7, 9, seed=9)

    def loss_of(given, x):
        return functional_call(network, given, (x,)).square().sum()

    of_each = vmap(grad(loss_of, argnums=(0, 1)))
    rules = {**convolution_rules(LANES), **pooling_rules(LANES)}
    graph = make_fx(of_each, decomposition_table=rules)(weights, inputs)
    return of_each, graph, weights, inputs


def left_in(graph) -> set[str]:
    return {getattr(node.target, "name", str)() for node in graph.graph.nodes} & REWRITTEN


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_lanes_has_torchs_gradients(name):
    of_each, graph, weights, inputs = lanes_of(NETWORKS[name])
    assert not left_in(graph)
    torch.testing.assert_close(graph(weights, inputs), of_each(weights, inputs))


@pytest.mark.parametrize("name", LEFT)
def test_what_is_not_covered_stays_as_torch_does_it(name):
    of_each, graph, weights, inputs = lanes_of(LEFT[name])
    assert left_in(graph)
    torch.testing.assert_close(graph(weights, inputs), of_each(weights, inputs))


def test_with_onednn_convolutions_stay_torchs_and_poolings_do_not(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", True)
    graph = lanes_of(NETWORKS["plain"])[1]
    assert {name.partition(".")[0] for name in left_in(graph)} == {
        "aten::convolution",
        "aten::convolution_backward",
    }


def test_columns_that_outgrow_the_caches_are_not_made_whatever_the_number_of_lanes(monkeypatch):
    def is_made(lanes: int, samples: int) -> bool:
        rule = convolution_rules(lanes)[aten.convolution.default]
        x, weight = drawn(samples, 2 * lanes, 5, 5), drawn(3 * lanes, 2, 3, 3)
        made = rule(x, weight, None, [1, 1], [1, 1], [1, 1], False, [0, 0], lanes)
        return made is not NotImplemented

    monkeypatch.setattr(convolution, "MOST_BYTES", 2 * 9 * 25 * 4 * 8)
    for lanes in (1, 2, 7):
        assert is_made(lanes, 4)
        assert not is_made(lanes, 5)


def test_what_a_lane_is_given_changes_no_other_lane():
    _, graph, weights, inputs = lanes_of(NETWORKS["plain"])
    reference = graph(weights, inputs)
    for wild in (1e30, float("nan"), float("inf")):
        other = {name: weight.clone() for name, weight in weights.items()}
        for weight in other.values():
            weight[1] = wild
        apart = inputs.clone()
        apart[1] = -wild
        to_weights, to_inputs = graph(other, apart)
        for lane in (0, 2):
            assert torch.equal(to_inputs[lane], reference[1][lane])
            for name, gradient in to_weights.items():
                assert torch.equal(gradient[lane], reference[0][name][lane])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain", "groups of one's own"])
def test_a_compiled_network_of_lanes_has_torchs_gradients(name, tmp_path, monkeypatch):
    monkeypatch.setenv("LRBENCH_CACHE", str(tmp_path))
    of_each, _, weights, inputs = lanes_of(NETWORKS[name])

    def flat(weights, inputs):
        to_weights, to_inputs = of_each(weights, inputs)
        return to_inputs, *to_weights.values()

    rules = {**convolution_rules(LANES), **pooling_rules(LANES)}
    with torch.no_grad():
        found = Compiled(flat, rules)(weights, inputs)
    torch.testing.assert_close(tuple(found), flat(weights, inputs))
