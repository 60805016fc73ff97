"""Plans from records that were put together by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrbench.errors import ConfigError
from lrbench.stats.holm import strictest_level
from lrbench.stats.power import least_effect, power_at, sd_bound, seeds_for
from lrbench.workflows.compare import compare
from lrbench.workflows.power import plan_power
from lrbench.workflows.sweep import plan_sweep

LOSSES = {
    "constant": [0.50, 0.54, 0.47, 0.52, 0.55],
    "cosine": [0.43, 0.46, 0.44, 0.45, 0.50],
    "sgdr": [0.44, 0.49, 0.43, 0.44, 0.47],
}


@pytest.fixture
def filled(results: Any) -> Path:
    for schedule, losses in LOSSES.items():
        results.add_arm(schedule, losses)
    return Path(results.path)


def pooled(*pairs: tuple[str, str]) -> float:
    variances = [np.var(np.subtract(LOSSES[a], LOSSES[b]), ddof=1) for a, b in pairs]
    return float(np.mean(variances) ** 0.5)


def test_without_a_sweep_it_plans_for_the_comparisons_of_what_stands_there(filled: Path) -> None:
    found = plan_power([], effect=0.02, seeds=7, source=filled)
    sd = pooled(("constant", "cosine"), ("constant", "sgdr"))
    bound = sd_bound(sd, 4)
    level = strictest_level(2, 0.95)
    assert found.learned_from == "others"
    assert found.spread is not None
    assert (found.spread.sd, found.spread.bound) == pytest.approx((sd, bound))
    assert (found.comparisons, found.judged_at) == (2, level)
    assert found.seeds_needed == seeds_for(0.02 / bound, level=level)
    assert found.seeds_by_estimate == seeds_for(0.02 / sd, level=level)
    assert found.least_effect == pytest.approx(least_effect(7, level=level) * bound)
    assert found.least_by_estimate == pytest.approx(least_effect(7, level=level) * sd)
    assert found.chance == pytest.approx(power_at(0.02 / bound, 7, level=level))
    names = {(pair.baseline, pair.other) for pair in found.spread.pairs}
    assert names == {("constant", "cosine"), ("constant", "sgdr")}


def test_more_comparisons_take_more_seeds(filled: Path) -> None:
    one, ten = (plan_power([], effect=0.02, seeds=5, source=filled, comparisons=k) for k in (1, 10))
    assert ten.judged_at == pytest.approx(0.995)
    assert (ten.seeds_needed or 0) > (one.seeds_needed or 0)
    assert (ten.least_effect or 0) > (one.least_effect or 0)
    assert ten.table[2][1] == seeds_for(1.0, level=0.995)


def test_an_accuracy_has_a_spread_of_its_own(filled: Path) -> None:
    loss, accuracy = (
        plan_power([], seeds=5, source=filled, metric=metric)
        for metric in ("val_loss", "val_accuracy")
    )
    assert loss.spread is not None
    assert accuracy.spread is not None
    # In these records it is 1 - loss / 4.
    assert accuracy.spread.sd == pytest.approx(loss.spread.sd / 4)


def test_arms_of_other_data_are_not_paired(results: Any) -> None:
    for schedule, losses in LOSSES.items():
        results.add_arm(schedule, losses)
        other = {"dataset": {"name": "wine", "digest": "1" * 64}}
        results.add_arm(schedule, [10 * loss for loss in losses], **other)
    found = plan_power([], seeds=5, source=results.path)
    assert found.spread is not None
    assert (len(found.spread.pairs), found.comparisons) == (4, 4)
    assert all(("wine" in p.baseline) == ("wine" in p.other) for p in found.spread.pairs)


def test_learning_rates_are_tuned_by_and_not_compared(filled: Path, results: Any) -> None:
    # Rates at which nothing is learned, on which the seeds are far apart.
    for schedule, losses in LOSSES.items():
        results.add_arm(schedule, [90 * loss**3 for loss in losses], lr=9.0)
    found = plan_power([], effect=0.02, seeds=7, source=filled)
    assert found.spread is not None
    assert found.spread.sd == pytest.approx(pooled(("constant", "cosine"), ("constant", "sgdr")))
    assert len(found.spread.pairs) == 2
    words = ["schedule=constant,cosine,linear", "optimizer.lr=0.1,0.2,0.3,0.4"]
    swept = plan_power(words, seeds=7, source=filled)
    assert (len(swept.arms), swept.comparisons) == (12, 2)
    assert swept.judged_at == pytest.approx(0.975)
    assert "12 arms are 3 contenders" in swept.notices[-1]
    # Where there is nothing but rates, they are what is compared.
    rates = plan_power(words[1:], seeds=7, source=filled)
    assert (rates.comparisons, rates.notices) == (3, ())


def test_the_best_rate_is_the_one_without_diverged_runs(results: Any) -> None:
    for schedule in ("constant", "cosine"):
        results.add_arm(schedule, LOSSES[schedule])
        for seed in range(4):
            results.add(results.spec(schedule, seed=seed, lr=9.0), [2.0, 1.0, 0.1 * seed])
        results.add(results.spec(schedule, seed=4, lr=9.0), [2.0], outcome="diverged")
    found = plan_power([], seeds=5, source=results.path)
    assert found.spread is not None
    assert found.spread.sd == pytest.approx(pooled(("constant", "cosine")))
    by_accuracy = plan_power([], seeds=5, source=results.path, metric="val_accuracy").spread
    assert by_accuracy is not None
    assert by_accuracy.sd == pytest.approx(found.spread.sd / 4)


def test_what_diverged_is_in_no_figure_and_is_told(results: Any) -> None:
    results.add_arm("constant", LOSSES["constant"])
    results.add_arm("cosine", LOSSES["cosine"][:4])
    results.add(results.spec("cosine", seed=4), [2.0], outcome="diverged")
    found = plan_power([], seeds=5, source=results.path)
    assert found.spread is not None
    assert found.spread.pairs[0].n == 4
    assert "on 1 pair of runs one diverged" in found.notices[-1]


def test_without_pairs_it_does_not_make_up_a_spread(results: Any) -> None:
    # An empty folder, one arm, and arms that do not share two seeds.
    for schedule, losses in (("", []), ("constant", [0.5, 0.4]), ("cosine", [0.3])):
        results.add_arm(schedule, losses)
        found = plan_power([], effect=0.01, seeds=10, source=results.path)
        assert (found.learned_from, found.spread) == ("nothing", None)
        assert (found.seeds_needed, found.least_effect, found.chance) == (None, None, None)
        assert found.least_d == pytest.approx(0.9963, abs=1e-3)
        assert found.pilot.startswith("lrbench sweep schedule=constant,cosine --seeds 5 --results")


RATES = "optimizer.lr=0.03,0.1"


@pytest.mark.parametrize(
    ("words", "by", "comparisons"),
    [
        (["schedule=cosine,constant,sgdr", RATES], "schedule", 2),
        (["schedule=linear,cosine", RATES], "schedule", 1),
        (["schedule=cosine,constant", RATES, "train.batch_size=32,64"], "schedule", 2),
        (["schedule=cosine,constant,sgdr", "dataset=digits,wine", RATES], "schedule", 4),
        (["schedule=cosine,constant", "model=linear,mlp", "optimizer=sgd,adam"], "schedule", 4),
        (["schedule=cosine,sgdr", "restart=keep,reset_momentum"], "schedule", 3),
        (["optimizer.lr=0.01,0.03,0.1"], "optimizer.lr", 2),
        (["optimizer=sgd,adam", RATES], "optimizer", 1),
    ],
)
def test_the_comparisons_planned_are_those_that_are_made(
    results: Any, words: list[str], by: str, comparisons: int
) -> None:
    draw = np.random.default_rng(0)
    for job in plan_sweep(words, range(4), results.path).jobs:
        spec = job.run.spec
        # Restarts that are kept, and those of a rate without any, are one arm: trained once.
        if not (results.path / spec.run_id).exists():
            results.add(spec, [2.0, 1.0, draw.normal(0.5, 0.05)])
    found = compare(results.path, by=by)
    made = [
        (
            " ".join(filter(None, (task.label, row.baseline, _rate(row.baseline_lr, one)))),
            " ".join(filter(None, (task.label, row.other, _rate(row.other_lr, two)))),
        )
        for task in found.tasks
        for row in task.basis("own_lr").rows
        for one in task.contenders
        if one.label == row.baseline
        for two in task.contenders
        if two.label == row.other
    ]
    (family,) = {row.found.family for task in found.tasks for row in task.basis("own_lr").rows}
    for asked in (words, []):
        plan = plan_power(asked, seeds=4, source=results.path, by=by)
        assert plan.spread is not None
        assert plan.comparisons == family == len(made) == comparisons
        assert [(pair.baseline, pair.other) for pair in plan.spread.pairs] == made
    empty = results.path.parent / "none"
    empty.mkdir()
    # Unasked it comes to the same before anything is trained.
    assert plan_power(words, seeds=4, source=empty).comparisons == comparisons


def _rate(lr: float, one: Any) -> str:
    return f"lr={lr:g}" if len(one.arms) > 1 else ""


def test_a_baseline_that_nobody_planned_is_refused(filled: Path) -> None:
    assert plan_power([], seeds=4, source=filled, baseline="schedule=sgdr").comparisons == 2
    with pytest.raises(ConfigError, match="--baseline must name one contender"):
        plan_power([], seeds=4, source=filled, baseline="schedule=linear")
