"""What mathematics says about a run, and what our schedules make of it.

Recursions a few lines long, in float64 and without an engine: each has an answer that is known
exactly, or a published bound. A schedule that were constant, halved or a step late would miss it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lrbench.schedules.base import Schedule
from lrbench.schedules.catalog import SCHEDULES, build_schedule

RUN = 60
CYCLES = {"first_cycle": 7, "cycle_mult": 2.0}
TRIANGLE = {"half_cycle": 7, "down": 4}
WARMED = {"warmup": 6}
SETTINGS: dict[str, dict[str, Any]] = {
    "constant": WARMED,
    "linear": WARMED | {"endpoint": "inclusive", "final_factor": 0.2},
    "polynomial": {"endpoint": "inclusive"},
    "cosine": WARMED | {"warmup_form": "open", "final_factor": 0.1},
    "k_decay": {},
    "step": {"step_size": 20},
    "multistep": {"milestones": [30, 45]},
    "exponential": WARMED | {"warmup_form": "exponential"},
    "inverse_time": {},
    "tanh": {},
    "rex": {"bend": 0.8},
    "knee": {"explore": 30},
    "slanted_triangle": {"cut": 6},
    "inverse_sqrt": WARMED,
    "noam": WARMED | {"model_size": 16, "scale_factor": 2.0},
    "rsqrt": {"timescale": 6, "cooldown": 12},
    "power": {"crossover": 6, "cooldown": 6},
    "anytime": {"timescale": 6},
    "triangular": TRIANGLE,
    "triangular2": TRIANGLE,
    "exp_range": TRIANGLE | {"gamma": 0.98},
    "one_cycle": {"peak": 18},
    "sgdr": CYCLES | {"cycle_warmup": 3, "peak_decay": 0.5},
    "snapshot": {"num_cycles": 4},
    "trapezoidal_restarts": CYCLES,
    "wsd": WARMED | {"cooldown": 12},
    "wsd_s": CYCLES,
    "rewarm": {"starts": [20, 45], "rewarm": 3},
    "infinite": {"cooldown": 12, "anneal": 9},
    "frozen": {
        "of": {"name": "linear", "final_factor": 0.2},
        "events": [
            {"step": 20, "action": "restart"},
            {"step": 27, "action": "decay"},
            {"step": 41, "action": "restart"},
        ],
        "final_fraction": 0.2,
    },
    "sequence": {"pieces": ["linear", "sgdr"], "boundaries": [20], "restart": True},
    "scaled": {"of": "cosine", "scale_factor": 3.0},
    "table": {"steps": [0, 10, 40], "factors": [0.5, 2.0, 0.1], "cycle_starts": [0, 10]},
    "one_cycle_momentum": {"peak": 18},
}
EVERY_SCHEDULE = pytest.mark.parametrize("name", SCHEDULES)


def rates(schedule: Schedule, base: float, steps: int) -> NDArray[np.float64]:
    return np.array([base * schedule(step) for step in range(steps)])


def test_every_schedule_has_settings_here() -> None:
    assert SETTINGS.keys() == SCHEDULES.keys()


# A quadratic without noise: every update multiplies by 1 - rate * curvature.


@EVERY_SCHEDULE
@pytest.mark.parametrize("curvature", [0.3, 1.7])
def test_gradient_descent_contracts_by_the_product_over_its_rates(
    name: str, curvature: float
) -> None:
    schedule = build_schedule(name, SETTINGS[name], RUN)
    x = 2.0
    for step in range(RUN):
        x -= 0.1 * schedule(step) * (curvature * x)
    logs = [math.log1p(-0.1 * curvature * schedule(step)) for step in range(RUN)]
    assert x == pytest.approx(2.0 * math.exp(math.fsum(logs)), rel=1e-12, abs=0)


@pytest.mark.parametrize("steps", [10, 60, 100])
def test_gradient_descent_under_a_linear_decay_ends_at_a_quotient_of_factorials(steps: int) -> None:
    # The product of 1 - j / (2 T) for j = 1 ... T, at half a rate of 1 over the curvature.
    linear = build_schedule("linear", {}, steps)
    x = 1.0
    for step in range(steps):
        x -= 0.5 * linear(step) * x
    logs = math.lgamma(2 * steps) - math.lgamma(steps) - steps * math.log(2 * steps)
    assert x == pytest.approx(math.exp(logs), rel=1e-11, abs=0)


@pytest.mark.parametrize(
    ("name", "second_order", "exact"),
    [
        ("constant", 0.0066542, 0.0066540),
        ("linear", 0.0066266, 0.0066261),
        ("cosine", 0.0066129, 0.0066122),
    ],
)
def test_rates_of_equal_sum_differ_by_the_sum_of_their_squares(
    name: str, second_order: float, exact: float
) -> None:
    factor = build_schedule(name, {}, 1000)
    column = rates(factor, 5 / (1000 * factor.area(1000)), 1000)
    assert column.sum() == pytest.approx(5.0, rel=1e-12)
    estimate = math.exp(-column.sum() - (column**2).sum() / 2)
    assert estimate == pytest.approx(second_order, abs=1e-7)
    assert np.prod(1 - column) == pytest.approx(exact, abs=1e-7)


# A constant gradient: Adam without its epsilon moves by exactly the rate at every update.


class Adam:
    """Adam of one number, with epsilon 0."""

    def __init__(self, beta1: float = 0.9, beta2: float = 0.999) -> None:
        self.betas = beta1, beta2
        self.reset()

    def reset(self) -> None:
        self.count, self.mean, self.square = 0, 0.0, 0.0

    def step(self, rate: float, gradient: float) -> float:
        beta1, beta2 = self.betas
        self.count += 1
        self.mean = beta1 * self.mean + (1 - beta1) * gradient
        self.square = beta2 * self.square + (1 - beta2) * gradient**2
        mean = self.mean / (1 - beta1**self.count)
        square = self.square / (1 - beta2**self.count)
        return -rate * mean / math.sqrt(square)


def displacement(
    schedule: Schedule, steps: Iterable[int], *, resets: Iterable[int] = (), gradient: float = -0.7
) -> float:
    adam, x, at = Adam(), 0.0, set(resets)
    for step in steps:
        if step in at:
            adam.reset()
        x += adam.step(0.01 * schedule(step), gradient)
    return x


@EVERY_SCHEDULE
def test_adam_under_a_constant_gradient_moves_by_the_area_under_the_schedule(name: str) -> None:
    schedule = build_schedule(name, SETTINGS[name], RUN)
    area = 0.01 * RUN * schedule.area(RUN)
    restarts = schedule.restarts(RUN)
    assert displacement(schedule, range(RUN)) == pytest.approx(area, rel=1e-11)
    assert displacement(schedule, range(RUN), gradient=3.0) == pytest.approx(-area, rel=1e-11)
    assert displacement(schedule, range(RUN), resets=restarts) == pytest.approx(area, rel=1e-11)


@EVERY_SCHEDULE
@pytest.mark.parametrize("split", [1, 7, 30, 59])
def test_a_run_in_two_parts_moves_as_far_as_a_whole_one(name: str, split: int) -> None:
    whole = displacement(build_schedule(name, SETTINGS[name], RUN), range(RUN))
    before = displacement(build_schedule(name, SETTINGS[name], RUN), range(split))
    after = displacement(build_schedule(name, SETTINGS[name], RUN), range(split, RUN))
    assert before + after == pytest.approx(whole, rel=1e-11)


@pytest.mark.parametrize(
    ("name", "settings", "area"),
    [
        ("linear", {}, 61 / 2),
        ("cosine", {}, 61 / 2),
        ("cosine", {"endpoint": "inclusive"}, 60 / 2),
        ("linear", {"warmup": 10, "warmup_form": "zero"}, 9 / 2 + 51 / 2),
        ("linear", {"warmup": 10, "warmup_form": "first"}, 11 / 2 + 51 / 2),
        ("cosine", {"warmup": 10, "warmup_form": "open"}, 10 / 2 + 51 / 2),
        ("sgdr", {"cycle_lengths": [10, 20, 30]}, (11 + 21 + 31) / 2),
        ("knee", {"explore": 20}, 20 + 41 / 2),
        ("step", {"step_size": 20, "gamma": 0.5}, 20 * 1.75),
        ("triangular", {"half_cycle": 7, "min_factor": 0.2}, 56 * 0.6 + 0.8 + 0.8 * 6 / 7),
    ],
)
def test_the_way_adam_goes_is_known_with_a_pencil(
    name: str, settings: dict[str, Any], area: float
) -> None:
    schedule = build_schedule(name, settings, RUN)
    assert displacement(schedule, range(RUN)) == pytest.approx(0.01 * area, rel=1e-11)


@pytest.mark.parametrize("fault", ["late", "early", "doubled first step", "skipped first step"])
def test_a_loop_with_a_fault_would_not_go_that_way(fault: str) -> None:
    steps = {
        "late": [0, *range(RUN - 1)],
        "early": range(1, RUN + 1),
        "doubled first step": [0, *range(RUN)],
        "skipped first step": range(1, RUN),
    }[fault]
    area = 0.01 * 61 / 2
    moved = displacement(build_schedule("linear", {}, RUN), steps)
    assert abs(moved - area) > 0.009


@EVERY_SCHEDULE
def test_decoupled_weight_decay_without_a_gradient_shrinks_by_the_product(name: str) -> None:
    schedule = build_schedule(name, SETTINGS[name], RUN)
    x, decay = 1.0, 0.3
    for step in range(RUN):
        x *= 1 - 0.1 * schedule(step) * decay
    assert math.log(x) == pytest.approx(
        math.fsum(math.log1p(-0.03 * factor) for factor in map(schedule, range(RUN))), rel=1e-12
    )
    assert x < math.exp(-0.03 * RUN * schedule.area(RUN))


# A noisy quadratic of 200 curvatures 1/i with noise of covariance 1/i: the expected loss follows
# from two recursions, and the best peak of a grid from that, without a random number.

PEAKS = np.geomspace(0.003, 1.9, 45)
CURVATURES = 1 / np.arange(1, 201)


def tuned_losses(schedules: list[Schedule], steps: int) -> tuple[list[float], list[float]]:
    """Expected loss at the end with the best peak of the grid, and that peak."""
    table = np.stack([rates(schedule, 1.0, steps) for schedule in schedules], axis=1)
    mean = np.ones((len(schedules), len(PEAKS), len(CURVATURES)))
    variance = np.zeros_like(mean)
    for factors in table:
        rate = (factors[:, None] * PEAKS)[:, :, None]
        left = 1 - rate * CURVATURES
        mean *= left
        variance *= left * left
        variance += rate * rate * CURVATURES
    losses = ((mean**2 + variance) * CURVATURES).sum(axis=2) / 2
    return losses.min(axis=1).tolist(), PEAKS[losses.argmin(axis=1)].tolist()


def contenders(steps: int) -> dict[str, Schedule]:
    fifth = steps // 5
    halves = [steps // 2, 3 * steps // 4]
    settings: dict[str, tuple[str, dict[str, Any]]] = {
        "linear": ("linear", {}),
        "rex": ("rex", {}),
        "cosine": ("cosine", {}),
        "wsd 1-sqrt": ("wsd", {"cooldown": fifth}),
        "wsd linear": ("wsd", {"cooldown": fifth, "shape": "linear"}),
        "inverse root": ("rsqrt", {"timescale": steps // 50, "cooldown": 0}),
        "sgdr": ("sgdr", {"first_cycle": steps // 7, "tail": "hold"}),
        "multistep": ("multistep", {"milestones": halves}),
        "constant": ("constant", {}),
    }
    return {label: build_schedule(*made, steps) for label, made in settings.items()}


RANKING_300 = {
    "linear": 0.3443,
    "rex": 0.3534,
    "cosine": 0.3615,
    "wsd 1-sqrt": 0.3922,
    "wsd linear": 0.3990,
    "inverse root": 0.4164,
    "sgdr": 0.4234,
    "multistep": 0.4810,
    "constant": 0.5057,
}
RANKING_3000 = {
    "linear": 0.0546,
    "cosine": 0.05545,
    "rex": 0.0587,
    "wsd 1-sqrt": 0.0696,
    "sgdr": 0.0712,
    "wsd linear": 0.0728,
    "multistep": 0.08425,
    "inverse root": 0.0860,
    "constant": 0.1205,
}


@pytest.mark.parametrize(
    ("steps", "ranking"),
    [(300, RANKING_300), (3000, RANKING_3000)],
)
def test_the_noisy_quadratic_ranks_the_schedules(steps: int, ranking: dict[str, float]) -> None:
    made = contenders(steps)
    losses, peaks = tuned_losses(list(made.values()), steps)
    found = dict(zip(made, losses, strict=True))
    # Half of the fourth decimal.
    assert found == pytest.approx(ranking, rel=0, abs=5e-5)
    assert sorted(found, key=lambda label: found[label]) == list(ranking)
    assert all(PEAKS[0] < peak < PEAKS[-1] for peak in peaks)


# The worst convex function: the last iterate of a linear decay meets the bound of any method.


def worst_distance(factor: Schedule, base: float, steps: int) -> float:
    """max of |x| after descending |x| from 60 starts at most 1 away."""
    x = np.linspace(0.01, 1.0, 60)
    for step in range(steps):
        x = x - base * factor(step) * np.sign(x)
    return float(np.abs(x).max())


@pytest.mark.parametrize(
    ("steps", "falling", "level"), [(100, 0.00094, 0.0993), (1000, 3.1e-5, 0.0313)]
)
def test_a_linear_decay_is_far_below_the_worst_case_that_a_constant_rate_attains(
    steps: int, falling: float, level: float
) -> None:
    bound = 1 / math.sqrt(steps)
    # The theorem's 1 - t / (T + 1) for t = 1 ... T is ours times T / (T + 1).
    linear = build_schedule("linear", {}, steps)
    theorem = [bound * (1 - t / (steps + 1)) for t in range(1, steps + 1)]
    ours = rates(linear, bound * steps / (steps + 1), steps)
    assert ours.tolist() == pytest.approx(theorem, rel=1e-12)

    worst = worst_distance(linear, bound * steps / (steps + 1), steps)
    constant = worst_distance(build_schedule("constant", {}, steps), bound, steps)
    assert worst == pytest.approx(falling, rel=0.02)
    assert constant == pytest.approx(level, abs=5.1e-5)
    assert worst < bound / 100 < constant < bound * 1.001


# A rate that grows: the loss first rises where the rate passes 2 over the curvature.


@pytest.mark.parametrize(
    ("curvature", "start", "growth", "expected"),
    [(4.0, 1e-3, 1.05, 128), (1.0, 1e-2, 1.1, None), (25.0, 1e-4, 1.02, None)],
)
def test_a_range_test_diverges_at_the_step_where_the_rate_passes_the_edge(
    curvature: float, start: float, growth: float, expected: int | None
) -> None:
    edge = math.ceil(math.log(2 / (curvature * start)) / math.log(growth))
    assert expected in (None, edge)
    rows = range(edge + 5)
    factors = [growth**step for step in rows]
    schedule = build_schedule("table", {"steps": list(rows), "factors": factors}, edge + 5)
    x, losses = 1.0, [curvature / 2]
    for step in rows:
        x -= start * schedule(step) * curvature * x
        losses.append(curvature / 2 * x * x)
    rises = [step for step in rows if losses[step + 1] > losses[step]]
    assert rises == list(range(edge, edge + 5))


# Refinement: the best rate is w_t times the sum of the weights to come.


def refined(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """``w_t * (w_{t+1} + … + w_T)`` for the weights of w_0 … w_T, as a fraction of the first."""
    rest = weights.sum() - np.cumsum(weights)
    found = (weights * rest)[:-1]
    return found / found[0]


@pytest.mark.parametrize("steps", [1, 2, 17, 400])
def test_refining_constant_gradients_is_a_linear_decay(steps: int) -> None:
    linear = build_schedule("linear", {}, steps)
    ours = [linear(step) for step in range(steps)]
    assert ours == pytest.approx(refined(np.ones(steps + 1)).tolist(), rel=1e-12)
    assert ours == pytest.approx(refined(np.full(steps + 1, 0.03)).tolist(), rel=1e-9)


def test_refining_gradients_that_shrink_is_no_linear_decay() -> None:
    linear = build_schedule("linear", {}, 50)
    weights = np.linspace(1.0, 3.0, 51)
    assert refined(weights)[25] > linear(25) + 0.05


def test_a_polyak_step_on_a_quadratic_leaves_a_quarter_of_the_loss() -> None:
    curvature, x = 3.0, 1.7
    for _ in range(20):
        loss, slope = curvature / 2 * x * x, curvature * x
        rate = loss / slope**2
        assert rate == pytest.approx(1 / (2 * curvature), rel=1e-12)
        x -= rate * slope
        assert curvature / 2 * x * x == pytest.approx(loss / 4, rel=1e-12)
