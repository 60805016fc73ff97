"""Looks at the curvature, on models whose curvature is known, and against plain torch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lrbench.engine.curvature import Curvature
from lrbench.engine.data import DeviceData
from lrbench.engine.flat import FlatModel
from lrbench.engine.optimizers import OPTIMIZERS, BoundOptimizer
from lrbench.errors import ConfigError
from lrbench.record.layout import CURVATURE_COLUMNS
from lrbench.spec.restart import CurvatureSpec
from lrbench.streams import Streams
from lrbench.tasks.models.quadratic import Quadratic

STREAMS = Streams(0)


def data_of(inputs, targets):
    return DeviceData(inputs, targets, inputs, targets)


class Looked:
    """A model that was trained a little, and the looks at it."""

    def __init__(self, model, kind, data, optimizer="sgd", settings=None, lr=0.1, **spec):
        self.flat, self.kind, self.data = FlatModel(model), kind, data
        own = not isinstance(optimizer, str)
        builder = optimizer if own else OPTIMIZERS[optimizer].builder
        self.optimizer = BoundOptimizer(self.flat, builder, lr, settings or {}, own=own)
        spec = CurvatureSpec(**{"every": 1, "samples": len(data.inputs)} | spec)
        self.curvature = Curvature(spec, self.flat, data, kind, STREAMS)
        self.lr, self.done = lr, 0

    def go(self, updates=1):
        for _ in range(updates):
            self.flat.grad.zero_()
            outputs = self.flat.model(self.data.inputs)
            loss = F.cross_entropy(outputs, self.data.targets) if self.kind[0] == "c" else None
            (outputs.mean() if loss is None else loss).backward()
            self.flat.update.copy_(self.flat.weight)
            self.optimizer.update(self.lr)
            self.flat.update.sub_(self.flat.weight)
            self.done += 1
        return self

    def look(self, momentum=None):
        row = self.curvature.look(self.done, "interval", self.lr, momentum, self.optimizer)
        return dict(zip(CURVATURE_COLUMNS[2:], row, strict=True))


def bowl(values, **changes):
    """A quadratic with these curvatures; gradients are without noise."""
    samples = torch.zeros(16, 2, len(values), dtype=torch.float64)
    samples[:, 0] = torch.tensor(values, dtype=torch.float64)
    data = data_of(samples, torch.zeros(16, 1))
    return Looked(Quadratic(len(values), 1.0).double(), "objective", data, **changes)


CURVATURES = [[7.0, 3.0, 1.0, 0.1], [5.0], [2.0, 2.0, 2.0], list(np.geomspace(1e-3, 30.0, 40))]


@pytest.mark.parametrize("method", ["lanczos", "power"])
@pytest.mark.parametrize("values", CURVATURES, ids=str)
def test_the_sharpness_of_a_known_quadratic_is_found_to_a_millionth(values, method):
    looked = bowl(values, method=method, iterations=1000, lr=0.01)
    row = looked.look()
    assert row["lambda_max"] == pytest.approx(max(values), rel=1e-6)
    # At x = 1 the gradient is the curvature itself.
    cubes, squares = sum(v**3 for v in values), sum(v**2 for v in values)
    assert row["directional_sharpness"] == pytest.approx(cubes / squares, rel=1e-12)
    assert row["residual"] <= 1e-6
    assert row["gradient_square"] == pytest.approx(squares, rel=1e-12)
    assert row["gradient_trace"] == pytest.approx(0, abs=1e-12)


def test_the_next_look_starts_from_what_the_last_one_found():
    looked = bowl(list(np.linspace(1, 4, 60)), method="power", iterations=1000)
    first = looked.look()["products"]
    looked.go()
    assert looked.look()["products"] < first


MARGINS = [
    ("sgd", {"momentum": 0.0}, lambda lr, top: lr * top / 2),
    ("sgd", {"momentum": 0.9}, lambda lr, top: lr * top / (2 * 1.9)),
    ("sgd", {"momentum": 0.9, "dampening": 0.5}, lambda lr, top: lr * top * 0.5 / (2 * 1.9)),
    ("sgd", {"momentum": 0.9, "nesterov": True}, lambda lr, top: lr * top * 2.8 / (2 * 1.9)),
]


@pytest.mark.parametrize(("kind", "settings", "margin"), MARGINS)
def test_the_margin_is_1_where_a_quadratic_begins_to_diverge(kind, settings, margin):
    edge = 1 / margin(1.0, 4.0)
    for factor in (0.97, 1.03):
        looked = bowl([4.0, 1.0], optimizer=kind, settings=settings, lr=factor * edge)
        start = float(looked.flat.weight.norm())
        assert looked.look()["stability_margin"] == pytest.approx(factor, rel=1e-6)
        looked.go(600)
        grew = float(looked.flat.weight.norm()) > start
        assert grew is (factor > 1)


def test_the_margin_of_adam_is_of_the_preconditioned_curvature():
    looked = bowl([4.0, 1.0], optimizer="adam", settings={"eps": 1e-3}, lr=0.01)
    assert looked.look()["stability_margin"] is None
    looked.go(5)
    state = looked.optimizer.optimizer.state[looked.optimizer.tensors[0]]
    divisor = (state["exp_avg_sq"][:2] / (1 - 0.999**5)).sqrt() + 1e-3
    top = float((torch.tensor([4.0, 1.0]) / divisor).max())
    row = looked.look()
    assert row["stability_margin"] == pytest.approx(0.01 * top * 0.1 / (2 * 1.9), rel=1e-6)
    assert looked.look(momentum=0.5)["stability_margin"] == pytest.approx(
        0.01 * top * 0.5 / (2 * 1.5), rel=1e-6
    )


def classifier(optimizer="sgd", settings=None, dropout=0.0, **changes):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Dropout(dropout), nn.Linear(6, 4))
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(32, 3, generator=generator, dtype=torch.float64)
    data = data_of(x, torch.randint(0, 4, (32,), generator=generator))
    return Looked(model.double(), "classification", data, optimizer, settings, **changes)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", torch.optim.Adam])
def test_every_figure_is_what_plain_torch_makes_of_it(optimizer):
    looked = classifier(optimizer).go(4)
    row = looked.look()
    model = looked.flat.model.eval()
    parameters = list(model.parameters())

    def gradient(x, y):
        found = torch.autograd.grad(F.cross_entropy(model(x), y), parameters)
        return torch.cat([g.reshape(-1) for g in found]).numpy()

    # The batch is all there is, in an order of its own.
    order = STREAMS("bootstrap", "curvature batch").permutation(32)
    x, y = looked.data.inputs[order], looked.data.targets[order]
    g = gradient(x, y)
    if looked.optimizer.is_own:
        states = [looked.optimizer.optimizer.state[p] for p in parameters]
        joined = {n: np.concatenate([s[n].numpy().ravel() for s in states]) for n in states[0]}
    else:
        (state,) = looked.optimizer.optimizer.state.values()
        joined = {
            name: np.concatenate([v.numpy().ravel() for v in looked.flat.views(value)])
            for name, value in state.items()
            if value.dim()
        }
    b = joined.get("momentum_buffer", joined.get("exp_avg"))
    cosine = g @ b / (np.linalg.norm(g) * np.linalg.norm(b))
    assert row["momentum_cosine"] == pytest.approx(cosine, rel=1e-9)
    assert abs(cosine) < 0.999
    update, weight = looked.flat.update.norm(), looked.flat.weight.norm()
    assert row["update_ratio"] == pytest.approx(float(update / weight), rel=1e-9)
    names = ("root_v_p05", "root_v_p50", "root_v_p95")
    if optimizer == "sgd":
        assert [row[name] for name in (*names, "root_v_below_eps")] == [None] * 4
    else:
        root = np.sqrt(joined["exp_avg_sq"] / (1 - 0.999**4))
        wanted = list(np.percentile(root, [5, 50, 95]))
        assert [row[name] for name in names] == pytest.approx(wanted, rel=1e-9)
        assert wanted[0] < wanted[1] < wanted[2]
        assert row["root_v_below_eps"] == 0.0
    parts = [gradient(x[k : k + 4], y[k : k + 4]) for k in range(0, 32, 4)]
    in_parts = np.mean([part @ part for part in parts])
    square = (32 * (g @ g) - 4 * in_parts) / 28
    trace = (in_parts - g @ g) / (1 / 4 - 1 / 32)
    assert row["gradient_square"] == pytest.approx(square, rel=1e-9)
    assert row["gradient_trace"] == pytest.approx(trace, rel=1e-9)
    if square > 0:
        assert row["noise_scale"] == pytest.approx(trace / square, rel=1e-9)
    else:
        assert row["noise_scale"] is None


def test_a_look_changes_nothing_and_sees_no_dropout():
    looked = classifier(dropout=0.5).go(2)
    before = looked.flat.rows.clone()
    torch.manual_seed(3)
    generator = torch.get_rng_state()
    first = looked.look()
    assert torch.equal(looked.flat.rows, before)
    assert torch.equal(torch.get_rng_state(), generator)
    assert looked.flat.model.training
    torch.manual_seed(4)
    again = classifier(dropout=0.5)
    again.flat.weight.copy_(looked.flat.weight)
    again.done = looked.done
    assert again.look()["lambda_max"] == first["lambda_max"]


def test_before_the_first_update_there_is_no_update_and_no_momentum():
    row = classifier("adam").look()
    names = ("update_ratio", "momentum_cosine", "root_v_p50", "stability_margin")
    assert [row[name] for name in names] == [None] * 4
    assert row["lambda_max"] > 0


def test_weights_that_are_lost_have_empty_cells():
    looked = classifier().go(1)
    looked.flat.weight.fill_(float("nan"))
    row = looked.look()
    cells = {name: value for name, value in row.items() if name not in ("occasion", "products")}
    assert set(cells.values()) == {None}


def test_more_samples_than_there_are_cannot_be_looked_at():
    with pytest.raises(ConfigError) as caught:
        classifier(samples=33)
    problem = caught.value.problems[0]
    assert problem.key == "diagnostics.curvature.samples"
    assert problem.remedy == "diagnostics.curvature.samples=32"


def test_looks_are_counted_and_their_cost_is_told():
    looked = bowl([3.0, 1.0])
    assert looked.curvature.looks == 0
    products = [looked.go().look()["products"] for _ in range(3)]
    assert looked.curvature.looks == 3
    assert looked.curvature.products == sum(products)
    assert looked.curvature.seconds > 0
    told = looked.curvature.cost(4 * looked.curvature.seconds)
    assert told.startswith("curvature: ")
    assert ", 25% of the run, 3 looks x " in told
