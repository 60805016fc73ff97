"""What a person has to say of a run, later."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrbench.errors import ConfigError, Problem, nearest
from lrbench.record import layout
from lrbench.record.additions import now
from lrbench.record.notes import Note, add_note, checked_tags, checked_text, is_tag, read_notes
from lrbench.record.reader import UNREADABLE, find_records, is_record, read_json
from lrbench.workflows.failures import failures_named

SHOWN = 5
"""Runs that are named where a word stands for several."""


@dataclass(frozen=True)
class Noted:
    """What ``lrbench note`` answers.

    Parameters
    ----------
    run : str
    record : Path
    path : Path or None
        The new note; None where there was nothing to write.
    tags : tuple of str
        That the run has now.
    """

    run: str
    record: Path
    path: Path | None
    tags: tuple[str, ...]


def note(
    run: str,
    text: str | None = None,
    *,
    tags: Sequence[str] = (),
    untags: Sequence[str] = (),
    results: Path = Path("results"),
) -> Noted:
    """Write a note beside a record; the record itself, and what the run is, stay as they are.

    Parameters
    ----------
    run : str
        The path of a record, or what tells it from the others in ``results``: the start of its
        name, or the 8 hexadecimal digits at its end.
    text : str, optional
        May be left out where tags change.
    tags, untags : sequence of str
        To give and to take away.
    results : Path
        Where ``run`` is looked for if it is no path; its twins are looked at too.

    Raises
    ------
    ConfigError
        There is no such run, or more than one; nothing is said; a tag cannot be one, or the run has
        it not.
    RecordError
        The note cannot be written.
    """
    tags, untags = checked_tags(tags, "--tag"), checked_tags(untags, "--untag")
    if text is not None:
        checked_text(text, "TEXT")
    elif not tags and not untags:
        remedy = f'lrbench note {run} "what there is to say"'
        raise ConfigError("must say something, or change tags", key="a note", remedy=remedy)
    if both := [tag for tag in tags if tag in untags]:
        raise ConfigError("must not be both given and taken away", key="a tag", got=both[0])
    record = find_by_name(run, results)
    has = tags_of(record)
    problems = [_lacking(tag, has) for tag in untags if tag not in has]
    if problems:
        raise ConfigError(problems)
    new = tuple(tag for tag in tags if tag not in has)
    path = None
    if text is not None or new or untags:
        with failures_named(record):
            path = add_note(record, Note(now(), text or "", new, untags))
    return Noted(record.name, record, path, tags_of(record))


def find_by_name(run: str, results: Path) -> Path:
    """The record that ``run`` stands for; see :func:`note`.

    Raises
    ------
    ConfigError
    """
    here = Path(run)
    try:
        if here.is_dir() and is_record(here):
            return here.resolve() if here.name in ("", "..") or here.is_symlink() else here
        folders = [folder for folder in (results, results / layout.TWINS) if folder.is_dir()]
        known = [path for folder in folders for path in find_records(folder)]
    except (OSError, ValueError) as error:  # a ValueError: a NUL in the name
        told = getattr(error, "strerror", error)
        raise ConfigError(f"must be readable ({told})", key=run) from None
    is_end = re.fullmatch(r"[0-9a-f]{8}", run) is not None
    found = [
        path
        for path in known
        if (is_end and path.name.endswith(f"-{run}")) or (run and path.name.startswith(run))
    ]
    # A whole name stands for itself, though it be the start of another one.
    found = [path for path in found if path.name == run] or found
    if len(found) == 1:
        return found[0]
    if found:
        named = ", ".join(path.name for path in found[:SHOWN])
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise ConfigError(
            f"must stand for one run ({named}{more})",
            key="RUN",
            got=run,
            remedy=found[0].name.rpartition("-")[2],
        )
    if here.is_dir():
        first = next(iter(find_records(here)), None)
        relation = "must be one record" if first else "must hold the record of a run"
        remedy = str(first) if first else "lrbench history"
        raise ConfigError(relation, key="RUN", got=run, remedy=remedy)
    relation = f"must be the path of a record, or the name of one in {results}, or its start or end"
    near = nearest(run, [path.name for path in known])
    raise ConfigError(relation, key="RUN", got=run, remedy=near or "lrbench history")


def tags_of(record: Path) -> tuple[str, ...]:
    """The tags that the record in ``record`` has now."""
    return read_notes(record).tags(launch_tags(record))


def launch_tags(record: Path) -> tuple[str, ...]:
    """Those it was begun with; none where its manifest cannot be read."""
    try:
        stated: Any = read_json(record / layout.MANIFEST).get("tags", ())
        return tuple(tag for tag in stated if is_tag(tag))
    except UNREADABLE:
        return ()


def _lacking(tag: str, has: Sequence[str]) -> Problem:
    relation = f"must be a tag that the run has ({', '.join(has) or 'it has none'})"
    near = nearest(tag, has)
    return Problem(relation, key="--untag", got=tag, remedy=f"--untag {near}" if near else None)
