"""Whatever lies in a folder, a record has a status, and a damaged one says why."""

import contextlib
import json
import os
import shutil

import pytest

from lrbench.errors import RecordError, RunError
from lrbench.record import layout, reader
from lrbench.record.lock import Lock
from lrbench.record.reader import Status, find_foreign, find_records, read_json, read_record
from lrbench.spec.canonical import sealed
from lrbench.workflows.run import run

NEVER_HANGS = pytest.mark.timeout(30)


@pytest.fixture
def record(golden_record, tmp_path):
    """A complete record of our own, to be damaged."""
    return shutil.copytree(golden_record, tmp_path / golden_record.name)


def edit(path, change):
    value = json.loads(path.read_text())
    change(value)
    is_sealed = value.pop("digest", None) is not None
    path.write_text(json.dumps(sealed(value) if is_sealed else value))


def edit_result(change):
    return lambda record: edit(record / layout.RESULT, change)


def write(name, data):
    return lambda record: (record / name).write_bytes(data)


def remove(*names):
    def damage(record):
        for name in names:
            (record / name).unlink()

    return damage


def replace_by(kind, name):
    def damage(record):
        (record / name).unlink()
        if kind == "fifo":
            os.mkfifo(record / name)
        elif kind == "folder":
            (record / name).mkdir()
        else:
            (record / name).symlink_to(name)

    return damage


def empty(record):
    shutil.rmtree(record)
    record.mkdir()
    (record / layout.LOCK).touch()


def failed(record):
    (record / layout.RESULT).unlink()
    edit(record / layout.ATTEMPTS / "0001.json", lambda a: a.update(outcome="failed", message="m"))


def interrupted(record):
    (record / layout.RESULT).unlink()
    edit(record / layout.ATTEMPTS / "0001.json", lambda a: a.update(outcome="interrupted"))


def succeeded_later(record):
    failed(record)
    later = {"started": "later", "outcome": "interrupted", "message": ""}
    (record / layout.ATTEMPTS / "0002.json").write_text(json.dumps(later))


