"""Some columns of a record's log as arrays: as fast as many long runs need it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lrbench.errors import RecordError
from lrbench.record.files import LOG_LIMIT, read_file
from lrbench.record.logs import TEXT_COLUMNS
from lrbench.record.reader import Record

Columns = dict[str, NDArray[Any]]


def read_columns(record: Record, name: str, wanted: Sequence[str]) -> Columns:
    """Columns of one log: float64, NaN where a field is empty; text as objects.

    The bytes are those of which the closing file states the digest, which is checked; of an
    unfinished run, as many whole lines as there are. A column that the log has not is left out.

    Raises
    ------
    RecordError
        The log is missing, unreadable, malformed, or not the one the closing file speaks of.
    """
    path = record.path / name
    try:
        data = read_file(path, LOG_LIMIT)
    except OSError as error:
        raise RecordError(f"must be readable ({error.strerror})", key=str(path)) from None
    stated = record.result.get("logs", {}).get(name)
    if stated and stated["sha256"] != hashlib.sha256(data).hexdigest():
        raise RecordError("must have the digest its closing file states", key=str(path))
    data = data[: data.rfind(b"\n") + 1]
    header = data.partition(b"\n")[0].decode("ascii", errors="replace").split(",")
    known = [column for column in wanted if column in header]
    types: dict[str, Any] = {c: "object" if c in TEXT_COLUMNS else "float64" for c in known}
    try:
        frame = pd.read_csv(
            io.BytesIO(data),
            usecols=known,
            dtype=types,
            na_values=[""],
            keep_default_na=True,
            float_precision="round_trip",
            encoding="ascii",
        )
    except (ValueError, pd.errors.ParserError) as error:
        relation = f"must hold numbers as lrbench writes them ({error})"
        raise RecordError(relation, key=str(path)) from None
    return {column: np.asarray(frame[column]) for column in known}
