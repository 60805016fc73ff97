"""The n-th access to a file fails, for every n, once or from then on: SQLite's loop."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import replace

import pytest

from faults import crash, stub
from lrbench.errors import LrbenchError, RecordError, RunError
from lrbench.record import files, layout
from lrbench.record.lock import is_locked
from lrbench.record.reader import Status, read_record
from lrbench.workflows.run import run

pytestmark = pytest.mark.slow

ERRORS = [
    "ENOSPC",
    "EIO",
    "short",
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("EACCES", "EMFILE")),
]
PATHLESS = ("write", "fsync", "truncate")
"""Operations on what is open already: the kernel's error does not name the file."""

MAY_FAIL = {
    "ENOSPC": ("open", "write", "fsync", "replace", "mkdir", "truncate", "lock"),
    "short": ("write",),
}
"""Operations that can fail so; by default all."""


class Faulty:
    """A hook under which the ``number``-th operation fails, and all after it if it ``lasts``.

    Reading a sign of life, or leaving one, is watched but no reason to stop.
    """

    def __init__(self, number, name, lasts):
        self.number, self.name, self.lasts = number, name, lasts
        self.count = 0
        self.failed = []

    def __call__(self, found):
        if found.kind not in MAY_FAIL.get(self.name, (found.kind,)):
            return None
        self.count += 1
        if self.count == self.number or (self.lasts and self.count > self.number):
            self.failed.append(found)
            if self.name == "short":
                return len(found.data) // 2
            code = getattr(errno, self.name)
            where = () if found.kind in PATHLESS else (str(found.path),)
            raise OSError(code, os.strerror(code), *where)
        return None


def begun_by_a_kill(resolved, results):
    """A record whose writer died after its second checkpoint."""
    with stub.stubbed() as patch:
        patch.setattr(files, "hook", stub.stop_after_saves(2))
        with suppress(stub.Stopped):
            stub.run(resolved, results)
    path = results / resolved.spec.run_id
    assert read_record(path).resumes_at == 6
    return path


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("lasts", [False, True], ids=["once", "lasting"])
@pytest.mark.parametrize("story", ["fresh", "resumed", "forced"])
def test_whatever_access_fails_the_run_says_so_and_its_next_attempt_has_the_same_bytes(
    story, lasts, name, resolved_stub, golden_stub, scratch, stubbed
):
    number, passed = 0, False
    while not passed:
        number += 1
        results = scratch / str(number)
        path = results / resolved_stub.spec.run_id
        how = {}
        if story == "resumed":
            begun_by_a_kill(resolved_stub, results)
        if story == "forced":
            stub.run(resolved_stub, results)
            how = {"force": True}
        fault = Faulty(number, name, lasts)
        error = None
        with stubbed.context() as patch:
            patch.setattr(files, "hook", fault)
            try:
                stub.run(resolved_stub, results, **how)
            except LrbenchError as raised:
                error = raised
        passed = not fault.failed
        at = (story, number, name, fault.failed[:1], str(error))
        if error is not None:
            _says_what(error, fault, path, at)
        _is_as_it_should(path, golden_stub, error, fault, at)
        stub.run(resolved_stub, results)
        assert stub.bytes_of(path) == golden_stub, at
        assert read_record(path, every_byte=True).status is Status.COMPLETE, at
        assert not list(path.rglob(".*.tmp")), at
    assert number > (10 if story == "resumed" or name == "short" else 60), "all is announced"


def _says_what(error, fault, path, at):
    assert isinstance(error, RecordError), at
    told = str(error)
    # Half of one byte is none, and no byte taken is a full disk.
    code = errno.ENOSPC if fault.name == "short" else getattr(errno, fault.name)
    assert os.strerror(code) in told, at
    assert any(found.path.name in told for found in fault.failed), at


def _is_as_it_should(path, golden, error, fault, at):
    if not path.exists():
        assert error is not None, at
        return
    assert not is_locked(path / layout.LOCK), at
    found = read_record(path, every_byte=True)
    if found.status.is_finished:
        assert stub.bytes_of(path) == golden, at
    else:
        assert error is not None, at
        assert found.status in (Status.INTERRUPTED, Status.FAILED), at


