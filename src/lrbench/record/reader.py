"""Records as they are found: what each is, and its numbers. One bad record never hides others."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from lrbench.errors import LrbenchError, RecordError
from lrbench.record import layout
from lrbench.record.checkpoint import read_header
from lrbench.record.files import LOG_LIMIT, SIZE_LIMIT, digest_file, read_end, read_file
from lrbench.record.heartbeat import last_beat
from lrbench.record.lock import is_locked
from lrbench.record.logs import Log, parse_log
from lrbench.record.memory import remembered
from lrbench.spec.canonical import canonical, digest, is_intact, parse, pretty
from lrbench.spec.version import FORMAT_VERSION


class Status(StrEnum):
    """What has become of a run; derived from its files, never stored."""

    COMPLETE = "complete"
    DIVERGED = "diverged"
    FAILED = "failed"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    UNKNOWN = "unknown"
    """Another machine wrote it last; from here it cannot be seen whether it still does."""
    CORRUPT = "corrupt"

    @property
    def is_finished(self) -> bool:
        """Whether training it again would only make the same record."""
        return self in (Status.COMPLETE, Status.DIVERGED)


CLOSING = ("spec_digest", "outcome", "logs", "final")
"""What every closing file states, that of the first lrbench too."""


@dataclass(frozen=True)
class Record:
    """One run's folder, read as far as it can be.

    Parameters
    ----------
    path : Path
    status : Status
    spec : mapping
        The specification in its plain form; empty if the record is corrupt.
    result : mapping
        The closing file; empty unless the run is finished.
    reason : str
        Why it is failed, unknown or corrupt, in words.
    """

    path: Path
    status: Status
    spec: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    reason: str = ""

    @property
    def run_id(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def resumes_at(self) -> int:
        """The update an unfinished run goes on with; 0 if there is no checkpoint."""
        for name in (layout.CHECKPOINT, layout.PREVIOUS):
            with suppress(RecordError):
                return int(read_header(self.path / name)["step"])
        return 0

    def kept(self) -> dict[int, Path]:
        """The checkpoints that stay in it, by the updates made; for twins and snapshots."""
        return {int(path.name): path for path in kept_files(self.path)}

    @property
    def updates(self) -> int:
        """Updates in the log of an unfinished run."""
        with suppress(LrbenchError, OSError, ValueError):
            end = read_end(self.path / "steps.csv", 4096)
            return int(end[: end.rfind(b"\n")].rpartition(b"\n")[2].partition(b",")[0]) + 1
        return 0

    @remembered(lambda self, name: (self.path, name))
    def log(self, name: str) -> Log:
        """One of ``layout.ALL_LOGS``, checked against the closing file where there is one.

        A record of an earlier lrbench has the columns it had then; of ``layout.MORE_LOGS``, one
        that a record has not is empty.

        Raises
        ------
        RecordError
            The log is missing, unreadable, malformed, or not the one the closing file speaks of.
        """
        path = self.path / name
        try:
            data = read_file(path, LOG_LIMIT)
        except FileNotFoundError:
            if name in layout.MORE_LOGS and name not in self.result.get("logs", {}):
                return Log(layout.MORE_LOGS[name], [])
            raise RecordError("must exist in a record", key=str(path)) from None
        except OSError as error:
            raise RecordError(f"must be readable ({error.strerror})", key=str(path)) from None
        stated = self.result.get("logs", {}).get(name)
        if stated and stated["sha256"] != hashlib.sha256(data).hexdigest():
            raise RecordError("must have the digest its closing file states", key=str(path))
        if not stated:
            # Still being written, or cut off by a kill: the last line may be half a line.
            data = data[: data.rfind(b"\n") + 1]
        header = data.partition(b"\n")[0].decode(errors="replace")
        known = layout.ALL_LOGS[name], *layout.EARLIER.get(name, ())
        columns = next((c for c in known if header == ",".join(c)), known[0])
        return parse_log(data, columns, path)

    @remembered(lambda self: self.path)
    def attempts(self) -> list[dict[str, Any]]:
        """What is known of each attempt at the run, oldest first."""
        return [read_json(path) for path in _attempt_files(self.path)]


@remembered(lambda path, limit=SIZE_LIMIT: path)
def read_json(path: Path, limit: int = SIZE_LIMIT) -> dict[str, Any]:
    """A JSON file of at most ``limit`` bytes that holds one object.

    Raises
    ------
    RecordError
        It is missing, unreadable, no JSON, holds something else, or is not as it was sealed.
    """
    value = read_unsealed(path, limit)
    if not is_intact(value):
        raise RecordError("must have the digest it states of itself", key=str(path))
    return value


@remembered(lambda path, limit=SIZE_LIMIT: path)
def read_unsealed(path: Path, limit: int = SIZE_LIMIT) -> dict[str, Any]:
    """:func:`read_json` without a look at the seal, which takes longer than all the rest."""
    try:
        value = parse(read_file(path, limit).decode())
    except FileNotFoundError:
        raise RecordError("must exist in a record", key=str(path)) from None
    except OSError as error:
        raise RecordError(f"must be readable ({error.strerror})", key=str(path)) from None
    except ValueError as error:
        raise RecordError(f"must be JSON: {error}", key=str(path)) from None
    if not isinstance(value, dict):
        raise RecordError("must hold one JSON object", key=str(path), got=type(value).__name__)
    return value


UNREADABLE = (
    LrbenchError,
    OSError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What comes of reading a value that has another shape than ours."""


