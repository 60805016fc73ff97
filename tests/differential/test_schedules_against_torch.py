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
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    SequentialLR,
    StepLR,
)
from torch.optim.swa_utils import SWALR  # noqa: E402

from lrbench.schedules.annealing import cosine  # noqa: E402
from lrbench.schedules.base import Schedule  # noqa: E402
from lrbench.schedules.catalog import build_schedule  # noqa: E402
from lrbench.schedules.compose import scaled, sequence, warmup  # noqa: E402
from lrbench.schedules.cyclic import exp_range, triangular, triangular2  # noqa: E402
from lrbench.schedules.decay import constant, exponential, linear, polynomial  # noqa: E402
from lrbench.schedules.drops import multistep, step  # noqa: E402
from lrbench.schedules.one_cycle import one_cycle, one_cycle_momentum  # noqa: E402
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
        warmup(cosine(decay_steps=300), warmup_steps=length, warmup_form="first"),
        ramp_then_cosine(1 / length, length - 1, length, 300),
        300 + length,
    )


@pytest.mark.parametrize("length", [1, 5, 40])
def test_an_open_warmup_is_linear_lr_from_one_over_its_length_and_one(length: int) -> None:
    agree_with_recursion(
        warmup(cosine(decay_steps=300), warmup_steps=length, warmup_form="open"),
        ramp_then_cosine(1 / (length + 1), length, length, 300),
        300 + length,
    )


def test_torch_refuses_the_zero_warmup_that_we_offer() -> None:
    with pytest.raises(ValueError, match=r"[Ss]tarting multiplicative factor"):
        LinearLR(optimizer(), start_factor=0.0, total_iters=5)
    assert warmup(cosine(decay_steps=5), warmup_steps=5, warmup_form="zero")(0) == 0.0


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


@pytest.mark.parametrize("power", [0.9, 1.0, 2.0])
def test_polynomial_is_polynomial_lr_and_both_hold_zero(power: float) -> None:
    agree_with_recursion(
        polynomial(decay_steps=400, power=power),
        lambda sgd: PolynomialLR(sgd, total_iters=400, power=power),
        500,
    )


@pytest.mark.parametrize("gamma", [0.9, 0.999])
def test_an_exponential_by_its_ratio_is_exponential_lr_without_an_end(gamma: float) -> None:
    agree_with_recursion(
        exponential(gamma=gamma), lambda sgd: ExponentialLR(sgd, gamma=gamma), 1000
    )


@pytest.mark.parametrize(("up", "down"), [(4, None), (4, 4), (3, 7), (9, 2), (1, 5)])
@pytest.mark.parametrize("mode", ["triangular", "triangular2", "exp_range"])
def test_all_triangles_are_cyclic_lr_with_ways_down_of_any_length(
    mode: str, up: int, down: int | None
) -> None:
    lengths = {"half_cycle_steps": up, "down_steps": down, "min_factor": 0.1}
    ours = {
        "triangular": lambda: triangular(**lengths),
        "triangular2": lambda: triangular2(**lengths),
        "exp_range": lambda: exp_range(gamma=0.99, **lengths),
    }[mode]()
    agree_in_closed_form(
        ours,
        lambda sgd: CyclicLR(
            sgd,
            0.1 * BASE,
            BASE,
            step_size_up=up,
            step_size_down=down,
            mode=mode,
            gamma=0.99,
            cycle_momentum=False,
        ),
        350,
    )


def one_cycle_lr(total: int, rise: float, **options: object) -> Make:
    def make(sgd: torch.optim.Optimizer) -> LRScheduler:
        return OneCycleLR(sgd, BASE, total_steps=total, pct_start=rise, **options)

    return make


@pytest.mark.parametrize("shape", ["cosine", "linear"])
@pytest.mark.parametrize(("phases", "total", "rise"), [(2, 300, 0.3), (2, 20, 0.5), (3, 300, 0.4)])
def test_one_cycle_is_one_cycle_lr_whose_peak_comes_a_step_early(
    phases: int, total: int, rise: float, shape: str
) -> None:
    make = one_cycle_lr(
        total,
        rise,
        three_phase=phases == 3,
        anneal_strategy="cos" if shape == "cosine" else "linear",
        cycle_momentum=False,
    )
    ours = one_cycle(
        peak_steps=round(rise * total) - 1,
        phases=phases,
        shape=shape,
        total_steps=total,
    )
    assert our_rates(ours, total) == pytest.approx(
        rates_of_torch(make, total), rel=0, abs=1e-12 * BASE
    )


@pytest.mark.parametrize("phases", [2, 3])
def test_the_momentum_of_one_cycle_is_that_of_one_cycle_lr(phases: int) -> None:
    total = 50
    sgd = torch.optim.SGD(optimizer().param_groups[0]["params"], lr=BASE, momentum=0.9)
    scheduler = OneCycleLR(sgd, BASE, total_steps=total, pct_start=0.4, three_phase=phases == 3)
    theirs = []
    for _ in range(total):
        theirs.append(float(sgd.param_groups[0]["momentum"]))
        sgd.step()
        scheduler.step()
    ours = one_cycle_momentum(
        peak_steps=19, min_factor=0.85 / 0.95, phases=phases, total_steps=total
    )
    assert [0.95 * ours(t) for t in range(total)] == pytest.approx(theirs, rel=1e-12)
    assert min(theirs) == theirs[19] == 0.85


