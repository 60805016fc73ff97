"""All weights in one matrix: the model must not notice, and the padding must stay empty."""

import math

import pytest
import torch
from torch import nn

from lrbench.engine.diagnostics import Diagnostics
from lrbench.engine.flat import ALIGNMENT, FlatModel
from lrbench.engine.optimizers import OPTIMIZERS, BoundOptimizer


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))


class Tied(nn.Module):
    """One weight in two places, a frozen one, and one the model itself owns."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.first = nn.Linear(4, 4, bias=False)
        self.frozen = nn.Linear(4, 4)
        self.frozen.requires_grad_(False)
        self.second = nn.Linear(4, 4)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.scale * self.second(self.frozen(self.first(x)))


def padding_of(flat):
    is_padding = torch.ones(flat.rows.shape[1], dtype=torch.bool)
    for place, parameter in zip(flat.places, flat.parameters, strict=True):
        is_padding[place : place + parameter.numel()] = False
    return is_padding


def take_steps(flat, name, count=5, **settings):
    optimizer = BoundOptimizer(flat, OPTIMIZERS[name].builder, 0.1, settings, own=False)
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(1), dtype=flat.rows.dtype)
    for _ in range(count):
        flat.grad.zero_()
        flat.model(x).square().mean().backward()
        optimizer.update(0.05)
    return optimizer


def test_a_model_computes_the_same_numbers_after_it_was_made_flat():
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    plain, flat = small(), FlatModel(small())
    assert torch.equal(plain(x), flat.model(x))
    plain(x).sum().backward()
    flat.model(x).sum().backward()
    for ours, theirs in zip(flat.model.parameters(), plain.parameters(), strict=True):
        assert torch.equal(ours, theirs)
        assert torch.equal(ours.grad, theirs.grad)
    assert flat.size == sum(p.numel() for p in plain.parameters())
    whole = torch.cat([p.detach().ravel() for p in plain.parameters()])
    assert torch.equal(flat.weight[~padding_of(flat)], whole)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_parameter_starts_at_a_multiple_of_the_alignment(dtype):
    flat = FlatModel(small().to(dtype))
    for place, parameter in zip(flat.places, flat.parameters, strict=True):
        assert place * parameter.element_size() % ALIGNMENT == 0
    assert padding_of(flat).any()


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("sgd", {"momentum": 0.0}),
        ("sgd", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        ("adam", {"weight_decay": 0.1}),
        ("adam", {"eps": 1e-30}),
        ("adamw", {"weight_decay": 0.5}),
    ],
)
def test_the_padding_stays_zero_whatever_the_optimizer_does(name, settings):
    flat = FlatModel(small())
    before = flat.weight.clone()
    take_steps(flat, name, **settings)
    padding = padding_of(flat)
    assert not torch.equal(flat.weight, before)
    for row in (*flat.rows, flat.second_moment):
        assert torch.equal(row[padding], torch.zeros(int(padding.sum())))


def test_a_shared_weight_counts_once_and_stays_shared():
    flat = FlatModel(Tied())
    assert flat.size == 1 + 16 + 4
    assert flat.model.second.weight is flat.model.first.weight
    assert [(span.name, span.size) for span in flat.layers] == [
        ("scale", 1),
        ("first", 16),
        ("second", 4),
    ]
    flat.model(torch.ones(2, 4)).sum().backward()
    plain = Tied()
    plain.load_state_dict(flat.model.state_dict())
    plain(torch.ones(2, 4)).sum().backward()
    assert torch.equal(flat.model.first.weight.grad, plain.first.weight.grad)
    assert flat.model.frozen.weight.grad is None


def test_layers_lie_side_by_side_and_cover_everything():
    flat = FlatModel(small())
    assert [span.start for span in flat.layers[1:]] == [span.stop for span in flat.layers[:-1]]
    assert flat.layers[0].start == 0
    assert flat.layers[-1].stop == flat.rows.shape[1]


def test_what_is_no_longer_in_the_matrix_is_noticed():
    for change in ("weight", "gradient", "no gradient"):
        flat = FlatModel(small())
        take_steps(flat, "sgd")
        assert flat.is_intact()
        parameter = flat.parameters[2]
        if change == "weight":
            parameter.data = parameter.data.clone()
        else:
            parameter.grad = parameter.grad.clone() if change == "gradient" else None
        assert not flat.is_intact(), change


def test_the_moments_of_a_built_in_optimizer_live_in_the_matrix():
    flat = FlatModel(small())
    optimizer = take_steps(flat, "adam")
    (state,) = optimizer.optimizer.state.values()
    assert state["exp_avg"].data_ptr() == flat.momentum.data_ptr()
    assert state["exp_avg_sq"].data_ptr() == flat.second_moment.data_ptr()
    assert optimizer.moments == {"momentum", "second_moment"}
    assert flat.momentum.abs().sum() > 0


def measured(flat, optimizer, *, has_layers):
    """What the diagnostics say of an update that is already made, with its layers if it has any."""
    diagnostics = Diagnostics(flat, has_layers=has_layers)
    before, flat.weight[:] = flat.weight.clone(), 3.0 * (flat.weight != 0)
    diagnostics.before_update(has_layers)
    flat.weight.copy_(before)
    diagnostics.after_update(0, torch.tensor(0.5), optimizer, has_layers)
    head = (0, 0.0, 0.1, 0.9, 0.0)
    close = [0] if has_layers else []
    (row,), looks = diagnostics.fetch([head], [bytes(range(32))], close, optimizer.moments)
    assert row[:6] == (*head, 0.5)
    assert row[-1] == "0001020304050607"
    return row[6:-1], looks


@pytest.mark.parametrize("size", [1000, 1_000_000])
def test_norms_keep_their_digits_however_many_numbers_there_are(size):
    # Numbers of one size are the worst: torch's own float32 norm is wrong in the fourth digit.
    flat = FlatModel(nn.Linear(size // 10, 10, bias=False))
    optimizer = BoundOptimizer(flat, OPTIMIZERS["adam"].builder, 0.0, {}, own=False)
    optimizer.update(0.0)
    flat.grad[:size] = 0.01
    flat.weight[:size] = 1.0
    flat.momentum[:size] = 0.1
    flat.second_moment[:size] = 0.36
    norms, (look,) = measured(flat, optimizer, has_layers=True)
    root = math.sqrt(size)
    wanted = [0.01 * root, 2.0 * root, root, 0.1 * root, 0.36]
    assert list(norms) == pytest.approx(wanted, rel=1e-6)
    # The root with its bias corrected by the one update; momentum and gradient are parallel.
    closer = [0.6 / math.sqrt(1 - 0.999), 1.0, 1.0]
    assert (look.step, [row[:2] for row in look.rows]) == (0, [(0, ""), (0, "weight")])
    for row in look.rows:
        assert list(row[2:]) == pytest.approx([*wanted, *closer], rel=1e-6)


def test_moments_that_are_not_kept_have_no_number():
    flat = FlatModel(small())
    optimizer = BoundOptimizer(flat, OPTIMIZERS["sgd"].builder, 0.1, {"momentum": 0.0}, own=False)
    norms, looks = measured(flat, optimizer, has_layers=False)
    assert norms[3:] == (None, None)
    assert looks == []
    _, (look,) = measured(flat, optimizer, has_layers=True)
    assert all(row[5:9] == (None,) * 4 for row in look.rows)
