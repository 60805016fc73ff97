"""torch's schedulers as schedules: the very rates, the restarts, the refusals."""

from __future__ import annotations

import math
import random
import subprocess
import sys
import warnings
from functools import partial
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch.optim import Optimizer, lr_scheduler  # noqa: E402

from lrbench.adapters.torch_scheduler import (  # noqa: E402
    exact_factor,
    is_torch_scheduler,
    tabulate_scheduler,
)
from lrbench.errors import ConfigError, ScheduleError  # noqa: E402

LR = 0.3


def warm_cosine(optimizer: Optimizer, steps: int = 20) -> lr_scheduler.LRScheduler:
    up = lr_scheduler.LinearLR(optimizer, 0.1, total_iters=5)
    down = lr_scheduler.CosineAnnealingLR(optimizer, steps - 5)
    return lr_scheduler.SequentialLR(optimizer, [up, down], [5])


def restarts_after_warmup(optimizer: Optimizer) -> lr_scheduler.LRScheduler:
    up = lr_scheduler.LinearLR(optimizer, 0.1, total_iters=5)
    cycles = lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 4, 2)
    return lr_scheduler.SequentialLR(optimizer, [up, cycles], [5])


def rates_of_torch(found: Any, settings: dict[str, Any], steps: int) -> list[float]:
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.zeros(2)
    sgd = torch.optim.SGD([weight], lr=LR, momentum=0.9)
    scheduler = found(sgd, **settings)
    rates = []
    for _ in range(steps):
        rates.append(sgd.param_groups[0]["lr"])
        sgd.step()
        scheduler.step()
    return rates


CASES: list[tuple[Any, dict[str, Any]]] = [
    (lr_scheduler.StepLR, {"step_size": 7}),
    (lr_scheduler.CosineAnnealingLR, {"T_max": 30, "eta_min": 0.01}),
    (lr_scheduler.CosineAnnealingWarmRestarts, {"T_0": 4, "T_mult": 2}),
    (lr_scheduler.OneCycleLR, {"max_lr": 1.0, "total_steps": 41}),
    (lr_scheduler.CyclicLR, {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 4}),
    (warm_cosine, {"steps": 40}),
    (restarts_after_warmup, {}),
]


@pytest.mark.parametrize(("found", "settings"), CASES)
def test_every_update_gets_torchs_rate_to_the_last_bit_but_one(
    found: Any, settings: dict[str, Any]
) -> None:
    schedule = tabulate_scheduler(found, settings, lr=LR, total_steps=40)
    theirs = rates_of_torch(found, settings, 40)
    assert len(set(theirs)) > 3
    for step, rate in enumerate(theirs):
        assert abs(schedule(step) * LR - rate) <= math.ulp(rate)


@given(rate=st.floats(1e-9, 10), lr=st.floats(1e-6, 10))
def test_a_factor_gives_the_rate_back_or_the_float_next_to_it(rate: float, lr: float) -> None:
    assert abs(exact_factor(rate, lr) * lr - rate) <= math.ulp(rate)


def test_rates_that_no_factor_gives_back_are_counted_in_a_note() -> None:
    settings = {"T_max": 400}
    found = lr_scheduler.CosineAnnealingLR
    schedule = tabulate_scheduler(found, settings, lr=LR, total_steps=400)
    theirs = rates_of_torch(found, settings, 400)
    off = sum(schedule(step) * LR != rate for step, rate in enumerate(theirs))
    assert off > 0
    said = f"{off} of 400 rates differ from torch's by one unit in the last place"
    assert schedule.notes == (said,)
    assert not tabulate_scheduler(found, settings, lr=1.0, total_steps=400).notes


def test_the_last_factor_is_held_past_the_end() -> None:
    found = lr_scheduler.CosineAnnealingLR
    schedule = tabulate_scheduler(found, {"T_max": 10}, lr=LR, total_steps=10)
    assert schedule(9) == pytest.approx(0.02447, abs=1e-5)
    assert schedule(10) == schedule(25) == schedule(9)


def test_restarts_are_where_t_cur_returns_to_zero() -> None:
    found = lr_scheduler.CosineAnnealingWarmRestarts
    schedule = tabulate_scheduler(found, {"T_0": 4, "T_mult": 2}, lr=LR, total_steps=40)
    assert schedule.restarts(40) == (4, 12, 28)
    assert [schedule(step) for step in (4, 12, 28)] == [1.0] * 3


def test_restarts_of_a_part_count_from_its_milestone() -> None:
    schedule = tabulate_scheduler(restarts_after_warmup, {}, lr=LR, total_steps=40)
    assert schedule.restarts(40) == (9, 17, 33)


def test_cycles_without_a_jump_are_no_restarts() -> None:
    settings = {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 4}
    schedule = tabulate_scheduler(lr_scheduler.CyclicLR, settings, lr=LR, total_steps=20)
    assert schedule.cycles.before(20) == (0, 8, 16)
    assert schedule.restarts(20) == ()


def test_a_schedule_that_tells_of_no_cycles_has_none() -> None:
    schedule = tabulate_scheduler(warm_cosine, {}, lr=LR, total_steps=20)
    assert schedule.restarts(20) == ()
    assert schedule.cycle(19) == 0


