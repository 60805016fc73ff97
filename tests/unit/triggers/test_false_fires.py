"""How often triggers fire without a reason, and how soon with one, with their default settings.

In a tenth of a run without progress a trigger with its defaults fires in at most 5 % of runs. For
triggers that a standstill is no reason for, the same holds of every tenth of a run that stands
still from beginning to end.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest
import scipy.stats

from lrbench.triggers import trials
from lrbench.triggers.base import Observation, Trigger
from lrbench.triggers.catalog import TRIGGERS, build_trigger

RUNS = {200: 10, 640: 32, 3000: 47}
"""Updates of a run, and of an epoch."""

BATCH = 32


def make(name: str, total: int, **settings: Any) -> Trigger:
    return build_trigger(
        name,
        settings,
        total_steps=total,
        steps_per_epoch=RUNS[total],
        eval_every=RUNS[total],
        batch_size=BATCH,
    )


def noise(seed: int, length: int) -> list[float]:
    chance = random.Random(seed)
    # The first numbers are not yet as correlated as the others.
    return trials.correlated([chance.gauss(0, 1) for _ in range(length + 50)])[50:]


def simulated(trigger: Trigger, values: list[float], seed: int) -> list[int]:
    """Evaluations at which it fires."""
    cosines = trials.noisy_cosines(noise(10**6 + seed, len(values)))
    seen = trials.observations(trigger, values, cosines, batch_size=BATCH)
    return [index for index, _ in trials.firings(trigger, seen)]


def highest_rate(count: int, n: int) -> float:
    """The bound of Clopper and Pearson that is too low in one case of twenty."""
    return float(scipy.stats.beta.ppf(0.95, count + 1, n - count)) if count < n else 1.0


def standing_still(trigger: Trigger, total: int, runs: int, *, after_a_fall: bool) -> int:
    """In how many runs it fires."""
    length = trials.standstill_length(total, after_a_fall=after_a_fall)
    return sum(
        bool(
            simulated(
                trigger,
                trials.standstill(total, noise(seed, length), after_a_fall=after_a_fall),
                seed,
            )
        )
        for seed in range(runs)
    )


def throughout(trigger: Trigger, total: int, runs: int) -> tuple[int, int]:
    """How often it fires in runs that stand still, and how many tenths of a run that are."""
    found = 0
    for seed in range(runs):
        values = [trials.noisy(1.0, number) for number in noise(seed, total * 7 // 10)]
        found += len(simulated(trigger, values, seed))
    return found, 7 * runs


@pytest.mark.parametrize("after_a_fall", [False, True], ids=["from the start", "after a fall"])
@pytest.mark.parametrize("name", TRIGGERS)
def test_a_tenth_of_a_run_without_progress_seldom_fires(name: str, after_a_fall: bool) -> None:
    count = standing_still(make(name, 200), 200, 400, after_a_fall=after_a_fall)
    assert highest_rate(count, 400) <= trials.PROMISED, count


STANDSTILL_IS_A_REASON = ("plateau", "plateau_slope")


@pytest.mark.parametrize("name", sorted(set(TRIGGERS) - set(STANDSTILL_IS_A_REASON)))
def test_what_a_standstill_is_no_reason_for_seldom_fires_in_one(name: str) -> None:
    count, tenths = throughout(make(name, 200), 200, 60)
    assert highest_rate(count, tenths) <= trials.PROMISED, count


def intervals(name: str, total: int) -> list[dict[str, Any]]:
    """Defaults, an evaluation every update and every epoch, and the held-out loss."""
    known = TRIGGERS[name].parameters
    found: list[dict[str, Any]] = [{}]
    if "every" in known:
        found += [{"every": 1}, {"every": RUNS[total]}]
    if "window" in known:
        found += [{"window": RUNS[total]}]
    if "watch" in known:
        found += [{"watch": "val"}]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("after_a_fall", [False, True], ids=["from the start", "after a fall"])
@pytest.mark.parametrize("total", RUNS)
@pytest.mark.parametrize("name", TRIGGERS)
def test_the_promise_holds_at_every_length_and_interval(
    name: str, total: int, after_a_fall: bool
) -> None:
    # Of 60 runs none may fire, of 200 no more than four.
    runs = 400 if total < 3000 else 60 if name == "plateau_slope" else 200
    for settings in intervals(name, total):
        count = standing_still(
            make(name, total, **settings), total, runs, after_a_fall=after_a_fall
        )
        assert highest_rate(count, runs) <= trials.PROMISED, (settings, count)


@pytest.mark.slow
@pytest.mark.parametrize("total", RUNS)
@pytest.mark.parametrize("name", sorted(set(TRIGGERS) - set(STANDSTILL_IS_A_REASON)))
def test_standing_still_is_no_reason_at_any_length_and_interval(name: str, total: int) -> None:
    for settings in intervals(name, total):
        count, tenths = throughout(make(name, total, **settings), total, 60)
        assert highest_rate(count, tenths) <= trials.PROMISED, (settings, count)


# With a reason: from a quarter of the run on.

BEGIN = 160
"""Of 640 updates."""


def falls_and_stands(part: float) -> float:
    return 1 + max(0.25 - part, 0) * 4


REASONS: dict[str, Callable[[float], float]] = {
    "plateau": falls_and_stands,
    "plateau_slope": falls_and_stands,
    "grad_norm": lambda part: 1.0 if part < 0.25 else 0.05,
    "snr": lambda part: 5.0 if part < 0.25 else 0.0,
    "stall": lambda part: 1.0 if part < 0.25 else 0.25,
    "function_scheme": lambda part: 1.0 if part < 0.25 else 1 + 4 * (part - 0.25),
    "gradient_scheme": lambda part: 1.0,
}
"""What is watched: a floor, a twentieth of the norm, no signal, half of what noise makes a way, a
loss that doubles in a quarter of the run, cosines of -0.7."""

SOON = {
    "plateau": 0.40,
    "plateau_slope": 0.40,
    "grad_norm": 0.15,
    "snr": 0.45,
    "stall": 0.15,
    "function_scheme": 0.20,
    "gradient_scheme": 0.20,
}
"""Part of the run from the reason to half of the first firings, at most."""


def reasoned(name: str, trigger: Trigger, seed: int) -> list[Observation]:
    own = noise(seed, 480)
    values = [trials.noisy(REASONS[name](step / 640), own[step]) for step in range(480)]
    cosines = trials.noisy_cosines(noise(10**6 + seed, 480))
    if name == "snr":
        # Of independent batches, and as of a large model: of small ones no 160 estimates tell a
        # noise scale of 20 batches from one of 10.
        chance = random.Random(seed)
        cosines = [trials.COSINE + chance.gauss(0, 0.05) for _ in cosines]
    if name == "gradient_scheme":
        cosines = [max(c - 0.65 * (k >= BEGIN), -1.0) for k, c in enumerate(cosines)]
    return list(trials.observations(trigger, values, cosines, batch_size=BATCH))


@pytest.mark.parametrize("name", TRIGGERS)
def test_with_a_reason_it_fires_soon(name: str) -> None:
    trigger = make(name, 640)
    delays = []
    for seed in range(30):
        found = [
            (index + 1) * trigger.every
            for index, _ in trials.firings(trigger, reasoned(name, trigger, seed))
        ]
        assert not found or found[0] > BEGIN, "before there was a reason"
        delays.append((found[0] - BEGIN) / 640 if found else 1.0)
    assert median(delays) <= SOON[name]


def test_the_bound_is_that_of_clopper_and_pearson() -> None:
    due = scipy.stats.binomtest(3, 200, alternative="less").proportion_ci(0.95, "exact").high
    assert highest_rate(3, 200) == pytest.approx(due, rel=1e-12)
    assert highest_rate(0, 59) < 0.05 < highest_rate(0, 58)


@pytest.mark.parametrize("name", TRIGGERS)
def test_the_defaults_fit_runs_of_every_usual_length(name: str) -> None:
    for total in (100, 200, 320, 640, 3000, 10**5):
        build_trigger(
            name, {}, total_steps=total, steps_per_epoch=10, eval_every=10, batch_size=BATCH
        )
