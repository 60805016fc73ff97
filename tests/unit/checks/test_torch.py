"""The truth check: every known defect of torch's schedulers is found, with its number."""

from __future__ import annotations

import functools
import math
import random
import re
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.optim import Optimizer, lr_scheduler  # noqa: E402

from lrbench.checks.findings import Finding  # noqa: E402
from lrbench.checks.torch.check import PROBES, check_scheduler  # noqa: E402
from lrbench.errors import ConfigError  # noqa: E402

Cosine = lr_scheduler.CosineAnnealingLR
Restarts = lr_scheduler.CosineAnnealingWarmRestarts
OneCycle = lr_scheduler.OneCycleLR
Cyclic = lr_scheduler.CyclicLR


def check(found: Any, steps: int, /, lr: float = 1.0, **settings: Any) -> list[Finding]:
    return check_scheduler(found, settings, lr=lr, total_steps=steps)


def only(findings: list[Finding], about: str, kind: str | None = None) -> Finding:
    (finding,) = (f for f in findings if f.check == about and kind in (None, f.kind))
    return finding


def about(findings: list[Finding], subject: str) -> list[Finding]:
    return [finding for finding in findings if finding.check == subject]


def wrong(findings: list[Finding]) -> list[str]:
    return [finding.check for finding in findings if finding.kind == "wrong"]


class LinearToZero(lr_scheduler.LRScheduler):
    """A scheduler as it should be: a function of the step that holds its end."""

    def __init__(self, optimizer: Optimizer, steps: int, last_epoch: int = -1) -> None:
        self.steps = steps
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [base * max(0.0, 1 - self.last_epoch / self.steps) for base in self.base_lrs]


def lambdas(function: Any) -> Any:
    return lambda optimizer: lr_scheduler.LambdaLR(optimizer, function)


# --- values -------------------------------------------------------------------------------------


def test_a_rate_that_ignores_the_optimizers_is_a_remark() -> None:
    one_cycle = only(check(OneCycle, 10, max_lr=1.0, total_steps=10), "units", "remark")
    assert "optimizer.lr=1 is ignored" in one_cycle.text
    assert "from 4e-06 to 1" in one_cycle.text
    cyclic = only(check(Cyclic, 16, lr=0.3, base_lr=0.1, max_lr=1.0, step_size_up=4), "units")
    assert "optimizer.lr=0.3 is ignored" in cyclic.text
    assert "from 0.1 to 1" in cyclic.text


def test_an_absolute_floor_is_shown_where_it_matters_most() -> None:
    finding = only(check(Cosine, 11, lr=0.1, T_max=10, eta_min=0.01), "units", "remark")
    assert "the rate at step 10 goes from 0.01 to 0.01, not to 0.02" in finding.text
    assert not about(check(Cosine, 11, lr=0.1, T_max=10), "units")


def test_defaults_that_start_at_a_third_are_remarks() -> None:
    linear = only(check(lr_scheduler.LinearLR, 10, lr=0.3), "first value", "remark")
    assert "step 0 is made with 0.1, that is 0.3333 of optimizer.lr=0.3" in linear.text
    assert "start_factor is 0.3333 unless set" in linear.text
    constant = only(check(lr_scheduler.ConstantLR, 10, lr=0.3), "first value", "remark")
    assert "up to step 4; factor is 0.3333 unless set" in constant.text
    chosen = only(check(lr_scheduler.LinearLR, 10, start_factor=0.5), "first value")
    assert "unless set" not in chosen.text


def test_a_wasted_first_step_is_a_remark() -> None:
    findings = check(lambdas(lambda step: min(1.0, step / 4)), 10)
    assert "changes no weight" in only(findings, "first value", "remark").text


def test_a_floor_one_step_behind_the_run_is_a_remark() -> None:
    finding = only(check(Cosine, 10, T_max=10), "last value", "remark")
    assert "the end value 0 belongs to step 10" in finding.text
    assert "its last rate is 0.02447" in finding.text
    linear = only(check(LinearToZero, 20, steps=20), "last value")
    assert "its last rate is 0.05" in linear.text
    assert not about(check(Cosine, 11, T_max=10), "last value")
    assert not about(check(lr_scheduler.ExponentialLR, 10, gamma=0.9), "last value")


def test_a_decay_longer_than_the_run_is_a_remark() -> None:
    finding = only(check(Cosine, 10, T_max=20), "last value", "remark")
    assert "it ends at step 20, after the run of 10: the last rate is 0.5782" in finding.text


