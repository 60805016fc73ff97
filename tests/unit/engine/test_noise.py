"""The gradient noise scale: two unbiased estimates, from a batch and its parts."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from lrbench.engine.noise import noise_of, two_batch
from lrbench.tasks.models.quadratic import Quadratic

TRUE = np.array([0.7, -0.2, 0.1, 0.4])
SPREAD = np.array([1.5, 0.5, 2.0, 1.0])
SQUARE, TRACE = float(TRUE @ TRUE), float(SPREAD @ SPREAD)


def test_two_sizes_of_batches_tell_signal_and_noise_apart():
    # Without chance: the means of the squared norms are put in.
    for whole, part in ((64, 8), (9, 4), (2, 1)):
        found = two_batch(SQUARE + TRACE / whole, SQUARE + TRACE / part, whole, part)
        assert found == pytest.approx((SQUARE, TRACE), rel=1e-12)


@pytest.mark.parametrize("parts", [2, 8])
def test_the_estimates_are_unbiased(parts):
    """Of gradients drawn from N(G, Σ): |z| < 4 over 2000 batches; O18."""
    model = Quadratic(4, 1.0).double()
    generator = np.random.default_rng(0)
    found = []
    for _ in range(2000):
        samples = np.zeros((16, 2, 4))
        samples[:, 0] = TRUE  # the curvature at x = 1 is the gradient
        samples[:, 1] = SPREAD * generator.normal(size=(16, 4))
        inputs = torch.from_numpy(samples)
        found.append(noise_of(model, "objective", inputs, inputs, seed=0, parts=parts))
    estimates = np.array(found)
    mean, error = estimates.mean(axis=0), estimates.std(axis=0) / math.sqrt(len(estimates))
    assert np.abs((mean - [SQUARE, TRACE]) / error).max() < 4
    # Sure enough to tell them from estimates that forget the other's part.
    assert (error < [0.05 * SQUARE, 0.03 * TRACE]).all()
    assert mean[1] / mean[0] == pytest.approx(TRACE / SQUARE, rel=0.2)
    assert (estimates[:, 0] < 0).any(), "unbiased, so now and then negative"


def test_it_is_what_plain_torch_makes_of_the_batch_and_its_halves():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4))
    x, y = torch.randn(9, 3), torch.randint(0, 4, (9,))

    def square(x, y):
        model.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        return sum(float(p.grad.double().square().sum()) for p in model.parameters())

    # The sample that is left over counts in the whole batch only.
    halves = (square(x[:4], y[:4]) + square(x[4:8], y[4:8])) / 2
    whole = square(x, y)
    found = noise_of(model, "classification", x, y, seed=0)
    assert found[0] == pytest.approx((9 * whole - 4 * halves) / 5, rel=1e-6)
    assert found[1] == pytest.approx((halves - whole) / (1 / 4 - 1 / 9), rel=1e-6)


@pytest.mark.parametrize("size", [1, 2])
def test_a_batch_that_has_no_parts_has_no_noise(size):
    x, y = torch.randn(size, 3), torch.zeros(size, dtype=torch.int64)
    norm = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    assert noise_of(norm, "classification", x, y, seed=0) is None
    plain = noise_of(nn.Linear(3, 4), "classification", x, y, seed=0)
    assert (plain is None) is (size == 1)


def test_a_gradient_that_is_not_finite_has_none():
    model = nn.Linear(3, 4)
    x = torch.full((4, 3), float("inf"))
    y = torch.zeros(4, dtype=torch.int64)
    assert noise_of(model, "classification", x, y, seed=0) is None
