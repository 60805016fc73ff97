"""Our schedules beside ``torch.optim.lr_scheduler``, driven on a real optimizer.

torch's values come in two kinds. Those computed from the step alone must agree to 1e-12 of the
base rate: ``1 + cos`` is exact to an ulp of 1, not of itself. Those computed from the value before
must agree to 1e-9 of themselves over hundreds of steps, apart from 1e-12 of the base rate near 0.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from torch.optim.lr_scheduler import (  # noqa: E402
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    SequentialLR,
    StepLR,
)

from lrbench.schedules.base import Schedule  # noqa: E402
from lrbench.schedules.compose import warmup  # noqa: E402
from lrbench.schedules.cyclic import triangular  # noqa: E402
from lrbench.schedules.decay import cosine, exponential, linear, multistep, step  # noqa: E402
from lrbench.schedules.restarts import sgdr  # noqa: E402

BASE = 0.3
Make = Callable[[torch.optim.Optimizer], LRScheduler]


def optimizer(lr: float = BASE) -> torch.optim.SGD:
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.zeros(2)
    return torch.optim.SGD([weight], lr=lr)


def rates_of_torch(make: Make, steps: int) -> list[float]:
    """The rate each update is made with: read, update, then step the scheduler."""
    sgd = optimizer()
    scheduler = make(sgd)
    rates = []
    for _ in range(steps):
        rates.append(float(sgd.param_groups[0]["lr"]))
        sgd.step()
        scheduler.step()
    return rates


def our_rates(factor: Schedule, steps: int) -> list[float]:
    return [BASE * factor(t) for t in range(steps)]


def agree_in_closed_form(factor: Schedule, make: Make, steps: int) -> None:
    theirs = rates_of_torch(make, steps)
    assert our_rates(factor, steps) == pytest.approx(theirs, rel=0, abs=1e-12 * BASE)


def agree_with_recursion(factor: Schedule, make: Make, steps: int) -> None:
    assert steps >= 300
    theirs = rates_of_torch(make, steps)
    assert our_rates(factor, steps) == pytest.approx(theirs, rel=1e-9, abs=1e-12 * BASE)


@pytest.mark.parametrize("low", [0.0, 0.1])
@pytest.mark.parametrize("steps", [300, 997])
def test_cosine_is_cosine_annealing_up_to_its_end(steps: int, low: float) -> None:
    agree_with_recursion(
        cosine(decay_steps=steps, final_factor=low),
        lambda sgd: CosineAnnealingLR(sgd, T_max=steps, eta_min=low * BASE),
        steps + 1,
    )


@pytest.mark.parametrize("low", [0.0, 0.25])
def test_an_inclusive_cosine_is_cosine_annealing_over_one_step_less(low: float) -> None:
    agree_with_recursion(
        cosine(decay_steps=400, final_factor=low, endpoint="inclusive"),
        lambda sgd: CosineAnnealingLR(sgd, T_max=399, eta_min=low * BASE),
        400,
    )


@pytest.mark.parametrize("low", [0.0, 0.1])
def test_linear_is_linear_lr_and_both_hold_the_end(low: float) -> None:
    agree_with_recursion(
        linear(decay_steps=400, final_factor=low),
        lambda sgd: LinearLR(sgd, start_factor=1.0, end_factor=low, total_iters=400),
        500,
    )


def test_exponential_is_exponential_lr_up_to_its_end() -> None:
    agree_with_recursion(
        exponential(decay_steps=500, final_factor=0.01),
        lambda sgd: ExponentialLR(sgd, gamma=0.01 ** (1 / 500)),
        501,
    )


@pytest.mark.parametrize(("size", "gamma"), [(1, 0.99), (30, 0.5), (100, 0.1)])
def test_step_is_step_lr(size: int, gamma: float) -> None:
    agree_with_recursion(
        step(step_size_steps=size, gamma=gamma),
        lambda sgd: StepLR(sgd, step_size=size, gamma=gamma),
        400,
    )


@pytest.mark.parametrize("milestones", [(1,), (60, 120, 160), (100, 101, 102, 399)])
def test_multistep_is_multistep_lr(milestones: tuple[int, ...]) -> None:
    agree_with_recursion(
        multistep(milestones=milestones, gamma=0.2),
        lambda sgd: MultiStepLR(sgd, milestones=list(milestones), gamma=0.2),
        400,
    )


@pytest.mark.parametrize("low", [0.0, 0.05])
@pytest.mark.parametrize(("first", "mult"), [(10, 1), (7, 2), (4, 3), (1, 2), (1, 1)])
def test_sgdr_is_cosine_annealing_with_warm_restarts(first: int, mult: int, low: float) -> None:
    agree_in_closed_form(
        sgdr(first_cycle_steps=first, cycle_mult=mult, final_factor=low),
        lambda sgd: CosineAnnealingWarmRestarts(sgd, first, mult, eta_min=low * BASE),
        500,
    )


@pytest.mark.parametrize(("half", "low"), [(1, 0.25), (4, 0.1), (50, 0.0)])
def test_triangular_is_cyclic_lr(half: int, low: float) -> None:
    agree_in_closed_form(
        triangular(half_cycle_steps=half, min_factor=low),
        lambda sgd: CyclicLR(sgd, low * BASE, BASE, step_size_up=half, cycle_momentum=False),
        350,
    )


def ramp_then_cosine(start: float, ramp: int, milestone: int, decay: int) -> Make:
    def make(sgd: torch.optim.Optimizer) -> LRScheduler:
        rise = LinearLR(sgd, start_factor=start, end_factor=1.0, total_iters=ramp)
        return SequentialLR(sgd, [rise, CosineAnnealingLR(sgd, T_max=decay)], [milestone])

    return make


@pytest.mark.parametrize("length", [2, 5, 40])
def test_a_first_warmup_is_linear_lr_from_one_over_its_length_that_waits_a_step(
    length: int,
) -> None:
    agree_with_recursion(
        warmup(cosine(decay_steps=300), warmup_steps=length, form="first"),
        ramp_then_cosine(1 / length, length - 1, length, 300),
        300 + length,
    )


@pytest.mark.parametrize("length", [1, 5, 40])
def test_an_open_warmup_is_linear_lr_from_one_over_its_length_and_one(length: int) -> None:
    agree_with_recursion(
        warmup(cosine(decay_steps=300), warmup_steps=length, form="open"),
        ramp_then_cosine(1 / (length + 1), length, length, 300),
        300 + length,
    )


def test_torch_refuses_the_zero_warmup_that_we_offer() -> None:
    with pytest.raises(ValueError, match=r"[Ss]tarting multiplicative factor"):
        LinearLR(optimizer(), start_factor=0.0, total_iters=5)
    assert warmup(cosine(decay_steps=5), warmup_steps=5, form="zero")(0) == 0.0


def test_cosine_annealing_rises_again_past_its_end_where_ours_holds() -> None:
    theirs = rates_of_torch(lambda sgd: CosineAnnealingLR(sgd, T_max=10), 21)
    ours = our_rates(cosine(decay_steps=10), 21)
    assert ours[10:] == [0.0] * 11
    # Past the end, torch runs through the same values backwards and is at the peak again at 20.
    assert theirs[10:] == pytest.approx(ours[10::-1], rel=1e-9, abs=1e-12 * BASE)


def test_exponential_lr_falls_on_past_the_final_factor_where_ours_holds() -> None:
    theirs = rates_of_torch(lambda sgd: ExponentialLR(sgd, gamma=0.01 ** (1 / 10)), 21)
    ours = our_rates(exponential(decay_steps=10, final_factor=0.01), 21)
    assert ours[20] == 0.01 * BASE
    assert theirs[20] == pytest.approx(0.01**2 * BASE, rel=1e-9)


@pytest.mark.parametrize(
    ("first", "mult", "restart"),
    [(1, 3, 121), (2, 3, 242), (1, 9, 7381), (1, 10, 111), (1, 10, 111_111)],
)
def test_torch_asked_for_a_restart_by_number_gives_the_bottom_where_ours_gives_the_peak(
    first: int, mult: int, restart: int
) -> None:
    sgd = optimizer()
    scheduler = CosineAnnealingWarmRestarts(sgd, first, mult)
    sgd.step()
    rates = []
    for epoch in (restart - 1, restart, restart + 1):
        scheduler.step(epoch)
        rates.append(float(sgd.param_groups[0]["lr"]))

    factor = sgdr(first_cycle_steps=first, cycle_mult=mult)
    ours = [BASE * factor(t) for t in (restart - 1, restart, restart + 1)]
    assert rates[1] == pytest.approx(0.0, abs=1e-12 * BASE)
    assert ours[1] == BASE
    # The steps before and after agree, and so does torch when it counts one by one.
    assert (rates[0], rates[2]) == pytest.approx((ours[0], ours[2]), rel=0, abs=1e-12 * BASE)


def test_torch_counting_one_by_one_is_at_the_peak_at_121() -> None:
    rates = rates_of_torch(lambda sgd: CosineAnnealingWarmRestarts(sgd, 1, 3), 122)
    assert rates[121] == BASE