def flip(name):
    def damage(record):
        data = bytearray((record / name).read_bytes())
        data[len(data) // 2] ^= 1
        (record / name).write_bytes(data)

    return damage


BAD_JSON = {
    "nothing": b"",
    "half": b'{"a": ',
    "an array": b"[1, 2]",
    "a number": b"3",
    "null": b"null",
    "NaN": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "a number beyond all floats": b'{"a": 1e400}',
    "a number of 5000 digits": b'{"a": ' + b"1" * 5000 + b"}",
    "a key twice": b'{"outcome": "complete", "outcome": "diverged"}',
    "deep arrays": b"[" * 200_000,
    "deep objects": b'{"a":' * 200_000,
    "no UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "BOM": b'\xef\xbb\xbf{"a": 1}',
    "zeros": b"\x00" * 100,
    "trailing words": b"{} {}",
    "a lone surrogate": b'{"a": "\\ud800"}',
    "an empty object": b"{}",
}


def closing(**values):
    return edit_result(lambda result: result.update(values))


def without(key):
    return edit_result(lambda result: result.pop(key))


STATES = {
    "as it was written": (lambda record: None, Status.COMPLETE),
    "a diverged run": (closing(outcome="diverged", diverged_at=3), Status.DIVERGED),
    "claimed but empty": (empty, Status.INTERRUPTED),
    "no closing file": (remove(layout.RESULT), Status.INTERRUPTED),
    "no closing file, no attempts": (
        lambda record: (
            (record / layout.RESULT).unlink(),
            shutil.rmtree(record / layout.ATTEMPTS),
        ),
        Status.INTERRUPTED,
    ),
    "specification only": (
        lambda record: [
            path.unlink() if path.is_file() else shutil.rmtree(path)
            for path in record.iterdir()
            if path.name != layout.SPEC
        ],
        Status.INTERRUPTED,
    ),
    "interrupted": (interrupted, Status.INTERRUPTED),
    "failed": (failed, Status.FAILED),
    "failed once, interrupted later": (succeeded_later, Status.INTERRUPTED),
    "half an attempt": (
        lambda record: (interrupted(record), write("attempts/0001.json", b"{")(record)),
        Status.CORRUPT,
    ),
    "no specification": (remove(layout.SPEC), Status.CORRUPT),
    "nothing but a manifest": (
        lambda record: (empty(record), write(layout.MANIFEST, b"{}")(record)),
        Status.INTERRUPTED,
    ),
    "an edited manifest, unfinished": (
        lambda record: (
            interrupted(record),
            write(layout.MANIFEST, b'{"profile": {}, "digest": "0"}')(record),
        ),
        Status.CORRUPT,
    ),
    "edited specification": (
        lambda record: edit(record / layout.SPEC, lambda spec: spec.update(seed=1)),
        Status.CORRUPT,
    ),
    "a log a byte longer": (
        lambda record: os.truncate(record / "steps.csv", 1 + (record / "steps.csv").stat().st_size),
        Status.CORRUPT,
    ),
    "a log cut short": (
        lambda record: os.truncate(record / "evals.csv", 40),
        Status.CORRUPT,
    ),
    "an empty log": (write("layers.csv", b""), Status.CORRUPT),
    "no log": (remove("restarts.csv"), Status.CORRUPT),
    "outcome nobody knows": (closing(outcome="fine"), Status.CORRUPT),
    "outcome of another type": (closing(outcome=["complete"]), Status.CORRUPT),
    "no outcome": (without("outcome"), Status.CORRUPT),
    "closing of another run": (closing(spec_digest="0" * 64), Status.CORRUPT),
    "no digest of the run": (without("spec_digest"), Status.CORRUPT),
    "closing without logs": (without("logs"), Status.CORRUPT),
    "closing with a list of logs": (closing(logs=[]), Status.CORRUPT),
    "closing with null for logs": (closing(logs=None), Status.CORRUPT),
    "closing without one log": (
        edit_result(lambda result: result["logs"].pop("layers.csv")),
        Status.CORRUPT,
    ),
    "sizes that are no numbers": (
        edit_result(lambda result: result["logs"]["steps.csv"].update(bytes="many")),
        Status.CORRUPT,
    ),
    "a pipe for a log": (replace_by("fifo", "steps.csv"), Status.CORRUPT),
    "a folder for a log": (replace_by("folder", "steps.csv"), Status.CORRUPT),
    "a loop for a log": (replace_by("loop", "steps.csv"), Status.CORRUPT),
    "a pipe for the specification": (replace_by("fifo", layout.SPEC), Status.CORRUPT),
    "a folder for the specification": (replace_by("folder", layout.SPEC), Status.CORRUPT),
    "a pipe for the closing file": (replace_by("fifo", layout.RESULT), Status.CORRUPT),
    "a folder for the closing file": (replace_by("folder", layout.RESULT), Status.CORRUPT),
    "a pipe for the lock": (
        lambda record: (replace_by("fifo", layout.LOCK)(record), (record / layout.RESULT).unlink()),
        Status.INTERRUPTED,
    ),
    "a pipe for an attempt": (
        lambda record: (
            (record / layout.RESULT).unlink(),
            replace_by("fifo", "attempts/0001.json")(record),
        ),
        Status.CORRUPT,
    ),
    **{
        f"{kind} for the specification": (write(layout.SPEC, data), Status.CORRUPT)
        for kind, data in BAD_JSON.items()
    },
    **{
        f"{kind} for the closing file": (write(layout.RESULT, data), Status.CORRUPT)
        for kind, data in BAD_JSON.items()
    },
}


@NEVER_HANGS
@pytest.mark.parametrize("state", STATES)
def test_the_state_of_a_record_is_derived_from_its_files(state, record):
    damage, status = STATES[state]
    damage(record)
    found = read_record(record)
    assert found.status is status
    assert found.path == record
    assert bool(found.result) is status.is_finished
    if status is Status.CORRUPT:
        assert found.reason
        assert found.spec == {}
    for name in layout.LOGS:  # reading on never hangs, and fails in one way only
        with contextlib.suppress(RecordError):
            found.log(name)


@pytest.mark.parametrize("depth", [*range(150, 1100, 50), *range(930, 1000, 3)])
def test_no_depth_of_nesting_is_deep_enough_to_raise(depth, record):
    data = b'{"a":' * depth + b"1" + b"}" * depth
    (record / layout.SPEC).write_bytes(data)
    assert read_record(record).status is Status.CORRUPT


def test_a_copied_folder_under_another_name_is_not_taken_for_a_record(record):
    other = record.rename(record.with_name("wine-mlp-sgdr-s0-00000000"))
    found = read_record(other)
    assert found.status is Status.CORRUPT
    assert layout.SPEC in found.reason


def test_a_folder_that_is_not_there_was_never_run(tmp_path):
    assert not read_record(tmp_path / "nothing").status.is_finished


def test_a_failed_run_says_why(record):
    failed(record)
    assert read_record(record).reason == "m"


@pytest.mark.parametrize("name", layout.LOGS)
def test_one_flipped_bit_in_a_log_is_found_where_the_log_is_read(name, record):
    flip(name)(record)
    found = read_record(record)
    with pytest.raises(RecordError, match="digest") as caught:
        found.log(name)
    assert name in str(caught.value)
    for other in layout.LOGS.keys() - {name}:
        assert found.log(other).rows


def test_a_missing_log_is_named(record):
    found = read_record(record)
    (record / "steps.csv").unlink()
    with pytest.raises(RecordError, match=r"steps\.csv must exist"):
        found.log("steps.csv")


def test_the_last_half_line_of_a_run_that_was_cut_off_is_left_out(record):
    whole = read_record(record).log("steps.csv").rows
    (record / layout.RESULT).unlink()
    data = (record / "steps.csv").read_bytes()
    (record / "steps.csv").write_bytes(data[:-10])
    found = read_record(record)
    assert found.status is Status.INTERRUPTED
    assert found.log("steps.csv").rows == whole[:-1]


@pytest.mark.parametrize("is_empty", [True, False])
def test_a_record_is_running_while_somebody_holds_its_lock(is_empty, record):
    (empty if is_empty else remove(layout.RESULT))(record)
    lock = Lock(record / layout.LOCK)
    assert lock.acquire()
    assert read_record(record).status is Status.RUNNING
    lock.release()
    assert read_record(record).status is Status.INTERRUPTED


def test_a_run_that_closes_while_it_is_looked_at_is_complete(record, monkeypatch):
    hidden = (record / layout.RESULT).rename(record / "hidden")

    def closes_now(path):
        if hidden.exists():
            hidden.rename(record / layout.RESULT)
        return False

    monkeypatch.setattr(reader, "is_locked", closes_now)
    assert read_record(record).status is Status.COMPLETE


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_record_that_may_not_be_read_is_named_as_such(record):
    (record / layout.SPEC).chmod(0)
    found = read_record(record)
    assert found.status is Status.CORRUPT
    assert "Permission" in found.reason


@NEVER_HANGS
def test_one_bad_record_hides_no_other(record, tmp_path):
    bad = shutil.copytree(record, tmp_path / "bad-00000000")
    replace_by("fifo", layout.SPEC)(bad)
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "photos").mkdir()
    found = {path.name: read_record(path).status for path in find_records(tmp_path)}
    assert found == {record.name: Status.COMPLETE, bad.name: Status.CORRUPT}
    assert [path.name for path in find_foreign(tmp_path)] == ["notes.txt", "photos"]
    assert list(find_records(record)) == [record]


