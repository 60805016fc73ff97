"""What was done with runs besides training them: looks at the test split, tags, later notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lrbench.record import layout
from lrbench.record.notes import Note, is_tag, read_notes
from lrbench.record.reader import UNREADABLE, Record, read_json, read_record
from lrbench.record.test_uses import occasions
from lrbench.report.traces.places import place_of


@dataclass(frozen=True)
class Remarks:
    """All that is in the records of some runs and no part of the runs.

    Parameters
    ----------
    runs : int
    test_uses : mapping of str to int
        When the test split was looked at (UTC, oldest first), with how many of the runs.
    tested : int
        Runs that it was looked at with.
    begun_after : int
        Runs that were begun after the first look.
    tags : mapping of str to int
        Those that runs have now, with how many of them.
    notes : tuple of (str, Note)
        Names of runs with what was noted of them after their start, oldest first.
    damaged : tuple of str
        Notes that cannot be read, by the names of their runs and files.
    """

    runs: int
    test_uses: Mapping[str, int]
    tested: int
    begun_after: int
    tags: Mapping[str, int]
    notes: tuple[tuple[str, Note], ...]
    damaged: tuple[str, ...]


def read_remarks(folder: Path, runs: Iterable[str]) -> Remarks:
    """Those of ``runs`` in ``folder``; never raises for what it finds there."""
    names = list(runs)
    uses: Counter[str] = Counter()
    tested = 0
    tags: Counter[str] = Counter()
    notes: list[tuple[str, Note]] = []
    damaged: list[str] = []
    begun: list[datetime] = []
    for run in names:
        record = read_record(place_of(folder, run))
        looks = occasions(record.path)
        uses.update(looks)
        tested += bool(looks)
        found = read_notes(record.path)
        tags.update(found.tags(_first_tags(record)))
        notes += [(run, note) for note in found.notes]
        damaged += [f"{run}/{name}" for name in found.damaged]
        begun += _begun(record)
    looked = [moment for moment in map(_moment, uses) if moment]
    return Remarks(
        runs=len(names),
        test_uses=dict(sorted(uses.items())),
        tested=tested,
        begun_after=sum(moment > min(looked) for moment in begun) if looked else 0,
        tags=dict(sorted(tags.items())),
        notes=tuple(sorted(notes, key=lambda one: (one[1].written, one[0]))),
        damaged=tuple(damaged),
    )


def _first_tags(record: Record) -> list[str]:
    with suppress(*UNREADABLE):
        given = read_json(record.path / layout.MANIFEST).get("tags") or []
        return [tag for tag in given if is_tag(tag)]
    return []


def _begun(record: Record) -> list[datetime]:
    """When its first attempt began; empty where that is not known."""
    with suppress(*UNREADABLE):
        moment = _moment(str(record.attempts()[0]["started"]))
        return [moment] if moment else []
    return []


def _moment(text: str) -> datetime | None:
    # A look whose file is damaged is known by the file's name, which is no moment.
    with suppress(ValueError):
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else None
    return None
