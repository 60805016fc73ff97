"""``lrbench twin`` and ``lrbench snapshots`` as typed."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lrbench.launchers.local import Event
from lrbench.record import layout
from lrbench.record.comparison.difference import Difference
from lrbench.record.reader import read_record
from lrbench.workflows import twin_training as module
from lrbench.workflows.forking import fork_job
from lrbench.workflows.twin_training import Forked

SWEEP = shlex.split(
    "sweep dataset=wine model.hidden=[6] train.batch_size=16 train.steps=24 train.eval_every=6 "
    "schedule=sgdr schedule.num_cycles=3 schedule.cycle_mult=1 restart.keep_checkpoints=true "
    "--seeds 3 --jobs 1"
)


@pytest.fixture
def swept(lrbench, monkeypatch):
    def here(task, payloads, *, workers, environments):
        for index, payload in enumerate(payloads):
            yield Event("started", index)
            yield Event("done", index, fork_job(payload, lambda progress: None))

    monkeypatch.setattr(module, "run_jobs", here)
    assert lrbench(*SWEEP).code == 0
    return Path("results")


def test_a_folder_is_asked_whether_its_restarts_helped(lrbench, swept):
    done = lrbench("twin", "results", "--policies", "keep,reset_momentum,none")
    assert done.code == 0, done.err
    assert max(map(len, done.out.splitlines())) <= 80
    text = " ".join(done.out.split())
    assert "restart 1 after 8 updates, without it and with it" in text
    for part in (
        "loss, T/4 +2",
        "loss, T/2 +4",
        "loss, end +8",
        "accuracy, end +8",
        "95% interval",
    ):
        assert part in text
    for policy in ("keep", "reset_momentum"):
        assert f"{policy}, loss at the end, better by, each seed: 0: " in text
        assert f"restart 1 with {policy}" in text
    assert "adjusted for 2 policies" in text
    assert "9 twins at 3 restarts; they begin with a state that was kept there" in done.err
    told = json.loads(lrbench("twin", "results", "--policies", "keep,none", "--json").out)
    assert told["trained"] == 0
    (restart,) = told["restarts"]
    (policy,) = restart["policies"]
    assert policy["verdict"] in ("helped", "hurt", "inconclusive")
    end = policy["horizons"]["val_loss"][-1]
    for pair, difference in zip(end["pairs"], end["found"]["differences"], strict=True):
        control = read_record(swept / "twins" / pair["control"]).log("evals.csv")
        parent = read_record(swept / pair["parent"]).log("evals.csv")
        place = parent.column("step").index(16)
        assert control.column("step")[-1] == 16
        assert pair["without"] == control.column("val_loss")[-1]
        assert pair["restart"] == parent.column("val_loss")[place]
        assert difference == pair["without"] - pair["restart"]
    # The interval of three seeds has the quantile 4.303 of Student's t.
    found = end["found"]
    mean = sum(found["differences"]) / 3
    sd = (sum((d - mean) ** 2 for d in found["differences"]) / 2) ** 0.5
    assert found["mean"] == pytest.approx(mean)
    assert found["high"] - found["mean"] == pytest.approx(4.30265 * sd / 3**0.5, rel=1e-4)


def test_every_command_on_records_works_on_twins(lrbench, swept):
    assert lrbench("twin", "results", "--restart", "2").code == 0
    status = lrbench("status", "results/twins")
    assert (status.code, "3" in status.out) == (0, True)
    assert lrbench("verify", "results/twins", "--files").code == 0
    assert lrbench("verify", "results/twins", "--inputs", "--jobs", "1").code == 0
    resumed = lrbench("resume", "results/twins")
    assert resumed.code == 0
    summary = json.loads(lrbench("summarize", "results/twins", "--format", "json").out)
    assert [len(arm["seeds"]) for arm in summary["arms"]] == [3]
    assert not summary["skipped"]
    one = next(Path("results/twins").glob("wine-*-s0-*"))
    parent = next(Path("results").glob("wine-*-s0-*"))
    differing = lrbench("diff", str(parent), str(one))
    assert differing.code == 3
    assert "fork" in differing.out
    assert "step 16" in differing.out
    ledger = lrbench("restarts", str(one))
    assert ledger.code == 0
    assert "1 restart in the ledger" in ledger.out
    alone = lrbench("twin", str(one))
    assert (alone.code, "must not be a twin itself" in alone.err) == (2, True)
    assert lrbench("bundle", "results/twins", "-o", "twins.zip").code == 0
    assert lrbench("verify", "twins.zip", "--files").code == 0


def test_a_twin_that_is_not_its_parent_ends_with_exit_code_3_and_words(lrbench, swept, monkeypatch):
    found = Difference("loss", "steps.csv", 9, "train_loss", "0.5", "0.25")

    def other(task, payloads, *, workers, environments):
        for index, payload in enumerate(payloads):
            yield Event("started", index)
            fork_job(payload, lambda progress: None)
            yield Event("done", index, [Forked("complete", 2, found if index == 1 else None)])

    monkeypatch.setattr(module, "run_jobs", other)
    done = lrbench("twin", "results", "--policies", "keep,none")
    assert done.code == 3
    text = " ".join(done.out.split())
    assert "not the same run: the twin of wine-mlp-sgdr-s1-" in text
    assert "train_loss is 0.5 in the run and 0.25 in its twin" in text
    told = json.loads(lrbench("twin", "results", "--policies", "keep,none", "--json").out)
    assert [one["difference"]["column"] for one in told["different"]] == ["train_loss"]


@pytest.mark.slow
def test_a_twin_killed_on_its_way_is_finished_by_the_same_command(lrbench, here, swept):
    words = ["run", "dataset=wine", "train.steps=3000", "train.eval_every=500", "schedule=sgdr"]
    more = ["schedule.num_cycles=2", "train.checkpoint_every=50", "diagnostics=minimal"]
    assert lrbench(*words, *more, "--results", "long").code == 0
    (parent,) = Path("long").glob("wine-*")
    command = [sys.executable, "-m", "lrbench", "twin", str(parent), "--jobs", "1"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        while process.poll() is None and not _is_under_way(Path("long/twins")):
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
    (control,) = Path("long/twins").glob("wine-*")
    assert lrbench("twin", str(parent)).code == 0
    record = read_record(control, every_byte=True)
    assert str(record.status) == "complete"
    # Unless it was faster than the kill it has gone on where it was, in a second attempt.
    assert [a["from_step"] > 1000 for a in record.attempts()][1:] in ([True], [])
    assert lrbench("twin", str(parent), "--results", "whole").code == 0
    for log in (*layout.LOGS, layout.RESULT):
        assert (control / log).read_bytes() == (Path("whole") / control.name / log).read_bytes()
    assert not list(Path("long/twins").rglob(".*.tmp"))


def _is_under_way(twins, least=1000):
    return any(read_record(one).resumes_at > least for one in twins.glob("wine-*"))


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_twins_that_share_a_plan_are_finished_by_the_same_command(lrbench, here, swept, how):
    words = ["sweep", "--seeds", "2", "--jobs", "1", "dataset=wine", "model.hidden=[6]"]
    more = ["train.steps=900", "schedule=sgdr", "schedule.num_cycles=2", "diagnostics=minimal"]
    lanes = ["engine=lanes", "lanes=3", "compile=false", "profile=native"]
    settings = [*more, "train.checkpoint_every=20", *(f"compute.{one}" for one in lanes)]
    assert lrbench(*words, *settings, "--results", "long").code == 0
    twins = ["twin", "long", "--policies", "keep,none"]
    command = [sys.executable, "-m", "lrbench", *twins, "--jobs", "1"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        while process.poll() is None and not _is_under_way(Path("long/twins"), 350):
            time.sleep(0.02)
        os.killpg(process.pid, how)
    half = [read_record(one) for one in Path("long/twins").glob("wine-*")]
    assert half
    assert not any(one.status.is_finished for one in half)
    assert lrbench(*twins).code == 0
    assert lrbench(*twins, "--results", "whole").code == 0
    made = sorted(Path("long/twins").glob("wine-*"))
    assert [one.name for one in made] == sorted(one.name for one in Path("whole").iterdir())
    for one in made:
        for log in (*layout.LOGS, layout.RESULT):
            assert (one / log).read_bytes() == (Path("whole") / one.name / log).read_bytes()
    # Both were on their way, and both have gone on from there.
    again = [[a["from_step"] for a in read_record(one.path).attempts()] for one in half]
    assert len(again) == 2
    assert all(len(steps) == 2 and steps[0] == 300 and steps[1] > 300 for steps in again)


@pytest.mark.slow
def test_snapshots_are_told_alone_and_together(lrbench, swept):
    (first, *_) = sorted(Path("results").glob("wine-*"))
    done = lrbench("snapshots", str(first))
    assert done.code == 0, done.err
    assert f"{first.name}: 3 snapshots, on the validation data" in done.out
    told = json.loads(lrbench("snapshots", str(first), "--json").out)
    (run,) = told["runs"]
    assert run["steps"] == [8, 16, 24]
    assert run["singles"][-1]["loss"] == read_record(first).log("evals.csv").column("val_loss")[-1]
    assert len(run["between"][0]["path"]) == 11
    assert run["between"][0]["path"][-1] == run["singles"][1]["loss"]
    assert f"{run['singles'][0]['loss']:.4g}" in done.out
    assert (first / layout.KEPT).exists()