NO_OBJECT = BAD_JSON.keys() - {"an empty object", "a number beyond all floats", "a lone surrogate"}


@pytest.mark.parametrize("kind", sorted(NO_OBJECT))
def test_a_json_file_that_holds_no_object_of_ours_is_refused_by_name(kind, tmp_path):
    path = tmp_path / "manifest.json"
    path.write_bytes(BAD_JSON[kind])
    with pytest.raises(RecordError) as caught:
        read_json(path)
    assert str(path) in str(caught.value)


def test_attempts_are_told_oldest_first(resolved, tmp_path):
    def fail(progress):
        raise ValueError("boom")

    for _ in range(2):
        with pytest.raises(RunError):
            run(resolved, tmp_path, on_progress=fail, reason="try")
    (path,) = find_records(tmp_path)
    assert read_record(path).status is Status.FAILED
    assert "boom" in read_record(path).reason
    run(resolved, tmp_path)
    attempts = read_record(path).attempts()
    assert [a["outcome"] for a in attempts] == ["failed", "failed", "complete"]
    assert [a["reason"] for a in attempts] == ["try", "try", "run"]
    assert read_record(path).status is Status.COMPLETE


def test_the_steps_of_a_record_made_before_weight_decay_was_logged_are_read(record):
    path = record / "steps.csv"
    at = layout.STEP_COLUMNS.index("weight_decay")
    lines = [line.split(",") for line in path.read_text().splitlines()]
    old = [line[:at] + line[at + 1 :] for line in lines]
    path.write_text("".join(",".join(line) + "\n" for line in old))
    edit(record / layout.RESULT, lambda result: result["logs"].pop("steps.csv"))
    log = read_record(record).log("steps.csv")
    assert log.columns == tuple(old[0])
    assert "weight_decay" not in log.columns
    assert log.column("lr") == [float(line[2]) for line in old[1:]]
