"""CSV as records have it: exact when written, strict when read.

A float is written as ``repr(float(x))``, which reads back to the same bits; an absent value as
nothing; what a name has besides letters, digits and ``_.-~+:`` is percent-encoded. The reader
guesses nothing: a wrong number of fields, a number cut short at the end of the file or written in
any other way is an error that names the line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, unquote

from lrbench.errors import RecordError
from lrbench.record.files import LOG_LIMIT, AppendFile, read_file

Value = float | int | str | None

_NUMBER = r"-?(?:(?:0|[1-9]\d{0,18})(?:\.\d+)?|[1-9](?:\.\d+)?e[+-]\d{2,3}|inf)|nan"
_TEXT = r"(?:[A-Za-z0-9_.~:+-]|%[0-9A-F]{2})*"
TEXT_COLUMNS = frozenset({"batch_digest", "layer", "cause", "policy", "audit", "kind", "occasion"})


def format_row(values: Iterable[Value]) -> str:
    """One line, with its newline."""
    fields = [
        "" if v is None else quote(v, safe=":+") if isinstance(v, str) else repr(v) for v in values
    ]
    return ",".join(fields) + "\n"


class LogWriter:
    """One CSV log being written."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.rows = 0
        self.file = AppendFile(path)
        self.file.append(f"{','.join(columns)}\n".encode())

    @classmethod
    def continued(cls, path: Path, stated: Mapping[str, Any]) -> Self:
        """A log as it was when :meth:`state` said this of it; what came after is cut off.

        Raises
        ------
        RecordError
            It is shorter, or has other bytes; it is left as it is.
        """
        self = cls.__new__(cls)
        self.rows = stated["rows"]
        self.file = AppendFile.continued(path, stated["bytes"], stated["sha256"])
        return self

    def write(self, rows: Sequence[Sequence[Value]]) -> None:
        """Append whole rows in one write; values in the order of the columns."""
        if rows:
            self.file.append("".join(map(format_row, rows)).encode("ascii"))
            self.rows += len(rows)

    def state(self) -> dict[str, int | str]:
        """What is in it: rows, bytes, and the digest of the bytes."""
        return {"rows": self.rows, "bytes": self.file.size, "sha256": self.file.digest}


@dataclass(frozen=True)
class Log:
    """A CSV log read back.

    Parameters
    ----------
    columns : tuple of str
    rows : list of lists
        Floats, ``None`` where a field is empty, text in text columns.
    """

    columns: tuple[str, ...]
    rows: list[list[Value]]

    def column(self, name: str) -> list[Value]:
        """All values of one column."""
        index = self.columns.index(name)
        return [row[index] for row in self.rows]


def read_log(path: Path, columns: Sequence[str]) -> Log:
    """Read a log whose header must be ``columns``.

    Raises
    ------
    RecordError
        Naming the file, the line, and what is wrong with it.
    """
    return parse_log(read_file(path, LOG_LIMIT), columns, path)


def parse_log(data: bytes, columns: Sequence[str], path: Path) -> Log:
    """:func:`read_log` on bytes already read."""
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        raise RecordError(f"must be ASCII (byte {error.start})", key=str(path)) from None
    header, *lines = text.split("\n")
    if header != ",".join(columns):
        raise RecordError(f"must begin with {','.join(columns)}", key=str(path), got=header[:200])
    if not lines or lines.pop() != "":
        raise RecordError("must end with a whole line", key=str(path))
    is_text = [name in TEXT_COLUMNS for name in columns]
    whole = _line_pattern(tuple(columns))
    rows: list[list[Value]] = []
    for number, line in enumerate(lines, start=2):
        fields = line.split(",")
        if not whole.fullmatch(line) or ("e+" in line and _overflows(fields, is_text)):
            raise _damage(fields, columns, path, number)
        rows.append(
            [
                (unquote(field) if text else float(field)) if field else None
                for field, text in zip(fields, is_text, strict=True)
            ]
        )
    return Log(tuple(columns), rows)


@cache
def _line_pattern(columns: tuple[str, ...]) -> re.Pattern[str]:
    # One match a line, not one a field: most of the time of reading many records went there.
    return re.compile(",".join(_field(name) for name in columns), re.ASCII)


def _field(column: str) -> str:
    return _TEXT if column in TEXT_COLUMNS else f"(?:{_NUMBER})?"


def _overflows(fields: list[str], is_text: list[bool]) -> bool:
    """Whether there is a number that float() would make infinite without a word."""
    return any(
        "e+" in field and not text and math.isinf(float(field))
        for field, text in zip(fields, is_text, strict=True)
    )


def _damage(fields: list[str], columns: Sequence[str], path: Path, number: int) -> RecordError:
    if len(fields) != len(columns):
        relation = f"line {number} must have {len(columns)} fields"
        return RecordError(relation, key=str(path), got=len(fields))
    pairs = zip(fields, columns, strict=True)
    wrong = (f for f, column in pairs if not re.fullmatch(_field(column), f, re.ASCII))
    bad = next(wrong, ",".join(fields))
    relation = f"line {number} must hold numbers as lrbench writes them"
    return RecordError(relation, key=str(path), got=bad)
