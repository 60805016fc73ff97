"""The right to write a record."""

from __future__ import annotations

import errno
import fcntl
import os
import time
import weakref
from contextlib import suppress
from pathlib import Path

from lrbench.record import files
from lrbench.record.files import Operation, open_to_write

HELD = (errno.EWOULDBLOCK, errno.EACCES)
"""What flock says of a lock that another process has."""

_locks: weakref.WeakSet[Lock] = weakref.WeakSet()


def _release_in_child() -> None:
    for lock in list(_locks):
        lock.release()


os.register_at_fork(after_in_child=_release_in_child)


class Lock:
    """The right to write a record; the kernel gives it back when the process dies, however."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1
        # A child that outlives the owner must not keep it: O_CLOEXEC sees to those that exec, this
        # to those that only fork.
        _locks.add(self)

    def acquire(self) -> bool:
        """Take it; False if another process has it."""
        files.hook(Operation("lock", self.path))
        descriptor = open_to_write(self.path, os.O_RDWR | os.O_CREAT)
        try:
            is_ours = _flock(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if not is_ours:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give it back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _flock(descriptor: int) -> bool:
    # Who asks whether it is locked has it for a moment; that is no reason to refuse a writer.
    for wait_s in (0.001, 0.01, 0.1, 0.0):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in HELD:
                raise
            time.sleep(wait_s)
        else:
            return True
    return False


def is_locked(path: Path) -> bool:
    """Whether a live process holds the lock at ``path``."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            # A file system without locks answers otherwise; the heartbeat is there for that.
            return error.errno in HELD
        finally:
            os.close(descriptor)
    return False