@remembered(lambda path, *, every_byte=False: (path, every_byte))
def read_record(path: Path, *, every_byte: bool = False) -> Record:
    """The record in ``path``; never raises for what it finds there.

    The closing file's word on every log's size is checked here, its digests where a log is read,
    or at once with ``every_byte``.
    """
    try:
        return _read(path, every_byte)
    except UNREADABLE as error:
        # Whatever shape damage takes, the record is named with it and the others are read.
        problems = getattr(error, "problems", None)
        if problems:
            reason = "; ".join(f"{Path(p.key or '').name} {p.relation}" for p in problems)
        else:
            reason = f"{type(error).__name__}: {error}"
        return Record(path, Status.CORRUPT, reason=reason)


def _read(path: Path, every_byte: bool) -> Record:
    if not os.path.lexists(f"{path}/{layout.SPEC}"):
        # Claimed a moment ago, or its writer died before the specification, which comes before
        # every log.
        later = (*layout.ALL_LOGS, layout.RESULT, layout.CHECKPOINT)
        if any(os.path.lexists(path / name) for name in later):
            raise RecordError("must exist in a record", key=str(path / layout.SPEC))
        running = is_locked(path / layout.LOCK)
        return Record(path, Status.RUNNING if running else Status.INTERRUPTED)
    spec = read_json(path / layout.SPEC)
    identity = digest(spec)
    if path.name.rpartition("-")[2] != identity[:8]:
        raise RecordError("must have the digest in its folder's name", key=str(path / layout.SPEC))
    if not os.path.lexists(f"{path}/{layout.RESULT}"):
        if is_locked(path / layout.LOCK):
            return Record(path, Status.RUNNING, spec)
        # Asked again: a run may have closed its record between the two questions.
        if not os.path.lexists(path / layout.RESULT):
            return _unfinished(path, spec)
    result = read_json(path / layout.RESULT)
    if missing := [name for name in CLOSING if name not in result]:
        relation = f"must state {', '.join(missing)}"
        raise RecordError(relation, key=str(path / layout.RESULT))
    version = result.get("format_version", FORMAT_VERSION)
    if version != FORMAT_VERSION:
        relation = f"must have format {FORMAT_VERSION}: another lrbench made it"
        raise RecordError(relation, key=str(path / layout.RESULT), got=version)
    if result["spec_digest"] != identity:
        raise RecordError("must belong to the specification", key=str(path / layout.RESULT))
    if result["outcome"] not in ("complete", "diverged"):
        raise RecordError("must have an outcome", key=str(path / layout.RESULT))
    if not layout.LOGS.keys() <= result["logs"].keys() <= layout.ALL_LOGS.keys():
        relation = "must state the logs of a record"
        raise RecordError(relation, key=str(path / layout.RESULT), got=sorted(result["logs"]))
    for name in layout.MORE_LOGS.keys() - result["logs"].keys():
        if os.path.lexists(f"{path}/{name}"):
            relation = "must not be there: its closing file states no such log"
            raise RecordError(relation, key=str(path / name))
    for name in result["logs"]:
        # A path of strings: joining Path objects is what takes the time over many records.
        stated, found = result["logs"][name]["bytes"], os.stat(f"{path}/{name}").st_size  # noqa: PTH116
        if stated != found:
            relation = f"must have the {stated} bytes its closing file states"
            raise RecordError(relation, key=str(path / name), got=found)
    if set(result["final"]) != set(layout.EVAL_COLUMNS):
        raise RecordError("must have its last evaluation", key=str(path / layout.RESULT))
    diverged = result["outcome"] == "diverged"
    record = Record(path, Status.DIVERGED if diverged else Status.COMPLETE, spec, result)
    if every_byte:
        for name in result["logs"]:
            record.log(name)
        _check_other_files(record)
    return record


