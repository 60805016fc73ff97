"""Columns of numbers of a log, fast: for looks at the steps of many records at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lrbench.errors import RecordError
from lrbench.record import layout
from lrbench.record.files import LOG_LIMIT, read_file
from lrbench.record.logs import TEXT_COLUMNS
from lrbench.record.memory import remembered
from lrbench.record.reader import Record

Series = dict[str, NDArray[np.float64]]


@remembered(lambda record, log, names: (record.path, log, tuple(names)))
def read_series(record: Record, log: str, names: Sequence[str]) -> Series:
    """Some columns of a log of a finished record, NaN where a field is empty.

    The bytes are held against the digest in the closing file, and are then taken to be what lrbench
    wrote: no line is looked at as closely as :func:`lrbench.record.logs.parse_log` does.

    Parameters
    ----------
    record : Record
        Finished.
    log : str
        One of ``layout.LOGS``.
    names : sequence of str
        Columns of numbers. One that an earlier lrbench did not write is not in the answer.

    Returns
    -------
    dict of str to ndarray of shape (rows,)

    Raises
    ------
    RecordError
        The log is missing, has other bytes than the closing file states, or is no table of ours.
    """
    path = record.path / log
    try:
        data = read_file(path, LOG_LIMIT)
    except FileNotFoundError:
        raise RecordError("must exist in a record", key=str(path)) from None
    except OSError as error:
        raise RecordError(f"must be readable ({error.strerror})", key=str(path)) from None
    if record.result["logs"][log]["sha256"] != hashlib.sha256(data).hexdigest():
        raise RecordError("must have the digest its closing file states", key=str(path))
    header, _, body = data.partition(b"\n")
    known = (layout.ALL_LOGS[log], *layout.EARLIER.get(log, ()))
    columns = next((c for c in known if ",".join(c).encode() == header), None)
    if columns is None:
        raise RecordError(f"must begin with {','.join(known[0])}", key=str(path))
    assert not TEXT_COLUMNS & {*names}
    # Every field of the file, one after the other: a column is each so-manieth of them.
    fields = body.replace(b"\n", b",").split(b",")
    if (
        fields.pop()
        or len(fields) % len(columns)
        or len(fields) != len(columns) * body.count(b"\n")
    ):
        raise RecordError(f"must have {len(columns)} fields in every line", key=str(path))
    try:
        return {
            name: _numbers(fields[columns.index(name) :: len(columns)])
            for name in names
            if name in columns
        }
    except ValueError as error:
        raise RecordError(f"must hold numbers ({error})", key=str(path)) from None


@remembered(lambda fields: (len(fields), hashlib.sha256(b",".join(fields)).digest()))
def _numbers(fields: Sequence[bytes]) -> NDArray[np.float64]:
    """A column; not to be changed, because the seeds of an arm may have one of rates in common."""
    numbers = np.array([float(field or b"nan") for field in fields])
    numbers.flags.writeable = False
    return numbers
