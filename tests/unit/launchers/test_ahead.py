"""Workers forked from a process that has loaded what they need, each case with its own parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lrbench.workflows.ahead import MODULES, OF_LANES

TASKS = """
import os, sys, threading, time
from pathlib import Path

LOADED_BY = os.getpid()

def work(payload, report):
    what, value = payload
    if what == "facts":
        words = Path("/proc/self/environ").read_bytes().split(b"\\0")
        ours = "LRBENCH_OF_"
        return {
            "forked": LOADED_BY != os.getpid(),
            "threads": len(os.listdir("/proc/self/task")),
            "threads_of_loader": len(os.listdir(f"/proc/{LOADED_BY}/task")),
            "started_with": sorted(w.decode() for w in words if w.startswith(ours.encode())),
            "now": sorted(f"{k}={v}" for k, v in os.environ.items() if k.startswith(ours)),
            "omp": os.environ.get("OMP_NUM_THREADS"),
            "folder": os.getcwd(),
            "torch": "torch" in sys.modules,
            "safe_path": os.environ.get("PYTHONSAFEPATH"),
        }
    if what == "die":
        os.kill(os.getpid(), value)
    if what == "wait":
        from lrbench.launchers.local import is_orphan
        Path(value).write_text(str(os.getpid()))
        while not is_orphan():
            time.sleep(0.01)
        Path(value).with_suffix(".alone").touch()
    if what == "sleep":
        Path(value).write_text(str(os.getpid()))
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            Path(value).with_suffix(".tidy").touch()
            raise
"""

PARENT = """
import json, os, sys
from lrbench.launchers.loaded import load_ahead
from lrbench.launchers.local import run_jobs

def main():
    modules, ahead, exported, jobs, killed = json.loads(sys.argv[1])
    if ahead is not None:
        load_ahead(modules, ahead)
    if killed:
        from multiprocessing import forkserver
        os.kill(forkserver._forkserver._forkserver_pid, 9)
    os.environ.update(exported)
    payloads = [job for job, _ in jobs]
    environments = [variables for _, variables in jobs]
    events = run_jobs("ahead_tasks:work", payloads, workers=1, environments=environments)
    print(json.dumps([[e.kind, e.value] for e in events if e.kind in ("done", "failed")]))

if __name__ == "__main__":
    main()
