from __future__ import annotations

import csv
import io
import math
import shutil

import pytest

from lrbench.errors import ConfigError
from lrbench.report import tables
from lrbench.stats.aggregate import describe
from lrbench.workflows.summarize import summarize


def said(summary, words):
    return [notice for notice in summary.notices if words in notice]


def by_schedule(summary):
    return {arm.settings["schedule"]: arm for arm in summary.arms}


def test_an_arm_is_described_as_by_hand(results):
    results.add_arm("constant", [0.1, 0.2, 0.6])
    arm = summarize(results.path).arms[0]
    final = arm.estimates["final_val_loss"]
    assert (arm.n, arm.seeds) == (3, (0, 1, 2))
    assert (final.mean, final.median, final.minimum, final.maximum) == pytest.approx(
        (0.3, 0.2, 0.1, 0.6)
    )
    assert final.variance == pytest.approx(0.07)
    half_width = 4.302652729911275 * math.sqrt(0.07 / 3)
    assert (final.low, final.high) == pytest.approx((0.3 - half_width, 0.3 + half_width))


def test_best_is_the_best_evaluation_of_each_run_the_first_included(results):
    results.add(results.spec(seed=0), [0.2, 0.9, 0.5], [0.9, 0.1, 0.5])
    results.add(results.spec(seed=1), [0.8, 0.4, 0.5], [0.1, 0.7, 0.5])
    estimates = summarize(results.path).arms[0].estimates
    assert estimates["best_val_loss"].mean == pytest.approx(0.3)
    assert estimates["best_val_accuracy"].mean == pytest.approx(0.8)
    assert estimates["final_val_loss"].mean == estimates["final_val_accuracy"].mean == 0.5


def test_only_differing_settings_name_the_rows(results):
    results.add_arm("constant", [0.4, 0.5])
    results.add_arm("sgdr", [0.2, 0.3], params={"first_cycle": 20})
    results.add_arm("sgdr", [0.3, 0.4], params={"first_cycle": 40})
    summary = summarize(results.path)
    assert summary.differing == ("schedule", "schedule.first_cycle")
    assert [tuple(arm.settings.values()) for arm in summary.arms] == [
        ("sgdr", 20),
        ("sgdr", 40),
        ("constant", None),
    ]
    assert summary.equal["optimizer.lr"] == 0.1
    assert "schedule" not in summary.equal


def test_diverged_runs_are_counted_and_in_no_mean(results):
    results.add_arm("sgdr", [0.2, 0.4])
    results.add(results.spec("sgdr", seed=2), [2.0, 1e30], outcome="diverged")
    results.add_arm("constant", [0.5, 0.6])
    summary = summarize(results.path)
    arm = by_schedule(summary)["sgdr"]
    assert (arm.n, arm.diverged, arm.seeds) == (2, 1, (0, 1, 2))
    assert arm.estimates["final_val_loss"].mean == pytest.approx(0.3)
    assert arm.estimates["best_val_loss"].n == 2
    assert said(summary, "diverged runs are in no mean")
    # A mean over the survivors does not win.
    assert [arm.settings["schedule"] for arm in summary.arms] == ["constant", "sgdr"]


def test_the_more_of_an_arm_diverged_the_lower_it_stands(results):
    for schedule, finals, lost in (("sgdr", [0.1], 2), ("cosine", [0.3, 0.3], 1)):
        results.add_arm(schedule, finals)
        for seed in range(len(finals), len(finals) + lost):
            results.add(results.spec(schedule, seed=seed), [2.0], outcome="diverged")
    results.add_arm("constant", [0.5, 0.6, 0.5])
    summary = summarize(results.path)
    order = [arm.settings["schedule"] for arm in summary.arms]
    assert order == ["constant", "cosine", "sgdr"]
    # The column itself says of what its means are.
    headers = [c.header for c in tables.columns(summary.arms, "val_loss", 0.95, has_target=False)]
    assert "mean of n" in headers
    assert "mean" not in headers


