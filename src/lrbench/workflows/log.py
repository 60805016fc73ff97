"""The lab notebook of a folder: what was tried and what came of it, in the order it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lrbench.errors import ConfigError, RecordError
from lrbench.record import layout
from lrbench.record.plans import Plan, read_plan
from lrbench.record.reader import is_record
from lrbench.report.history.trial import Trial
from lrbench.report.notebook.chapters import Chapter, chapters
from lrbench.report.notebook.markdown import write
from lrbench.report.runs import reason
from lrbench.workflows.history import history

LEVEL = 0.95


@dataclass(frozen=True)
class Notebook:
    """What ``lrbench log`` answers.

    Parameters
    ----------
    path : Path
        The folder.
    trials : tuple of Trial
    chapters : tuple of Chapter
        In the order they were begun.
    flags : dict
        Codes of what a sanity check found, by the names of runs.
    notices : tuple of str
        What must be known besides.
    markdown : str
        All of it as a text.
    """

    path: Path
    trials: tuple[Trial, ...]
    chapters: tuple[Chapter, ...]
    flags: dict[str, tuple[str, ...]]
    notices: tuple[str, ...]
    markdown: str


def log(
    folder: Path, *, on_read: Callable[[int, int], None] = lambda done, total: None
) -> Notebook:
    """Tell every sweep and every run of ``folder``, from its records alone.

    Parameters
    ----------
    folder : Path
        Results, or one record.
    on_read : callable
        Hears how many records of how many have been read.

    Raises
    ------
    ConfigError
        There is no record. Damaged ones do not raise: they are told as such.
    """
    # A record is known by its folder's name, which "." and a link to it do not show.
    real = Path(os.path.realpath(folder))
    found = history(real if is_record(real) else folder, on_read=on_read)
    plans: list[Plan] = []
    notices = list(found.notices)
    for path in sorted((real / layout.SWEEPS).glob("*.json")):
        try:
            plans.append(read_plan(path))
        except RecordError as error:
            notices.append(f"{layout.SWEEPS}/{path.name} is damaged: {reason(error)}")
    told = chapters(real, found.trials, plans, LEVEL)
    text = write(str(folder), found.trials, told, found.flags, notices, LEVEL)
    return Notebook(folder, found.trials, tuple(told), found.flags, tuple(notices), text)


def save(notebook: Notebook, out: Path, *, force: bool = False) -> None:
    """Write its text to ``out``.

    Raises
    ------
    ConfigError
        The file is there already and ``force`` is not given, or cannot be written.
    """
    if os.path.lexists(out) and not force:
        remedy = "--force, or another file"
        raise ConfigError("must not be there yet", key="--out", got=str(out), remedy=remedy)
    try:
        with out.open("w" if force else "x", encoding="utf-8", newline="\n") as file:
            file.write(notebook.markdown)
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", error)
        relation = f"must be a file that can be written ({told})"
        raise ConfigError(relation, key="--out", got=str(out)) from None
