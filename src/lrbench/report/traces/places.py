"""Where the records of a comparison lie."""

from __future__ import annotations

from pathlib import Path

from lrbench.record import layout


def place_of(folder: Path, run: str) -> Path:
    """The record of a run: in ``folder``, or ``folder`` itself where that is a record."""
    return folder if (folder / layout.SPEC).exists() else folder / run
