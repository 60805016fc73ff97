"""Where the records of a comparison lie."""

from __future__ import annotations

from pathlib import Path

from lrbench.record import layout
from lrbench.record.memory import remembered


def place_of(folder: Path, run: str) -> Path:
    """The record of a run: in ``folder``, or ``folder`` itself where that is a record."""
    return folder if _is_record(folder) else folder / run


@remembered(lambda folder: folder)
def _is_record(folder: Path) -> bool:
    return (folder / layout.SPEC).exists()