def test_warm_restarts_never_reach_the_floor_they_document() -> None:
    finding = only(check(Restarts, 30, T_0=10), "floor", "wrong")
    assert "eta_min=0 is never reached" in finding.text
    assert "is 0.02447, at its last step 9" in finding.text
    assert finding.source == "pytorch#47560"


def test_the_floor_of_restarts_behind_a_warmup_is_looked_at_too() -> None:
    def build(optimizer: Optimizer) -> lr_scheduler.LRScheduler:
        up = lr_scheduler.LinearLR(optimizer, 0.1, total_iters=5)
        cycles = Restarts(optimizer, 10, eta_min=0.01)
        return lr_scheduler.SequentialLR(optimizer, [up, cycles], [5])

    finding = only(check(build, 30), "floor", "wrong")
    assert "eta_min=0.01 is never reached" in finding.text
    assert "is 0.03423, at its last step 9" in finding.text


def test_milestones_that_fall_together_are_a_remark() -> None:
    findings = check(lr_scheduler.MultiStepLR, 10, milestones=[3, 3, 7], gamma=0.5)
    finding = only(findings, "milestones of MultiStepLR", "remark")
    assert "milestone 3 is given 2 times" in finding.text
    assert "by 0.25 (gamma**2), and not by 0.5" in finding.text


def test_a_rate_below_zero_is_wrong_and_names_its_first_step() -> None:
    finding = only(check(lambdas(lambda step: 1 - step / 4), 10), "below zero", "wrong")
    assert "the rate at step 5 is -0.25, below 0; so it is at 5 of 10 steps" in finding.text


def test_rates_that_differ_at_a_second_go_are_wrong() -> None:
    dice = random.Random(0)
    assert "not repeatable" in wrong(check(lambdas(lambda step: dice.random()), 10))


def test_an_exception_inside_the_run_is_wrong_and_the_rest_is_still_looked_at() -> None:
    findings = check(OneCycle, 20, max_lr=1.0, total_steps=10)
    assert "stepping to step 11 of a run of 20" in only(findings, "inside the run", "wrong").text
    assert about(findings, "momentum")


# --- shape --------------------------------------------------------------------------------------


def test_a_cosine_that_rises_behind_the_run_is_wrong() -> None:
    finding = only(check(Cosine, 10, T_max=10), "past the end", "wrong")
    assert "0 at step 10, 0.02447 at step 11" in finding.text
    by_lambda = check(lambdas(lambda step: 0.5 * (1 + math.cos(math.pi * step / 10))), 10)
    assert "0 at step 10, 0.02447 at step 11" in only(by_lambda, "past the end", "wrong").text
    assert not about(check(LinearToZero, 10, steps=10), "past the end")


def test_a_cosine_that_rises_inside_the_run_is_wrong() -> None:
    finding = only(check(Cosine, 15, T_max=10), "past the end", "wrong")
    assert "inside the run of 15, after T_max=10 steps" in finding.text
    assert "0 at step 10, 0.02447 at step 11" in finding.text


def test_cycles_may_rise_inside_the_run() -> None:
    assert not about(check(Cyclic, 20, base_lr=0.1, max_lr=1.0, step_size_up=4), "past the end")
    assert not about(check(Restarts, 20, T_0=4), "past the end")


@pytest.mark.parametrize(
    ("strategy", "extra"), [("cos", "0.04952"), ("linear", "-0.1429, below 0,")]
)
def test_one_cycle_lets_itself_be_stepped_once_too_often(strategy: str, extra: str) -> None:
    findings = check(OneCycle, 10, max_lr=1.0, total_steps=10, anneal_strategy=strategy)
    finding = only(findings, "past the end", "wrong")
    assert f"step 10 gets {extra} after 4e-06; step 11 raises ValueError" in finding.text
    assert finding.source == "pytorch#91765"


@pytest.mark.parametrize(
    ("steps", "highest", "way_up"), [(25, "0.998", "7.5"), (11, "0.9797", "3.3")]
)
def test_one_cycle_misses_a_peak_between_two_steps(steps: int, highest: str, way_up: str) -> None:
    finding = only(check(OneCycle, steps, max_lr=1.0, total_steps=steps), "peak", "wrong")
    assert f"the highest rate is {highest}" in finding.text
    assert f"pct_start * total_steps = {way_up} " in finding.text
    assert not about(check(OneCycle, 10, max_lr=1.0, total_steps=10), "peak")


def test_triangles_miss_a_peak_between_two_steps() -> None:
    finding = only(check(Cyclic, 20, base_lr=0.0, max_lr=1.0, step_size_up=2.5), "peak", "wrong")
    assert "the highest rate is 0.8, at step 2, since step_size_up = 2.5" in finding.text
    assert not about(check(Cyclic, 20, base_lr=0.0, max_lr=1.0, step_size_up=2), "peak")


