"""A zip archive in one form only, so that equal files make equal bytes and nothing can hide.

Entries lie back to back in the order of their names, one chosen entry last; then the directory, and
a comment that ends with the sha256 of every byte before it. No dates, permissions, extra fields or
flags. Any program for zip files opens such an archive; only such an archive is opened here: the
reader makes the headers anew from what the directory says and compares them.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, BinaryIO, Final

from lrbench.errors import NOTHING, DamageError, Problem, RecordError
from lrbench.record.files import AppendFile, open_file

PIECE: Final = 2**20
"""Bytes that are in memory at once."""

COUNT_LIMIT: Final = 2**16 - 2
SIZE_LIMIT: Final = 2**32 - 2
"""Files, and bytes of the archive and of each file: what zip holds without its extensions."""

TOTAL_LIMIT: Final = 64 * 2**30
"""Bytes of all files together."""

RATIO_LIMIT: Final = 200
"""Bytes one deflated byte may stand for. What is even emptier is stored as it is."""

NAME_LIMIT: Final = 255
SEAL: Final = b"lrbench bundle sha256 "

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION, _MADE_BY, _FIRST_OF_1980, _PLAIN_FILE = 20, 3 << 8 | 20, 0x21, 0o100644 << 16
_STORED, _DEFLATED = 0, 8
_TAIL = _END.size + len(SEAL) + 64
_KEPT_IN_MEMORY = 64 * 2**20


@dataclass(frozen=True)
class Entry:
    """One file of an archive.

    Parameters
    ----------
    name : str
    method : {0, 8}
        Stored or deflated.
    crc : int
    packed, size : int, in bytes
        In the archive, and of the file.
    offset : int, in bytes
        Where its header begins.
    """

    name: str
    method: int
    crc: int
    packed: int
    size: int
    offset: int

    @property
    def header(self) -> bytes:
        """What stands before its data."""
        return _LOCAL.pack(b"PK\3\4", *self._facts, len(self.name), 0) + self.name.encode()

    @property
    def line(self) -> bytes:
        """What stands in the directory."""
        tail = (len(self.name), 0, 0, 0, 0, _PLAIN_FILE, self.offset)
        return _CENTRAL.pack(b"PK\1\2", _MADE_BY, *self._facts, *tail) + self.name.encode()

    @property
    def _facts(self) -> tuple[int, ...]:
        flags = time = 0
        numbers = (self.crc, self.packed, self.size)
        return _VERSION, flags, self.method, time, _FIRST_OF_1980, *numbers


class ArchiveWriter:
    """An archive being written; entries are added in the order they shall have."""

    def __init__(self, file: AppendFile) -> None:
        self._file = file
        self._entries: list[Entry] = []
        self._total = 0

    def add(self, name: str, pieces: Iterable[bytes]) -> tuple[int, str]:
        """Add a file; its bytes and their sha256 are returned.

        Raises
        ------
        RecordError
            The archive would be larger than its form allows.
        """
        crc = size = 0
        sha256 = hashlib.sha256()
        compressor = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        with _spool() as plain, _spool() as packed:
            for piece in pieces:
                crc, size = zlib.crc32(piece, crc), size + len(piece)
                sha256.update(piece)
                plain.write(piece)
                packed.write(compressor.compress(piece))
                self._refuse_if_too_large(name, size)
            packed.write(compressor.flush())
            is_stored = size > RATIO_LIMIT * packed.tell() or packed.tell() >= size
            chosen, method = (plain, _STORED) if is_stored else (packed, _DEFLATED)
            entry = Entry(name, method, crc, chosen.tell(), size, self._file.size)
            self._refuse_if_too_large(name, size, entry.packed)
            self._file.append(entry.header)
            chosen.seek(0)
            while piece := chosen.read(PIECE):
                self._file.append(piece)
        self._entries.append(entry)
        self._total += size
        return size, sha256.hexdigest()

    def finish(self) -> None:
        """Add the directory and the seal."""
        start, count = self._file.size, len(self._entries)
        for entry in self._entries:
            self._file.append(entry.line)
        directory = self._file.size - start
        comment = len(SEAL) + 64
        end = _END.pack(b"PK\5\6", 0, 0, count, count, directory, start, comment)
        self._file.append(end + SEAL)
        self._file.append(self._file.digest.encode())

    def _refuse_if_too_large(self, name: str, size: int, packed: int = 0) -> None:
        room = 2 * (_CENTRAL.size + NAME_LIMIT) * (len(self._entries) + 1) + _TAIL
        if len(self._entries) == COUNT_LIMIT:
            relation = f"cannot be added: an archive holds at most {COUNT_LIMIT} files"
        elif max(size, self._file.size + packed + room) > SIZE_LIMIT:
            relation = f"cannot be added: an archive holds at most {SIZE_LIMIT} bytes"
        elif self._total + size > TOTAL_LIMIT:
            relation = f"cannot be added: its files have at most {TOTAL_LIMIT} bytes together"
        else:
            return
        raise RecordError(relation, key=name, remedy="bundle fewer runs at a time")


class Archive:
    """An archive open for reading. Nothing its headers say is believed before it was checked.

    Parameters
    ----------
    path : Path
    entries : tuple of Entry
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._file = file
        self._size = file.seek(0, 2)
        self.entries: tuple[Entry, ...] = ()

    def check(self) -> None:
        """Every byte against the seal.

        Raises
        ------
        DamageError
            Naming the entries that are damaged, or the archive where none is.
        """
        if self._has_its_seal():
            self.entries = self._directory()
            return
        try:
            entries = self._directory()
        except DamageError:
            raise self._no_directory() from None
        bad = [entry.name for entry in entries if not self._is_intact(entry)]
        origin = str(self.path)
        if bad:
            raise DamageError([Problem("is damaged", key=name, origin=origin) for name in bad[:20]])
        relation = "is damaged in its own directory; every file in it is intact"
        raise DamageError(relation, key=origin)

    def pieces(self, entry: Entry) -> Iterator[bytes]:
        """The bytes of an entry's file, never more than its stated size.

        Raises
        ------
        DamageError
            They are not what the directory states.
        """
        self._file.seek(entry.offset)
        if self._file.read(len(entry.header)) != entry.header:
            raise self._refused(entry, "must have the header its archive's directory states")
        crc = size = 0
        for piece in self._unpacked(entry):
            crc, size = zlib.crc32(piece, crc), size + len(piece)
            if size > entry.size:
                break
            yield piece
        if (size, crc) != (entry.size, entry.crc):
            raise self._refused(entry, "must have the bytes its archive's directory states")

    def _has_its_seal(self) -> bool:
        if self._size < _TAIL:
            raise self._no_bundle()
        self._file.seek(self._size - _TAIL)
        tail = self._file.read(_TAIL)
        if not tail.startswith(b"PK\5\6") and SEAL not in tail:
            raise self._no_bundle()
        sha256 = hashlib.sha256()
        self._file.seek(0)
        left = self._size - 64
        while left and (piece := self._file.read(min(left, PIECE))):
            sha256.update(piece)
            left -= len(piece)
        return left == 0 and tail[-64:] == sha256.hexdigest().encode()

    def _directory(self) -> tuple[Entry, ...]:
        # In damaged archives too: every number is held against where things really are.
        self._file.seek(max(0, self._size - _TAIL))
        _, _, _, count, _, length, start, _ = _END.unpack(self._file.read(_END.size))
        end = _END.pack(b"PK\5\6", 0, 0, count, count, length, start, len(SEAL) + 64) + SEAL
        self._file.seek(self._size - _TAIL)
        if self._file.read(len(end)) != end or start + length != self._size - _TAIL:
            raise self._no_directory()
        if length > count * (_CENTRAL.size + NAME_LIMIT):
            raise self._no_directory()
        self._file.seek(start)
        text = self._file.read(length)
        entries: list[Entry] = []
        place = offset = total = 0
        for _ in range(count):
            if length - place < _CENTRAL.size:
                raise self._no_directory()
            entry, size = self._entry(text, place)
            if entry.offset != offset:
                raise self._refused(entry, "must begin where the one before it ends")
            place, offset = place + size, offset + len(entry.header) + entry.packed
            total += entry.size
            if total > TOTAL_LIMIT:
                relation = f"must not bring all files above {TOTAL_LIMIT} bytes"
                raise self._refused(entry, relation)
            entries.append(entry)
        if place != length or offset != start:
            raise self._no_directory()
        self._refuse_doubles(entries)
        return tuple(entries)

    def _entry(self, text: bytes, place: int) -> tuple[Entry, int]:
        """The entry at ``place`` of the directory, and the bytes it takes there."""
        fields = _CENTRAL.unpack_from(text, place)
        flags, method, crc, packed, size, length = *fields[3:5], *fields[7:11]
        raw = text[place + _CENTRAL.size : place + _CENTRAL.size + length]
        name = raw.decode("ascii", errors="backslashreplace")
        entry = Entry(name, method, crc, packed, size, fields[16])
        if not re.fullmatch(rb"[!-~]{1,255}", raw):
            raise self._refused(entry, "must have a name in ASCII, without blanks")
        if flags & 0x2041:
            raise self._refused(entry, "must not be encrypted")
        if method not in (_STORED, _DEFLATED):
            raise self._refused(entry, "must be deflated or stored", method)
        kind = fields[15] >> 28
        if kind != _PLAIN_FILE >> 28:
            raise self._refused(entry, "must be a plain file")
        if size > SIZE_LIMIT or size > max(1, packed) * RATIO_LIMIT:
            relation = f"must not unpack to more than {RATIO_LIMIT} times its {packed} bytes"
            raise self._refused(entry, relation, size)
        if (method == _STORED and packed != size) or not text.startswith(entry.line, place):
            raise self._refused(entry, "must be written as lrbench writes it")
        return entry, len(entry.line)

    def _refuse_doubles(self, entries: list[Entry]) -> None:
        seen: set[str] = set()
        for entry in entries:
            # Where upper and lower case are one, the second would overwrite the first.
            if entry.name.lower() in seen:
                raise self._refused(entry, "must not stand twice in an archive")
            seen.add(entry.name.lower())

    def _unpacked(self, entry: Entry) -> Iterator[bytes]:
        left = entry.packed
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        while left and (piece := self._file.read(min(left, PIECE))):
            left -= len(piece)
            if entry.method == _STORED:
                yield piece
                continue
            is_full = True
            while (piece or is_full) and not inflater.eof:
                try:
                    plain = inflater.decompress(piece, PIECE)
                except zlib.error as error:
                    relation = f"must hold deflated bytes ({error})"
                    raise self._refused(entry, relation) from None
                # A full piece may leave more behind even where all that went in was used.
                piece, is_full = inflater.unconsumed_tail, len(plain) == PIECE
                yield plain
            if inflater.unused_data or (inflater.eof and left):
                raise self._refused(entry, "must end where its data end")
        if entry.method == _DEFLATED and not inflater.eof:
            raise self._refused(entry, "must hold deflated bytes (cut short)")

    def _is_intact(self, entry: Entry) -> bool:
        try:
            for _ in self.pieces(entry):
                pass
        except DamageError:
            return False
        return True

    def _refused(self, entry: Entry, relation: str, got: object = NOTHING) -> DamageError:
        return DamageError(relation, key=entry.name, got=got, origin=str(self.path))

    def _no_directory(self) -> DamageError:
        return DamageError("is damaged in its own directory", key=str(self.path))

    def _no_bundle(self) -> DamageError:
        relation = "must be a bundle of lrbench, whole: its end is cut off, or another"
        return DamageError(relation, key=str(self.path))


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """The archive at ``path``, its seal and directory checked.

    Raises
    ------
    RecordError
        It is no regular file, no archive of ours, or damaged.
    """
    with open_file(path, follow_links=True) as file:
        archive = Archive(path, file)
        archive.check()
        yield archive


def _spool() -> IO[bytes]:
    return SpooledTemporaryFile(_KEPT_IN_MEMORY)