def test_a_sign_of_life_that_cannot_be_left_is_no_reason_to_stop(
    resolved_stub, golden_stub, scratch, stubbed
):
    def hook(found):
        if layout.HEARTBEAT in found.path.name and found.kind != "read":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(found.path))

    stubbed.setattr(files, "hook", hook)
    path = stub.run(resolved_stub, scratch).path
    assert stub.bytes_of(path) == golden_stub


def test_a_state_that_no_file_can_hold_costs_only_what_a_kill_would(
    resolved_stub, golden_stub, scratch, stubbed
):
    def unsaved(*_):
        raise RunError("keeps a Generator", key="optimizer")

    # A state that was asked for is another matter.
    resolved_stub = replace(resolved_stub, keep_checkpoints=False)
    golden_stub = {name: data for name, data in golden_stub.items() if layout.KEPT not in name}
    path = scratch / resolved_stub.spec.run_id
    with stubbed.context() as patch:
        patch.setattr(stub, "State", unsaved)
        patch.setattr(files, "hook", stub.stop_at(60))
        with pytest.raises(stub.Stopped):
            stub.run(resolved_stub, scratch)
        patch.setattr(files, "hook", lambda found: None)
        (killed,) = read_record(path).attempts()
        assert killed["remarks"] == ["no checkpoint: keeps a Generator"]
        stub.run(resolved_stub, scratch)
    assert [attempt["from_step"] for attempt in read_record(path).attempts()] == [0, 0]
    assert stub.bytes_of(path) == golden_stub


def test_a_checkpoint_that_cannot_be_read_for_now_does_not_cost_the_work_before_it(
    resolved_stub, golden_stub, scratch, stubbed
):
    path = begun_by_a_kill(resolved_stub, scratch)

    def hook(found):
        if found.kind == "read" and found.path.name == layout.CHECKPOINT:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(found.path))

    with stubbed.context() as patch:
        patch.setattr(files, "hook", hook)
        with pytest.raises(RecordError, match="Too many open files"):
            stub.run(resolved_stub, scratch)
    stub.run(resolved_stub, scratch)
    assert read_record(path).attempts()[-1]["from_step"] == 6
    assert stub.bytes_of(path) == golden_stub


def test_going_on_at_the_checkpoint_before_leaves_it_until_there_is_a_newer_one(
    resolved_stub, golden_stub, scratch, stubbed
):
    path = begun_by_a_kill(resolved_stub, scratch)
    (path / layout.CHECKPOINT).write_bytes(b"damaged")
    number, steps = 0, set()
    whole = crash.contents(scratch)
    while True:
        number += 1
        crash.materialise(whole, scratch)
        with stubbed.context() as patch:
            patch.setattr(files, "hook", stub.stop_at(number))
            with suppress(stub.Stopped):
                stub.run(resolved_stub, scratch)
                break
        steps.add(read_record(path).resumes_at)
    assert steps == {3, 6, 9}
    assert stub.bytes_of(path) == golden_stub


def test_a_full_disk_stops_a_real_run_at_any_moment_and_it_goes_on_to_the_same_bytes(
    resolved, golden, tmp_path, bytes_of, monkeypatch
):
    saving = replace(resolved, checkpoint_every=4)
    number, passed = 0, False
    while not passed:
        # Every third of some hundred: what the stub leaves out does nothing to files.
        number += 3
        fault = Faulty(number, "ENOSPC", lasts=number % 2 == 0)
        with monkeypatch.context() as patch:
            patch.setattr(files, "hook", fault)
            with suppress(RecordError):
                run(saving, tmp_path / str(number))
        passed = not fault.failed
        report = run(saving, tmp_path / str(number))
        assert bytes_of(report.path) == golden, (number, fault.failed[:1])
    assert number > 80


def test_writes_that_take_a_few_bytes_at_a_time_give_the_same_bytes(
    resolved_stub, golden_stub, scratch, stubbed
):
    stubbed.setattr(files, "hook", lambda found: 7 if found.kind == "write" else None)
    assert stub.bytes_of(stub.run(resolved_stub, scratch).path) == golden_stub
