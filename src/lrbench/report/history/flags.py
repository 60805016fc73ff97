"""Sanity flags of a folder, kept beside its index: to look for them takes longer than a list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lrbench.errors import LrbenchError
from lrbench.record.files import read_file, replace_file
from lrbench.report.history.index import content_of, head, line_of


@dataclass(frozen=True)
class Flags:
    """The codes of the flags that stand.

    Parameters
    ----------
    of_runs : mapping
        By the names of the runs they are about.
    of_folder : mapping
        Sentences, by the codes of those that are about the whole folder.
    """

    of_runs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    of_folder: Mapping[str, str] = field(default_factory=dict)


def collected(found: Iterable[tuple[str, str, tuple[str, ...]]]) -> Flags:
    """Flags of their codes, sentences and runs; each run has a code once."""
    runs: dict[str, dict[str, None]] = {}
    folder: dict[str, str] = {}
    for code, sentence, names in found:
        for name in names:
            runs.setdefault(name, {})[code] = None
        if not names:
            folder.setdefault(code, sentence)
    return Flags({name: tuple(codes) for name, codes in runs.items()}, folder)


def read_flags(index: Path, state: str) -> Flags | None:
    """Those that were found of a folder when its records were in this very state."""
    with suppress(OSError, LrbenchError):
        match content_of(read_file(_beside(index))):
            case [stated, str(then), dict(runs), dict(folder)] if state:
                if (stated, then) == (head(), state):
                    return Flags({name: tuple(codes) for name, codes in runs.items()}, folder)
    return None


def write_flags(index: Path, state: str, flags: Flags) -> None:
    """Keep them; where that fails, go without."""
    if not state:
        return
    with suppress(OSError, LrbenchError):
        index.parent.mkdir(parents=True, exist_ok=True)
        content = [head(), state, dict(flags.of_runs), dict(flags.of_folder)]
        replace_file(_beside(index), line_of(content), durably=False)


def _beside(index: Path) -> Path:
    return index.with_suffix(".flags")
