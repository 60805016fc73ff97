"""``lrbench sweep`` as typed: only what is missing, whatever happens to the workers."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lrbench.record.reader import read_record
from lrbench.spec.sweep import SweepSpec
from promised import bytes_of

Command = Callable[..., Any]

SMALL = ("dataset=two_spirals", "model=linear", "train.steps=20")
LONG = ("dataset=digits", "model=mlp")

NETS = """
import os, time
from torch import nn
class Base(nn.Linear):
    def __init__(self, input_shape, num_outputs, width=8):
        super().__init__(input_shape[0], num_outputs)
        self.width, self.calls = width, 0
    def forward(self, inputs):
        self.calls += 1
        if self.width == 13 and self.calls > 5:
            self.fail()
        return super().forward(inputs)
class Raises(Base):
    def fail(self):
        raise RuntimeError("thirteen\\nis out of luck")
class Dies(Base):
    def fail(self):
        os._exit(9)
"""


def answer(done: Any, code: int = 0) -> dict[str, Any]:
    assert done.code == code, done
    found = json.loads(done.out)
    assert isinstance(found, dict)
    return found


def records(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/spec.json"))


def complete(folder: Path) -> list[Path]:
    return [path for path in records(folder) if (path / "result.json").exists()]


def bits(folder: Path) -> dict[str, dict[str, bytes]]:
    return {path.name: bytes_of(path) for path in records(folder)}


def attempts(path: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted((path / "attempts").glob("*.json"))]


def statuses(here: Path) -> list[str]:
    return [str(read_record(path).status) for path in records(here / "results")]


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(word) for word in found.stdout.split()]


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def wait_until(holds: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.02)
    raise AssertionError("it never came")


class Sweeping:
    """A sweep as a process group of its own, as a shell starts it."""

    def __init__(self, *words: str, **options: Any) -> None:
        command = [sys.executable, "-m", "lrbench", "sweep", *words]
        self.process = subprocess.Popen(command, start_new_session=True, text=True, **options)

    def wait_until(self, holds: Callable[[], Any], seconds: float = 60.0) -> Any:
        def still() -> Any:
            found = holds()
            assert found or self.process.poll() is None, self.process.communicate()
            return found

        return wait_until(still, seconds)

    def workers(self) -> list[int]:
        """With whom they were started by."""
        own = children(self.process.pid)
        return [*own, *(pid for parent in own for pid in children(parent))]

    def interrupt(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def sweeping(here: Path) -> Iterator[Callable[..., Sweeping]]:
    started: list[Sweeping] = []

    def start(*words: str, **options: Any) -> Sweeping:
        piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        started.append(Sweeping(*words, **(piped | options)))
        return started[-1]

    yield start
    for sweep in started:
        sweep.end()


def test_a_dry_run_shows_the_plan_and_writes_nothing(lrbench: Command, here: Path) -> None:
    words = ("sweep", *SMALL, "optimizer.lr=0.1,0.2,0.3", "--seeds", "3,7", "--dry-run")
    found = answer(lrbench(*words, "--json"))
    assert (found["runs"], found["missing"], found["seeds"]) == (6, 6, [3, 7])
    assert [arm["missing"] for arm in found["arms"]] == [2, 2, 2]
    assert found["estimated_seconds"] >= 0
    text = lrbench(*words)
    assert text.code == 0
    assert "3 arms x 2 seeds = 6 runs" in text.out
    assert list(here.iterdir()) == []


def test_only_what_is_missing_is_trained(lrbench: Command, here: Path) -> None:
    typed = ("sweep", *SMALL, "--jobs", "1", "--json")
    results = here / "results"
    assert answer(lrbench(*typed, "optimizer.lr=0.1", "--seeds", "2"))["trained"] == 2
    before = times(results)

    again = answer(lrbench(*typed, "optimizer.lr=0.1", "--seeds", "2"))
    assert (again["trained"], again["complete_before"]) == (0, 2)
    assert times(results) == before

    # A seed and an arm more.
    wider = (*typed, "optimizer.lr=0.1,0.3", "--seeds", "0,1,5")
    dry = answer(lrbench(*wider, "--dry-run"))
    assert (dry["missing"], [arm["complete"] for arm in dry["arms"]]) == (4, [2, 0])
    found = answer(lrbench(*wider))
    assert (found["trained"], found["complete_before"], found["failed"]) == (4, 2, [])
    # Every arm has the same seeds, and each run its place in the sweep's own file.
    spec = SweepSpec.model_validate_json((here / found["sweep"]).read_text())
    assert spec.seeds == (0, 1, 5)
    assert [[run.seed for run in arm.runs] for arm in spec.arms] == [[0, 1, 5]] * 2
    assert [arm.overrides[-1] for arm in spec.arms] == ["optimizer.lr=0.1", "optimizer.lr=0.3"]
    assert {run.run_id for run in spec.runs} == {path.name for path in complete(results)}
    # A single run is the same run.
    single = lrbench("run", *SMALL, "optimizer.lr=0.3", "seed=1", "--json")
    assert answer(single)["was_there"]
    runs = {path: stamp for path, stamp in before.items() if path.is_file()}
    assert {path: times(results)[path] for path in runs} == runs


def test_a_failed_run_stops_no_other(lrbench: Command, here: Path) -> None:
    (here / "sweep_nets.py").write_text(NETS)
    words = ("dataset=wine", "train.steps=20", "model._target_=sweep_nets:Raises")
    typed = ("sweep", *words, "model.width=13,8", "--seeds", "2", "--jobs", "1")
    done = lrbench(*typed)
    assert done.code == 1
    assert "2 runs trained, 2 failed; the same command tries them again" in done.out
    assert done.err.count("RuntimeError: thirteen is out of luck") == 2
    found = [attempts(path) for path in records(here / "results")]
    assert all(len(tries) == 1 for tries in found)
    assert sorted(tries[0]["outcome"] for tries in found) == ["complete"] * 2 + ["failed"] * 2


def test_a_dry_run_of_what_raises_is_an_error_and_no_traceback(
    lrbench: Command, here: Path
) -> None:
    (here / "sweep_nets2.py").write_text(NETS)
    words = ("dataset=wine", "train.steps=20", "model._target_=sweep_nets2:Raises")
    done = lrbench("sweep", *words, "model.width=13", "--dry-run")
    assert (done.code, done.out) == (1, "")
    assert "failed: RuntimeError: thirteen is out of luck" in done.err
    assert not (here / "results").exists()


@pytest.mark.slow
def test_a_worker_that_always_dies_is_reported_after_two_tries(
    lrbench: Command, here: Path
) -> None:
    (here / "sweep_nets3.py").write_text(NETS)
    words = ("dataset=wine", "train.steps=20", "model._target_=sweep_nets3:Dies")
    done = lrbench("sweep", *words, "model.width=13,8", "--seeds", "1", "--jobs", "1", "--json")
    found = answer(done, code=1)
    assert found["trained"] == 1
    (failure,) = found["failed"]
    assert "its worker died (exit code 9)" in failure["reason"]
    assert len(attempts(here / "results" / failure["run"])) == 2
    assert f"again: {failure['run']}" in done.err


@pytest.mark.slow
def test_alone_and_with_one_and_two_workers_the_bytes_are_the_same(
    lrbench: Command, here: Path
) -> None:
    axes = ("model=mlp", "schedule=sgdr,linear", "model.dropout=0.3")
    words = ("dataset=two_spirals", "train.steps=30", *axes)
    for jobs in ("1", "2"):
        typed = ("--seeds", "2", "--jobs", jobs, "--results", f"with{jobs}")
        assert lrbench("sweep", *words, *typed).code == 0
    for seed in ("0", "1"):
        for schedule in ("sgdr", "linear"):
            one = [*words[:3], f"schedule={schedule}", *words[4:], f"seed={seed}"]
            assert lrbench("run", *one, "--results", "alone").code == 0
    assert len(bits(here / "alone")) == 4
    assert bits(here / "alone") == bits(here / "with1") == bits(here / "with2")


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_run_tried_once_more(
    lrbench: Command, sweeping: Callable[..., Sweeping], here: Path
) -> None:
    words = (*LONG, "train.steps=1500", "--seeds", "2", "--jobs", "1")
    sweep = sweeping(*words, "--json")

    def running() -> int | None:
        for path in records(here / "results"):
            for attempt in attempts(path):
                if "outcome" not in attempt:
                    return int(attempt["pid"])
        return None

    pid = sweep.wait_until(running)
    assert pid in sweep.workers()
    os.kill(pid, signal.SIGKILL)
    out, err = sweep.process.communicate(timeout=100)
    found = json.loads(out)
    assert (sweep.process.returncode, found["trained"], found["failed"]) == (0, 2, [])
    assert "its worker died (signal SIGKILL)" in err
    assert sorted(len(attempts(path)) for path in records(here / "results")) == [1, 2]
    pids = [one["pid"] for path in records(here / "results") for one in attempts(path)]
    assert len(set(pids)) == 2


def check_continuing(lrbench: Command, here: Path, words: tuple[str, ...], runs: int) -> None:
    """The same command finishes, and the bytes are those of a sweep that nobody touched."""
    done = complete(here / "results")
    found = answer(lrbench("sweep", *words, "--json"))
    assert found["trained"] == runs - len(done)
    assert len(complete(here / "results")) == runs
    assert answer(lrbench("sweep", *words, "--results", "untouched", "--json"))["trained"] == runs
    assert bits(here / "results") == bits(here / "untouched")


def test_ctrl_c_stops_cleanly_and_the_same_command_continues(
    lrbench: Command, sweeping: Callable[..., Sweeping], here: Path
) -> None:
    words = (*LONG, "train.steps=600", "--seeds", "4", "--jobs", "2")
    sweep = sweeping(*words)
    sweep.wait_until(lambda: complete(here / "results"))
    sweep.wait_until(lambda: len(records(here / "results")) > len(complete(here / "results")))
    workers = sweep.workers()
    assert len(workers) >= 2
    pressed = time.monotonic()
    sweep.interrupt()
    out, err = sweep.process.communicate(timeout=60)
    assert time.monotonic() - pressed < 30
    assert sweep.process.returncode == 130
    assert out == ""
    assert "of 4 runs are complete\nto go on: lrbench resume results, or the same command" in err
    assert "Traceback" not in err
    wait_until(lambda: not any(map(alive, workers)), 15)
    assert set(statuses(here)) == {"complete", "interrupted"}
    # The state is saved, so nothing is trained twice.
    stands = re.findall(r"(\d+) of 600 updates, goes on at (\d+)", lrbench("status", "results").out)
    assert stands
    assert all(done == saved for done, saved in stands)
    check_continuing(lrbench, here, words, 4)


@pytest.mark.slow
def test_ctrl_c_at_a_terminal(
    lrbench: Command, sweeping: Callable[..., Sweeping], here: Path
) -> None:
    words = (*LONG, "train.steps=1000", "--seeds", "4", "--jobs", "2")
    ours, theirs = pty.openpty()
    said = bytearray()

    def listen() -> None:
        while True:
            try:
                said.extend(os.read(ours, 4096))
            except OSError:
                return

    sweep = sweeping(*words, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    listener = threading.Thread(target=listen)
    listener.start()
    sweep.wait_until(lambda: complete(here / "results"))
    workers = sweep.workers()
    sweep.interrupt()
    time.sleep(0.2)
    sweep.interrupt()  # an impatient person
    assert sweep.process.wait(60) in (130, -signal.SIGINT)
    listener.join(10)
    os.close(ours)
    text = said.decode()
    assert "to go on: lrbench resume results, or the same command" in text
    assert "Traceback" not in text, text
    wait_until(lambda: not any(map(alive, workers)), 15)
    check_continuing(lrbench, here, words, 4)


@pytest.mark.slow
@pytest.mark.parametrize("after_s", [0.0, 0.3, 1.5, 2.5, 3.5])
def test_ctrl_c_at_any_moment(
    sweeping: Callable[..., Sweeping], here: Path, after_s: float
) -> None:
    sweep = sweeping(*LONG, "train.steps=300", "--seeds", "40", "--jobs", "2")
    assert sweep.process.stderr is not None
    time.sleep(0.3)  # Python itself comes up
    wait_until(lambda: after_s == 0.0 or (here / "results").exists())
    time.sleep(after_s)
    workers = sweep.workers()
    sweep.interrupt()
    _, err = sweep.process.communicate(timeout=60)
    assert sweep.process.returncode in (130, -signal.SIGINT), err
    if after_s:
        assert "Traceback" not in err, err
    wait_until(lambda: not any(map(alive, workers)), 15)
    assert set(statuses(here)) <= {"complete", "interrupted"}


@pytest.mark.slow
def test_workers_do_not_outlive_their_parent(
    lrbench: Command, sweeping: Callable[..., Sweeping], here: Path
) -> None:
    words = (*LONG, "train.steps=3000", "--seeds", "3", "--jobs", "2")
    sweep = sweeping(*words)
    sweep.wait_until(lambda: len(records(here / "results")) == 2)
    workers = sweep.workers()
    sweep.process.kill()
    wait_until(lambda: not any(map(alive, workers)), 15)
    assert len(complete(here / "results")) < 3
    assert set(statuses(here)) <= {"interrupted", "complete"}
    check_continuing(lrbench, here, words, 3)


@pytest.mark.slow
def test_two_sweeps_at_once_do_not_hurt_each_other(
    lrbench: Command, sweeping: Callable[..., Sweeping], here: Path
) -> None:
    words = (*LONG, "train.steps=300", "--seeds", "4", "--jobs", "1")
    pair = [sweeping(*words), sweeping(*words)]
    for sweep in pair:
        sweep.process.communicate(timeout=120)
        assert sweep.process.returncode in (0, 1)  # 1: the other was at it
    assert lrbench("sweep", *words).code == 0
    assert lrbench("sweep", *words, "--results", "untouched").code == 0
    assert bits(here / "results") == bits(here / "untouched")
