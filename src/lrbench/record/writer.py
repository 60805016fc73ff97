"""One run's record while it is written: claimed by one process, closed by one last file."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lrbench.errors import RecordError
from lrbench.record import heartbeat, layout
from lrbench.record.checkpoint import Checkpoint, read_checkpoint
from lrbench.record.environment import attempt_facts, environment
from lrbench.record.files import (
    claim_folder,
    digest_file,
    read_file,
    read_line,
    remove_file,
    remove_leftovers,
    replace_file,
    sync_folder,
)
from lrbench.record.lock import Lock
from lrbench.record.logs import LogWriter, Value
from lrbench.record.reader import Record, Status, kept_files, read_json, read_record
from lrbench.spec.canonical import pretty, sealed
from lrbench.spec.run import FORMAT_VERSION, RunSpec


class RecordWriter:
    """The right and the means to write one record.

    Use it as a context: leaving it by an exception notes why in ``attempts/`` and gives the lock
    back; the record then is interrupted or failed, and the same run can be gone on with.

    Parameters
    ----------
    results : Path
        The folder of all records.
    spec : RunSpec

    Raises
    ------
    RecordError
        Another process is writing this record, or the folder holds something else.
    """

    def __init__(self, results: Path, spec: RunSpec) -> None:
        self.spec = spec
        self.path = results / spec.run_id
        self._lock = Lock(self.path / layout.LOCK)
        self._logs: dict[str, LogWriter] = {}
        self._kept: dict[str, str] = {}
        self._timing: LogWriter | None = None
        self._attempt: dict[str, Any] = {}
        self._started = 0.0
        self._is_over = False
        self._place = self.path / layout.CHECKPOINT
        self._pulse = heartbeat.Pulse(self.path)
        claim_folder(self.path)
        for folder in (self.path, self.path / layout.ATTEMPTS, self.path / layout.KEPT):
            if folder.is_symlink():  # whatever it leads to is not ours to write to
                raise RecordError("must be a folder, not a link", key=str(folder))
        # One look at all names: a record's lock comes before any other file of it, so another
        # process that claims the folder right now shows no file, or its lock as well.
        names = {path.name for path in self.path.iterdir() if not path.name.startswith(".")}
        if names and not names & {layout.LOCK, layout.SPEC}:
            relation = "holds files that are no record of lrbench"
            raise RecordError(relation, key=str(self.path), remedy="move them elsewhere")
        if not self._lock.acquire():
            raise self._is_taken(heartbeat.last_beat(self.path))
        try:
            self._refuse_a_writer_elsewhere()
            self._refuse_another_run()
            remove_leftovers(self.path)
            remove_leftovers(self.path / layout.ATTEMPTS)
            remove_leftovers(self.path / layout.KEPT)
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._is_over:
            return
        self._is_over = True
        try:
            if error is not None and self._attempt:
                # If the disk is full, the error that says so matters more than this note of it.
                with suppress(OSError):
                    stopped = isinstance(error, KeyboardInterrupt)
                    self._end_attempt(
                        "interrupted" if stopped else "failed",
                        str(error) or type(error).__name__,
                    )
            for log in self._open_logs():
                with suppress(OSError):
                    log.file.close()
            with suppress(OSError):
                remove_file(self.path / layout.HEARTBEAT)
        finally:
            self._lock.release()

    def found(self) -> Record:
        """What stood in the folder when it was claimed."""
        record = read_record(self.path, every_byte=True)
        if record.status is Status.RUNNING:  # the lock that says so is our own
            return Record(record.path, Status.INTERRUPTED, record.spec)
        return record

    def manifest(self) -> dict[str, Any]:
        """The manifest that stands in the record."""
        return read_json(self.path / layout.MANIFEST)

    def begin(
        self,
        *,
        config: str,
        manifest: Mapping[str, Any],
        reason: str,
        remarks: Sequence[str] = (),
        more_logs: Sequence[str] = (),
    ) -> None:
        """Start the record anew: manifest, specification, empty logs, a note of this attempt.

        The logs are ``layout.LOGS`` and those of ``layout.MORE_LOGS`` that are named.
        """
        # The closing file goes first, so that no moment shows it beside logs it does not close. And
        # nothing of what follows may outlive a power failure that brings the closing file back, or
        # takes the lock's name, by which the folder is known as a record.
        remove_file(self.path / layout.RESULT)
        sync_folder(self.path)
        for name in (layout.CHECKPOINT, layout.PREVIOUS, *layout.MORE_LOGS):
            remove_file(self.path / name)
        if kept := kept_files(self.path):
            for path in kept:
                remove_file(path)
            # This attempt may keep none, and would close the record over those of another profile.
            sync_folder(self.path / layout.KEPT)
        replace_file(self.path / layout.CONFIG, config.encode())
        replace_file(self.path / layout.MANIFEST, pretty(sealed(manifest)).encode())
        # Last, because a record with a specification has everything that was known at its start.
        replace_file(self.path / layout.SPEC, self.spec.text.encode())
        self._begin_attempt(reason, from_step=0, remarks=remarks)
        self._logs = {
            name: LogWriter(self.path / name, layout.ALL_LOGS[name])
            for name in (*layout.LOGS, *more_logs)
        }
        self._timing = LogWriter(self.path / layout.TIMING, layout.TIMING_COLUMNS)

    def checkpoint(self) -> tuple[Checkpoint | None, tuple[str, ...]]:
        """Where the record can be gone on with, and why not at a later place.

        Returns
        -------
        checkpoint : Checkpoint or None
            The latest whose own bytes and whose part of every log are as they were written. The
            logs are open at its place, to be gone on with by :meth:`resume`; None: start anew.
        remarks : tuple of str
            What is wrong with each checkpoint that was passed over.
        """
        remarks: list[str] = []
        for name in (layout.CHECKPOINT, layout.PREVIOUS):
            if not os.path.lexists(self.path / name):
                continue
            try:
                checkpoint = read_checkpoint(self.path / name)
                if checkpoint.spec_digest != self.spec.digest:
                    raise RecordError("must belong to the specification", key=name)
                if checkpoint.profile_digest != self.manifest()["profile"]["digest"]:
                    raise RecordError("must be of the manifest's profile", key=name)
                if not layout.LOGS.keys() <= checkpoint.logs.keys() <= layout.ALL_LOGS.keys():
                    raise RecordError("must state every log", key=name)
                if not self._has_kept(checkpoint):
                    raise RecordError("must be beside the kept states it speaks of", key=name)
                self._logs = _continued(self.path, checkpoint)
                self._place = self.path / name
            except RecordError as error:
                problem = error.problems[0]
                remarks.append(f"{Path(problem.key or name).name} {problem.relation}")
                continue
            return checkpoint, tuple(remarks)
        return None, tuple(remarks)

    def resume(self, checkpoint: Checkpoint, *, reason: str, remarks: Sequence[str]) -> None:
        """Go on at the checkpoint that :meth:`checkpoint` returned."""
        if self._place.name == layout.PREVIOUS:
            # Else the next one would push out the only good one, to keep the damaged one.
            remove_file(self.path / layout.CHECKPOINT)
        self._kept = dict(checkpoint.kept)
        self._begin_attempt(reason, from_step=checkpoint.step, remarks=remarks)
        self._timing = _appended(self.path / layout.TIMING, layout.TIMING_COLUMNS)

    def write(self, log: str, rows: Sequence[Sequence[Value]]) -> None:
        """Append rows to one of the logs."""
        self._logs[log].write(rows)

    def save(
        self, *, profile_digest: str, step: int, facts: Mapping[str, Any], body: bytes
    ) -> None:
        """A checkpoint after ``step`` updates, whose rows are all written."""
        checkpoint = self._checkpoint(profile_digest, step, facts, body)
        replace(checkpoint, kept=self._kept).write(self.path)

    def keep(
        self, *, profile_digest: str, step: int, facts: Mapping[str, Any], body: bytes
    ) -> None:
        """A checkpoint that stays in the record, for twins and snapshots; else as :meth:`save`."""
        sha256 = self._checkpoint(profile_digest, step, facts, body).keep(self.path)
        self._kept[layout.kept_name(step)] = sha256

    def _has_kept(self, checkpoint: Checkpoint) -> bool:
        there = {path.name: path for path in kept_files(self.path)}
        try:
            return all(
                name in there and digest_file(there[name]) == sha256
                for name, sha256 in checkpoint.kept.items()
            )
        except OSError as error:
            if error.errno != errno.EIO:  # it may be as good as ever, and only not be read now
                raise
            return False

    def _checkpoint(
        self, profile_digest: str, step: int, facts: Mapping[str, Any], body: bytes
    ) -> Checkpoint:
        # The logs first: a checkpoint must never speak of bytes that a power failure may take.
        for log in self._logs.values():
            log.file.sync()
        logs = {name: log.state() for name, log in self._logs.items()}
        return Checkpoint(self.spec.digest, profile_digest, step, logs, facts, body)

    def remark(self, text: str) -> None:
        """Note something of this attempt, once."""
        if text not in self._attempt["remarks"]:
            self._attempt["remarks"].append(text)
            self._write_attempt()

    def beat(self, step: int, now: float) -> None:
        """Show that this process is alive; ``now`` is :func:`time.monotonic`'s."""
        self._pulse.beat(step, now)

    def tick(self, step: int, steps_per_s: float) -> None:
        """Note the wall clock and memory at ``step``, outside the bit-for-bit promise."""
        assert self._timing is not None
        elapsed = round(time.monotonic() - self._started, 6)
        self._timing.write([(step, elapsed, round(steps_per_s, 3), max_rss_bytes())])

    def close(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Finish: logs onto the disk, then the closing file that makes the record complete."""
        assert self._timing is not None
        for log in self._open_logs():
            log.file.close()
        self._attempt["files"] = self._other_files()
        self._end_attempt(str(result["outcome"]), "")
        remove_file(self.path / layout.PREVIOUS)
        sync_folder(self.path)  # the names of the logs, before the one of the closing file
        whole = sealed(
            {
                "format_version": FORMAT_VERSION,
                "spec_digest": self.spec.digest,
                **result,
                "logs": {name: log.state() for name, log in self._logs.items()},
            }
        )
        replace_file(self.path / layout.RESULT, pretty(whole).encode())
        self._attempt = {}  # it has ended: whatever happens to others is none of its
        return whole

    def _open_logs(self) -> list[LogWriter]:
        return [*self._logs.values(), *([self._timing] if self._timing else [])]

    def _other_files(self) -> dict[str, str]:
        """Digests of the files outside the bit-for-bit promise, so that damage to them is seen.

        They stand in the last attempt: the closing file itself is inside the promise.
        """
        earlier = sorted((self.path / layout.ATTEMPTS).glob("*.json"))[:-1]
        others = (self.path / name for name in (layout.CONFIG, layout.MANIFEST, layout.TIMING))
        found = (*others, *earlier, *kept_files(self.path))
        return {str(path.relative_to(self.path)): digest_file(path) for path in found}

    def _begin_attempt(self, reason: str, *, from_step: int, remarks: Sequence[str]) -> None:
        claim_folder(self.path / layout.ATTEMPTS)
        self._started = time.monotonic()
        numbers = [path.stem for path in (self.path / layout.ATTEMPTS).glob("*.json")]
        self._number = 1 + max((int(one) for one in numbers if one.isdecimal()), default=0)
        self._attempt = {
            "started": _now(),
            "reason": reason,
            "from_step": from_step,
            "remarks": list(remarks),
            **attempt_facts(),
            "environment": environment(),
        }
        self._write_attempt()
        self._pulse.beat(from_step, self._started)

    def _end_attempt(self, outcome: str, message: str) -> None:
        self._attempt |= {
            "ended": _now(),
            "wall_s": round(time.monotonic() - self._started, 3),
            "outcome": outcome,
            "message": message,
        }
        self._write_attempt()

    def _write_attempt(self) -> None:
        name = f"{self._number:04d}.json"
        text = pretty(sealed(self._attempt))
        replace_file(self.path / layout.ATTEMPTS / name, text.encode())

    def _refuse_another_run(self) -> None:
        found = read_record(self.path)
        where = str(self.path / layout.SPEC)
        if found.spec and RunSpec.of(found.spec, where) != self.spec:
            raise RecordError(
                "holds the record of another run with the same short name",
                key=str(self.path),
                remedy="choose another --results folder",
            )

    def _refuse_a_writer_elsewhere(self) -> None:
        beat = heartbeat.last_beat(self.path)
        if beat and beat.is_elsewhere and heartbeat.is_beating(self.path, heartbeat.GRACE_S):
            raise self._is_taken(beat)

    def _is_taken(self, beat: heartbeat.Heartbeat | None) -> RecordError:
        who = f" (process {beat.pid} on {beat.host})" if beat else ""
        return RecordError(
            f"is being written by another process{who}",
            key=str(self.path),
            remedy="wait for it, or choose another --results folder",
        )


def _continued(folder: Path, checkpoint: Checkpoint) -> dict[str, LogWriter]:
    """Every log at the place of the checkpoint.

    Raises
    ------
    RecordError
        One of them is not as it was.
    """
    logs: dict[str, LogWriter] = {}
    try:
        for name in checkpoint.logs:
            header = f"{','.join(layout.ALL_LOGS[name])}\n".encode()
            if read_line(folder / name, len(header) + 1) != header:
                raise RecordError("must have the columns of this lrbench", key=name)
            logs[name] = LogWriter.continued(folder / name, checkpoint.logs[name])
    except BaseException as error:
        for log in logs.values():
            log.file.close()
        if isinstance(error, FileNotFoundError):
            raise RecordError("is not there", key=str(error.filename)) from None
        raise
    return logs


def _appended(path: Path, columns: Sequence[str]) -> LogWriter:
    """A log outside of every promise, its whole lines kept where it is one."""
    with suppress(FileNotFoundError, RecordError):
        data = read_file(path)
        data = data[: data.rfind(b"\n") + 1]
        if data.startswith(f"{','.join(columns)}\n".encode()):
            stated = {
                "rows": data.count(b"\n") - 1,
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
            return LogWriter.continued(path, stated)
    return LogWriter(path, columns)


def max_rss_bytes() -> int:
    """Largest resident memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