def _check_other_files(record: Record) -> None:
    """Every file outside the bit-for-bit promise, by the digests in the attempt that closed it."""
    # Only the last is read: an earlier one that was damaged before the end is as it then was.
    latest = max(_attempt_files(record.path), default=None)
    last = read_json(latest) if latest else {}
    if "digest" not in record.result and "files" not in last:  # before files were sealed
        return
    if latest is None or not isinstance(last.get("files"), dict):
        relation = "must hold the attempt that closed the record"
        raise RecordError(relation, key=str(record.path / layout.ATTEMPTS))
    for path, value in ((record.path / layout.RESULT, record.result), (latest, last)):
        if "digest" not in value:
            raise RecordError("must state its own digest", key=str(path))
    # Their digests are of what they say; a blank or 1E-05 for 1e-05 is damage all the same.
    as_written = {
        record.path / layout.SPEC: canonical(record.spec),
        record.path / layout.RESULT: pretty(record.result),
        latest: pretty(last),
    }
    for path, text in as_written.items():
        if read_file(path) != text.encode():
            raise RecordError("must be as lrbench writes it", key=str(path))
    for kept in kept_files(record.path):
        if f"{layout.KEPT}/{kept.name}" not in last["files"]:
            raise RecordError("must be a file that the last attempt states", key=str(kept))
    for name, stated in last["files"].items():
        if _digest_inside(record.path, name) != stated:
            relation = "must have the digest that the last attempt states"
            raise RecordError(relation, key=str(record.path / name))


def _digest_inside(folder: Path, name: str) -> str:
    """sha256 of a file that a record names; a name cannot lead out of it."""
    parts = Path(name).parts
    folders = ((), (layout.ATTEMPTS,), (layout.KEPT,))
    if not parts or ".." in parts or parts[:-1] not in folders:
        raise RecordError("must name files of its own", key=str(folder / layout.ATTEMPTS), got=name)
    try:
        return digest_file(folder / name)
    except FileNotFoundError:
        raise RecordError("must exist in a record", key=str(folder / name)) from None


def _unfinished(path: Path, spec: dict[str, Any]) -> Record:
    # Looked at only for its seal: whoever goes on with the run relies on it.
    if os.path.lexists(path / layout.MANIFEST):
        read_json(path / layout.MANIFEST)
    if reason := _failure(path):
        return Record(path, Status.FAILED, spec, reason=reason)
    beat = last_beat(path)
    if beat and beat.is_elsewhere:
        reason = f"process {beat.pid} on {beat.host} wrote it last, at step {beat.step}"
        return Record(path, Status.UNKNOWN, spec, reason=reason)
    return Record(path, Status.INTERRUPTED, spec)


def _attempt_files(path: Path) -> list[Path]:
    folder = path / layout.ATTEMPTS
    if folder.is_symlink():
        raise RecordError("must be a folder, not a link", key=str(folder))
    return sorted(folder.glob("*.json"))


def kept_files(path: Path) -> list[Path]:
    """The kept checkpoints of the record in ``path``, in the order of their steps.

    Raises
    ------
    RecordError
        Their folder is a link, which may lead anywhere.
    """
    folder = path / layout.KEPT
    if folder.is_symlink():
        raise RecordError("must be a folder, not a link", key=str(folder))
    return sorted(p for p in folder.glob("*") if re.fullmatch(r"\d{9,}", p.name, re.ASCII))


def _failure(path: Path) -> str:
    attempts = _attempt_files(path)
    if not attempts:
        return ""
    last = read_json(attempts[-1])
    return str(last.get("message", "failed")) if last.get("outcome") == "failed" else ""


def find_records(folder: Path) -> Iterator[Path]:
    """Folders below ``folder`` (or itself) that hold, or were claimed for, a record."""
    if is_record(folder):
        yield folder
        return
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    for name in names:
        if is_record(folder / name):
            yield folder / name


def find_foreign(folder: Path) -> Iterator[Path]:
    """What lies in a results folder and is no record of lrbench's."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.name in layout.OWN or entry.name.startswith("."):
            continue
        path = folder / entry.name
        if not (entry.is_dir(follow_symlinks=False) and is_record(path)):
            yield path


def is_record(path: Path) -> bool:
    """Whether ``path`` holds a record, or was claimed for one."""
    return os.path.lexists(f"{path}/{layout.SPEC}") or os.path.lexists(f"{path}/{layout.LOCK}")
