from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrbench.errors import ConfigError
from lrbench.report.comparison import tables
from lrbench.report.comparison.bases import after
from lrbench.stats.contrast import contrast
from lrbench.workflows.compare import compare

CONSTANT = [0.50, 0.52, 0.61, 0.55]
COSINE = [0.40, 0.44, 0.50, 0.43]


@pytest.fixture
def two(results):
    """A schedule that is better than the baseline on every seed, by much."""
    results.add_arm("constant", CONSTANT)
    results.add_arm("cosine", COSINE)
    return results


def rows(found, kind="own_lr", task=0):
    return found.tasks[task].basis(kind).rows


def row(found, other, kind="own_lr"):
    return next(one for one in rows(found, kind) if one.other == other)


def member(found, label):
    return next(one for one in found.tasks[0].contenders if one.label == label)


def course(found, label):
    return next(one for one in found.tasks[0].courses if one.label == label)


def test_a_row_says_what_the_statistics_say_of_the_same_seeds(two):
    one = row(compare(two.path), "cosine")
    expected = contrast(CONSTANT, COSINE)
    assert one.found == expected
    assert one.found.difference.value == pytest.approx(0.1025)
    assert one.found.verdict == "better"
    assert one.values == tuple(zip(CONSTANT, COSINE, strict=True))
    assert one.seeds == (0, 1, 2, 3)


def test_the_accuracy_beside_it_is_positive_too_where_the_other_did_better(two):
    one = row(compare(two.path), "cosine")
    # The synthetic records have an accuracy of 1 - loss / 4.
    assert one.beside.difference.value == pytest.approx(0.1025 / 4)
    assert one.disagreement is None
    turned = row(compare(two.path, metric="val_accuracy"), "cosine")
    assert turned.found.differences == pytest.approx(one.beside.differences)
    assert turned.beside.differences == pytest.approx(one.found.differences)
    assert "val_accuracy higher, so better: +" in turned.sentence


def test_metrics_that_point_in_different_ways_are_said(results):
    for seed, (a, b) in enumerate(zip(CONSTANT, COSINE, strict=True)):
        results.add(results.spec("constant", seed=seed), [2, 1, a], [0.1, 0.5, 0.9 + seed / 1e3])
        results.add(results.spec("cosine", seed=seed), [2, 1, b], [0.1, 0.5, 0.8 + seed / 2e3])
    one = row(compare(results.path), "cosine")
    assert (one.found.verdict, one.beside.verdict) == ("better", "worse")
    assert "contradict each other" in one.disagreement
    assert "val_loss speaks for it" in one.disagreement
    assert "val_accuracy speaks against it" in one.disagreement


@pytest.mark.parametrize(("many", "told"), [(1, "of which neither is sure"), (4, "one is sure")])
def test_of_two_metrics_it_is_said_how_many_are_sure(results, many, told):
    for seed, (a, b) in enumerate(zip(CONSTANT[:many], COSINE, strict=False)):
        accuracies = (0.9, 0.92 if seed % 2 else 0.8)
        for name, loss, accuracy in zip(("constant", "cosine"), (a, b), accuracies, strict=True):
            results.add(results.spec(name, seed=seed), [2, 1, loss], [0.1, 0.5, accuracy])
    assert row(compare(results.path), "cosine").disagreement.endswith(told)


def test_the_other_way_round_every_sign_turns_and_no_p_changes(two):
    one = row(compare(two.path), "cosine")
    other = row(compare(two.path, baseline="schedule=cosine"), "constant")
    assert other.found.differences == pytest.approx([-d for d in one.found.differences])
    assert other.found.p == pytest.approx(one.found.p)
    assert other.found.ratio.value == pytest.approx(1 / one.found.ratio.value)
    assert (one.found.verdict, other.found.verdict) == ("better", "worse")