def test_one_cycle_divides_by_zero_where_the_way_up_is_one_step() -> None:
    (finding,) = check(OneCycle, 10, max_lr=1.0, total_steps=10, pct_start=0.1)
    assert (finding.kind, finding.check) == ("wrong", "construction")
    assert "ZeroDivisionError" in finding.text
    assert "pct_start * total_steps = 1" in finding.text


@pytest.mark.parametrize(
    ("first", "mult", "step"),
    [(1, 3, 121), (2, 3, 242), (1, 9, 7381), (1, 10, 111)],
)
def test_step_by_epoch_misses_the_peak_of_a_restart(first: int, mult: int, step: int) -> None:
    findings = check(Restarts, 10, T_0=first, T_mult=mult)
    finding = only(findings, "restart by step(epoch)", "wrong")
    assert f"step({step}) gives 0, counting up to step {step} gives 1" in finding.text


def test_all_missed_peaks_up_to_a_million_are_counted() -> None:
    finding = only(check(Restarts, 10, T_0=1, T_mult=10), "restart by step(epoch)")
    assert "at 2 boundaries (111, 111111)" in finding.text


@pytest.mark.parametrize(("first", "mult"), [(10, 1), (10, 2), (7, 1)])
def test_peaks_that_are_hit_by_epoch_are_not_complained_of(first: int, mult: int) -> None:
    assert not about(check(Restarts, 30, T_0=first, T_mult=mult), "restart by step(epoch)")


def test_cycles_that_grow_by_half_are_refused_by_torch() -> None:
    (finding,) = check(Restarts, 30, T_0=10, T_mult=1.5)
    assert finding.kind == "wrong"
    assert "Expected integer T_mult >= 1, but got 1.5" in finding.text
    assert finding.source == "pytorch#95122"


# --- resume -------------------------------------------------------------------------------------


class Forgetful(LinearToZero):
    """Leaves out of its state where it is."""

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps}


