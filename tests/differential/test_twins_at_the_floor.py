"""A restart that cannot help must not be said to: the noisy quadratic at its stationary floor.

With equal cycles that forget where they began, the end of every cycle has the same distribution, so
the expected gain is exactly 0 however high the restart jumps (reference/schedules.md, O10).
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from lrbench.launchers.local import Event
from lrbench.workflows import twin_training
from lrbench.workflows.forking import fork_job
from lrbench.workflows.run import resolve_overrides, run
from lrbench.workflows.twin import plan_twins
from lrbench.workflows.twin_results import twin_results
from lrbench.workflows.twin_training import run_twins

pytestmark = pytest.mark.slow

SEEDS = 20
CYCLE = 30


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    def here(task, payloads, *, workers, environments):
        for index, payload in enumerate(payloads):
            yield Event("done", index, fork_job(payload, lambda progress: None))

    monkeypatch.setattr(twin_training, "run_jobs", here)


def result(folder, *words, seeds=SEEDS):
    for seed in range(seeds):
        resolved = resolve_overrides(
            [
                "dataset=noisy_quadratic",
                "dataset.num_samples=512",
                "model=quadratic",
                "train.batch_size=4",
                f"train.steps={3 * CYCLE}",
                f"train.eval_every={CYCLE}",
                "schedule=sgdr",
                "schedule.num_cycles=3",
                "schedule.cycle_mult=1",
                "optimizer.momentum=0.0",
                "diagnostics=minimal",
                "restart.keep_checkpoints=true",
                f"seed={seed}",
                *words,
            ]
        )
        run(resolved, folder)
    plan = plan_twins(folder, restart=2)
    report = run_twins(plan, workers=1)
    assert (report.failures, report.trained) == ((), seeds)
    (found,) = twin_results(plan)
    assert found.steps == (2 * CYCLE,)
    (policy,) = found.policies
    return policy


def test_at_the_floor_the_gain_is_about_zero_and_no_verdict_says_helped(data_cache, tmp_path):
    policy = result(tmp_path, "optimizer.lr=0.5")
    end = policy.horizons["val_loss"][-1]
    assert end.steps == (CYCLE,)
    assert [pair.seed for pair in end.pairs] == list(range(SEEDS))
    assert policy.verdict.judgement == "inconclusive"
    differences = np.array(policy.verdict.differences)
    without = np.array([pair.without for pair in end.pairs])
    # Both are draws from one distribution of the loss, whose spread is about its mean.
    floor = without.mean()
    assert 0 < floor < 0.05
    assert abs(differences.mean()) < 3 * math.sqrt(2) * floor * math.sqrt(2 / SEEDS)
    assert policy.verdict.low < 0 < policy.verdict.high
    # The seeds do differ: nothing was compared with itself.
    assert np.unique(differences).size == SEEDS
    # In the middle of the cycle the higher rate makes the loss higher, which is no verdict.
    assert policy.horizons["val_loss"][1].found.mean < 0


def test_where_the_floor_is_far_the_same_restart_has_helped(data_cache, tmp_path):
    policy = result(tmp_path, "optimizer.lr=0.005", seeds=5)
    assert policy.verdict.judgement == "helped"
    before = 5.0 * math.exp(-0.005 * 2 * CYCLE / 2)
    gain = before**2 / 2 * (1 - math.exp(-0.005 * CYCLE))
    assert policy.verdict.mean == pytest.approx(gain, rel=0.15)
