"""One run's record while it is written: claimed by one process, closed by one last file."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lrbench.errors import RecordError
from lrbench.record import layout
from lrbench.record.environment import attempt_facts, environment
from lrbench.record.files import Lock, claim_folder, create_file, replace_file
from lrbench.record.logs import LogWriter, Value
from lrbench.record.reader import Record, Status, read_record
from lrbench.spec.run import FORMAT_VERSION, RunSpec


class RecordWriter:
    """The right and the means to write one record.

    Use it as a context: leaving it by an exception notes why in ``attempts/`` and gives the lock
    back; the record then is interrupted or failed, and the same run can be started again.

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
        self._timing: LogWriter | None = None
        self._attempt: dict[str, Any] = {}
        self._started = 0.0
        claim_folder(self.path)
        # One look at all names: a record's lock comes before any other file of it, so another
        # process that claims the folder right now shows no file, or its lock as well.
        names = {path.name for path in self.path.iterdir() if not path.name.startswith(".")}
        if names and not names & {layout.LOCK, layout.SPEC}:
            relation = "holds files that are no record of lrbench"
            raise RecordError(relation, key=str(self.path), remedy="move them elsewhere")
        if not self._lock.acquire():
            raise RecordError(
                "is being written by another process",
                key=str(self.path),
                remedy="wait for it, or choose another --results folder",
            )
        try:
            self._refuse_another_run()
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
        finally:
            self._lock.release()

    def found(self) -> Record:
        """What stood in the folder when it was claimed."""
        record = read_record(self.path, every_byte=True)
        if record.status is Status.RUNNING:  # the lock that says so is our own
            return Record(record.path, Status.INTERRUPTED, record.spec)
        return record

    def begin(self, *, config: str, manifest: dict[str, Any], reason: str) -> None:
        """Start the record anew: specification, manifest, empty logs, a note of this attempt."""
        # The closing file goes first, so that no moment shows it beside logs it does not close.
        (self.path / layout.RESULT).unlink(missing_ok=True)
        create_file(self.path / layout.SPEC, self.spec.text.encode())
        create_file(self.path / layout.CONFIG, config.encode())
        create_file(self.path / layout.MANIFEST, _pretty(manifest))
        claim_folder(self.path / layout.ATTEMPTS)
        self._started = time.monotonic()
        self._number = 1 + len(list((self.path / layout.ATTEMPTS).glob("*.json")))
        self._attempt = {
            "started": _now(),
            "reason": reason,
            **attempt_facts(),
            "environment": environment(),
        }
        self._write_attempt()
        self._logs = {
            name: LogWriter(self.path / name, columns) for name, columns in layout.LOGS.items()
        }
        self._timing = LogWriter(self.path / layout.TIMING, layout.TIMING_COLUMNS)

    def write(self, log: str, rows: Sequence[Sequence[Value]]) -> None:
        """Append rows to one of ``layout.LOGS``."""
        self._logs[log].write(rows)

    def tick(self, step: int, steps_per_s: float) -> None:
        """Note the wall clock and memory at ``step``, outside the bit-for-bit promise."""
        assert self._timing is not None
        elapsed = round(time.monotonic() - self._started, 6)
        self._timing.write([(step, elapsed, round(steps_per_s, 3), max_rss_bytes())])

    def close(self, result: dict[str, Any]) -> dict[str, Any]:
        """Finish: logs onto the disk, then the closing file that makes the record complete."""
        assert self._timing is not None
        logs = {name: log.closing() for name, log in self._logs.items()}
        self._timing.file.close()
        whole = {
            "format_version": FORMAT_VERSION,
            "spec_digest": self.spec.digest,
            **result,
            "logs": logs,
        }
        self._end_attempt(str(result["outcome"]), "")
        replace_file(self.path / layout.RESULT, _pretty(whole))
        return whole

    def _open_logs(self) -> list[LogWriter]:
        return [*self._logs.values(), *([self._timing] if self._timing else [])]

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
        replace_file(self.path / layout.ATTEMPTS / name, _pretty(self._attempt))

    def _refuse_another_run(self) -> None:
        found = read_record(self.path)
        if found.spec and RunSpec.model_validate_json(json.dumps(found.spec)) != self.spec:
            raise RecordError(
                "holds the record of another run with the same short name",
                key=str(self.path),
                remedy="choose another --results folder",
            )


def max_rss_bytes() -> int:
    """Largest resident memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _pretty(value: Any) -> bytes:
    text = json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False, sort_keys=False)
    return f"{text}\n".encode()
