"""Workers that do jobs, raise, die, and are stopped."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lrbench.errors import ConfigError
from lrbench.launchers.local import Event, run_jobs

TASKS = """
import os, sys, time
from pathlib import Path
from lrbench.errors import ConfigError

def work(payload, report):
    what, value = payload
    report(("pid", os.getpid()))
    if what == "raise":
        raise ValueError(value)
    if what == "refuse":
        raise ConfigError("must be even", key="number", got=value)
    if what == "die":
        os._exit(value)
    if what == "die once":
        if not Path(value).exists():
            Path(value).touch()
            os._exit(7)
        return "second"
    if what == "variables":
        started_with = Path("/proc/self/environ").read_bytes().split(b"\\0")
        return [word.decode() for word in started_with if word.startswith(b"LRBENCH_OF_")]
    if what == "sleep":
        Path(value).touch()
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            Path(value).with_suffix(".tidy").touch()
            raise
    if what == "tell on":
        Path(value).touch()
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            for number in range(3000):
                report(("telling", "x" * 100))
            Path(value).with_suffix(".tidy").touch()
            raise
    return value * 2
"""


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "launcher_tasks.py").write_text(TASKS)
    monkeypatch.syspath_prepend(str(tmp_path))  # spawned workers get the parent's path
    return "launcher_tasks:work"


def ends(events: list[Event]) -> dict[int, tuple[str, Any]]:
    found = [event for event in events if event.kind in ("done", "failed")]
    assert Counter(event.job for event in found).most_common(1)[0][1] == 1
    return {event.job: (event.kind, event.value) for event in found}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_every_job_is_done_once_and_workers_stay_warm(task: str) -> None:
    events = list(run_jobs(task, [("double", n) for n in range(6)], workers=2))
    assert ends(events) == {n: ("done", 2 * n) for n in range(6)}
    kinds = Counter(event.kind for event in events)
    assert kinds == {"started": 6, "progress": 6, "done": 6}
    assert 1 <= len({event.value for event in events if event.kind == "progress"}) <= 2
    for job in range(6):
        assert [e.kind for e in events if e.job == job] == ["started", "progress", "done"]


def test_no_jobs_are_no_events(task: str) -> None:
    assert list(run_jobs(task, [], workers=2)) == []


def test_what_raises_or_dies_fails_alone(task: str, tmp_path: Path) -> None:
    payloads = [
        ("raise", "boom"),
        ("refuse", 3),
        ("die", 9),
        ("die once", str(tmp_path / "flag")),
        ("double", 21),
    ]
    events = list(run_jobs(task, payloads, workers=1))
    found = ends(events)
    assert found[0] == ("failed", "ValueError: boom")
    assert found[1] == ("failed", str(ConfigError("must be even", key="number", got=3)))
    assert found[2][0] == "failed"
    assert "its worker died (exit code 9)" in found[2][1]
    assert found[3] == ("done", "second")
    assert found[4] == ("done", 42)
    retried = [event.job for event in events if event.kind == "retried"]
    assert retried == [2, 3]
    # A worker that did not die goes on to the next job.
    pids = {event.job: event.value[1] for event in events if event.kind == "progress"}
    assert pids[0] == pids[1]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_is_started_with_the_variables_of_its_job(
    task: str, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setenv("LRBENCH_OF_ALL", "0")
    monkeypatch.delenv("LRBENCH_OF_JOB", raising=False)
    one, two = {"LRBENCH_OF_JOB": "1"}, {"LRBENCH_OF_JOB": "2", "LRBENCH_OF_ALL": "9"}
    environments = [{}, one, two, {}, one, two]
    payloads = [("variables", None)] * 6
    events = list(run_jobs(task, payloads, workers=workers, environments=environments))
    assert "LRBENCH_OF_JOB" not in os.environ
    assert os.environ["LRBENCH_OF_ALL"] == "0"
    found = {job: sorted(value) for job, (_, value) in ends(events).items()}
    assert found[0] == found[3] == ["LRBENCH_OF_ALL=0"]
    assert found[1] == found[4] == ["LRBENCH_OF_ALL=0", "LRBENCH_OF_JOB=1"]
    assert found[2] == found[5] == ["LRBENCH_OF_ALL=9", "LRBENCH_OF_JOB=2"]
    # No worker is used for other variables than its own, none is left, and warm ones are used.
    pids = {event.job: event.value[1] for event in events if event.kind == "progress"}
    assert len({pids[0], pids[1], pids[2]}) == 3
    assert not any(map(alive, pids.values()))
    if workers == 1:
        assert [pids[3], pids[4], pids[5]] == [pids[0], pids[1], pids[2]]
        started = [event.job for event in events if event.kind == "started"]
        assert started == [0, 3, 1, 4, 2, 5]


def test_a_worker_with_variables_that_dies_is_replaced_by_one_with_the_same(
    task: str, tmp_path: Path
) -> None:
    held = {"LRBENCH_OF_JOB": "1"}
    payloads = [("die once", str(tmp_path / "flag")), ("variables", None)]
    events = list(run_jobs(task, payloads, workers=1, environments=[held, held]))
    assert ends(events) == {0: ("done", "second"), 1: ("done", ["LRBENCH_OF_JOB=1"])}
    assert [event.job for event in events if event.kind == "retried"] == [0]


@pytest.mark.parametrize("how", ["close", "raise"])
def test_stopping_lets_a_worker_tidy_up_and_leaves_none(
    task: str, tmp_path: Path, how: str
) -> None:
    flag = tmp_path / "sleeping"
    events = run_jobs(task, [("sleep", str(flag)), ("double", 1)], workers=1)
    pid = next(event.value[1] for event in events if event.kind == "progress")
    wait_for(flag.exists)
    started = time.monotonic()
    if how == "close":
        events.close()  # type: ignore[attr-defined]
    else:
        with pytest.raises(KeyboardInterrupt):
            events.throw(KeyboardInterrupt())  # type: ignore[attr-defined]
    assert time.monotonic() - started < 8
    assert flag.with_suffix(".tidy").exists()
    assert not alive(pid)


def test_a_worker_may_still_report_while_it_puts_its_work_in_order(
    task: str, tmp_path: Path
) -> None:
    """More than its pipe holds, and nobody asks for it."""
    flag = tmp_path / "telling"
    events = run_jobs(task, [("tell on", str(flag))], workers=1)
    pid = next(event.value[1] for event in events if event.kind == "progress")
    wait_for(flag.exists)
    started = time.monotonic()
    events.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 8
    assert flag.with_suffix(".tidy").exists()
    assert not alive(pid)


def wait_for(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)
