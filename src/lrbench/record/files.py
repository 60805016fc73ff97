"""All file access of records. Nothing else in lrbench writes or reads a file of a record.

Every operation announces itself to :data:`hook` first, which does nothing unless a test put a fault
there: a full disk, a lost write, a kill.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from lrbench.errors import RecordError

Operation = str
"""``mkdir``, ``open``, ``write``, ``fsync``, ``replace``, ``read``, ``lock``, ``truncate``."""

SIZE_LIMIT = 64 * 2**20
"""Bytes of the largest JSON file a record may hold; a larger one is damage or malice."""


def _nothing(operation: Operation, path: Path) -> None:
    pass


hook: Callable[[Operation, Path], None] = _nothing


def claim_folder(path: Path) -> bool:
    """Make ``path``; False if it was there. Of many processes exactly one gets True."""
    hook("mkdir", path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir()
    except FileExistsError:
        if path.is_dir():
            return False
        raise RecordError("must be a folder", key=str(path)) from None
    return True


def replace_file(path: Path, data: bytes) -> None:
    """Write ``path`` whole or not at all, also if the power fails."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = _open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        try:
            write_all(descriptor, temporary, data)
            sync(descriptor, temporary)
        finally:
            os.close(descriptor)
        hook("replace", path)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def create_file(path: Path, data: bytes) -> None:
    """Write a file that is never changed afterwards."""
    replace_file(path, data)


@contextmanager
def replacing(path: Path) -> Iterator[AppendFile]:
    """A file too large for :func:`replace_file`, appended to piece by piece.

    It stands at ``path`` when the block is left, whole; where the block raises, nothing changes.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        file = AppendFile(temporary)
        try:
            yield file
        finally:
            file.close()
        hook("replace", path)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def create_scratch(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a new file that nobody needs after a power failure."""
    descriptor = _open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW)
    try:
        for piece in pieces:
            write_all(descriptor, path, piece)
    finally:
        os.close(descriptor)


@contextmanager
def open_regular(path: Path, *, follow_symlinks: bool = True) -> Iterator[BinaryIO]:
    """A regular file, to be read in pieces.

    Raises
    ------
    RecordError
        It is no regular file, or a link where ``follow_symlinks`` is false.
    """
    hook("read", path)
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags | (0 if follow_symlinks else os.O_NOFOLLOW))
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO):
            raise
        raise RecordError("must be a regular file", key=str(path)) from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise RecordError("must be a regular file", key=str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def read_file(path: Path, limit: int = SIZE_LIMIT) -> bytes:
    """The bytes of a regular file.

    Raises
    ------
    RecordError
        It is no regular file (a pipe would hang the reader), or larger than ``limit`` bytes.
    FileNotFoundError
        It is not there.
    """
    hook("read", path)
    # Without O_NONBLOCK, opening a pipe would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise RecordError("must be a regular file", key=str(path))
        if facts.st_size > limit:
            raise RecordError(f"must not exceed {limit} bytes", key=str(path), got=facts.st_size)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def write_all(descriptor: int, path: Path, data: bytes) -> None:
    """Every byte, or an error: a short write is a full disk that has not said so yet."""
    rest = memoryview(data)
    while rest:
        hook("write", path)
        written = os.write(descriptor, rest)
        if written == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        rest = rest[written:]


def sync(descriptor: int, path: Path) -> None:
    """Onto the disk, past a power failure."""
    hook("fsync", path)
    os.fsync(descriptor)


def sync_folder(path: Path) -> None:
    """The names in a folder onto the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync(descriptor, path)
    finally:
        os.close(descriptor)


class AppendFile:
    """A log: bytes are appended with unbuffered, checked writes while a digest runs along.

    What was appended survives a kill of the process at any moment; :meth:`close` makes it survive a
    power failure too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._sha256 = hashlib.sha256()
        self._descriptor = _open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)

    def append(self, data: bytes) -> None:
        """Add ``data`` at the end."""
        write_all(self._descriptor, self.path, data)
        self._sha256.update(data)
        self.size += len(data)

    @property
    def digest(self) -> str:
        """sha256 of everything appended."""
        return self._sha256.hexdigest()

    def close(self) -> None:
        """Sync and close; doing it twice is allowed."""
        if self._descriptor >= 0:
            try:
                sync(self._descriptor, self.path)
            finally:
                os.close(self._descriptor)
                self._descriptor = -1


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
        hook("lock", self.path)
        descriptor = _open(self.path, os.O_RDWR | os.O_CREAT)
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
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
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
        except OSError:
            return True
        finally:
            os.close(descriptor)
    return False


def _open(path: Path, flags: int) -> int:
    hook("open", path)
    return os.open(path, flags | os.O_CLOEXEC, 0o644)
