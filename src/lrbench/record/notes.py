"""Remarks and tags that a record gets after its start: a file each, added and never changed.

They are outside the bit-for-bit promise and no part of a run's identity; damage to one hides
neither the others nor the run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lrbench.errors import ConfigError, LrbenchError, Problem, RecordError
from lrbench.record import layout
from lrbench.record.additions import ADDITION, add, name_of
from lrbench.record.reader import UNREADABLE, read_json

TAG: Final = r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,39}"

LONGEST_NOTE: Final = 10_000
"""Characters of a note."""

_SIZE_LIMIT = 2**18
"""Bytes of the file of one."""


@dataclass(frozen=True)
class Note:
    """One remark.

    Parameters
    ----------
    written : str
        When: UTC, ISO 8601, to the millisecond.
    text : str
        May be empty where tags changed.
    tags, untags : tuple of str
        Given to the run with it, and taken away.
    """

    written: str
    text: str
    tags: tuple[str, ...] = ()
    untags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Notes:
    """All that was noted of a run after its start.

    Parameters
    ----------
    notes : tuple of Note
        Oldest first.
    damaged : mapping
        What is wrong with those that cannot be read, in words, by their names in the record.
    """

    notes: tuple[Note, ...] = ()
    damaged: Mapping[str, str] = field(default_factory=dict)

    def tags(self, first: Iterable[str] = ()) -> tuple[str, ...]:
        """The tags a run has now, having had ``first`` from its start."""
        tags = dict.fromkeys(first)
        for note in self.notes:
            tags = {tag: None for tag in tags if tag not in note.untags}
            tags |= dict.fromkeys(note.tags)
        return tuple(tags)


def add_note(record: Path, note: Note) -> Path:
    """Write a note beside whatever the record in ``record`` holds; returns its file.

    Raises
    ------
    RecordError
        The folder of notes is none, or leads elsewhere.
    """
    content = {
        "written": note.written,
        "text": note.text,
        "tags": list(note.tags),
        "untags": list(note.untags),
    }
    return add(record / layout.NOTES, note.written, content)


def read_notes(record: Path) -> Notes:
    """The notes of the record in ``record``; never raises for what it finds there."""
    folder = record / layout.NOTES
    if not os.path.lexists(folder):
        return Notes()
    try:
        if folder.is_symlink():
            raise RecordError("must be a folder, not a link", key=str(folder))
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
    except (LrbenchError, OSError) as error:
        return Notes(damaged={layout.NOTES: _words(error)})
    notes: list[Note] = []
    damaged: dict[str, str] = {}
    for name in names:
        if re.fullmatch(ADDITION, name, re.ASCII):
            try:
                notes.append(_read(folder / name))
            except UNREADABLE as error:
                damaged[f"{layout.NOTES}/{name}"] = _words(error)
        elif not name.startswith("."):
            damaged[f"{layout.NOTES}/{name}"] = "must have the name of a note"
    return Notes(tuple(sorted(notes, key=lambda note: note.written)), damaged)


def checked_text(text: str, key: str) -> str:
    """A note that says something.

    Raises
    ------
    ConfigError
        It is blank, or longer than any note.
    """
    if not text.strip():
        remedy = 'lrbench note RUN "what there is to say"'
        raise ConfigError("must say something", key=key, got=text, remedy=remedy)
    if len(text) > LONGEST_NOTE:
        relation = f"must have at most {LONGEST_NOTE} characters"
        raise ConfigError(relation, key=key, got=len(text))
    return text


def checked_tags(tags: Sequence[str], key: str) -> tuple[str, ...]:
    """Tags as they may be, each once.

    Raises
    ------
    ConfigError
        Naming every one that may not.
    """
    problems = []
    for tag in tags:
        if not is_tag(tag):
            relation = "must be a letter or digit, then at most 39 letters, digits or any of _.:+-"
            word = re.sub(r"[^A-Za-z0-9_.:+-]+", "-", tag).lstrip("-_.:+")[:40].rstrip("-")
            remedy = f"{key} {word}" if word else f"{key} pilot"
            problems.append(Problem(relation, key=key, got=tag, remedy=remedy))
    if problems:
        raise ConfigError(problems)
    return tuple(dict.fromkeys(tags))


def is_tag(value: object) -> bool:
    """Whether ``value`` is a word that a run may be tagged with."""
    return isinstance(value, str) and bool(re.fullmatch(TAG, value, re.ASCII))


def _read(path: Path) -> Note:
    content = read_json(path, _SIZE_LIMIT)
    if content.keys() != {"written", "text", "tags", "untags", "digest"}:
        raise RecordError("must have the form of a note", key=str(path))
    if path.name != name_of(content["written"], content):
        raise RecordError("must be the note its name says", key=str(path))
    tags, untags = content["tags"], content["untags"]
    if not (isinstance(content["text"], str) and all(map(is_tag, [*tags, *untags]))):
        raise RecordError("must have the form of a note", key=str(path))
    return Note(content["written"], content["text"], tuple(tags), tuple(untags))


def _words(error: Exception) -> str:
    match error:
        case LrbenchError():
            return "; ".join(problem.relation for problem in error.problems)
        case OSError():
            return f"must be readable ({error.strerror})"
        case _:
            return f"must have the form of a note ({type(error).__name__})"
