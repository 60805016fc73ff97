"""How often flags are raised by the luck of few seeds, where there is nothing to be found."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from lrbench.report.sanity.effects import of_effects
from lrbench.report.sanity.effort import of_effort
from lrbench.report.sanity.floors import of_floors
from lrbench.report.sanity.study import Arm, Contender, Facts, Study, Task
from studies import spec_of

FOLDERS, SEEDS = 300, 5
LRS = (0.03, 0.1, 0.3)
NAMES = ("constant", "cosine", "linear")
SPECS = {(name, lr): spec_of(name, lr).model_dump(mode="json") for name in NAMES for lr in LRS}


def facts(name: str, lr: float, seed: int, loss: float) -> Facts:
    run = f"{name}-{lr}-{seed}"
    looks = {"step": [100.0], "val_loss": [loss], "val_accuracy": [0.98]}
    return Facts(run, seed, f"{name} {lr}", False, SPECS[name, lr], {"spec_digest": run}, looks)


def study(losses: np.ndarray) -> Study:
    """Losses of shape (schedules, rates, seeds)."""
    contenders = [
        Contender(
            name,
            tuple(
                Arm(
                    f"{name} lr={lr}",
                    lr,
                    tuple(facts(name, lr, seed, float(v)) for seed, v in enumerate(of_rate)),
                )
                for lr, of_rate in zip(LRS, of_schedule, strict=True)
            ),
        )
        for name, of_schedule in zip(NAMES, losses, strict=True)
    ]
    task = Task("digits mlp", tuple(sorted(contenders, key=lambda one: one.best.rank)))
    arms = tuple(task.arms)
    return Study(tuple(run for arm in arms for run in arm.runs), arms, (task,))


def shares(losses: np.ndarray) -> dict[str, float]:
    counts: Counter[str] = Counter()
    for one in losses:
        of = study(one)
        flags = [*of_effects(of), *of_effort(of), *of_floors(of)]
        counts.update({flag.code for flag in flags})
    return {code: many / len(losses) for code, many in counts.items()}


def drawn(shared: float, effect: tuple[float, float, float] = (0, 0, 0)) -> np.ndarray:
    """Log-normal losses; ``shared`` is the part of the variance that a seed gives to all arms."""
    draw = np.random.default_rng(1)
    own = draw.standard_normal((FOLDERS, len(NAMES), len(LRS), SEEDS))
    seed = draw.standard_normal((FOLDERS, 1, 1, SEEDS))
    noise = (1 - shared) ** 0.5 * own + shared**0.5 * seed
    return 0.3 * np.exp(0.05 * (noise + np.array(effect)[:, None, None]))


@pytest.mark.parametrize("shared", [0.0, 0.8])
@pytest.mark.parametrize("effect", [(0, 0, 0), (0, -1, -1.5)], ids=["none", "real"])
def test_a_healthy_sweep_of_five_seeds_is_flagged_by_each_at_most_once_in_twenty(shared, effect):
    found = shares(drawn(shared, effect))
    # Two standard errors of 300 folders above 5 %.
    assert {code: share for code, share in found.items() if share > 0.075} == {}


def test_an_optimum_beyond_the_grid_is_found() -> None:
    losses = drawn(0.5, (1.0, 0.0, 0.0))
    # The larger the rate the better, a spread of the seeds each step, for the loser alone.
    losses[:, 0] *= np.exp(0.05 * 3 * np.array([2.0, 1.0, 0.0]))[:, None]
    assert shares(losses)["grid-edge"] > 0.8


def test_seeds_that_hardly_differ_are_found() -> None:
    losses = drawn(0.0)
    losses[:, 1] = 0.3 * (losses[:, 1] / 0.3) ** 0.01
    assert shares(losses)["little-spread"] > 0.9


def test_differences_that_hardly_differ_are_found() -> None:
    losses = drawn(0.0)
    losses[:, 1] = losses[:, 0] * 0.9 * (losses[:, 1] / 0.3) ** 0.01
    losses[:, 2] = losses[:, 0] * 1.1
    assert shares(losses)["improbable-effect"] > 0.9
