"""The root of Adam's second moment: over all numbers, with the optimizer's own count."""

import numpy as np
import pytest
import torch
from torch import nn

from lrbench.engine.flat import FlatModel
from lrbench.engine.optimizers import OPTIMIZERS, BoundOptimizer
from lrbench.engine.second_moment import bias_correction, second_moment


def bound(kind="adam", settings=None, updates=3):
    torch.manual_seed(0)
    flat = FlatModel(nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2)))
    own = not isinstance(kind, str)
    builder = kind if own else OPTIMIZERS[kind].builder
    optimizer = BoundOptimizer(flat, builder, 0.1, settings or {}, own=own)
    generator = torch.Generator().manual_seed(1)
    for _ in range(updates):
        for grad in flat.views(flat.grad):
            grad.copy_(torch.randn(grad.shape, generator=generator))
        optimizer.update(0.01)
    return flat, optimizer


@pytest.mark.parametrize("kind", ["adam", "adamw", torch.optim.Adam])
def test_it_is_the_root_of_what_the_update_divides_by(kind):
    flat, optimizer = bound(kind, {"eps": 0.01})
    found = second_moment(flat, optimizer)
    states = [optimizer.optimizer.state[tensor] for tensor in optimizer.tensors]
    if optimizer.is_own:
        parts = [state["exp_avg_sq"].reshape(-1) for state in states]
    else:
        parts = [view.reshape(-1) for view in flat.views(states[0]["exp_avg_sq"])]
    by_hand = np.sqrt(torch.cat(parts).double().numpy() / (1 - 0.999**3))
    assert found.root.numpy() == pytest.approx(by_hand, rel=1e-7)
    assert found.divisor.numpy() == pytest.approx(by_hand + 0.01, rel=1e-7)
    assert len(found.root) == flat.size == 3 * 5 + 5 + 5 * 2 + 2
    # Percentiles as numpy has them: padding is not among the numbers.
    *percentiles, below = found.percentiles()
    assert percentiles == pytest.approx(list(np.percentile(by_hand, [5, 50, 95])), rel=1e-9)
    assert below == pytest.approx(np.mean(by_hand < 0.1))
    # And it is the divisor of Adam: the update times it is the rate times the corrected mean.
    mean = torch.cat([view.reshape(-1) for view in flat.views(flat.momentum)]) / (1 - 0.9**3)
    assert bias_correction(optimizer) == pytest.approx(1 - 0.999**3, rel=1e-12)
    assert mean.abs().max() > 0


def test_the_fraction_below_ten_epsilon_counts_the_numbers_that_do_not_adapt():
    flat, optimizer = bound(settings={"eps": 1e-8})
    assert second_moment(flat, optimizer).percentiles()[3] == 0.0
    view = next(flat.views(flat.second_moment))
    view.fill_(1e-20)
    assert second_moment(flat, optimizer).percentiles()[3] == pytest.approx(15 / 32)


def test_the_count_is_the_optimizers_own():
    flat, optimizer = bound()
    before = second_moment(flat, optimizer).root
    optimizer.optimizer.state[optimizer.tensors[0]]["step"].fill_(1.0)
    after = second_moment(flat, optimizer).root
    assert (after / before).tolist() == pytest.approx([((1 - 0.999**3) / 0.001) ** 0.5] * 32)
    optimizer.optimizer.state[optimizer.tensors[0]]["step"].fill_(0.0)
    assert second_moment(flat, optimizer) is None


@pytest.mark.parametrize(
    ("kind", "settings", "updates"),
    [("sgd", {}, 3), ("adam", {}, 0), (torch.optim.RMSprop, {}, 3)],
)
def test_there_is_none_where_none_is_kept_or_not_as_adam_does(kind, settings, updates):
    assert second_moment(*bound(kind, settings, updates)) is None


def test_the_largest_so_far_is_another_divisor():
    found = second_moment(*bound(torch.optim.Adam, {"amsgrad": True}))
    assert found.divisor is None
    assert found.percentiles()[0] > 0


def test_what_is_not_finite_has_no_percentiles():
    flat, optimizer = bound()
    flat.second_moment[0] = float("nan")
    assert second_moment(flat, optimizer).percentiles() == (None,) * 4