class OneStepLate(LinearToZero):
    """Is one step behind after a resume."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.last_epoch -= 1


def test_a_state_that_forgets_the_step_is_wrong_at_every_cut() -> None:
    finding = only(check(Forgetful, 10, steps=20), "resume by state_dict", "wrong")
    # The first resumed rate is the optimizer's, and right; the last cut has no step after it.
    assert "8 of 9 cuts" in finding.text
    assert "the worst at N=8: step 9 gets 0.95 where 0.55 is due" in finding.text
    late = only(check(OneStepLate, 10, steps=20), "resume by state_dict", "wrong")
    assert re.search(r"8 of 9 cuts .* step \d gets (0.\d+) where (0.\d+) is due", late.text)


def test_a_scheduler_without_a_state_cannot_be_resumed() -> None:
    class Bare:
        def __init__(self, optimizer: Optimizer) -> None:
            self.optimizer = optimizer

        def step(self) -> None:
            for group in self.optimizer.param_groups:
                group["lr"] *= 0.9

    findings = check(Bare, 10)
    assert wrong(findings) == ["resume by state_dict"]
    assert "no state_dict()" in only(findings, "resume by state_dict").text


def test_the_schedulers_state_alone_leaves_the_constructors_rate() -> None:
    finding = only(check(Cosine, 4, T_max=4), "resume by scheduler state alone", "remark")
    assert "a run cut at step 3 goes on with 1 where 0.1464 is due" in finding.text


def test_warm_restarts_built_in_a_later_cycle_have_the_wrong_phase() -> None:
    finding = only(check(Restarts, 37, T_0=10, T_mult=2), "resume by last_epoch", "wrong")
    # Wrong from step 20 on: torch takes the steps behind the first cycle modulo its length, once.
    assert "17 of 36 cuts" in finding.text
    assert "the worst at N=24: step 25 gets 0.8536 where 0.1464 is due" in finding.text
    assert not about(check(Restarts, 37, T_0=10, T_mult=1), "resume by last_epoch")


def sequence(optimizer: Optimizer, last_epoch: int = -1) -> lr_scheduler.LRScheduler:
    up = lr_scheduler.LinearLR(optimizer, 0.1, total_iters=5, last_epoch=last_epoch)
    down = Cosine(optimizer, 5, last_epoch=last_epoch)
    return lr_scheduler.SequentialLR(optimizer, [up, down], [5], last_epoch=last_epoch)


def test_a_sequence_cannot_be_built_in_the_middle() -> None:
    finding = only(check(sequence, 10), "resume by last_epoch", "wrong")
    assert "9 of 9 cuts" in finding.text
    assert finding.source == "pytorch#162591"


def test_which_checkpoint_last_epoch_counts_on_is_a_remark() -> None:
    cosine = only(check(Cosine, 10, T_max=10), "resume by last_epoch", "remark")
    assert "right only with a checkpoint written after scheduler.step()" in cosine.text
    assert "step 5 gets 0.6545 where 0.5 is due" in cosine.text
    step = only(check(lr_scheduler.StepLR, 9, step_size=3), "resume by last_epoch", "remark")
    assert "right only with a checkpoint written before scheduler.step()" in step.text
    assert "2 of 8 cuts go on with other rates, the worst at N=2: step 3 gets 0.01" in step.text
    assert not about(check(LinearToZero, 10, steps=10), "resume by last_epoch")


def half_cosine(step: int, *, num_training_steps: int) -> float:
    return 0.5 * (1 + math.cos(math.pi * step / num_training_steps))


def cosine_schedule(optimizer: Optimizer, num_training_steps: int) -> lr_scheduler.LRScheduler:
    curve = functools.partial(half_cosine, num_training_steps=num_training_steps)
    return lr_scheduler.LambdaLR(optimizer, curve)


def test_a_horizon_inside_a_partial_is_not_in_the_state() -> None:
    findings = check(cosine_schedule, 10, num_training_steps=10)
    finding = only(findings, "what the state leaves out", "remark")
    assert "lr_lambdas: [{}]" in finding.text
    assert (
        "resumed at step 5 with num_training_steps=20 instead of 10, step 6 gets 0.7939 and not "
        "0.3455"
    ) in finding.text
    assert not about(check(Cosine, 10, T_max=10), "what the state leaves out")


def test_a_callable_object_is_in_the_state() -> None:
    class Curve:
        def __init__(self) -> None:
            self.steps = 10

        def __call__(self, step: int) -> float:
            return half_cosine(step, num_training_steps=self.steps)

    assert not about(check(lambdas(Curve()), 10), "what the state leaves out")


# --- side effects -------------------------------------------------------------------------------


def test_what_becomes_of_an_edited_rate_is_a_remark() -> None:
    carried = only(check(Cosine, 10, T_max=10), "rate edited from outside", "remark")
    assert "is carried on" in carried.text
    assert "step 4 gets 0.3273 and not 0.6545" in carried.text
    lost = only(check(Restarts, 10, T_0=10), "rate edited from outside", "remark")
    assert "is overwritten (halved at step 3, step 4 gets 0.6545 all the same)" in lost.text


def chained(second: Any) -> Any:
    def build(optimizer: Optimizer) -> lr_scheduler.LRScheduler:
        first = lr_scheduler.LinearLR(optimizer, 0.1, total_iters=5)
        return lr_scheduler.ChainedScheduler([first, second(optimizer)])

    return build


def test_a_warmup_chained_before_restarts_is_lost() -> None:
    finding = only(check(chained(lambda sgd: Restarts(sgd, 10)), 10), "chain", "wrong")
    assert "CosineAnnealingWarmRestarts overwrites the rate, so LinearLR" in finding.text
    assert "step 0 is made with 1, LinearLR gives 0.1" in finding.text
    fine = check(chained(lambda sgd: lr_scheduler.ExponentialLR(sgd, 0.9)), 10)
    assert wrong(fine) == []


@pytest.mark.parametrize(
    ("found", "settings", "top", "low"),
    [
        (OneCycle, {"max_lr": 1.0, "total_steps": 10}, "0.95", "0.85"),
        (Cyclic, {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 4}, "0.9", "0.8"),
    ],
)
def test_momentum_set_and_turned_on_are_remarks(
    found: Any, settings: dict[str, Any], top: str, low: str
) -> None:
    texts = [finding.text for finding in about(check(found, 10, **settings), "momentum")]
    at = f"it is set to {top} at step 0 and lies between {low} and {top} in the run"
    assert texts[0] == f"momentum of SGD(momentum=0.9): {at}"
    assert texts[1] == f"momentum of SGD(momentum=0) is turned on: {at}"
    assert texts[2] == f"beta1 of AdamW(betas=(0.9, 0.999)): {at}"
    assert "Adagrad) is refused: ValueError: optimizer must support momentum" in texts[3]
    assert not about(check(found, 10, **settings, cycle_momentum=False), "momentum")


def test_a_setting_of_the_optimizer_that_a_scheduler_changes_is_a_remark() -> None:
    def build(optimizer: Optimizer) -> lr_scheduler.LRScheduler:
        optimizer.param_groups[0]["weight_decay"] = 0.5
        return lr_scheduler.StepLR(optimizer, 3)

    first, *_ = about(check(build, 10), "weight_decay")
    assert "weight_decay of SGD(momentum=0.9) is turned on: it is set to 0.5" in first.text


def floor_of_the_defaults(optimizer: Optimizer) -> lr_scheduler.LRScheduler:
    """The end is a rate, made a factor by the rate of the optimizer and not of the group."""
    low = 0.05 / optimizer.defaults["lr"]
    return lr_scheduler.LambdaLR(optimizer, lambda step: max(low, 1 - step / 10))


def test_a_floor_that_holds_for_one_group_only_is_wrong() -> None:
    finding = only(check(floor_of_the_defaults, 20), "parameter groups", "wrong")
    assert "with lr=0.1 gets 0.04 at step 6, alone it would get 0.05" in finding.text
    assert not about(check(Cosine, 10, T_max=10, eta_min=0.01), "parameter groups")


def test_settings_made_for_one_group_are_no_finding() -> None:
    findings = check(lr_scheduler.LambdaLR, 10, lr_lambda=[lambda step: 1.0])
    assert wrong(findings) == []


def test_recursion_drifts_with_a_float32_rate() -> None:
    finding = only(check(lr_scheduler.ExponentialLR, 1000, gamma=0.999), "float32 rate", "remark")
    assert "1.3e-05 of the rate at step 998" in finding.text
    assert not about(check(LinearToZero, 1000, steps=1000), "float32 rate")


# --- all of it ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "settings"),
    [
        (LinearToZero, {"steps": 30}),
        (lr_scheduler.StepLR, {"step_size": 7}),
        (lr_scheduler.MultiStepLR, {"milestones": [10, 20]}),
        (lr_scheduler.ExponentialLR, {"gamma": 0.9}),
        (lr_scheduler.PolynomialLR, {"total_iters": 30}),
        (lr_scheduler.LinearLR, {}),
        (lr_scheduler.ConstantLR, {}),
        (Cyclic, {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 4}),
    ],
)
def test_schedulers_that_do_what_they_say_have_nothing_wrong(
    found: Any, settings: dict[str, Any]
) -> None:
    assert wrong(check(found, 30, lr=0.1, **settings)) == []


def test_a_milestone_zero_in_a_sequence_is_handled_by_this_torch() -> None:
    def build(optimizer: Optimizer) -> lr_scheduler.LRScheduler:
        never = lr_scheduler.LinearLR(optimizer, 0.1, total_iters=5)
        halves = lr_scheduler.ExponentialLR(optimizer, 0.5)
        return lr_scheduler.SequentialLR(optimizer, [never, halves], [0])

    if tuple(map(int, torch.__version__.split("+")[0].split(".")[:2])) < (2, 13):
        pytest.skip("older versions start with the wrong part (pytorch#185872)")
    findings = check(build, 10)
    assert not about(findings, "first value")
    assert wrong(findings) == []


@pytest.mark.parametrize("at", [0, 1, 5, 12])
def test_whatever_a_users_scheduler_raises_is_a_finding(at: int) -> None:
    def explode(step: int) -> float:
        if step == at:
            raise RuntimeError("no rate today")
        return 1.0

    findings = check(lambdas(explode), 10)
    assert any("RuntimeError: no rate today" in finding.text for finding in findings)
    assert bool(wrong(findings)) is (at < 10)


def test_an_exception_in_a_probe_is_a_finding_of_that_probe() -> None:
    class NoLoading(LinearToZero):
        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            raise NotImplementedError("later")

    finding = only(check(NoLoading, 10, steps=10), "by state dict", "wrong")
    assert "NotImplementedError: later" in finding.text


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize(
    ("found", "settings"),
    [(LinearToZero, {"steps": 2}), (Cosine, {"T_max": 2}), (Restarts, {"T_0": 1, "T_mult": 2})],
)
def test_runs_of_a_few_steps_can_be_checked(
    found: Any, settings: dict[str, Any], steps: int
) -> None:
    assert not [f for f in check(found, steps, **settings) if " raised " in f.text]


def test_a_scheduler_that_follows_a_metric_is_refused() -> None:
    with pytest.raises(ConfigError, match="follows a metric"):
        check(lr_scheduler.ReduceLROnPlateau, 10)


def test_the_check_draws_no_numbers_of_others() -> None:
    before = torch.get_rng_state(), random.getstate()
    check(lambdas(lambda step: float(torch.rand(())) + random.random()), 5)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]


def test_every_probe_says_in_a_sentence_what_it_looks_at() -> None:
    assert len(set(PROBES)) == len(PROBES)
    assert all(probe.__doc__ for probe in PROBES)
