"""One wrong input: what is typed, in what folder, and what the answer must hold."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lrbench.config.home import packaged_folder

CONFIG = (packaged_folder() / "config.yaml").read_text()
"""lrbench's own, for rows to break."""


LONGEST_LINE = 400
"""Characters of a line that the page shows."""


@dataclass(frozen=True)
class Row:
    """A wrong input.

    Parameters
    ----------
    typed : str
        After ``lrbench``, quoted as in a shell.
    told : tuple of str
        What the answer must hold: key and relation, value, origin and remedy.
    files : mapping of str to str or bytes
        What lies in the folder.
    after : tuple of str
        Commands, right ones, that were typed there before.
    problems : int
        How many are told.
    """

    typed: str
    told: tuple[str, ...]
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    problems: int = 1

    @property
    def words(self) -> list[str]:
        """As the shell hands them over."""
        return shlex.split(self.typed)

    def prepare(self, lrbench: Callable[..., Any], folder: Path) -> None:
        """Make the folder in which it is typed."""
        for command in self.after:
            lrbench(*shlex.split(command))
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())


def row(typed: str, *told: str, **others: Any) -> Row:
    """A row of the table, with less to type."""
    return Row(typed, told, **others)


@dataclass(frozen=True)
class Section:
    """Rows that belong together, under a heading of ``docs/errors.md``."""

    title: str
    rows: tuple[Row, ...]


def section(title: str, *rows: Row) -> Section:
    """A section of the table."""
    return Section(title, rows)


def common(text: str) -> str:
    """An answer without what differs from one machine to another."""
    text = text.replace(str(packaged_folder()), "conf")
    text = re.sub(r"the \d+ cores? of", "the cores of", text)
    return re.sub(r"of this machine \([^)]*\)", "of this machine (cpu)", text)
