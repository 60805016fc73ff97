"""A look must leave no trace: no weight, gradient, buffer, mode, attribute or random number."""

import pytest
import torch
from torch import nn

from lrbench.engine.noise import noise_of
from lrbench.engine.undisturbed import undisturbed


class Counting(nn.Module):
    """Keeps a buffer, a plain tensor, a number and a word; drops units; normalises."""

    def __init__(self):
        super().__init__()
        self.map = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.drop = nn.Dropout(0.5)
        self.register_buffer("seen", torch.zeros(2), persistent=False)
        self.plain = torch.zeros(1)
        self.count, self.word = 0, "new"
        self.norm.eval()  # on purpose, while the rest trains

    def forward(self, x):
        self.seen += 1
        self.seen = self.seen * 1.5  # another tensor in its place
        self.plain.add_(1)
        self.count += 1
        self.word = "used"
        return self.drop(self.norm(self.map(x)))


def model():
    torch.manual_seed(0)
    made = Counting()
    made(torch.randn(8, 3)).sum().backward()
    return made


def everything(made):
    modes = [module.training for module in made.modules()]
    numbers = {n: t.clone() for n, t in [*made.named_parameters(), *made.named_buffers()]}
    grads = {f"{n}.grad": p.grad.clone() for n, p in made.named_parameters() if p.grad is not None}
    beside = (made.count, made.word, made.plain.clone())
    return modes, numbers | grads, beside


def same(one, other):
    assert one[0] == other[0]
    assert one[1].keys() == other[1].keys()
    assert all(torch.equal(one[1][name], other[1][name]) for name in one[1])
    assert one[2][:2] == other[2][:2]
    assert torch.equal(one[2][2], other[2][2])


@pytest.mark.parametrize("goes_wrong", [False, True])
def test_everything_is_put_back_whatever_happens_inside(goes_wrong):
    made = model()
    seen, plain = made.seen, made.plain
    before, generator = everything(made), torch.get_rng_state()
    try:
        with undisturbed(made, 7):
            made.train()
            made(torch.randn(8, 3))
            assert made.count == 2
            assert made.norm.running_mean.abs().sum() > 0
            if goes_wrong:
                raise KeyError
    except KeyError:
        assert goes_wrong
    same(everything(made), before)
    # Not only equal: the very tensors, which others may hold.
    assert made.seen is seen
    assert made.plain is plain
    assert torch.equal(torch.get_rng_state(), generator)


def test_what_is_drawn_inside_comes_from_the_seed():
    made = model()

    def drawn(seed):
        with undisturbed(made, seed):
            return torch.rand(4).tolist()

    torch.manual_seed(1)
    first = drawn(5)
    torch.manual_seed(2)
    assert drawn(5) == first
    assert drawn(6) != first


def test_the_noise_of_a_gradient_leaves_no_trace():
    made = model()
    x, y = torch.randn(8, 3), torch.randint(0, 4, (8,))
    before, generator = everything(made), torch.get_rng_state()
    first = noise_of(made, "classification", x, y, seed=3)
    same(everything(made), before)
    assert torch.equal(torch.get_rng_state(), generator)
    assert noise_of(made, "classification", x, y, seed=3) == first
    assert noise_of(made, "classification", x, y, seed=4) != first