def test_the_number_in_the_sentence_is_the_one_in_the_table(two):
    found = compare(two.path)
    task = found.tasks[0]
    table = next(tables.of_basis(task.bases[0], task, found))
    cells = {column.header: column.cells[0] for column in table.columns}
    sentence = row(found, "cosine").sentence
    assert sentence in table.notes
    assert f"{cells['better by']} {cells['95 % interval']}" in sentence
    assert f"p = {cells['Holm p']}" in sentence
    assert cells["verdict"] in sentence


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shift=st.floats(-0.3, 3.0))
def test_sentence_and_table_share_their_numbers_whatever_they_are(shift, tmp_path_factory):
    from lrbench.report.comparison.sentences import verdict
    from lrbench.report.comparison.values import Row

    found = contrast(CONSTANT, [value + shift for value in COSINE])
    one = Row("a", "b", 0.1, 0.1, None, (0, 1, 2, 3), {}, found, None, ())
    said = verdict(one, "val_loss")
    size = re.search(r"(lower|higher), so (better|worse): ([\d.e+-]+)", said)
    assert float(size[3]) == pytest.approx(found.difference.value, rel=6e-3)
    assert (size[1] == "lower") == (size[2] == "better") == (found.difference.value > 0)
    assert found.verdict in said


def test_a_baseline_is_constant_or_the_first_by_name_which_is_said(results):
    results.add_arm("linear", [0.4, 0.5])
    results.add_arm("cosine", [0.1, 0.2])
    found = compare(results.path)
    assert found.tasks[0].baseline == "cosine"
    assert any("the first by name, as none is constant" in note for note in found.tasks[0].notes)
    results.add_arm("constant", [0.9, 0.9])
    found = compare(results.path)
    assert found.tasks[0].baseline == "constant"
    assert not any("first by name" in note for note in found.tasks[0].notes)


@pytest.mark.parametrize("asked", ["schedule=cosine", "cosine"])
def test_a_baseline_can_be_named_by_setting_or_as_shown(asked, two):
    assert compare(two.path, baseline=asked).tasks[0].baseline == "cosine"


def test_a_baseline_that_several_contenders_are_is_an_error(results):
    results.add_arm("constant", [0.5, 0.6])
    results.add_arm("sgdr", [0.2, 0.3], params={"first_cycle": 20})
    results.add_arm("sgdr", [0.3, 0.4], params={"first_cycle": 40})
    with pytest.raises(ConfigError, match="a single contender"):
        compare(results.path, baseline="schedule=sgdr")
    found = compare(results.path, baseline="schedule=sgdr,schedule.first_cycle=40")
    assert found.tasks[0].baseline == "sgdr first_cycle=40"
    assert {one.other for one in rows(found)} == {"constant", "sgdr first_cycle=20"}


def test_seeds_that_one_arm_alone_has_are_named(results):
    results.add_arm("constant", CONSTANT)
    results.add_arm("cosine", COSINE[:3])
    found = compare(results.path)
    one = row(found, "cosine")
    assert one.seeds == (0, 1, 2)
    assert one.left_out == {"constant": (3,)}
    assert any("seed 3 of constant" in note for note in found.tasks[0].bases[0].notes)


def test_the_family_is_all_comparisons_of_a_table(results):
    results.add_arm("constant", CONSTANT)
    for name, gain in (("cosine", 0.1), ("linear", 0.12), ("rex", 0.0)):
        results.add_arm(name, [v - gain * (1 + i / 9) for i, v in enumerate(CONSTANT)])
    found = compare(results.path)
    assert [one.found.verdict for one in rows(found)] == ["better", "better", "identical"]
    # What is the same to the last bit has no test, and counts in no family.
    assert {one.found.family for one in rows(found) if one.other != "rex"} == {2}
    assert "over the 2 comparisons" in found.tasks[0].bases[0].family
    every = compare(results.path, all_pairs=True)
    assert len(rows(every)) == 6
    assert row(every, "linear").found.family == 5
    assert row(every, "linear").found.p_adjusted > row(found, "linear").found.p_adjusted


def test_each_is_at_its_own_best_learning_rate_chosen_by_the_mean(results):
    for lr, shift in ((0.03, 0.2), (0.1, 0.0), (0.3, 0.1)):
        results.add_arm("constant", [v + shift for v in CONSTANT], lr=lr)
    for lr, shift in ((0.03, 0.3), (0.1, 0.2), (0.3, 0.0)):
        results.add_arm("cosine", [v + shift for v in COSINE], lr=lr)
    found = compare(results.path)
    one = row(found, "cosine")
    assert (one.baseline_lr, one.other_lr) == (0.1, 0.3)
    assert one.found.difference.value == pytest.approx(0.1025)
    assert (member(found, "constant").edge, member(found, "cosine").edge) == (None, "high")
    notes = " ".join(found.tasks[0].notes)
    assert "cosine: its best learning rate, 0.3, is the largest tried" in notes
    assert "on the seeds it is reported on" in notes
    assert "0.85 standard errors" in notes
    equal = rows(found, "equal_lr")
    assert [(r.baseline_lr, r.other_lr) for r in equal] == [(lr, lr) for lr in (0.03, 0.1, 0.3)]
    assert [r.found.difference.value for r in equal] == pytest.approx([0.0025, -0.0975, 0.2025])
    assert {r.found.family for r in equal} == {3}


