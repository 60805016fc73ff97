"""Real processes that are killed or asked to stop, anywhere; ``scripts/torture.py`` kills more."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from faults.nursery import Nursery
from faults.stub import bytes_of
from lrbench.record import layout
from lrbench.record.reader import Status, read_record

WORDS = [
    "run", "dataset=wine", "model.hidden=[8]", "model.dropout=0.2", "schedule=sgdr",
    "schedule.first_cycle=9", "train.steps=24", "train.eval_every=10", "train.checkpoint_every=5",
    "diagnostics.layers_every=4",
]  # fmt: skip

MUCH = [
    "run", "dataset=wine", "model.hidden=[8]", "model.dropout=0.2", "optimizer.lr=0.3",
    "trigger=plateau", "trigger.rtol=0.1", "trigger.patience=2", "trigger.every=2",
    "trigger.half_life=4", "trigger.refractory=4", "trigger.gate=null", "restart=full_reset",
    "restart.keep_checkpoints=true", "diagnostics=curvature", "diagnostics.layers_every=4",
    "diagnostics.restart_window=3", "diagnostics.curvature.every=8",
    "diagnostics.curvature.iterations=2", "diagnostics.curvature.samples=32",
    "train.batch_size=16", "train.steps=50", "train.eval_every=10", "train.checkpoint_every=5",
]  # fmt: skip
"""A run with every log and kept states, whose restarts a trigger decides on."""

POINTS = [
    ["open", "lock", 1],
    ["write", "config.tmp", 1],
    ["replace", "manifest.json", 1],
    ["replace", "spec.json", 1],
    ["replace", "0001.json", 1],
    ["open", "steps.csv", 1],
    ["open", "restarts.csv", 1],
    ["open", "restart_layers.csv", 1],
    ["write", "steps.csv", 1],
    ["write", "steps.csv", 2],
    ["write", "layers.csv", 3],
    ["fsync", "steps.csv", 2],
    ["write", "checkpoint.tmp", 1],
    ["fsync", "checkpoint.tmp", 2],
    ["replace", "checkpoint.previous", 1],
    ["replace", "checkpoint", 2],
    ["write", "evals.csv", 3],
    ["unlink", "checkpoint.previous", 1],
    ["write", "result.tmp", 1],
    ["replace", "result.json", 1],
]
"""Each named step of a run: before it, the process is killed."""

ON_THE_WAY = [
    ["truncate", "steps.csv", 1],
    ["truncate", "restarts.csv", 1],
    ["fsync", "evals.csv", 1],
    ["replace", "0002.json", 1],
    ["open", "timing.csv", 1],
    ["replace", "checkpoint", 1],
    ["replace", "result.json", 1],
]
"""The same of a run that goes on."""


@pytest.fixture(scope="module")
def lrbench(tmp_path_factory):
    with Nursery(tmp_path_factory.mktemp("cache")) as nursery:
        yield nursery


@pytest.fixture(scope="module")
def golden(lrbench, tmp_path_factory):
    results = tmp_path_factory.mktemp("golden")
    assert lrbench(*WORDS, "--results", results)["code"] == 0
    return bytes_of(record_in(results))


def record_in(results: Path) -> Path:
    (lock,) = results.glob(f"*/{layout.LOCK}")
    return lock.parent


def ends_golden(lrbench, results, golden, words=WORDS):
    ended = lrbench(*words, "--results", results)
    assert ended["code"] == 0, ended
    assert bytes_of(record_in(results)) == golden
    assert not list(results.rglob(".*.tmp"))


@pytest.mark.parametrize("point", POINTS, ids=lambda point: "-".join(map(str, point)))
def test_a_run_killed_at_any_step_ends_with_the_bytes_of_one_that_was_not(
    point, lrbench, golden, tmp_path
):
    ended = lrbench(*WORDS, "--results", tmp_path, kill=point)
    assert ended["code"] == -signal.SIGKILL, ended
    assert ended["at"] == f"{point[0]} {point[1]}"
    if list(tmp_path.glob(f"*/{layout.LOCK}")):
        assert read_record(record_in(tmp_path)).status is Status.INTERRUPTED
    ends_golden(lrbench, tmp_path, golden)


@pytest.mark.parametrize("point", ON_THE_WAY, ids=lambda point: "-".join(map(str, point)))
def test_a_run_killed_again_while_it_goes_on_ends_with_the_same_bytes(
    point, lrbench, golden, tmp_path
):
    lrbench(*WORDS, "--results", tmp_path, kill=["write", "evals.csv", 3])
    assert read_record(record_in(tmp_path)).resumes_at == 5
    (record_in(tmp_path) / layout.TIMING).unlink()
    for _ in range(2):
        ended = lrbench(*WORDS, "--results", tmp_path, kill=point)
        if point[1] != "0002.json" or ended["code"] != 0:
            assert ended["code"] == -signal.SIGKILL, ended
    ends_golden(lrbench, tmp_path, golden)


OF_MUCH = [
    ["open", "restart_layers.csv", 1],
    ["open", "curvature.csv", 1],
    ["write", "curvature.csv", 3],
    ["fsync", "curvature.csv", 1],
    ["write", "restart_layers.csv", 2],
    ["fsync", "restart_layers.csv", 3],
    ["mkdir", "kept", 1],
    ["write", "000000026.tmp", 1],
    ["replace", "000000026", 1],
    ["write", "restarts.csv", 2],
    ["replace", "000000050", 1],
    ["replace", "result.json", 1],
]
"""Steps that only a run with restarts, curvature and kept states has."""


@pytest.fixture(scope="module")
def golden_of_much(lrbench, tmp_path_factory):
    results = tmp_path_factory.mktemp("much")
    assert lrbench(*MUCH, "--results", results)["code"] == 0
    found = bytes_of(record_in(results))
    assert found.keys() > {*layout.ALL_LOGS, "kept/000000026", "kept/000000050"}
    assert found["restart_layers.csv"].count(b"\n") > 1
    return found


@pytest.mark.parametrize("point", OF_MUCH, ids=lambda point: "-".join(map(str, point)))
def test_a_run_with_a_trigger_killed_at_any_step_decides_and_keeps_the_same(
    point, lrbench, golden_of_much, tmp_path
):
    ended = lrbench(*MUCH, "--results", tmp_path, kill=point)
    assert ended["code"] == -signal.SIGKILL, ended
    assert ended["at"] == f"{point[0]} {point[1]}"
    ended = lrbench("verify", tmp_path, "--files")
    assert "damaged" not in ended["said"], ended
    ends_golden(lrbench, tmp_path, golden_of_much, MUCH)


def test_a_run_with_a_trigger_killed_at_random_again_and_again_ends_with_the_same_bytes(
    lrbench, golden_of_much, tmp_path
):
    chance = random.Random(9)
    kills = 0
    while lrbench(*MUCH, "--results", tmp_path, kill=chance.randrange(20, 160))["code"] != 0:
        kills += 1
    assert kills > 1
    ends_golden(lrbench, tmp_path, golden_of_much, MUCH)


def test_runs_killed_at_random_again_and_again_end_with_the_same_bytes(lrbench, golden, tmp_path):
    chance = random.Random(4)
    for number in range(2):
        results = tmp_path / str(number)
        while lrbench(*WORDS, "--results", results, kill=chance.randrange(1, 120))["code"] != 0:
            pass
        ends_golden(lrbench, results, golden)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_stops_soon_with_the_state_saved_and_says_how_to_go_on(
    name, lrbench, golden, tmp_path
):
    # It comes before the first update is made; the first look is after the fifth.
    results = tmp_path / "stopped"
    ended = lrbench(*WORDS, "--results", results, kill=["write", "evals.csv", 2], signals=[name])
    assert ended["code"] == 130, ended
    record = record_in(results)
    assert f"to go on: lrbench resume {record}" in ended["said"]
    assert "Traceback" not in ended["said"]
    found = read_record(record)
    assert found.status is Status.INTERRUPTED
    assert 1 <= found.resumes_at <= 5
    (attempt,) = found.attempts()
    assert attempt["outcome"] == "interrupted"
    ends_golden(lrbench, results, golden)


@pytest.mark.parametrize("point", [["write", "steps.csv", 3], ["replace", "checkpoint", 2]])
def test_a_second_signal_stops_at_once_wherever_it_comes(point, lrbench, golden, tmp_path):
    ended = lrbench(*WORDS, "--results", tmp_path, kill=point, signals=["SIGINT", "SIGINT"])
    assert ended["code"] == 130, ended
    assert "Traceback" not in ended["said"]
    assert read_record(record_in(tmp_path)).status is Status.INTERRUPTED
    ends_golden(lrbench, tmp_path, golden)


# ------------------------------------------------------------------------------------------ sweeps


SWEEP = ["sweep", "model=linear,mlp", "dataset=wine", "train.steps=100000", "--seeds", "1"]


@pytest.fixture
def sweep(tmp_path):
    """A sweep of two long runs, once both are being trained."""
    environment = os.environ | {"LRBENCH_CACHE": str(tmp_path / "cache")}
    words = [sys.executable, "-m", "lrbench", *SWEEP, "--jobs", "2", "--results", tmp_path / "r"]
    parent = subprocess.Popen(
        [*map(str, words)], stderr=subprocess.PIPE, env=environment, start_new_session=True
    )
    deadline = time.monotonic() + 100
    while len(beats := list((tmp_path / "r").glob(f"*/{layout.HEARTBEAT}"))) < 2:
        assert parent.poll() is None, parent.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    workers = [json.loads(beat.read_text())["pid"] for beat in beats]
    yield parent, workers, [beat.parent for beat in beats]
    with suppress(ProcessLookupError):
        os.killpg(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stderr.close()


def gone_within(pids, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(is_alive(pid) for pid in pids):
            return True
        time.sleep(0.1)
    return False


def is_alive(pid):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGKILL", "SIGHUP", "SIGTERM", "SIGINT"])
def test_no_worker_trains_on_when_the_parent_of_a_sweep_has_ended(name, sweep):
    parent, workers, records = sweep
    parent.send_signal(getattr(signal, name))
    assert gone_within(workers, 15)
    assert gone_within([parent.pid], 15)
    for record in records:
        found = read_record(record)
        assert found.status is Status.INTERRUPTED
        assert found.attempts()[-1]["outcome"] == "interrupted"


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced_and_its_run_goes_on(sweep):
    parent, workers, records = sweep
    lost = next(
        r for r in records if json.loads((r / layout.HEARTBEAT).read_text())["pid"] == workers[0]
    )
    os.kill(workers[0], signal.SIGKILL)
    deadline = time.monotonic() + 60
    while len(list((lost / layout.ATTEMPTS).glob("*.json"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert is_alive(workers[1])
    assert is_alive(parent.pid)