def test_the_conventions_name_momentum_that_is_left_to_another_schedule() -> None:
    settings = {"max_lr": 1.0, "total_steps": 10}
    one_cycle = tabulate_scheduler(lr_scheduler.OneCycleLR, settings, lr=LR, total_steps=10)
    assert one_cycle.conventions[-1] == (
        "momentum: the scheduler would set it between 0.85 and 0.95; that is left to "
        "optimizer.momentum_schedule"
    )
    step = tabulate_scheduler(lr_scheduler.StepLR, {"step_size": 3}, lr=LR, total_steps=10)
    assert not any(said.startswith("momentum") for said in step.conventions)
    assert "past the end: the last factor 0.001 is held" in step.conventions


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lr_scheduler.StepLR, True),
        (lr_scheduler.ChainedScheduler, True),
        (lr_scheduler.ReduceLROnPlateau, True),
        (warm_cosine, True),
        (partial(warm_cosine, steps=30), True),
        (lambda optimizer: None, True),
        (lambda *, decay_steps: None, False),
        (lambda model, optimizer: None, False),
        (dict, False),
        (3, False),
    ],
)
def test_classes_of_torch_and_factories_are_recognised(found: object, expected: bool) -> None:
    assert is_torch_scheduler(found) is expected


def test_recognising_a_factory_loads_no_torch() -> None:
    code = (
        "import sys; from lrbench.adapters.torch_scheduler import is_torch_scheduler as f; "
        "assert f(lambda optimizer, steps: 0) and not f(lambda step: 0); "
        "assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def plateau(optimizer: Optimizer) -> lr_scheduler.LRScheduler:
    return lr_scheduler.ReduceLROnPlateau(optimizer)


@pytest.mark.parametrize("found", [lr_scheduler.ReduceLROnPlateau, plateau])
def test_a_scheduler_that_follows_a_metric_is_refused(found: Any) -> None:
    with pytest.raises(ConfigError, match="ReduceLROnPlateau follows a metric"):
        tabulate_scheduler(found, {}, lr=LR, total_steps=10)


def test_an_exception_names_the_step_and_what_torch_said() -> None:
    settings = {"max_lr": 1.0, "total_steps": 10}
    with pytest.raises(ScheduleError, match="at step 11 it raised ValueError: Tried to step 11"):
        tabulate_scheduler(lr_scheduler.OneCycleLR, settings, lr=LR, total_steps=20)


def test_what_cannot_be_built_says_why() -> None:
    settings = {"T_0": 4, "T_mult": 1.5}
    found = lr_scheduler.CosineAnnealingWarmRestarts
    with pytest.raises(ScheduleError, match="building it raised ValueError: Expected integer"):
        tabulate_scheduler(found, settings, lr=LR, total_steps=20)


def test_a_factory_must_return_a_scheduler() -> None:
    with pytest.raises(ScheduleError, match=r"a scheduler with a method step\(\), got list"):
        tabulate_scheduler(lambda optimizer: [optimizer], {}, lr=LR, total_steps=20)


def test_a_mistyped_setting_names_its_neighbour() -> None:
    with pytest.raises(ScheduleError) as caught:
        tabulate_scheduler(lr_scheduler.StepLR, {"stepsize": 3}, lr=LR, total_steps=20)
    (problem,) = caught.value.problems
    assert problem.key == "stepsize"
    assert problem.remedy == ".step_size=3"


@pytest.mark.parametrize("bad", [-0.1, math.nan, math.inf])
def test_a_rate_no_update_can_be_made_with_is_refused_with_its_step(bad: float) -> None:
    def found(optimizer: Optimizer) -> lr_scheduler.LRScheduler:
        return lr_scheduler.LambdaLR(optimizer, lambda step: bad if step == 7 else 1.0)

    assert tabulate_scheduler(found, {}, lr=LR, total_steps=7)(6) == 1.0
    with pytest.raises(ScheduleError, match=r"\(step 7: "):
        tabulate_scheduler(found, {}, lr=LR, total_steps=8)


def test_drawing_and_warning_stay_inside() -> None:
    def found(optimizer: Optimizer) -> lr_scheduler.LRScheduler:
        warnings.warn("this scheduler is old", stacklevel=1)
        noise = random.random() + float(np.random.rand()) + float(torch.rand(()))
        return lr_scheduler.LambdaLR(optimizer, lambda step: noise)

    states = random.getstate(), torch.get_rng_state(), np.random.get_state()[1]
    schedule = tabulate_scheduler(found, {}, lr=1.0, total_steps=3)
    assert random.getstate() == states[0]
    assert torch.equal(torch.get_rng_state(), states[1])
    assert (np.random.get_state()[1] == states[2]).all()
    again = tabulate_scheduler(found, {}, lr=1.0, total_steps=3)
    assert schedule.notes == again.notes == ("torch warns: this scheduler is old",)


def test_the_settings_are_not_changed_by_the_scheduler() -> None:
    def found(optimizer: Optimizer, milestones: list[int]) -> lr_scheduler.LRScheduler:
        milestones.append(3)
        return lr_scheduler.MultiStepLR(optimizer, milestones)

    settings = {"milestones": [2]}
    schedule = tabulate_scheduler(found, settings, lr=1.0, total_steps=5)
    assert [schedule(step) for step in range(5)] == pytest.approx([1, 1, 0.1, 0.01, 0.01])
    assert settings == {"milestones": [2]}