def test_at_equal_cost_who_tried_more_has_no_advantage(results):
    results.add_arm("constant", CONSTANT, lr=0.1)
    tried = {0.03: [v + 0.3 for v in COSINE], 0.1: COSINE, 0.3: [v + 0.06 for v in COSINE]}
    for lr, finals in tried.items():
        results.add_arm("cosine", finals, lr=lr)
    found = compare(results.path)
    one = row(found, "cosine", "equal_cost")
    assert one.trials == 1
    # One trial: each of the three is as likely.
    assert [b for _, b in one.values] == pytest.approx([v + 0.12 for v in COSINE])
    assert one.found.difference.value == pytest.approx(0.1025 - 0.12)
    curve = next(c for c in found.tasks[0].costs if c.label == "cosine")
    # Two of three: the best is among them twice, else the second is.
    means = [point.estimate.mean for point in curve.points]
    best = np.mean(COSINE)
    assert means == pytest.approx([best + 0.12, best + 0.02, best])


def test_a_seed_can_expect_what_all_choices_of_trials_give_on_average(results):
    from itertools import combinations

    rng = np.random.default_rng(7)
    grid = {lr: rng.uniform(0.2, 1, 3).tolist() for lr in (0.01, 0.02, 0.05, 0.1)}
    results.add_arm("constant", CONSTANT[:3])
    for lr, finals in grid.items():
        results.add_arm("cosine", finals, lr=lr)
    cosine = member(compare(results.path), "cosine")
    for k in (1, 2, 3, 4):
        chosen = [min(some, key=lambda lr: np.mean(grid[lr])) for some in combinations(grid, k)]
        by_hand = [np.mean([grid[lr][seed] for lr in chosen]) for seed in range(3)]
        found = after(cosine, "val_loss", k)
        assert [found[seed] for seed in range(3)] == pytest.approx(by_hand)


def test_seeds_that_choose_learning_rates_are_not_reported_at_them(results):
    # Lucky on the first two seeds at one learning rate, on the last two at the other.
    results.add_arm("constant", [0.5, 0.5, 0.8, 0.7], lr=0.1)
    results.add_arm("constant", [0.6, 0.6, 0.1, 0.2], lr=0.3)
    results.add_arm("cosine", COSINE, lr=0.1)
    found = compare(results.path)
    assert row(found, "cosine").baseline_lr == 0.3
    found = compare(results.path, tune_seeds=2)
    assert found.tuned_on == (0, 1)
    for kind in ("own_lr", "equal_cost"):
        assert row(found, "cosine", kind).seeds == (2, 3)
    one = row(found, "cosine")
    assert one.baseline_lr == 0.1
    assert one.values == ((0.8, 0.5), (0.7, 0.43))
    assert member(found, "constant").reported["val_loss"].mean == pytest.approx(0.75)
    assert rows(found, "equal_lr")[0].seeds == (0, 1, 2, 3)
    notes = " ".join(found.tasks[0].notes)
    assert "on seeds 0-1, which are in no figure at own best" in notes
    assert "winner" not in notes


def test_diverged_runs_rank_as_worst_and_are_counted_with_an_interval(results):
    results.add_arm("constant", [*CONSTANT, 0.5, 0.5])
    for seed in range(6):
        results.add(results.spec("cosine", seed=seed), [2.0, 1e30], outcome="diverged")
    found = compare(results.path)
    one = row(found, "cosine")
    assert one.found.differences == (-math.inf,) * 6
    assert (one.found.verdict, one.found.test) == ("worse", "sign")
    assert "6 of cosine diverged, counted as worst" in one.sentence
    own = member(found, "cosine").own
    assert (own.diverged, own.divergence.value) == (6, 1.0)
    assert own.divergence.low == pytest.approx(0.5407, abs=1e-4)
    assert any("6 of 6 runs diverged" in note for note in found.tasks[0].divergence)