def test_the_interval_of_an_accuracy_ends_where_accuracies_do(results):
    for seed, right in enumerate([1.0, 1.0, 0.94]):
        results.add(results.spec("constant", seed=seed), [2.0, 0.1, 0.1], [0.1, 0.5, right])
    (arm,) = summarize(results.path).arms
    accuracy, loss = (arm.estimates[f"final_{name}"] for name in ("val_accuracy", "val_loss"))
    assert accuracy.high == 1.0
    assert accuracy.low == describe([1.0, 1.0, 0.94]).low
    assert (loss.low, loss.high) == (0.1, 0.1)


def test_a_complete_run_without_a_finite_loss_counts_as_diverged(results):
    results.add_arm("constant", [0.5, math.nan])
    arm = summarize(results.path).arms[0]
    assert (arm.n, arm.diverged) == (1, 1)
    assert arm.estimates["final_val_loss"].mean == 0.5


def test_steps_to_target_are_censored_at_the_budget(results):
    results.add(results.spec(seed=0), [2.0, 0.3, 0.2])
    results.add(results.spec(seed=1), [2.0, 1.0, 0.3])
    results.add(results.spec(seed=2), [2.0, 1.0, 0.9])
    results.add(results.spec(seed=3), [2.0, 0.1], outcome="diverged")
    time = summarize(results.path, target=0.3).arms[0].to_target
    assert (time.reached, time.n, time.median, time.budget) == (2, 4, None, 100)
    assert time.restricted_mean == (50 + 100 + 100 + 100) / 4


def test_a_target_accuracy_is_reached_from_below(results):
    results.add(results.spec(), [1.0, 1.0, 1.0], [0.1, 0.8, 0.9])
    summary = summarize(results.path, metric="val_accuracy", target=0.8)
    assert summary.arms[0].to_target.median == 50


def test_missing_seeds_are_said(results):
    results.add_arm("constant", [0.5, 0.6, 0.7, 0.8])
    results.add_arm("sgdr", [0.2, 0.3])
    assert said(summarize(results.path), "sgdr lacks seeds 2-3")


def test_equal_seeds_are_not_spoken_of(results):
    results.add_arm("constant", [0.5, 0.6])
    results.add_arm("sgdr", [0.2, 0.3])
    assert summarize(results.path).notices == ()


def test_what_is_no_finished_record_is_named_and_hides_nothing(results):
    results.add_arm("constant", [0.5, 0.6])
    damaged = results.add(results.spec("constant", seed=2))
    evals = damaged / "evals.csv"
    evals.write_bytes(evals.read_bytes().replace(b"2.0", b"3.0"))
    interrupted = results.add(results.spec("constant", seed=3), outcome=None)
    nonsense = results.path / "digits-x-y-s0-00000000"
    nonsense.mkdir()
    (nonsense / "spec.json").write_text("{")
    (results.path / "notes.txt").write_text("mine")
    summary = summarize(results.path)
    assert summary.has_corrupt
    assert {one.name: one.status for one in summary.skipped} == {
        damaged.name: "corrupt",
        nonsense.name: "corrupt",
        interrupted.name: "interrupted",
        "notes.txt": "foreign",
    }
    assert "digest" in said(summary, f"2 corrupt: {damaged.name}")[0]
    assert (summary.arms[0].n, summary.arms[0].unfinished) == (2, 1)


def test_a_record_of_another_shape_is_corrupt_and_not_a_crash(results):
    from lrbench.spec.canonical import canonical, digest

    results.add_arm("constant", [0.5, 0.6])
    for spec in ({}, {"seed": "x"}, results.spec().model_dump(mode="json") | {"train": 3}):
        path = results.path / f"a-b-c-s0-{digest(spec)[:8]}"
        path.mkdir()
        (path / "spec.json").write_text(canonical(spec))
    summary = summarize(results.path)
    assert summary.arms[0].n == 2
    assert len(summary.skipped) == 3


def test_a_copied_record_is_not_a_second_seed(results):
    path = results.add(results.spec())
    shutil.copytree(path, results.path / f"again-{path.name}")
    summary = summarize(results.path)
    assert summary.arms[0].n == 1
    assert [one.status for one in summary.skipped] == ["copy"]