@pytest.mark.parametrize(("total", "highest"), [(25, 0.998), (11, 0.980)])
def test_one_cycle_lr_misses_its_peak_between_two_steps_where_ours_has_it(
    total: int, highest: float
) -> None:
    theirs = rates_of_torch(one_cycle_lr(total, 0.3, cycle_momentum=False), total)
    assert max(theirs) / BASE == pytest.approx(highest, abs=5.001e-4)
    ours = build_schedule("one_cycle", {"peak": round(0.3 * (total - 1))}, total)
    assert our_rates(ours, total).index(BASE) == round(0.3 * (total - 1))


@pytest.mark.parametrize(("strategy", "extra"), [("cos", 0.0495), ("linear", -0.143)])
def test_one_cycle_lr_leaves_its_curve_a_step_after_the_end_where_ours_holds(
    strategy: str, extra: float
) -> None:
    make = one_cycle_lr(10, 0.3, anneal_strategy=strategy, cycle_momentum=False)
    sgd = optimizer()
    scheduler = make(sgd)
    for _ in range(10):
        sgd.step()
        scheduler.step()
    assert sgd.param_groups[0]["lr"] / BASE == pytest.approx(extra, abs=5.001e-4)
    with pytest.raises(ValueError, match="Tried to step 11 times"):
        scheduler.step()
    ours = one_cycle(
        peak_steps=2, shape="cosine" if strategy == "cos" else "linear", total_steps=10
    )
    assert [ours(9), ours(10), ours(11), ours(99)] == [4e-6] * 4
    assert ours(8) > 0.04


def test_one_cycle_lr_turns_a_momentum_on_that_was_off() -> None:
    sgd = torch.optim.SGD(optimizer().param_groups[0]["params"], lr=BASE, momentum=0.0)
    OneCycleLR(sgd, BASE, total_steps=10)
    assert sgd.param_groups[0]["momentum"] == 0.95


def test_linear_lr_begins_at_a_third_unless_told_otherwise() -> None:
    agree_in_closed_form(
        warmup(constant(), warmup_steps=5, warmup_form="zero", warmup_start=1 / 3),
        LinearLR,
        30,
    )


def test_constant_lr_takes_a_third_for_five_steps() -> None:
    low = scaled(of=constant(), scale_factor=1 / 3)
    agree_in_closed_form(sequence(pieces=(low, constant()), boundaries=(5,)), ConstantLR, 20)


def test_a_sequence_is_sequential_lr() -> None:
    def make(sgd: torch.optim.Optimizer) -> LRScheduler:
        rise = LinearLR(sgd, start_factor=0.1, total_iters=5)
        return SequentialLR(sgd, [rise, CosineAnnealingLR(sgd, T_max=5)], [5])

    theirs = rates_of_torch(make, 11)
    fixed = [0.1, 0.28, 0.46, 0.64, 0.82, 1.0, 0.905]
    assert [rate / BASE for rate in theirs[:7]] == pytest.approx(fixed, abs=5.001e-4)
    rise = warmup(constant(), warmup_steps=5, warmup_form="zero", warmup_start=0.1)
    ours = sequence(pieces=(rise, cosine(decay_steps=5)), boundaries=(5,))
    assert our_rates(ours, 11) == pytest.approx(theirs, rel=1e-9, abs=1e-12 * BASE)


def test_the_annealing_of_swalr_is_a_cosine_to_its_rate() -> None:
    agree_in_closed_form(
        cosine(decay_steps=10, final_factor=0.05),
        lambda sgd: SWALR(sgd, swa_lr=0.05 * BASE, anneal_epochs=10),
        30,
    )
    agree_in_closed_form(
        linear(decay_steps=10, final_factor=0.05),
        lambda sgd: SWALR(sgd, 0.05 * BASE, anneal_epochs=10, anneal_strategy="linear"),
        30,
    )


def test_a_lambda_of_ours_is_ours() -> None:
    factor = sgdr(first_cycle_steps=7, cycle_mult=1.5, final_factor=0.1)
    theirs = rates_of_torch(lambda sgd: LambdaLR(sgd, factor), 300)
    assert our_rates(factor, 300) == theirs


def test_torch_multiplies_twice_at_a_milestone_given_twice() -> None:
    theirs = rates_of_torch(lambda sgd: MultiStepLR(sgd, milestones=[3, 3], gamma=0.1), 5)
    assert theirs[3] / BASE == pytest.approx(0.01, rel=1e-12)
    assert multistep(milestones=(3,), gamma=0.1)(3) == 0.1


def test_torch_refuses_the_real_growth_that_we_offer() -> None:
    with pytest.raises(ValueError, match="T_mult"):
        CosineAnnealingWarmRestarts(optimizer(), 10, 1.5)
    assert sgdr(first_cycle_steps=10, cycle_mult=1.5).restarts(100) == (10, 25, 47, 81)


def test_torch_built_in_the_middle_has_another_phase_than_ours() -> None:
    sgd = optimizer()
    sgd.param_groups[0]["initial_lr"] = BASE
    CosineAnnealingWarmRestarts(sgd, 10, 2, last_epoch=35)
    ours = sgdr(first_cycle_steps=10)
    assert sgd.param_groups[0]["lr"] / BASE == pytest.approx(0.794, abs=5.001e-4)
    assert ours(36) == pytest.approx(0.946, abs=5.001e-4)