def test_a_learning_rate_with_diverged_runs_is_not_chosen_for_its_survivors(results):
    results.add_arm("constant", CONSTANT)
    results.add_arm("cosine", COSINE, lr=0.1)
    results.add_arm("cosine", [0.1, 0.1, 0.1], lr=1.0)
    results.add(results.spec("cosine", seed=3, lr=1.0), [2.0, 1e30], outcome="diverged")
    found = compare(results.path)
    assert member(found, "cosine").own.lr == 0.1
    curve = next(c for c in found.tasks[0].costs if c.label == "cosine")
    assert curve.points[0].estimate.mean is None
    assert curve.points[0].divergence == pytest.approx(1 / 8)
    assert curve.points[1].estimate.mean == pytest.approx(np.mean(COSINE))


def test_a_margin_makes_small_differences_equivalent(results):
    results.add_arm("constant", CONSTANT)
    results.add_arm(
        "cosine", [v + s for v, s in zip(CONSTANT, (1e-3, -1e-3, 2e-3, 0), strict=True)]
    )
    assert row(compare(results.path), "cosine").found.verdict == "undecided"
    found = compare(results.path, margin=0.05)
    one = row(found, "cosine")
    assert one.found.verdict == "equivalent"
    assert "equivalent within 0.05" in one.sentence
    # It is not the interval of the row.
    assert "90 % interval" in one.sentence
    assert any("margin 0.05" in line for line in tables.heading(found))


def test_an_undecided_row_says_that_the_margin_did_not_decide_it_either(results):
    results.add_arm("constant", CONSTANT)
    results.add_arm("cosine", [0.6, 0.5, 0.6, 0.5])
    assert "not shown to be within" not in row(compare(results.path), "cosine").sentence
    one = row(compare(results.path, margin=0.01), "cosine")
    assert one.found.verdict == "undecided"
    assert "not shown to be within 0.01 either" in one.sentence


def test_an_undecided_row_says_what_could_have_been_found(results):
    results.add_arm("constant", CONSTANT)
    results.add_arm("cosine", [0.6, 0.5, 0.6, 0.5])
    one = row(compare(results.path), "cosine")
    assert "undecided over 4 seeds" in one.sentence
    assert f"minimum detectable effect {one.found.least_effect:#.3g}" in one.sentence


def test_an_interval_beside_undecided_that_leaves_out_zero_is_explained_there(results):
    from lrbench.report.comparison.headline import headline

    results.add_arm("constant", CONSTANT)
    gains = (0.1, 0.03, 0.07, 0.04)
    results.add_arm("cosine", [v - gain for v, gain in zip(CONSTANT, gains, strict=True)])
    for name in ("linear", "rex"):
        results.add_arm(name, [0.6, 0.5, 0.6, 0.5 + len(name) / 99])
    found = compare(results.path)
    one = row(found, "cosine")
    assert one.found.difference.low > 0
    assert one.found.verdict == "undecided"
    told = f"of one comparison: Holm over 3 comparisons leaves p = {one.found.p_adjusted:.2g}"
    assert told in one.sentence
    assert told in headline(found.tasks[0], found)
    assert told not in row(found, "rex").sentence


def test_the_minimum_effect_has_the_bound_that_a_plan_goes_by(results):
    from lrbench.workflows.power import plan_power

    results.add_arm("constant", CONSTANT)
    results.add_arm("cosine", [0.6, 0.5, 0.6, 0.5])
    planned = plan_power([], seeds=4, source=results.path)
    sentence = row(compare(results.path), "cosine").sentence
    assert f"up to {planned.least_effect:#.3g} as the spread of 4 seeds" in sentence


def test_more_than_the_schedule_differing_is_warned_of(results):
    adam = {"name": "adamw", "lr": 0.1, "params": {}}
    results.add_arm("constant", CONSTANT)
    results.add_arm("cosine", COSINE, optimizer=adam)
    task = compare(results.path).tasks[0]
    assert task.beyond == ("optimizer",)
    assert any("more than what was to be compared" in note for note in task.notes)
    assert "optimizer" in tables.only_differs(task)


def test_only_the_schedule_differing_is_stated(two):
    task = compare(two.path).tasks[0]
    assert (task.differing, task.beyond) == (("schedule",), ())
    assert tables.only_differs(task).endswith("arms: schedule; all others are equal")


