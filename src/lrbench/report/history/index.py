"""What was read of a folder's records, kept so that only what has changed is read again.

A cache, never a source of truth: it can be deleted at any time. It lies in the user's cache folder
and not among the records, where one that came from elsewhere would be believed. An entry counts
only while every file and folder that was looked at to make it is as it was, by number, size and
both times; each line has a digest, and one that is damaged is as good as none. Only finished runs
without damage have entries: what a lock or a clock decides is asked anew.

Several commands at once cannot hurt it: each writes a file of its own and puts it in place whole.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import lrbench
from lrbench.errors import LrbenchError
from lrbench.record import layout
from lrbench.record.files import open_file, replace_file
from lrbench.record.notes import Note
from lrbench.record.reader import Status, is_record
from lrbench.report.history.trial import Trial, attempt_files, read_trial
from lrbench.tasks.data.home import cache_home

READING = 2
"""Part of the first line. Raise it when the same records would give other trials than before."""

SETTLED_NS = 2 * 10**9
"""A file that changed less long ago may change again without its times showing it."""

_SIZE_LIMIT = 2**30
_NAMES = tuple(field.name for field in fields(Trial))
_KEEPS = (str(Status.COMPLETE), str(Status.DIVERGED))


@dataclass(frozen=True)
class Entry:
    """A trial, the names in its record that it was made from, and the state they were in."""

    sources: str
    stamp: str
    trial: Trial


@dataclass(frozen=True)
class Found:
    """The trials of a folder.

    Parameters
    ----------
    trials : tuple of Trial
        By their names.
    path : Path or None
        Where the index lies; None where the user has no folder for caches.
    read : int
        Records that the index did not know as they are.
    foreign : tuple of str
        Folders that are no records.
    state : str
        Changes with any file of a finished run, and with the names of the others, of plans and
        twins; empty where something has changed a moment ago.
    """

    trials: tuple[Trial, ...]
    path: Path | None
    read: int
    foreign: tuple[str, ...]
    state: str


def find_trials(
    folder: Path,
    *,
    use_index: bool = True,
    on_read: Callable[[int, int], None] = lambda done, total: None,
) -> Found:
    """Every trial in ``folder``, a record or a folder of records.

    Parameters
    ----------
    folder : Path
    use_index : bool
        Else every record is read, and the index is written anew.
    on_read : callable
        Hears how many of the records that must be read have been, and how many there are.
    """
    path = index_path(folder)
    with _no_collection():
        return _find(folder, path, read_index(path) if path and use_index else {}, on_read)


def _find(
    folder: Path,
    path: Path | None,
    index: Mapping[str, Entry],
    on_read: Callable[[int, int], None],
) -> Found:
    names = [""] if is_record(folder) else _folders(folder)
    entries: dict[str, Entry] = {}
    unknown: list[str] = []
    foreign: list[str] = []
    for name in names:
        entry = index.get(name)
        if entry and _stamp(f"{folder}/{name}", entry.sources) == entry.stamp:
            entries[name] = entry
        elif not name or is_record(folder / name):
            unknown.append(name)
        else:
            foreign.append(name)
    known = len(entries)
    trials = {name: entry.trial for name, entry in entries.items()}
    stamps = {name: entry.stamp for name, entry in entries.items()}
    for done, name in enumerate(unknown):
        on_read(done, len(unknown))
        entry, is_settled = _read(folder / name if name else folder)
        trials[name] = entry.trial
        stamps[name] = ""
        if entry.trial.status in _KEEPS:
            # Without a stamp it is not known what it will be in a moment.
            stamps[name] = entry.stamp if is_settled else "?"
            if is_settled and not entry.trial.remarks:
                entries[name] = entry
    if path and (len(entries) > known or index.keys() != entries.keys()):
        write_index(path, entries)
    found = tuple(trials[name] for name in sorted(trials))
    return Found(found, path, len(unknown), tuple(foreign), _state(folder, stamps))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without looking for cycles among a hundred thousand values that are all kept."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def index_path(folder: Path) -> Path | None:
    """Where the index of ``folder`` lies, by the path it really has."""
    with suppress(RuntimeError, OSError):
        real = os.fsencode(os.path.realpath(folder))
        return cache_home() / "history" / f"{hashlib.sha256(real).hexdigest()[:16]}.jsonl"
    return None


def read_index(path: Path) -> dict[str, Entry]:
    """The entries by the names of their folders; none of a file that cannot be read."""
    entries: dict[str, Entry] = {}
    arms: dict[str, dict[str, Any]] = {}
    names: dict[int, str] = {}
    try:
        with open_file(path, _SIZE_LIMIT) as file:
            if content_of(file.readline()) != head():
                return {}
            for line in file:
                match content_of(line):
                    case ["run", str(name), str(stamp), int(number), dict(facts)]:
                        with suppress(LookupError, TypeError, ValueError):
                            entries[name] = Entry(names[number], stamp, _trial(facts, arms))
                    case ["arm", str(arm), dict(settings)]:
                        arms[arm] = settings
                    case ["sources", int(number), str(text)]:
                        names[number] = text
    except (OSError, LrbenchError):
        return {}
    return entries


def write_index(path: Path, entries: Mapping[str, Entry]) -> None:
    """Put a new index in place of whatever is there; where that fails, go without."""
    with suppress(OSError, LrbenchError):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, b"".join(map(line_of, _contents(entries))), durably=False)


def _contents(entries: Mapping[str, Entry]) -> Iterator[Any]:
    yield head()
    numbers: dict[str, int] = {}
    arms: set[str] = set()
    usual = vars(Trial(run="", status=""))
    for name, entry in entries.items():
        if entry.sources not in numbers:
            numbers[entry.sources] = len(numbers)
            yield ["sources", numbers[entry.sources], entry.sources]
        if entry.trial.arm not in arms:
            arms.add(entry.trial.arm)
            yield ["arm", entry.trial.arm, entry.trial.settings]
        # Most have most fields as they are by default.
        facts = {k: v for k, v in vars(entry.trial).items() if k != "settings" and v != usual[k]}
        if entry.trial.notes:
            facts["notes"] = [list(vars(note).values()) for note in entry.trial.notes]
        yield ["run", name, entry.stamp, numbers[entry.sources], facts]


def _trial(facts: dict[str, Any], arms: Mapping[str, dict[str, Any]]) -> Trial:
    for name in ("tags", "remarks"):
        if name in facts:
            facts[name] = tuple(facts[name])
    if "notes" in facts:
        facts["notes"] = tuple(
            Note(written, text, tuple(tags), tuple(untags))
            for written, text, tags, untags in facts["notes"]
        )
    return Trial(**facts, settings=arms[facts["arm"]])


def head() -> list[Any]:
    """What tells files of this lrbench from those of others."""
    return ["lrbench history", lrbench.__version__, READING, list(_NAMES)]


def line_of(content: Any) -> bytes:
    """A line of a file of ours, with its digest."""
    text = json.dumps(content, separators=(",", ":")).encode()
    return b"%s %s\n" % (_digest(text), text)


def content_of(line: bytes) -> Any:
    """What a line says; None if it is not as it was written."""
    digest, _, text = line.rstrip(b"\n").partition(b" ")
    if digest != _digest(text):
        return None
    try:
        return json.loads(text.decode())
    except (ValueError, RecursionError):
        return None


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=8).hexdigest().encode()


def _folders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))


def _state(folder: Path, stamps: Mapping[str, str]) -> str:
    """See :class:`Found`."""
    if "?" in stamps.values():
        return ""
    beside = []
    for name in (layout.SWEEPS, layout.TWINS):
        with suppress(OSError), os.scandir(folder / name) as entries:
            beside.append([name, *sorted(entry.name for entry in entries)])
    return hashlib.sha256(repr((sorted(stamps.items()), beside)).encode()).hexdigest()


def _read(path: Path) -> tuple[Entry, bool]:
    """What an entry of a record would be, and whether it may be kept, damage or not."""
    begun = time.time_ns()
    sources = _sources(path)
    stamp = _stamp(str(path), sources)
    trial = read_trial(path)
    # Whoever changed it meanwhile, or just before, in the same tick of the clock, is asked again.
    is_settled = stamp and _newest(str(path), sources) < begun - SETTLED_NS
    is_as_before = (sources, stamp) == (_sources(path), _stamp(str(path), sources))
    return Entry(sources, stamp, trial), bool(is_settled and is_as_before)


def _sources(path: Path) -> str:
    """The names in a record that a trial, or a flag of it, is made from, one a line; the first is
    its folder's.
    """
    files = (layout.SPEC, layout.RESULT, layout.MANIFEST, *layout.ALL_LOGS)
    # Whoever adds an attempt removes the closing file; these are added to at any time.
    growing = (layout.NOTES, layout.TEST_USES)
    found = [n for n in (*files, *growing) if os.path.lexists(f"{path}/{n}")]
    found += attempt_files(path)
    for name in growing:
        if name in found:
            with suppress(OSError), os.scandir(path / name) as entries:
                found += sorted(f"{name}/{entry.name}" for entry in entries)
    return "\n".join(["", *found])


def _stamp(folder: str, sources: str) -> str:
    """A digest of the state of these files; empty where one of them is not there."""
    facts = _facts(folder, sources)
    state = [(f.st_ino, f.st_size, f.st_mtime_ns, f.st_ctime_ns) for f in facts]
    return hashlib.blake2b(repr(state).encode(), digest_size=12).hexdigest() if facts else ""


def _newest(folder: str, sources: str) -> int:
    """The latest of the times of these files, in ns; 0 where one of them is not there."""
    return max((max(f.st_mtime_ns, f.st_ctime_ns) for f in _facts(folder, sources)), default=0)


def _facts(folder: str, sources: str) -> list[os.stat_result]:
    try:
        return [os.lstat(f"{folder}/{name}") for name in sources.split("\n")]
    except (OSError, ValueError):
        return []
