"""Products with a Hessian, held against all of its entries."""

import pytest
import torch
from torch import nn

from lrbench.engine.flat import FlatModel
from lrbench.engine.hessian import Hessian
from lrbench.errors import RunError
from lrbench.tasks.loss import mean_loss
from lrbench.tasks.models.quadratic import Quadratic


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()


def batch():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    return x, torch.tensor([0, 1, 1, 0, 1, 0])


def whole(model, x, y):
    """Every entry, by the textbook."""
    names = [name for name, _ in model.named_parameters()]
    sizes = [p.numel() for p in model.parameters()]

    def loss(vector):
        parts = {
            name: part.view(p.shape)
            for (name, p), part in zip(model.named_parameters(), vector.split(sizes), strict=True)
        }
        return mean_loss("classification", torch.func.functional_call(model, parts, (x,)), y)

    assert names
    vector = torch.cat([p.detach().reshape(-1) for p in model.parameters()])
    return torch.autograd.functional.jacobian(loss, vector), torch.autograd.functional.hessian(
        loss, vector
    )


def test_a_product_is_that_of_the_whole_matrix():
    model = small()
    gradient, matrix = whole(model, *batch())
    flat = FlatModel(model)
    hessian = Hessian(flat, "classification", *batch())
    assert torch.allclose(hessian.gradient, gradient, rtol=1e-12, atol=1e-15)
    for place in range(flat.size):
        unit = torch.zeros(flat.size, dtype=torch.float64)
        unit[place] = 1.0
        assert torch.allclose(hessian(unit), matrix[:, place], rtol=1e-10, atol=1e-14)
    assert hessian.products == flat.size


def test_no_gradient_and_no_sample_is_touched():
    flat = FlatModel(small())
    flat.grad.fill_(0.5)
    x, y = batch()
    before, weights = x.clone(), flat.weight.clone()
    with torch.no_grad():  # whatever mode it is called in
        hessian = Hessian(flat, "classification", x, y)
        hessian(hessian.gradient)
    assert torch.equal(x, before)
    assert torch.equal(flat.weight, weights)
    assert (flat.grad == 0.5).all()


def test_of_a_loss_without_curvature_every_product_is_zero():
    flat = FlatModel(Quadratic(3, 1.0).double())
    samples = torch.zeros(2, 2, 3, dtype=torch.float64)
    samples[:, 1] = 1.0
    hessian = Hessian(flat, "objective", samples, samples)
    assert hessian.gradient.tolist() == [1.0] * 3
    assert hessian(hessian.gradient).tolist() == [0.0] * 3


def test_float32_weights_give_products_in_float64_to_their_own_rounding():
    model = small()
    _, matrix = whole(model, *batch())
    x, y = batch()
    flat = FlatModel(model.float())
    hessian = Hessian(flat, "classification", x.float(), y)
    vector = torch.linspace(-1, 1, flat.size, dtype=torch.float64)
    assert hessian(vector).dtype == torch.float64
    assert torch.allclose(hessian(vector), matrix @ vector, rtol=1e-4, atol=1e-6)


class Stubborn(nn.Linear):
    """Distances, whose derivative has none in torch."""

    def forward(self, x):
        return torch.cdist(x, self.weight, p=3.0)


def test_a_model_that_cannot_be_differentiated_twice_is_told_so():
    flat = FlatModel(Stubborn(3, 2, bias=False).double())
    hessian = Hessian(flat, "classification", *batch())
    with pytest.raises(RunError, match="differentiated twice") as caught:
        hessian(hessian.gradient)
    assert caught.value.problems[0].key == "diagnostics.curvature"