def test_a_setting_varied_for_all_alike_makes_tasks(results):
    for size in (32, 64):
        train = {"steps": 100, "batch_size": size, "eval_every": 50}
        results.add_arm("constant", CONSTANT, train=train)
        results.add_arm("cosine", [v - size / 1000 for v in COSINE], train=train)
    found = compare(results.path)
    assert [task.label for task in found.tasks] == ["batch_size=32", "batch_size=64"]
    assert all(task.beyond == () for task in found.tasks)
    assert {one.found.family for task in found.tasks for one in task.bases[0].rows} == {2}
    assert found.across.ranking.mean_ranks == (2.0, 1.0)
    assert found.across.ranking.p is None
    assert "from 6 tasks" in found.across.sentence


def test_what_follows_from_the_task_names_no_contender(results):
    # The same schedule by epochs is another one in steps where an epoch has other steps.
    for name, decay in (("digits", 100), ("wine", 20)):
        dataset = {"name": name, "digest": "1" * 64}
        results.add_arm("constant", CONSTANT, dataset=dataset)
        results.add_arm("linear", COSINE, dataset=dataset, params={"decay": decay})
    found = compare(results.path)
    names = {one.label for task in found.tasks for one in task.contenders}
    assert names == {"constant", "linear"}
    assert found.across.contenders == ("constant", "linear")


def test_a_regression_among_the_tasks_takes_no_accuracy_from_the_others(results):
    other = {"name": "diabetes", "digest": "1" * 64}
    for name, finals in (("constant", CONSTANT), ("cosine", COSINE)):
        results.add_arm(name, finals)
        for seed, final in enumerate(finals):
            spec = results.spec(name, seed=seed, dataset=other)
            results.add(spec, [2.0, 1.0, final], [None, None, None])
    found = compare(results.path)
    assert [task.metrics for task in found.tasks] == [("val_loss",), ("val_loss", "val_accuracy")]
    assert rows(found, task=0)[0].beside is None
    assert rows(found, task=1)[0].beside.verdict == "better"


def test_datasets_are_compared_apart(results):
    other = {"name": "wine", "digest": "1" * 64}
    results.add_arm("constant", CONSTANT)
    results.add_arm("cosine", COSINE)
    results.add_arm("constant", COSINE, dataset=other)
    results.add_arm("cosine", CONSTANT, dataset=other)
    found = compare(results.path)
    assert [task.label for task in found.tasks] == ["digits", "wine"]
    assert [rows(found, task=i)[0].found.verdict for i in (0, 1)] == ["better", "worse"]
    assert found.across.ranking.mean_ranks == (1.5, 1.5)


def test_restart_policies_belong_to_the_schedule(results):
    results.add_arm("sgdr", CONSTANT)
    results.add_arm("sgdr", COSINE, restart={"momentum": "reset"})
    found = compare(results.path)
    assert found.tasks[0].beyond == ()
    assert len(found.tasks[0].contenders) == 2


def test_curves_have_their_area_phases_crossing_and_time_to_target(results):
    for seed in range(3):
        train = {"steps": 90, "batch_size": 64, "eval_every": 30}
        late = [2.0, 1.5, 1.0, 0.2 + seed / 100]
        early = [2.0, 0.8, 0.6, 0.5 + seed / 50]
        results.add(results.spec("constant", seed=seed, train=train), early)
        results.add(results.spec("cosine", seed=seed, train=train), late)
    found = compare(results.path, target=0.6)
    base, other = course(found, "constant"), course(found, "cosine")
    assert base.area.mean == pytest.approx((1.0 + 0.8 + 0.6 + 0.52 / 2) / 3)
    assert (base.early.mean, base.late.mean) == pytest.approx((0.8, 0.52))
    assert (other.early.mean, other.late.mean) == pytest.approx((1.5, 0.21))
    assert other.early_found.difference.value == pytest.approx(-0.7)
    assert other.late_found.difference.value == pytest.approx(0.31)
    assert other.crossings == (90,)
    assert (base.to_target.time.median, other.to_target.time.median) == (60.0, 90.0)
    assert other.to_target.found.differences == (-30.0, -30.0, -30.0)
    assert base.to_target.found is base.area_found is None
    told = " ".join(tables.of_courses(found.tasks[0], found).notes)
    assert "order in the first third: constant, cosine; in the last third: cosine, constant" in told
    assert "the mean val_loss of cosine crosses that of constant once, by update 90" in told


