"""Files of records: whole or not at all, and never a wait for nobody."""

import errno
import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lrbench.errors import RecordError
from lrbench.record import files
from lrbench.record.files import AppendFile, claim_folder, read_file, replace_file
from lrbench.record.lock import Lock, is_locked


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def open_files():
    """How many this process has, where that can be known."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def full_disk(operation):
    def hook(found):
        if found.kind == operation:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(found.path))

    return hook


def test_a_replaced_file_has_the_new_bytes_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "result.json"
    replace_file(path, b"old")
    replace_file(path, b"new and longer")
    assert path.read_bytes() == b"new and longer"
    assert names(tmp_path) == ["result.json"]


@pytest.mark.parametrize("operation", ["open", "write", "fsync", "replace"])
def test_a_replacement_that_fails_keeps_the_old_file_and_leaves_nothing_behind(
    operation, tmp_path, monkeypatch
):
    path = tmp_path / "result.json"
    replace_file(path, b"old")
    monkeypatch.setattr(files, "hook", full_disk(operation))
    with pytest.raises(OSError, match="No space"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["result.json"]


def test_a_file_is_on_the_disk_before_it_takes_its_name(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(files, "hook", lambda found: seen.append((found.kind, found.path.name)))
    replace_file(tmp_path / "spec.json", b"{}")
    temporary = f".spec.json.{os.getpid()}.tmp"
    assert seen == [
        ("open", temporary),
        ("write", temporary),
        ("fsync", temporary),
        ("replace", "spec.json"),
        ("fsync", tmp_path.name),
    ]


def test_an_appended_file_knows_its_size_and_digest(tmp_path):
    log = AppendFile(tmp_path / "log")
    log.append(b"one\n")
    log.append(b"two\n")
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n", "appends must not wait in a buffer"
    assert log.size == 8
    assert log.digest == hashlib.sha256(b"one\ntwo\n").hexdigest()
    log.close()
    log.close()
    AppendFile(tmp_path / "log").close()
    assert (tmp_path / "log").read_bytes() == b""


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["fifo", "directory", "device"])
def test_what_is_no_regular_file_is_refused_without_waiting_for_it(kind, tmp_path):
    path = tmp_path / "spec.json"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")
    before = open_files()
    for _ in range(3):
        with pytest.raises(RecordError, match="regular file") as caught:
            read_file(path)
        assert str(path) in str(caught.value)
    assert open_files() == before


def test_a_missing_file_is_told_from_a_damaged_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "spec.json")


def test_a_folder_is_claimed_once(tmp_path):
    assert claim_folder(tmp_path / "results" / "run") is True
    assert claim_folder(tmp_path / "results" / "run") is False
    (tmp_path / "results" / "file").write_text("")
    with pytest.raises(RecordError, match="must be a folder"):
        claim_folder(tmp_path / "results" / "file")


def test_a_lock_is_held_by_one_and_free_after_it(tmp_path):
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert not is_locked(tmp_path / "lock"), "a lock that is not there is not held"
    assert first.acquire()
    assert is_locked(tmp_path / "lock")
    assert not second.acquire()
    first.release()
    first.release()
    assert not is_locked(tmp_path / "lock")
    assert second.acquire()
    second.release()


def test_asking_whether_it_is_locked_takes_the_lock_from_nobody(tmp_path):
    path = tmp_path / "lock"
    path.touch()
    asker = os.open(path, os.O_RDONLY)
    fcntl.flock(asker, fcntl.LOCK_SH)  # as is_locked does, caught in the act
    timer = threading.Timer(0.02, os.close, [asker])
    timer.start()
    lock = Lock(path)
    assert lock.acquire()
    lock.release()
    timer.join()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["fifo", "directory"])
def test_a_lock_that_is_no_file_does_not_hang_who_asks(kind, tmp_path):
    path = tmp_path / "lock"
    os.mkfifo(path) if kind == "fifo" else path.mkdir()
    assert is_locked(path) is False


HOLD = """
import os, sys, time
from pathlib import Path
from lrbench.record.lock import Lock
lock = Lock(Path(sys.argv[1]))
assert lock.acquire()
if sys.argv[2] == "fork":
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    print(child, flush=True)
elif sys.argv[2] == "exec":
    import subprocess
    print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid, flush=True)
else:
    print(0, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("child", ["none", "fork", "exec"])
def test_a_lock_is_free_when_its_owner_is_killed_whatever_children_live_on(child, tmp_path):
    path = tmp_path / "lock"
    owner = subprocess.Popen([sys.executable, "-c", HOLD, path, child], stdout=subprocess.PIPE)
    heir = int(owner.stdout.readline())
    try:
        time.sleep(0.1)  # for a forked child to have let go
        assert is_locked(path)
        assert not Lock(path).acquire()
        owner.kill()
        owner.wait()
        lock = Lock(path)
        assert lock.acquire()
        lock.release()
        if heir:
            os.kill(heir, 0)  # the child does live on
    finally:
        owner.kill()
        owner.wait()
        owner.stdout.close()
        if heir:
            os.kill(heir, signal.SIGKILL)