"""

HELD = {"LRBENCH_OF_JOB": "1"}
FACTS = ("facts", None)


@pytest.fixture
def parent(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    (tmp_path / "ahead_tasks.py").write_text(TASKS)
    (tmp_path / "parent.py").write_text(PARENT)

    def start(
        jobs: list[Any],
        *,
        ahead: dict[str, str] | None = HELD,
        exported: dict[str, str] | None = None,
        modules: tuple[str, ...] = ("ahead_tasks",),
        killed: bool = False,
        script: Path = Path("parent.py"),
        **environ: str,
    ) -> subprocess.Popen[str]:
        usual = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
        return subprocess.Popen(
            [
                sys.executable,
                str(script),
                json.dumps([modules, ahead, exported or {}, jobs, killed]),
            ],
            cwd=tmp_path,
            env={**usual, "PYTHONPATH": str(tmp_path), **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return start


def answers(process: subprocess.Popen[str]) -> list[Any]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert err == ""
    return json.loads(out)  # type: ignore[no-any-return]


def facts(process: subprocess.Popen[str]) -> dict[str, Any]:
    ((kind, found),) = answers(process)
    assert kind == "done"
    return found  # type: ignore[no-any-return]


def test_a_worker_is_forked_with_its_variables_from_one_thread(parent, tmp_path: Path) -> None:
    found = facts(parent([(FACTS, HELD)], modules=("ahead_tasks", *MODULES, *OF_LANES)))
    assert found == {
        "forked": True,
        "threads": 1,
        "threads_of_loader": 1,
        "started_with": ["LRBENCH_OF_JOB=1"],
        "now": ["LRBENCH_OF_JOB=1"],
        "omp": "1",
        "folder": str(tmp_path),
        "torch": True,
        "safe_path": None,
    }


@pytest.mark.parametrize(
    ("settings", "variables", "expected"),
    [
        ({"ahead": None}, HELD, ["LRBENCH_OF_JOB=1"]),
        ({"ahead": {}}, HELD, ["LRBENCH_OF_JOB=1"]),
        ({}, {"LRBENCH_OF_JOB": "2"}, ["LRBENCH_OF_JOB=2"]),
        ({"exported": {"LRBENCH_OF_ALL": "3"}}, HELD, ["LRBENCH_OF_ALL=3", "LRBENCH_OF_JOB=1"]),
        ({"OMP_NUM_THREADS": "2"}, HELD, ["LRBENCH_OF_JOB=1"]),
    ],
)
def test_a_worker_that_needs_another_environment_is_started_with_it(
    parent, settings: dict[str, Any], variables: dict[str, str], expected: list[str]
) -> None:
    found = facts(parent([(FACTS, variables)], **settings))
    assert not found["forked"]
    assert found["started_with"] == found["now"] == expected
    assert found["omp"] == settings.get("OMP_NUM_THREADS", "1")


def test_a_module_that_cannot_be_loaded_ahead_is_no_error(parent) -> None:
    found = facts(parent([(FACTS, HELD)], modules=("no_such_module",)))
    assert found["now"] == ["LRBENCH_OF_JOB=1"]


def test_how_a_forked_worker_died_is_told_and_another_takes_its_place(parent) -> None:
    jobs = [(("die", signal.SIGKILL), HELD), (FACTS, HELD)]
    dead, alive = answers(parent(jobs))
    assert dead[0] == "failed"
    assert "signal SIGKILL" in dead[1]
    assert alive[0] == "done"
    assert alive[1]["forked"]


def test_without_a_place_for_its_socket_workers_start_as_usual(parent, tmp_path: Path) -> None:
    deep = tmp_path / ("long" * 30)
    deep.mkdir()
    found = facts(parent([(FACTS, HELD)], TMPDIR=str(deep)))
    assert not found["forked"]


def test_nothing_is_loaded_from_the_current_folder_that_the_parent_has_from_elsewhere(
    parent, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "ahead_tasks.py").rename(elsewhere / "ahead_tasks.py")
    (tmp_path / "ahead_tasks.py").write_text("def work(payload, report): return 'another'")
    (tmp_path / "random.py").write_text("raise RuntimeError('not this one')")
    (tmp_path / "parent.py").rename(elsewhere / "parent.py")
    process = parent([(FACTS, HELD)], PYTHONPATH=str(elsewhere), script=elsewhere / "parent.py")
    assert facts(process)["forked"]


@pytest.mark.parametrize("moment", ["loading", "idle"])
def test_workers_start_as_usual_where_the_loading_process_was_killed(parent, moment: str) -> None:
    modules = MODULES if moment == "loading" else ()
    found = facts(parent([(FACTS, HELD)], modules=(*modules, "ahead_tasks"), killed=True))
    assert found["started_with"] == ["LRBENCH_OF_JOB=1"]


def test_workers_start_as_usual_where_the_loading_process_is_gone(parent, tmp_path: Path) -> None:
    (tmp_path / "deadly.py").write_text("import os; os.kill(os.getpid(), 9)")
    found = facts(parent([(FACTS, HELD)], modules=("deadly",)))
    assert not found["forked"]
    assert found["started_with"] == ["LRBENCH_OF_JOB=1"]


@pytest.mark.parametrize("ahead", [HELD, None])
def test_a_worker_notices_that_its_parent_was_killed(parent, tmp_path: Path, ahead) -> None:
    flag = tmp_path / "waiting"
    process = parent([(("wait", str(flag)), HELD)], ahead=ahead)
    wait_for(lambda: flag.exists() and flag.read_text())
    process.kill()
    process.communicate(timeout=10)
    wait_for(flag.with_suffix(".alone").exists)
    wait_for(lambda: not is_running(int(flag.read_text())))


def test_ctrl_c_reaches_a_forked_worker_through_its_parent_and_leaves_nobody(
    parent, tmp_path: Path
) -> None:
    flag = tmp_path / "sleeping"
    process = parent([(("sleep", str(flag)), HELD)])
    wait_for(lambda: flag.exists() and flag.read_text())
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert err.count("Traceback") == 1  # the parent's own
    assert flag.with_suffix(".tidy").exists()
    wait_for(lambda: nobody_in_session(process.pid))


def test_ctrl_c_while_it_is_being_loaded_is_the_parents_alone(parent) -> None:
    process = parent([(FACTS, HELD)], modules=("lrbench.workflows.crew", "ahead_tasks"))
    wait_for(lambda: len(session(process.pid)) > 1)
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert err.count("Traceback") == 1
    wait_for(lambda: nobody_in_session(process.pid))


@pytest.mark.parametrize("how", ["usual", "by default"])
def test_a_process_that_ends_early_does_not_leave_the_other_one_loading(
    parent, tmp_path: Path, how: str
) -> None:
    """It would hold the output open for whoever reads it."""
    (tmp_path / "parent.py").write_text(
        "import os, signal, sys\n"
        f"how = {how!r}\n"
        "if how == 'by default': signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
        "from lrbench.launchers.loaded import load_ahead\n"
        "load_ahead(['slow'], {})\n"
        "if how == 'by default': os.kill(os.getpid(), signal.SIGINT)\n"
    )
    (tmp_path / "slow.py").write_text("import time; time.sleep(60)")
    with tempfile.TemporaryDirectory() as scratch:  # short enough for a socket's name
        process = parent([], TMPDIR=scratch)
        _, err = process.communicate(timeout=20)
        assert process.returncode == (0 if how == "usual" else -signal.SIGINT)
        assert err == ""
        assert list(Path(scratch).iterdir()) == []
    wait_for(lambda: nobody_in_session(process.pid))


def session(leader: int) -> list[int]:
    """The living processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def nobody_in_session(leader: int) -> bool:
    return not session(leader)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(holds: Callable[[], Any]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)