def test_contenders_without_a_seed_in_common_are_named(results):
    results.add_arm("constant", CONSTANT)
    results.add_arm("linear", COSINE)
    for seed in (7, 8, 9):
        results.add(results.spec("cosine", seed=seed), [2.0, 1.0, 0.1])
    found = compare(results.path)
    for kind in ("own_lr", "equal_cost"):
        basis = found.tasks[0].basis(kind)
        assert [one.other for one in basis.rows] == ["linear"]
        assert "in no row, as no seed is in common: cosine against constant" in basis.notes
    shown = list(tables.of_task(found.tasks[0], found))
    assert any("cosine against constant" in note for table in shown for note in table.notes)
    every = compare(results.path, all_pairs=True).tasks[0].basis("own_lr")
    assert "cosine against constant; " in every.notes[-1]
    assert "cosine" in every.notes[-1].rpartition("; ")[2]


def test_a_verdict_by_signs_counts_seeds(results):
    for seed in range(8):
        results.add(results.spec("constant", seed=seed), [2.0, 1.0, 0.5 + seed / 100])
        results.add(results.spec("cosine", seed=seed), [2.0, 1.0, 0.4])
    results.add(results.spec("linear", seed=0), [2.0, 1.0, 0.9])
    results.add(results.spec("linear", seed=1), [2.0], outcome="diverged")
    for seed in range(2, 8):
        results.add(results.spec("linear", seed=seed), [2.0, 1.0, 0.9])
    one = row(compare(results.path), "linear")
    assert (
        "linear (lr 0.1) is worse than constant (lr 0.1): worse on 8 of 8 seeds (" in one.sentence
    )
    assert one.sentence.endswith("1 of linear diverged, counted as worst")
    turned = row(compare(results.path, baseline="linear"), "constant")
    assert "is better than linear (lr 0.1): better on 8 of 8 seeds (" in turned.sentence


def test_of_runs_that_all_diverged_nothing_is_made_up(results):
    for schedule in ("constant", "cosine"):
        for seed in range(3):
            results.add(results.spec(schedule, seed=seed), [2.0], outcome="diverged")
    one = row(compare(results.path), "cosine")
    assert one.found.verdict == "undecided"
    assert "undecided over 3 seeds (both diverged on every seed)" in one.sentence


def test_rates_that_are_compared_are_not_tuned_by(results):
    for lr in (0.1, 0.2):
        results.add_arm("constant", CONSTANT, lr=lr)
    (task,) = compare(results.path, by="optimizer.lr").tasks
    assert tables.only_differs(task).endswith(": optimizer.lr; all others are equal")
    results.add_arm("cosine", COSINE, lr=0.1)
    assert "tuned by" in tables.only_differs(compare(results.path).tasks[0])


def test_rates_that_no_seed_chose_are_said(results):
    for lr in (0.1, 0.2):
        results.add_arm("constant", CONSTANT, lr=lr)
        for seed in (1, 2, 3):
            results.add(results.spec("cosine", seed=seed, lr=lr), [2.0, 1.0, 0.4])
    notes = " ".join(compare(results.path, tune_seeds=1).tasks[0].notes)
    assert "cosine: its learning rate was not chosen" in notes
    assert "constant: its learning rate was not chosen" not in notes


def test_who_is_evaluated_more_often_is_compared_where_all_are(results):
    train = {"steps": 90, "batch_size": 64, "eval_every": 30}
    for seed in range(3):
        up = seed / 100
        results.add(
            results.spec("constant", seed=seed, train=train), [2.0, 0.8 + up, 0.7, 0.5 + up]
        )
        # The same curve but for looks in between, as restarts have them.
        results.add(
            results.spec("sgdr", seed=seed, train=train),
            [2.0, 1.9, 0.8 + up, 0.1, 0.7, 0.9, 0.5 + up],
            at=[0, 10, 30, 45, 60, 70, 90],
        )
    found = compare(results.path, target=0.6)
    base, other = course(found, "constant"), course(found, "sgdr")
    for name in ("area", "area_log", "early", "late"):
        assert getattr(base, name) == getattr(other, name)
    assert other.early.mean == pytest.approx(0.81)
    for one in (other.area_found, other.early_found, other.late_found, other.to_target.found):
        assert one.verdict == "identical"
    assert other.to_target.time.median == 90


