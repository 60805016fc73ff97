"""Our schedules beside those of timm, asked step by step as timm says they should be.

They are functions of the step and agree to 1e-12 of the base rate, but for the steps that a
logarithm puts into the wrong cycle.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")
FOUND = importlib.util.find_spec("timm")
if FOUND is None:
    pytest.skip("timm is not installed", allow_module_level=True)

from lrbench.schedules.annealing import cosine, k_decay, tanh  # noqa: E402
from lrbench.schedules.base import Schedule  # noqa: E402
from lrbench.schedules.compose import warmup  # noqa: E402
from lrbench.schedules.decay import polynomial  # noqa: E402
from lrbench.schedules.drops import multistep, step  # noqa: E402
from lrbench.schedules.restarts import sgdr  # noqa: E402
from lrbench.schedules.shapes import Shape  # noqa: E402
from lrbench.schedules.wsd import wsd  # noqa: E402

BASE = 0.3


@pytest.fixture(scope="module")
def timm() -> Iterator[Any]:
    """Its schedulers alone: all of timm would want a torchvision that fits this torch."""
    assert FOUND is not None
    bare = ModuleType("timm")
    bare.__path__ = list(FOUND.submodule_search_locations or [])
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it says while it is imported is not about schedules
        patch.setitem(sys.modules, "timm", bare)
        yield importlib.import_module("timm.scheduler")
        for name in [name for name in sys.modules if name.startswith("timm.")]:
            patch.delitem(sys.modules, name)


def rates_of_timm(make: type, steps: int, **options: Any) -> list[float]:
    """Rates of every update over the base rate; the scheduler is told the number of the next."""
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=BASE)
    scheduler = make(sgd, t_in_epochs=False, **options)
    found = []
    for update in range(steps):
        found.append(sgd.param_groups[0]["lr"] / BASE)
        sgd.step()
        scheduler.step_update(update + 1)
    return found


def agree(ours: Schedule, theirs: list[float]) -> None:
    assert [ours(t) for t in range(len(theirs))] == pytest.approx(theirs, rel=0, abs=1e-12)


@pytest.mark.parametrize("low", [0.0, 0.2])
def test_one_cosine_is_cosine_and_both_hold_the_end(timm: Any, low: float) -> None:
    theirs = rates_of_timm(timm.CosineLRScheduler, 60, t_initial=40, lr_min=low * BASE)
    agree(cosine(decay_steps=40, final_factor=low), theirs)


def test_without_a_limit_it_has_no_restarts(timm: Any) -> None:
    theirs = rates_of_timm(timm.CosineLRScheduler, 30, t_initial=10, cycle_mul=2.0)
    agree(sgdr(first_cycle_steps=10, num_cycles=1), theirs)
    assert theirs[10:] == [0.0] * 20


@pytest.mark.parametrize("low", [0.0, 0.1])
@pytest.mark.parametrize(("mult", "limit"), [(1.0, 4), (2.0, 3)])
def test_decaying_cycles_are_sgdr_with_the_peak_itself_decaying(
    timm: Any, mult: float, limit: int, low: float
) -> None:
    theirs = rates_of_timm(
        timm.CosineLRScheduler,
        80,
        t_initial=10,
        cycle_mul=mult,
        cycle_decay=0.5,
        cycle_limit=limit,
        lr_min=low * BASE,
    )
    ours = sgdr(
        first_cycle_steps=10,
        cycle_mult=mult,
        num_cycles=limit,
        peak_decay=0.5,
        peak_decay_form="peak",
        final_factor=low,
    )
    agree(ours, theirs)


def test_a_peak_that_falls_below_the_end_rises_in_timm_and_stops_in_ours(timm: Any) -> None:
    theirs = rates_of_timm(
        timm.CosineLRScheduler,
        15,
        t_initial=5,
        cycle_decay=0.1,
        cycle_limit=3,
        lr_min=0.2 * BASE,
    )
    ours = sgdr(
        first_cycle_steps=5,
        cycle_mult=1.0,
        peak_decay=0.1,
        peak_decay_form="peak",
        final_factor=0.2,
    )
    agree(ours, theirs[:5])
    assert theirs[5] == pytest.approx(0.1, rel=1e-12)
    assert theirs[9] > theirs[5]
    assert [ours(t) for t in range(5, 15)] == [0.2] * 10


@pytest.mark.parametrize(
    ("first", "mult", "restart"), [(1, 3.0, 121), (1, 10.0, 111), (2, 3.0, 242)]
)
def test_a_logarithm_puts_some_restarts_at_the_bottom_where_ours_are_at_the_peak(
    timm: Any, first: int, mult: float, restart: int
) -> None:
    theirs = rates_of_timm(
        timm.CosineLRScheduler, restart + 2, t_initial=first, cycle_mul=mult, cycle_limit=9
    )
    ours = sgdr(first_cycle_steps=first, cycle_mult=mult)
    assert theirs[restart] == pytest.approx(0.0, abs=1e-12)
    assert ours(restart) == 1.0
    for near in (restart - 1, restart + 1):
        assert ours(near) == pytest.approx(theirs[near], rel=0, abs=1e-12)


def test_the_bent_clock_is_k_decay(timm: Any) -> None:
    theirs = rates_of_timm(timm.CosineLRScheduler, 60, t_initial=40, k_decay=1.5)
    agree(k_decay(decay_steps=40, k=1.5), theirs)
    powers = rates_of_timm(
        timm.PolyLRScheduler, 60, t_initial=40, power=2.0, k_decay=0.7, lr_min=0.1 * BASE
    )
    agree(k_decay(decay_steps=40, k=0.7, base="polynomial", power=2.0, final_factor=0.1), powers)


def test_its_polynomial_has_the_power_a_half_unless_told_otherwise_and_ours_two(timm: Any) -> None:
    agree(
        polynomial(decay_steps=40, power=0.5), rates_of_timm(timm.PolyLRScheduler, 60, t_initial=40)
    )
    assert polynomial(decay_steps=40)(20) == 0.25


def test_a_prefixed_warmup_is_a_ramp_from_its_first_rate(timm: Any) -> None:
    theirs = rates_of_timm(
        timm.CosineLRScheduler,
        20,
        t_initial=10,
        warmup_t=3,
        warmup_lr_init=0.1 * BASE,
        warmup_prefix=True,
    )
    assert theirs[:5] == pytest.approx([0.1, 0.4, 0.7, 1.0, 0.976], abs=5.001e-4)
    ours = warmup(cosine(decay_steps=10), warmup_steps=3, warmup_form="zero", warmup_start=0.1)
    agree(ours, theirs)


def test_a_warmup_that_is_no_prefix_jumps_down_onto_a_cosine_that_has_already_begun(
    timm: Any,
) -> None:
    theirs = rates_of_timm(
        timm.CosineLRScheduler, 12, t_initial=10, warmup_t=3, warmup_lr_init=0.1 * BASE
    )
    assert theirs[:5] == pytest.approx([0.1, 0.4, 0.7, 0.794, 0.655], abs=5.001e-4)
    # The peak is never reached; ours is a ramp put before the whole of it.
    bare = cosine(decay_steps=10)
    assert theirs[3:] == pytest.approx([bare(t) for t in range(3, 12)], rel=0, abs=1e-12)
    assert warmup(bare, warmup_steps=3, warmup_form="zero", warmup_start=0.1)(3) == 1.0


def test_tanh_is_tanh_until_timm_drops_to_the_end_that_it_does_not_reach(timm: Any) -> None:
    theirs = rates_of_timm(timm.TanhLRScheduler, 45, t_initial=40, lr_min=0.1 * BASE)
    ours = tanh(decay_steps=40, lower=-7.0, upper=3.0, final_factor=0.1)
    # It begins below its base rate, whose first value is set before.
    assert theirs[1:40] == pytest.approx([ours(t) for t in range(1, 40)], rel=0, abs=1e-12)
    residue = 0.9 * (1 - math.tanh(3)) / 2
    assert theirs[40:] == pytest.approx([0.1] * 5, rel=1e-12)
    assert [ours(t) for t in (40, 44)] == pytest.approx([0.1 + residue] * 2, rel=1e-12)


@pytest.mark.parametrize("size", [1, 7])
def test_step_is_step(timm: Any, size: int) -> None:
    theirs = rates_of_timm(timm.StepLRScheduler, 40, decay_t=size, decay_rate=0.8)
    agree(step(step_size_steps=size, gamma=0.8), theirs)


def test_multistep_drops_one_update_before_its_milestone_and_ours_at_it(timm: Any) -> None:
    theirs = rates_of_timm(timm.MultiStepLRScheduler, 12, decay_t=[4, 8], decay_rate=0.1)
    assert theirs[:8] == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.01], rel=1e-12)
    ours = multistep(milestones=(4, 8), gamma=0.1)
    assert [ours(t + 1) for t in range(12)] == pytest.approx(theirs, rel=1e-12)
    assert (ours(3), theirs[3]) == (1.0, pytest.approx(0.1))
    agree(multistep(milestones=(3, 7), gamma=0.1), theirs)


@pytest.mark.parametrize("shape", ["1-sqrt", "linear", "cosine"])
@pytest.mark.parametrize("ramp", [0, 5])
def test_wsd_is_wsd_and_both_hold_the_end(timm: Any, ramp: int, shape: Shape) -> None:
    theirs = rates_of_timm(
        timm.WSDLRScheduler,
        60,
        t_initial=40,
        decay_t=10,
        decay_fn=shape,
        lr_min=0.1 * BASE,
        warmup_t=ramp,
    )
    ours = wsd(cooldown_steps=10, shape=shape, final_factor=0.1, total_steps=40)
    agree(warmup(ours, warmup_steps=ramp, warmup_form="zero"), theirs)


def test_its_exponential_cooldown_is_our_normalized_one(timm: Any) -> None:
    theirs = rates_of_timm(
        timm.WSDLRScheduler, 60, t_initial=40, decay_t=10, decay_fn="exp", decay_ratio=0.1
    )
    agree(wsd(cooldown_steps=10, shape="normalized_exponential", total_steps=40), theirs)
