"""Our schedules beside those of transformers, driven on a real optimizer.

Theirs are functions of the step, so they agree to 1e-12 of the base rate. Lengths there count the
warmup, ours do not.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it says while it is imported is not about schedules
    hf = pytest.importorskip(
        "transformers.optimization", reason="transformers is not installed", exc_type=ImportError
    )

from lrbench.errors import ScheduleError  # noqa: E402
from lrbench.schedules.annealing import cosine  # noqa: E402
from lrbench.schedules.base import Schedule  # noqa: E402
from lrbench.schedules.compose import warmup  # noqa: E402
from lrbench.schedules.decay import constant, linear, polynomial  # noqa: E402
from lrbench.schedules.horizon_free import inverse_sqrt  # noqa: E402
from lrbench.schedules.restarts import sgdr  # noqa: E402
from lrbench.schedules.wsd import wsd  # noqa: E402

BASE = 0.3
TOTAL = 50


def optimizer(*rates: float) -> Any:
    groups = [{"params": [torch.nn.Parameter(torch.ones(2))], "lr": rate} for rate in rates]
    return torch.optim.SGD(groups, lr=BASE)


def rates_of_hf(make: Callable[..., Any], steps: int, *rates: float, **options: Any) -> Any:
    """Rates of every update, divided by those of the groups; of one group as a flat list."""
    rates = rates or (BASE,)
    sgd = optimizer(*rates)
    scheduler = make(sgd, **options)
    found = []
    for _ in range(steps):
        found.append(
            [group["lr"] / rate for group, rate in zip(sgd.param_groups, rates, strict=True)]
        )
        sgd.step()
        scheduler.step()
    return [row[0] for row in found] if len(rates) == 1 else found


def agree(ours: Schedule, theirs: list[float]) -> None:
    assert [ours(t) for t in range(len(theirs))] == pytest.approx(theirs, rel=0, abs=1e-12)


def warmed(after: Schedule, steps: int, **form: Any) -> Schedule:
    return warmup(after, **({"warmup_steps": steps, "warmup_form": "zero"} | form))


@pytest.mark.parametrize("ramp", [0, 1, 7])
def test_constant_with_warmup_is_a_warmup_from_zero(ramp: int) -> None:
    theirs = rates_of_hf(hf.get_constant_schedule_with_warmup, TOTAL, num_warmup_steps=ramp)
    agree(warmed(constant(), ramp), theirs)


@pytest.mark.parametrize("ramp", [0, 1, 7])
def test_linear_is_linear_and_both_hold_zero(ramp: int) -> None:
    theirs = rates_of_hf(
        hf.get_linear_schedule_with_warmup,
        TOTAL + 9,
        num_warmup_steps=ramp,
        num_training_steps=TOTAL,
    )
    agree(warmed(linear(decay_steps=TOTAL - ramp), ramp), theirs)


@pytest.mark.parametrize("ramp", [0, 1, 7])
def test_cosine_is_cosine_up_to_its_end(ramp: int) -> None:
    theirs = rates_of_hf(
        hf.get_cosine_schedule_with_warmup,
        TOTAL + 1,
        num_warmup_steps=ramp,
        num_training_steps=TOTAL,
    )
    agree(warmed(cosine(decay_steps=TOTAL - ramp), ramp), theirs)


@pytest.mark.parametrize("low", [0.0, 0.1])
def test_past_its_end_the_cosine_rises_again_where_ours_holds(low: float) -> None:
    theirs = rates_of_hf(
        hf.get_cosine_with_min_lr_schedule_with_warmup,
        14,
        num_warmup_steps=0,
        num_training_steps=10,
        min_lr_rate=low,
    )
    ours = cosine(decay_steps=10, final_factor=low)
    agree(ours, theirs[:11])
    rising = [low + (1 - low) * height for height in (0.0, 0.0245, 0.0955, 0.2061)]
    assert theirs[10:] == pytest.approx(rising, abs=5.001e-5)
    assert [ours(t) for t in range(10, 14)] == [low] * 4


def test_a_floor_as_a_rate_is_our_final_factor() -> None:
    theirs = rates_of_hf(
        hf.get_cosine_with_min_lr_schedule_with_warmup,
        TOTAL,
        num_warmup_steps=5,
        num_training_steps=TOTAL,
        min_lr=0.2 * BASE,
    )
    agree(warmed(cosine(decay_steps=TOTAL - 5, final_factor=0.2), 5), theirs)


def test_the_cosine_with_a_warmup_rate_ends_at_its_last_step_and_has_the_peak_once() -> None:
    theirs = rates_of_hf(
        hf.get_cosine_with_min_lr_schedule_with_warmup_lr_rate,
        10,
        num_warmup_steps=3,
        num_training_steps=10,
        min_lr_rate=0.1,
    )
    fixed = [0.33333, 0.66667, 1, 0.95544, 0.83057, 0.65013, 0.44987, 0.26943, 0.14456, 0.1]
    assert theirs == pytest.approx(fixed, abs=5.001e-6)
    # Its peak is the last step of its ramp and the first of our cosine.
    ours = cosine(decay_steps=8, final_factor=0.1, endpoint="inclusive")
    agree(warmed(ours, 2, warmup_form="open"), theirs)
    # A plain `first` warmup of the same length would have the peak twice.
    twice = warmed(cosine(decay_steps=7, final_factor=0.1), 3, warmup_form="first")
    assert [twice(2), twice(3)] == [1.0, 1.0]


@pytest.mark.parametrize(("ramp", "cycles"), [(0, 2), (0, 5), (10, 4)])
def test_hard_restarts_are_equal_cycles_that_fill_the_run(ramp: int, cycles: int) -> None:
    theirs = rates_of_hf(
        hf.get_cosine_with_hard_restarts_schedule_with_warmup,
        TOTAL + 9,
        num_warmup_steps=ramp,
        num_training_steps=TOTAL,
        num_cycles=cycles,
    )
    ours = sgdr(total_steps=TOTAL - ramp, num_cycles=cycles, cycle_mult=1.0)
    agree(warmed(ours, ramp), theirs)


def test_hard_restarts_that_do_not_divide_the_run_miss_the_peaks_where_ours_have_them() -> None:
    theirs = rates_of_hf(
        hf.get_cosine_with_hard_restarts_schedule_with_warmup,
        10,
        num_warmup_steps=0,
        num_training_steps=10,
        num_cycles=3,
    )
    assert [theirs[t] for t in (0, 4, 7)] == pytest.approx([1.0, 0.905, 0.976], abs=5.001e-4)
    ours = sgdr(total_steps=10, num_cycles=3, cycle_mult=1.0)
    assert [ours(t) for t in (0, *ours.restarts(10))] == [1.0, 1.0, 1.0]
    assert ours.restarts(10) == (3, 7)


@pytest.mark.parametrize("ramp", [0, 6])
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_polynomial_is_polynomial_and_both_hold_the_end(ramp: int, power: float) -> None:
    theirs = rates_of_hf(
        hf.get_polynomial_decay_schedule_with_warmup,
        TOTAL + 9,
        num_warmup_steps=ramp,
        num_training_steps=TOTAL,
        lr_end=0.1 * BASE,
        power=power,
    )
    ours = polynomial(decay_steps=TOTAL - ramp, power=power, final_factor=0.1)
    agree(warmed(ours, ramp), theirs)


def test_the_end_of_its_polynomial_is_that_of_the_default_rate_for_every_group() -> None:
    theirs = rates_of_hf(
        hf.get_polynomial_decay_schedule_with_warmup,
        11,
        *(BASE, 0.1 * BASE),
        num_warmup_steps=0,
        num_training_steps=10,
        lr_end=0.05 * BASE,
        power=1.0,
    )
    # The second group, told to end at a rate of .05, ends at .005: the end is a factor after all,
    # as ours is.
    assert theirs[-1] == pytest.approx([0.05, 0.05], rel=1e-12)


@pytest.mark.parametrize("ramp", [1, 4, 20])
def test_inverse_sqrt_is_inverse_sqrt(ramp: int) -> None:
    theirs = rates_of_hf(hf.get_inverse_sqrt_schedule, 200, num_warmup_steps=ramp)
    agree(inverse_sqrt(warmup_steps=ramp, warmup_form="zero"), theirs)


def test_without_a_warmup_its_inverse_sqrt_is_almost_flat_where_ours_is_an_error() -> None:
    theirs = rates_of_hf(hf.get_inverse_sqrt_schedule, 14, num_warmup_steps=0)
    assert theirs[13] == pytest.approx(0.9994, abs=5.001e-5)
    with pytest.raises(ScheduleError, match="warmup must be at least 1 step"):
        inverse_sqrt(warmup_steps=0)


@pytest.mark.parametrize("decay", ["linear", "cosine", "1-sqrt"])
@pytest.mark.parametrize(
    ("rise", "form"), [("linear", "zero"), ("cosine", "cosine"), ("1-sqrt", "1-sqrt")]
)
def test_wsd_is_wsd_after_a_warmup_that_begins_at_its_floor(
    rise: str, form: str, decay: str
) -> None:
    theirs = rates_of_hf(
        hf.get_wsd_schedule,
        TOTAL + 9,
        num_warmup_steps=8,
        num_decay_steps=12,
        num_training_steps=TOTAL,
        warmup_type=rise,
        decay_type=decay,
        min_lr_ratio=0.1,
    )
    ours = wsd(cooldown_steps=12, shape=decay, final_factor=0.1, total_steps=TOTAL - 8)
    agree(warmed(ours, 8, warmup_form=form, warmup_start=0.1), theirs)


def test_its_wsd_cools_down_by_a_cosine_unless_told_otherwise_and_ours_by_a_root() -> None:
    theirs = rates_of_hf(
        hf.get_wsd_schedule, 20, num_warmup_steps=0, num_decay_steps=8, num_training_steps=20
    )
    agree(wsd(cooldown_steps=8, shape="cosine", total_steps=20), theirs)
    ours = wsd(cooldown_steps=8, total_steps=20)
    assert (theirs[16], ours(16)) == pytest.approx((0.5, 0.2929), abs=5.001e-5)
