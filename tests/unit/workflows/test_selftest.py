"""What the self-test says where a promise is kept, and where it is broken."""

from __future__ import annotations

import shutil
import tempfile
from typing import ClassVar

import pytest

from forging import edit_row, reseal
from lrbench.engine.lanes.independence import Independence, Measured, Trial
from lrbench.workflows import selftest as module
from lrbench.workflows.recording import Paused
from lrbench.workflows.run import run
from lrbench.workflows.selftest import selftest


class Process:
    """A run that has taken no time."""

    returncode = 0
    poll_says = None

    def poll(self):
        return self.poll_says

    def kill(self):
        pass

    def communicate(self):
        return b"", b"what went\nwrong"


@pytest.fixture
def machine(monkeypatch, tmp_path, golden_record, resolved, data_cache):
    """Runs in this process: whole ones are copied, the one to be killed stops at update 7."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))

    class Machine:
        changes: ClassVar = {}
        process = Process
        killed = True
        lanes = Measured(Independence.L2, (Trial("1 lane", 4),), is_whole=True)

        def start(self, results):
            path = results / golden_record.name
            if results.name == "killed" and self.killed and not results.exists():
                with pytest.raises(Paused):
                    run(resolved, results, until=7)
                (path / "checkpoint.previous").touch()
            elif results.name == "killed" and results.exists():
                (path / "checkpoint.previous").unlink(missing_ok=True)
                run(resolved, results)
            else:
                shutil.copytree(golden_record, path)
            if change := self.changes.get(results.name):
                change(path)
            return self.process()

    found = Machine()
    monkeypatch.setattr(module, "_start", found.start)
    monkeypatch.setattr(module, "examine", lambda run: found.lanes)
    return found


def told():
    return {finding.name: (finding.is_good, finding.value) for finding in selftest()}


def test_where_all_promises_are_kept_it_says_which_and_leaves_nothing(machine, tmp_path):
    found = told()
    assert found["the same run, twice at once"] == (True, "the same bytes")
    assert found["killed, gone on with at step 7"] == (True, "the same bytes")
    assert "compute.profile=strict" in found
    assert found["a lane among others"] == (True, "level L2, with 1 lane other bits")
    assert not list((tmp_path / "tmp").iterdir())


def test_two_runs_that_differ_are_told_with_the_place(machine):
    def change(path):
        edit_row(path / "steps.csv", 5, "train_loss", lambda text: repr(float(text) * 2))
        reseal(path)

    machine.changes = {"second": change}
    is_good, words = told()["the same run, twice at once"]
    assert is_good is False
    assert "loss, at step 5" in words


def test_a_run_that_goes_on_otherwise_is_told(machine):
    def change(path):
        if (path / "result.json").exists():
            edit_row(path / "steps.csv", 9, "train_loss", lambda text: repr(float(text) * 2))
            reseal(path)

    machine.changes = {"killed": change}
    found = told()
    assert found["the same run, twice at once"][0] is True
    is_good, words = found["killed, gone on with at step 7"]
    assert is_good is False
    assert "loss, at step 9" in words


def test_a_run_that_ends_before_it_is_killed_is_not_said_to_have_survived(machine, monkeypatch):
    monkeypatch.setattr("lrbench.workflows.selftest.PATIENCE_S", 0.2)
    machine.killed = False
    found = told()
    assert found["killed half way"][0] is None
    assert not any(name.startswith("killed, gone on") for name in found)


def test_lanes_that_depend_on_their_neighbours_are_told(machine):
    machine.lanes = Measured(Independence.L0, (Trial("the same again", 0),), is_whole=True)
    assert told()["a lane among others"] == (False, "level L0, with the same again other bits")


def test_a_run_that_fails_is_the_finding(machine):
    class Failing(Process):
        returncode = 1

    machine.process = Failing
    assert told()["a run"] == (False, "fails here: what went wrongwhat went wrong")
