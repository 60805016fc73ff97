"""What has become of every run, told from its files alone."""

from __future__ import annotations

import json
import shutil
import threading
import time
from pathlib import Path

import pytest

from forging import edit, reseal
from lrbench.errors import ConfigError
from lrbench.record import layout
from lrbench.record.lock import Lock
from lrbench.record.reader import Status
from lrbench.spec.canonical import canonical, digest
from lrbench.workflows import status as module
from lrbench.workflows.recording import Paused
from lrbench.workflows.run import run
from lrbench.workflows.status import status


@pytest.fixture(autouse=True)
def quick(monkeypatch, data_cache):
    monkeypatch.setattr(module, "WATCH_S", 0.3)


@pytest.fixture
def results(golden_record, tmp_path):
    """A folder of one finished run of 12 updates."""
    shutil.copytree(golden_record, tmp_path / "results" / golden_record.name)
    return tmp_path / "results"


@pytest.fixture
def record(results, golden_record):
    return results / golden_record.name


def interrupted(record):
    (record / layout.RESULT).unlink()
    edit(record / "attempts" / "0001.json", lambda a: a.update(outcome="interrupted"))


def beat(record, count):
    sign = {"host": "far", "boot": "b", "pid": 7, "step": 3, "count": count}
    (record / layout.HEARTBEAT).write_text(json.dumps(sign))


def only(path):
    (found,) = status(path).runs
    return found


def test_a_finished_run_has_all_its_updates(results, record):
    for path in (results, record):
        found = only(path)
        assert (found.run_id, found.status) == (record.name, Status.COMPLETE)
        assert (found.updates, found.total, found.goes_on_at, found.attempts) == (12, 12, 0, 1)


def test_an_interrupted_run_tells_where_it_goes_on(resolved, tmp_path):
    with pytest.raises(Paused):
        run(resolved, tmp_path, until=7)
    found = only(tmp_path)
    assert found.status is Status.INTERRUPTED
    assert (found.updates, found.total, found.goes_on_at) == (7, 12, 7)


def test_a_failed_run_says_why(record):
    (record / layout.RESULT).unlink()
    edit(record / "attempts" / "0001.json", lambda a: a.update(outcome="failed", message="boom"))
    assert (only(record).status, only(record).reason) == (Status.FAILED, "boom")


def test_a_run_whose_lock_is_held_is_running(record):
    interrupted(record)
    lock = Lock(record / layout.LOCK)
    assert lock.acquire()
    found = only(record)
    lock.release()
    assert (found.status, found.updates) == (Status.RUNNING, 12)


def test_a_run_elsewhere_runs_if_its_heart_beats_and_is_unknown_if_not(record):
    interrupted(record)
    beat(record, 1)
    found = only(record)
    assert found.status is Status.UNKNOWN
    assert "process 7 on far" in found.reason
    later = threading.Thread(target=lambda: (time.sleep(0.1), beat(record, 2)))
    later.start()
    found = only(record)
    later.join()
    assert found.status is Status.RUNNING


def test_one_elsewhere_that_ends_meanwhile_is_what_it_has_become(record, tmp_path):
    closing = (record / layout.RESULT).read_text()
    interrupted(record)
    beat(record, 1)

    def end():
        time.sleep(0.1)
        beat(record, 2)
        (record / layout.RESULT).write_text(closing)

    later = threading.Thread(target=end)
    later.start()
    found = only(record)
    later.join()
    assert found.status is Status.COMPLETE


def test_only_records_from_elsewhere_are_waited_for(results, monkeypatch):
    monkeypatch.setattr(module, "WATCH_S", 100.0)
    started = time.monotonic()
    status(results)
    assert time.monotonic() - started < 50


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: spec.update(train=3),
        lambda spec: spec.update(train={"steps": "many"}),
        lambda spec: spec.pop("train"),
        lambda spec: spec.clear(),
    ],
)
def test_a_specification_of_another_form_stops_nobody(change, results, record):
    edit(record / layout.SPEC, change)
    reseal(record)
    found = only(results)
    assert found.total is None


def test_a_closing_file_of_another_form_stops_nobody(results, record):
    def change(result):
        for log in result["logs"].values():
            log["rows"] = "many"

    edit(record / layout.RESULT, change)
    assert only(results).updates == 12


def test_damage_is_told_and_hides_no_other(results, record):
    (results / "other-00000000").mkdir()
    (results / "other-00000000" / layout.SPEC).write_text("{")
    found = status(results)
    assert found.counts == {Status.COMPLETE: 1, Status.CORRUPT: 1}
    assert any("spec.json must be JSON" in one.reason for one in found.runs)


def test_the_sweeps_of_a_folder_are_counted(results, record):
    spec = json.loads((record / layout.SPEC).read_text())
    specs = [spec, {**spec, "seed": 1}, {**spec, "seed": 2}]
    (results / layout.SWEEPS).mkdir()
    arms = [{"overrides": [], "runs": specs}]
    plan = {"format_version": 1, "arms": arms, "seeds": [spec["seed"] for spec in specs]}
    name = f"1x3-{digest([[digest(spec) for spec in specs]])[:8]}.json"
    (results / layout.SWEEPS / name).write_text(canonical(plan))
    (results / layout.SWEEPS / "1x3-11111111.json").write_text("{")
    begun = results / f"{record.name[:-10]}1-{digest(specs[1])[:8]}"
    begun.mkdir()
    (begun / layout.SPEC).write_text(canonical(specs[1]))
    found = status(results)
    (sweep,) = found.sweeps
    assert (sweep.planned, sweep.finished) == (3, 1)
    assert sweep.unfinished == {"interrupted": 1, "not started": 1}
    assert [one.name for one in found.damaged] == ["sweeps/1x3-11111111.json"]
    shutil.rmtree(record)
    shutil.rmtree(begun)
    (sweep,) = status(results).sweeps
    assert sweep.unfinished == {"not started": 3}


def test_what_holds_no_records_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file", tmp_path / "nowhere"):
        with pytest.raises(ConfigError, match="must "):
            status(path)


def test_nothing_is_written(results, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*")}
    status(results)
    monkeypatch.chdir(next(results.iterdir()))
    assert only(Path()).status is Status.COMPLETE
    assert before == {path: path.stat().st_mtime_ns for path in results.rglob("*")}