def test_a_running_sweep_is_summarised_and_says_how_far_it_is(results, lock):
    specs = [[results.spec(name, seed=s) for s in (0, 1)] for name in ("constant", "sgdr")]
    results.plan(specs)
    results.add(specs[0][0])
    lock(results.add(specs[1][0], outcome=None))
    summary = summarize(results.path)
    assert said(summary, "1 of 4 runs finished; 2 not started; 1 running")
    assert {name: (arm.n, arm.unfinished) for name, arm in by_schedule(summary).items()} == {
        "constant": (1, 0),
        "sgdr": (0, 1),
    }


def test_a_finished_sweep_is_not_spoken_of(results):
    specs = [results.spec(seed=seed) for seed in (0, 1)]
    results.plan([specs])
    for spec in specs:
        results.add(spec)
    assert summarize(results.path).notices == ()


def test_a_damaged_plan_is_named(results):
    results.add(results.spec())
    results.plan([])
    next((results.path / "sweeps").iterdir()).write_text('{"arms": 3}')
    assert summarize(results.path).has_corrupt


def test_grouping_by_a_setting_says_what_is_mixed(results):
    for lr in (0.1, 0.2):
        results.add_arm("constant", [lr, lr], lr=lr)
        results.add_arm("sgdr", [lr / 2, lr / 2], lr=lr)
    summary = summarize(results.path, by="schedule")
    assert {name: arm.n for name, arm in by_schedule(summary).items()} == {"constant": 4, "sgdr": 4}
    assert by_schedule(summary)["constant"].estimates["final_val_loss"].mean == pytest.approx(0.15)
    assert said(summary, "rows mix runs that differ in optimizer.lr:")
    assert not said(summarize(results.path, by="schedule,optimizer.lr"), "rows mix")


def test_a_regression_has_no_accuracy(results):
    results.add(results.spec(), [2.0, 1.0], [None, None])
    summary = summarize(results.path)
    assert summary.metrics == ("val_loss",)
    with pytest.raises(ConfigError, match="val_loss"):
        summarize(results.path, metric="val_accuracy")


def test_the_split_of_each_seed_does_not_part_the_arm(results):
    for seed in (0, 1):
        dataset = {"name": "digits", "digest": str(seed) * 64}
        results.add(results.spec(seed=seed, dataset=dataset, streams={"split": None}))
    summary = summarize(results.path)
    assert [arm.n for arm in summary.arms] == [2]
    assert summary.differing == ()


def test_one_record_can_be_summarised_alone(results):
    summary = summarize(results.add(results.spec()))
    assert (summary.arms[0].n, summary.skipped) == (1, ())


def test_csv_reads_back_to_the_same_bits(results):
    results.add_arm("constant", [0.1, 1 / 3, 0.7])
    results.add_arm("sgdr", [0.3, 2 / 3, 1e-17])
    arms = summarize(results.path, target=0.35).arms
    rows = list(csv.DictReader(io.StringIO(tables.to_csv(arms))))
    for row, arm in zip(rows, arms, strict=True):
        assert row["schedule"] == arm.settings["schedule"]
        assert row["seeds"] == "0 1 2"
        assert int(row["n"]) == arm.n
        for name, estimate in arm.estimates.items():
            for part in ("mean", "variance", "sd", "low", "high", "median", "minimum", "maximum"):
                assert float(row[f"{name}_{part}"]) == getattr(estimate, part)
        assert int(row["steps_to_target_reached"]) == arm.to_target.reached


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metric": "val_los"}, "--metric val_loss"),
        ({"level": 95}, "--level 0.95"),
        ({"level": math.nan}, "--level"),
        ({"target": math.nan}, "--target"),
        ({"by": "schedul"}, "--by schedule"),
        ({"by": "seed"}, "seed"),
        ({"by": ""}, "--by"),
    ],
)
def test_a_wrong_option_is_an_error_with_a_remedy(results, options, words):
    results.add(results.spec())
    with pytest.raises(ConfigError, match=words):
        summarize(results.path, **options)


def test_a_folder_without_records_is_an_error_that_names_it(results, tmp_path):
    (results.path / "notes.txt").write_text("mine")
    for folder in (results.path, results.path / "notes.txt", tmp_path / "nowhere"):
        with pytest.raises(ConfigError, match=folder.name):
            summarize(folder)
