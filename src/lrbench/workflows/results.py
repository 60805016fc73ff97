"""The results folder: checked before anything is trained into it, and what stands there already."""

from __future__ import annotations

import os
from pathlib import Path

from lrbench.errors import ConfigError
from lrbench.record.reader import Record, read_record


def check_results(folder: Path, key: str = "--results") -> None:
    """Refuse a results path that is a file or cannot be written; make nothing.

    ``key`` is the option it was given as.

    Raises
    ------
    ConfigError
    """
    try:
        folder.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:  # a ValueError: a NUL in the name
        reason = getattr(error, "strerror", error)
        relation = f"must be the path of a folder ({reason})"
        remedy = f"{key} results"
        raise ConfigError(relation, key=key, got=str(folder), remedy=remedy) from None
    existing = folder
    while not os.path.lexists(existing) and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        relation = (
            "must be a folder" if existing == folder else f"must not lie below the file {existing}"
        )
        raise ConfigError(relation, key=key, got=str(folder), remedy=f"{key} results")
    if not os.access(existing, os.W_OK | os.X_OK):
        relation = f"must be writable ({existing} is not)"
        raise ConfigError(relation, key=key, got=str(folder))


def found_record(path: Path) -> Record | None:
    """The record that stands in ``path``, every byte of its logs checked; None if there is none."""
    return read_record(path, every_byte=True) if path.exists() else None
