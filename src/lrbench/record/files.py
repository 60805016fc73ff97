"""All file access of records. Nothing else in lrbench writes or reads a file of a record.

Every operation announces itself to :data:`hook` first, which does nothing unless a test put a fault
there: a full disk, a lost or short write, a kill. What is announced is all that happens, so that
a test can also make up every state a crash may leave from the operations it heard of.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Literal, Self

from lrbench.errors import RecordError

SIZE_LIMIT = 64 * 2**20
"""Bytes of the largest JSON file a record may hold; a larger one is damage or malice."""

LOG_LIMIT = 16 * 2**30
"""Bytes of the largest log or checkpoint."""


CHUNK = 2**20

Kind = Literal["mkdir", "open", "write", "fsync", "replace", "unlink", "truncate", "read", "lock"]


@dataclass(frozen=True)
class Operation:
    """Something that is about to happen to a file.

    Parameters
    ----------
    kind : str
    path : Path
        The file or folder; of ``replace`` the name it gets.
    data : bytes
        Of ``write``.
    source : Path, optional
        Of ``replace``: the name it had.
    size : int, optional
        Of ``truncate``, in bytes; of ``open``, 0 where the file is emptied or made.
    """

    kind: Kind
    path: Path
    data: bytes | memoryview = b""
    source: Path | None = None
    size: int | None = None


def _nothing(operation: Operation) -> int | None:
    return None


hook: Callable[[Operation], int | None] = _nothing
"""Hears of every operation before it happens. It may raise, and of a ``write`` it may return how
many bytes are to be taken."""


def claim_folder(path: Path) -> bool:
    """Make ``path``; False if it was there. Of many processes exactly one gets True."""
    hook(Operation("mkdir", path))
    made = [parent for parent in path.parents if not parent.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir()
    except FileExistsError:
        if path.is_dir():
            return False
        raise RecordError("must be a folder", key=str(path)) from None
    for folder in (path, *made):
        sync_folder(folder.parent)
    return True


def replace_file(
    path: Path, data: bytes, *, keep: Path | None = None, durably: bool = True
) -> None:
    """Write ``path`` whole or not at all; also if the power fails, unless not ``durably``.

    The file that was there gets the name ``keep``, so that at every moment one of the two is there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = open_to_write(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        try:
            write_all(descriptor, temporary, data)
            if durably:
                sync(descriptor, temporary)
        finally:
            os.close(descriptor)
        if keep is not None and os.path.lexists(path):
            rename(path, keep)
        rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    if durably:
        sync_folder(path.parent)


def rename(source: Path, path: Path) -> None:
    """Give a file another name, at once; what had that name is gone."""
    hook(Operation("replace", path, source=source))
    source.replace(path)


def remove_file(path: Path) -> None:
    """Remove a file, if it is there."""
    if os.path.lexists(path):
        hook(Operation("unlink", path))
        path.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what writers that were killed left half written; only its one writer may do this."""
    for path in folder.glob(".*.tmp"):
        remove_file(path)


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
        rename(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def read_file(path: Path, limit: int = SIZE_LIMIT) -> bytes:
    """The bytes of a regular file.

    Raises
    ------
    RecordError
        It is no regular file (a pipe would hang the reader, a link may lead anywhere), or larger
        than ``limit`` bytes.
    FileNotFoundError
        It is not there.
    """
    with _naming(path), open_file(path, limit) as file:
        return file.read()


def open_file(path: Path, limit: int = LOG_LIMIT, *, follow_links: bool = False) -> BufferedReader:
    """A regular file, to be read in pieces; errors as of :func:`read_file`."""
    return os.fdopen(_open_to_read(path, limit, follow_links), "rb")


def digest_file(path: Path, limit: int = LOG_LIMIT) -> str:
    """sha256 of a regular file's bytes, read in pieces; errors as of :func:`read_file`."""
    with _naming(path), open_file(path, limit) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_line(path: Path, limit: int) -> bytes:
    """The first line of a regular file, with its newline, of ``limit`` bytes at most."""
    with _naming(path), open_file(path) as file:
        return file.readline(limit)


def read_end(path: Path, size: int) -> bytes:
    """The last ``size`` bytes of a regular file, or all of it."""
    with open_file(path) as file:
        file.seek(-min(size, os.fstat(file.fileno()).st_size), os.SEEK_END)
        return file.read()


def _open_to_read(path: Path, limit: int, follow_links: bool) -> int:
    hook(Operation("read", path))
    # Without O_NONBLOCK, opening a pipe would wait for a writer.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags if follow_links else flags | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        relation = "must be a regular file, not a link"
        raise RecordError(relation, key=str(path)) from None
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise RecordError("must be a regular file", key=str(path))
        if facts.st_size > limit:
            raise RecordError(f"must not exceed {limit} bytes", key=str(path), got=facts.st_size)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def write_all(descriptor: int, path: Path, data: bytes) -> None:
    """Every byte, or an error: a short write is a full disk that has not said so yet."""
    rest = memoryview(data)
    with _naming(path):
        while rest:
            taken = hook(Operation("write", path, rest))
            written = os.write(descriptor, rest[:taken])
            if written == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            rest = rest[written:]


def sync(descriptor: int, path: Path) -> None:
    """Onto the disk, past a power failure."""
    with _naming(path):
        hook(Operation("fsync", path))
        os.fsync(descriptor)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Errors of a descriptor with the file's name, which the kernel does not tell."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def sync_folder(path: Path) -> None:
    """The names in a folder onto the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync(descriptor, path)
    finally:
        os.close(descriptor)


class AppendFile:
    """A log: bytes are appended with unbuffered, checked writes while a digest runs along.

    What was appended survives a kill of the process at any moment; :meth:`sync` makes it survive a
    power failure too.

    Parameters
    ----------
    path : Path
        Made, or emptied.
    """

    def __init__(self, path: Path) -> None:
        self._begin(path, open_to_write(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND))

    def _begin(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.size = 0
        self._sha256 = hashlib.sha256()
        self._descriptor = descriptor

    @classmethod
    def continued(cls, path: Path, size: int, sha256: str) -> Self:
        """The log with its first ``size`` bytes, to be appended to; the rest is cut off.

        Raises
        ------
        RecordError
            It is shorter than that, or its first bytes have another digest; nothing was cut off.
        """
        self = cls.__new__(cls)
        self._begin(path, open_to_write(path, os.O_RDWR | os.O_APPEND))
        try:
            while self.size < size:
                with _naming(path):
                    hook(Operation("read", path))
                    piece = os.pread(self._descriptor, min(CHUNK, size - self.size), self.size)
                if not piece:
                    relation = f"must have at least {size} bytes"
                    raise RecordError(relation, key=str(path), got=self.size)
                self._sha256.update(piece)
                self.size += len(piece)
            if self.digest != sha256:
                relation = f"must have its first {size} bytes as they were written"
                raise RecordError(relation, key=str(path))
            with _naming(path):
                hook(Operation("truncate", path, size=size))
                os.ftruncate(self._descriptor, size)
            self.sync()
        except BaseException:
            os.close(self._descriptor)
            raise
        return self

    def append(self, data: bytes) -> None:
        """Add ``data`` at the end."""
        write_all(self._descriptor, self.path, data)
        self._sha256.update(data)
        self.size += len(data)

    @property
    def digest(self) -> str:
        """sha256 of everything in it."""
        return self._sha256.hexdigest()

    def sync(self) -> None:
        """Everything appended so far onto the disk."""
        sync(self._descriptor, self.path)

    def close(self) -> None:
        """Sync and close; doing it twice is allowed."""
        if self._descriptor >= 0:
            try:
                self.sync()
            finally:
                os.close(self._descriptor)
                self._descriptor = -1


def open_to_write(path: Path, flags: int) -> int:
    """A descriptor of a regular file, made with ``os.O_CREAT``; no link is followed.

    Raises
    ------
    RecordError
        Something else has the name.
    """
    hook(Operation("open", path, size=0 if flags & os.O_TRUNC else None))
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise
    else:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
    raise RecordError("must be a regular file", key=str(path))
