"""Where two logs part: the first line in which they differ, in memory that does not grow.

Fields are compared as the text they are. A number read from a log may equal another that was
written differently (0.0 and -0.0), and a NaN equals nothing.
"""

from __future__ import annotations

import io
from collections.abc import Collection
from dataclasses import dataclass
from itertools import count
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from lrbench.errors import RecordError
from lrbench.record.files import open_file

BLOCK = 2**20
"""Bytes compared at once."""

LINE_LIMIT = 2**20
"""Bytes of the longest line; a longer one is damage or malice."""

Fields = dict[str, str]


@dataclass(frozen=True)
class Parting:
    """The first line in which two logs differ.

    Parameters
    ----------
    line : int in [2, inf)
        Its number in both; the first holds the names of the columns.
    recorded, other : mapping or None
        Its fields by column; None where that log has ended.
    """

    line: int
    recorded: Fields | None
    other: Fields | None


def parting(recorded: Path, other: Path, only: Collection[str] | None = None) -> Parting | None:
    """The first line in which two logs differ, or None.

    Parameters
    ----------
    recorded, other : Path
        A log that is not there counts as one without rows; half a line at the end, as a kill may
        leave it, as no line.
    only : collection of str, optional
        Look at these columns; otherwise at all that both logs have.

    Raises
    ------
    RecordError
        The line, or one that had to be read on the way there, is malformed.
    """
    with _opened(recorded) as first, _opened(other) as second:
        names = _header(first, recorded), _header(second, other)
        # A log that is not there has no columns that could differ.
        ours, theirs = names[0] or names[1], names[1] or names[0]
        shared = [c for c in ours if c in theirs and (only is None or c in only)]
        if not shared:
            return None
        ours_of = itemgetter(*map(ours.index, shared))
        theirs_of = itemgetter(*map(theirs.index, shared))
        skipped = _skip_equal_blocks(first, second) if names[0] == names[1] else 0
        for number in count(2 + skipped):
            a, b = _line(first, recorded, number), _line(second, other, number)
            if not a and not b:
                return None
            if a == b and ours == theirs:
                continue
            x = _split(a, ours, recorded, number)
            y = _split(b, theirs, other, number)
            if not x or not y or ours_of(x) != theirs_of(y):
                return Parting(number, _named(x, ours), _named(y, theirs))
    raise AssertionError


def columns_of(path: Path) -> tuple[str, ...]:
    """The columns of a log, as its first line has them; none if the log is not there."""
    with _opened(path) as file:
        return _header(file, path)


def _opened(path: Path) -> BinaryIO:
    try:
        return open_file(path)
    except FileNotFoundError:
        return io.BytesIO()
    except OSError as error:
        raise RecordError(f"must be readable ({error.strerror})", key=str(path)) from None


def _header(file: BinaryIO, path: Path) -> tuple[str, ...]:
    columns = tuple(_text(_line(file, path, 1)).split(","))
    if columns[0] not in ("step", ""):
        raise RecordError("must begin with the column step", key=str(path), got=columns[0][:200])
    return columns if columns[0] else ()


def _skip_equal_blocks(first: BinaryIO, second: BinaryIO) -> int:
    """Go on to the line in which they differ, or to few lines before; how many were passed."""
    start = end = first.tell()
    lines = 0
    while (block := first.read(BLOCK)) and block == second.read(BLOCK):
        lines += block.count(b"\n")
        if b"\n" in block:
            start = end + block.rindex(b"\n") + 1
        end += len(block)
    for file in (first, second):
        file.seek(start)
    return lines


def _line(file: BinaryIO, path: Path, number: int) -> bytes:
    """The next whole line without its newline; empty at the end."""
    line = file.readline(LINE_LIMIT)
    if line.endswith(b"\n"):
        if len(line) > 1:
            return line[:-1]
        raise RecordError(f"line {number} must not be empty", key=str(path))
    if len(line) == LINE_LIMIT:
        raise RecordError(f"line {number} must not exceed {LINE_LIMIT} bytes", key=str(path))
    return b""


def _split(line: bytes, columns: tuple[str, ...], path: Path, number: int) -> list[bytes]:
    if not line:
        return []
    fields = line.split(b",")
    if len(fields) != len(columns):
        relation = f"line {number} must have {len(columns)} fields"
        raise RecordError(relation, key=str(path), got=len(fields))
    return fields


def _named(fields: list[bytes], columns: tuple[str, ...]) -> Fields | None:
    return dict(zip(columns, map(_text, fields), strict=True)) if fields else None


def _text(field: bytes) -> str:
    return field.decode("ascii", "backslashreplace")
