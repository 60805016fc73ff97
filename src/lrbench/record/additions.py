"""What a record gets after its start: a sealed file each, added and never changed.

Each is named by its time and its seal, so that writers need no lock and cannot hurt each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from lrbench.errors import RecordError
from lrbench.record.files import claim_folder, replace_file
from lrbench.spec.canonical import pretty, sealed

ADDITION: Final = r"\d{8}T\d{9}Z-[0-9a-f]{8}\.json"
"""The name of such a file, as a regular expression: UTC to the millisecond, start of its digest."""


def now() -> str:
    """This moment: UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def add(folder: Path, moment: str, content: Mapping[str, Any]) -> Path:
    """Write ``content`` into ``folder``, which is made where there is none; returns its file.

    The same content at the same moment is the same file.

    Raises
    ------
    RecordError
        The folder is none, or leads elsewhere.
    """
    if folder.is_symlink():
        raise RecordError(
            "must be a folder, not a link", key=str(folder), remedy="move the link elsewhere"
        )
    claim_folder(folder)
    whole = sealed(content)
    path = folder / name_of(moment, whole)
    replace_file(path, pretty(whole).encode())
    return path


def name_of(moment: str, whole: Mapping[str, Any]) -> str:
    """The name of the file with this content, its seal included.

    Raises
    ------
    ValueError, TypeError or OverflowError
        ``moment`` is none.
    """
    stamp = datetime.fromisoformat(moment).astimezone(UTC)
    digits = f"{stamp:%Y%m%dT%H%M%S}{stamp.microsecond // 1000:03d}Z"
    return f"{digits}-{whole['digest'][:8]}.json"
