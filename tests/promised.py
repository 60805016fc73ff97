"""What the promise of equal bytes speaks of: one list for every test that compares records."""

from __future__ import annotations

from pathlib import Path

from lrbench.record import layout
from lrbench.record.reader import kept_files


def bytes_of(record: Path) -> dict[str, bytes]:
    """The promised files that a record has, by name; none of those that all have is missing."""
    names = [
        *(name for name in layout.PROMISED if (record / name).exists()),
        *(f"{layout.KEPT}/{path.name}" for path in kept_files(record)),
    ]
    if missing := {*layout.LOGS, layout.RESULT, layout.SPEC} - {*names}:
        raise FileNotFoundError(*sorted(missing))
    return {name: (record / name).read_bytes() for name in names}
