"""One trial: when it was made, what became of it, and what was said of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from lrbench.record import layout
from lrbench.record.notes import Note, is_tag, read_notes
from lrbench.record.reader import UNREADABLE, Record, Status, read_json, read_record
from lrbench.report.settings import flatten
from lrbench.spec.canonical import digest, parse


@dataclass(frozen=True)
class Trial:
    """A run as the history has it; everything is made from its record alone.

    Parameters
    ----------
    run : str
        The name of its folder.
    status : str
        A :class:`~lrbench.record.reader.Status`. A complete run whose last evaluation is not finite
        counts as diverged, as in a summary.
    reason : str
        Why it failed or is damaged, in words.
    started, ended : str or None
        Of its first and its last attempt: UTC, ISO 8601; None where that is not known.
    seconds : float or None
        Of wall clock in all attempts.
    attempts : int
    arm : str
        What all settings but the seed come to: runs with the same text are of one arm. Empty where
        they cannot be read.
    settings : mapping
        Those settings by the names a user types; one object for all runs of an arm.
    seed, steps : int or None
        ``steps`` is the updates that it has or had to make.
    val_loss, val_accuracy, best_val_loss, best_val_accuracy : float or None
        At the last evaluation and at the best one; of complete runs only.
    diverged_at : int or None
        The update at which the loss was not finite.
    restarts : int or None
        In its ledger; None where that cannot be read.
    story : str
        What they did, in a few words.
    note : str
        From the launch.
    notes : tuple of Note
        The later ones, oldest first.
    tags : tuple of str
        That it has now.
    remarks : tuple of str
        What of the record beside the run's own numbers is damaged.
    """

    run: str
    status: str
    reason: str = ""
    started: str | None = None
    ended: str | None = None
    seconds: float | None = None
    attempts: int = 0
    arm: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    steps: int | None = None
    val_loss: float | None = None
    val_accuracy: float | None = None
    best_val_loss: float | None = None
    best_val_accuracy: float | None = None
    diverged_at: int | None = None
    restarts: int | None = None
    story: str = ""
    note: str = ""
    notes: tuple[Note, ...] = ()
    tags: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@cache
def _settings(arm: str) -> dict[str, Any]:
    return flatten(parse(arm))


def read_trial(path: Path) -> Trial:
    """The trial whose record is in ``path``; never raises for what it finds there."""
    # What reads numbers and ledgers takes time to import, and is not needed where an index has all.
    from lrbench.report.runs import reason, run_row

    record = read_record(path)
    row: dict[str, Any] = {"status": str(record.status)}
    why = record.reason
    if record.spec:
        try:
            row = run_row(record)
        except UNREADABLE as error:
            row, why = {"status": str(Status.CORRUPT)}, reason(error)
    remarks: list[str] = []
    notes = read_notes(path)
    remarks += [f"{name} {told}" for name, told in notes.damaged.items()]
    note, tags = _launch(record, remarks)
    restarts, story = _restarts(record, remarks) if "arm" in row else (None, "")
    return Trial(
        run=record.run_id,
        status=str(row["status"]),
        reason=why,
        **_times(path, remarks),
        arm=digest(row["arm"])[:16] if "arm" in row else "",
        settings=_settings(row["arm"]) if "arm" in row else {},
        seed=row.get("seed"),
        steps=row.get("budget"),
        val_loss=row.get("final_val_loss"),
        val_accuracy=row.get("final_val_accuracy"),
        best_val_loss=row.get("best_val_loss"),
        best_val_accuracy=row.get("best_val_accuracy"),
        diverged_at=_whole(record.result.get("diverged_at")),
        restarts=restarts,
        story=story,
        note=note,
        notes=notes.notes,
        tags=notes.tags(tags),
        remarks=tuple(remarks),
    )


def _launch(record: Record, remarks: list[str]) -> tuple[str, list[str]]:
    """The note and the tags of its start."""
    try:
        if not (record.path / layout.MANIFEST).exists():
            return "", []  # not begun, or of an lrbench before there were any
        manifest = read_json(record.path / layout.MANIFEST)
        return str(manifest.get("note") or ""), [t for t in manifest.get("tags", ()) if is_tag(t)]
    except UNREADABLE as error:
        remarks.append(f"{layout.MANIFEST} {told(error)}")
        return "", []


def _restarts(record: Record, remarks: list[str]) -> tuple[int | None, str]:
    from lrbench.report.history.restarts import in_words
    from lrbench.report.restarts.ledger import read_ledger

    try:
        rows = read_ledger(record).restarts
        return len(rows), in_words([rows])
    except UNREADABLE as error:
        remarks.append(f"restarts.csv {told(error)}")
        return None, ""


def _times(path: Path, remarks: list[str]) -> dict[str, Any]:
    """When it began and ended, how long it took, and in how many attempts."""
    found = list(_attempts(path, remarks))
    walls = [a["wall_s"] for a in found if isinstance(a.get("wall_s"), int | float)]
    return {
        "started": _moment(found[0].get("started")) if found else None,
        "ended": _moment(found[-1].get("ended")) if found else None,
        "seconds": sum(walls) if walls else None,
        "attempts": len(found),
    }


def _attempts(path: Path, remarks: list[str]) -> Iterator[dict[str, Any]]:
    for file in attempt_files(path):
        try:
            yield read_json(path / file)
        except UNREADABLE as error:
            remarks.append(f"{file} {told(error)}")


def attempt_files(path: Path) -> list[str]:
    """The names in the record of its attempts, oldest first."""
    folder = path / layout.ATTEMPTS
    if folder.is_symlink():
        return []
    return sorted(f"{layout.ATTEMPTS}/{file.name}" for file in folder.glob("*.json"))


def _moment(value: Any) -> str | None:
    """A moment in UTC to the millisecond; None for what is none."""
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat(timespec="milliseconds")
    except (TypeError, ValueError, OverflowError):
        return None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def told(error: Exception) -> str:
    """What is wrong with a file, without its name."""
    problems = getattr(error, "problems", None)
    if problems:
        return "; ".join(problem.relation for problem in problems)
    return f"must have the form of a record ({type(error).__name__})"