def test_the_log_rank_test_is_refused_with_fewer_runs_than_it_holds_for(results):
    train = {"steps": 90, "batch_size": 64, "eval_every": 30}
    for seed in range(9):
        results.add(results.spec("constant", seed=seed, train=train), [2, 1, 0.9, 0.5])
        results.add(results.spec("cosine", seed=seed, train=train), [2, 0.5, 0.5, 0.4])
    assert course(compare(results.path, target=0.6), "cosine").to_target.log_rank is None
    results.add(results.spec("constant", seed=9, train=train), [2, 1, 0.9, 0.5])
    results.add(results.spec("cosine", seed=9, train=train), [2, 0.5, 0.5, 0.4])
    found = course(compare(results.path, target=0.6), "cosine").to_target.log_rank
    assert 0 < found < 0.01


def test_a_run_that_diverged_never_reached_the_target(results):
    results.add_arm("constant", CONSTANT)
    results.add_arm("cosine", COSINE[:3])
    results.add(results.spec("cosine", seed=3), [2.0, 0.1], outcome="diverged")
    time = course(compare(results.path, target=0.6), "cosine").to_target.time
    assert (time.reached, time.n) == (3, 4)


def test_csv_has_every_number_to_the_last_bit(two):
    found = compare(two.path)
    told = list(csv.DictReader(io.StringIO(tables.to_csv(found))))
    own = [line for line in told if line["basis"] == "own_lr"]
    assert len(own) == 1
    one = row(found, "cosine")
    assert float(own[0]["difference"]) == one.found.difference.value
    assert float(own[0]["p_adjusted"]) == one.found.p_adjusted
    assert own[0]["sentence"] == one.sentence
    assert {line["basis"] for line in told} == {"own_lr", "equal_lr", "equal_cost"}


def test_the_whole_answer_is_plain_data(two):
    plain = asdict(compare(two.path)) | {"path": "r"}
    again = json.loads(json.dumps(plain))
    assert again["tasks"][0]["bases"][0]["rows"][0]["found"]["verdict"] == "better"


def test_runs_without_digests_are_said_not_to_be_checked(two):
    assert "8 of 8 do not state theirs" in compare(two.path).inputs


def test_unfinished_arms_are_named_and_hide_nothing(two):
    two.add(two.spec("linear", seed=0), outcome=None)
    found = compare(two.path)
    assert len(rows(found)) == 1
    assert any("linear is in no row" in note for note in found.tasks[0].notes)


def test_what_is_not_finished_is_no_baseline_and_no_trial(results):
    results.add(results.spec("constant"), outcome=None)
    results.add_arm("cosine", COSINE)
    results.add(results.spec("cosine", lr=0.3), outcome=None)
    with pytest.raises(ConfigError, match="finished runs of two contenders"):
        compare(results.path)
    results.add_arm("linear", CONSTANT)
    found = compare(results.path)
    assert found.tasks[0].baseline == "cosine"
    assert [one.label for one in found.tasks[0].contenders] == ["cosine", "linear"]
    assert row(found, "linear", "equal_cost").found.difference.value == pytest.approx(-0.1025)
    assert len(member(found, "cosine").arms) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metric": "val_los"}, "--metric"),
        ({"level": 0.4}, "--level"),
        ({"margin": -1.0}, "--margin"),
        ({"margin": math.inf}, "--margin"),
        ({"target": math.nan}, "--target"),
        ({"tune_seeds": 4}, "--tune-seeds"),
        ({"tune_seeds": 2}, "--tune-seeds"),
        ({"by": "schedul"}, "--by"),
        ({"by": "dataset"}, "--by"),
        ({"baseline": "cosin"}, "--baseline"),
        ({"baseline": "schedule=linear"}, "--baseline"),
    ],
)
def test_a_wrong_option_is_named(options, words, two):
    with pytest.raises(ConfigError, match=words):
        compare(two.path, **options)


def test_a_single_contender_is_nothing_to_compare(results):
    results.add_arm("constant", CONSTANT)
    results.add_arm("constant", CONSTANT, lr=0.3)
    with pytest.raises(ConfigError, match="must tell apart"):
        compare(results.path)
    assert len(rows(compare(results.path, by="optimizer.lr"))) == 1
