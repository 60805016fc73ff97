"""Is a record what it says, and does the run come out the same again? In tiers, each over the last.

The original is never touched: whatever is trained goes into a folder of its own, which is kept only
where it shows a difference.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path

from lrbench.errors import LrbenchError, Problem, RecordError
from lrbench.launchers.local import Event, run_jobs
from lrbench.record.bundles.bundle import open_bundle
from lrbench.record.comparison.changes import Change
from lrbench.record.comparison.difference import Difference, first_difference
from lrbench.record.pairing import Pairing
from lrbench.record.reader import Record, Status, read_record
from lrbench.spec.run import FORMAT_VERSION, total_steps_of
from lrbench.workflows.closeness import Closeness, closeness, losses_of_siblings
from lrbench.workflows.inputs import differing_input
from lrbench.workflows.integrity import check_notes, check_plans, check_record
from lrbench.workflows.recorded import asking_for_data, check_data, find_runs, resolved_of
from lrbench.workflows.recording import Progress
from lrbench.workflows.replay import (
    Source,
    differing_profile,
    differing_result,
    make_again,
    profile_now,
    variables_then,
)

TASK = "lrbench.workflows.verify:verify_job"

PREFIX = 50
"""Updates that are made again where only the beginning is asked for."""


class Level(StrEnum):
    """How far a verification goes; each level includes those before it."""

    FILES = "files"
    """Every byte is the one that was written; logs are whole and in order."""
    INPUTS = "inputs"
    """Data, split, every batch, every rate and the first weights come out the same."""
    PREFIX = "prefix"
    """So do the first updates."""
    CHECKPOINT = "from-checkpoint"
    """So do the updates after the last checkpoint, and the final weights."""
    FULL = "full"
    """So does every update; a checkpoint that is left in the record is not used."""


class Verdict(StrEnum):
    """What a verification came to."""

    IDENTICAL = "identical"
    UNFINISHED = "unfinished"
    CLOSE = "close"
    DIFFERENT = "different"
    DAMAGED = "damaged"
    REFUSED = "refused"


@dataclass(frozen=True)
class Verification:
    """What was found of one run.

    Parameters
    ----------
    run_id : str
    verdict : Verdict
        ``close``: it differs, the profile differs as well, and what must be close is.
        ``refused``: it could not be tried here; ``reason`` says why.
    level : Level or None
        The highest level at which all was the same; None if not even the files are in order.
    reason : str
        In words, of what is damaged, unfinished or refused.
    difference : Difference or None
        The first one.
    profile : tuple of Change
        What decides bits and is not as it was when the record was made.
    closeness : Closeness or None
        Where profile and run differ.
    kept : Path or None
        The record of the run made again, where it differs.
    """

    run_id: str
    verdict: Verdict
    level: Level | None
    reason: str = ""
    difference: Difference | None = None
    profile: tuple[Change, ...] = ()
    closeness: Closeness | None = None
    kept: Path | None = None


@dataclass(frozen=True)
class Report:
    """What ``lrbench verify`` answers.

    Parameters
    ----------
    path : Path
        What was verified.
    level : Level
        That was asked for.
    runs : tuple of Verification
    others : tuple of str
        What is wrong besides the runs: a sweep's plan, a note, inputs that runs of a seed do not
        share.
    """

    path: Path
    level: Level
    runs: tuple[Verification, ...]
    others: tuple[str, ...]

    def count(self, verdict: Verdict) -> int:
        """Runs with this verdict."""
        return sum(run.verdict is verdict for run in self.runs)


@dataclass(frozen=True)
class Order:
    """What to verify of one record, and how.

    Parameters
    ----------
    source : Source
    level : Level
    prefix : int in [1, inf), in updates
    scratch : Path
        Folder for what is made again.
    code : Path or None
        Folder of modules that a bundle brings; used where the source is trusted.
    """

    source: Source
    level: Level
    prefix: int
    scratch: Path
    code: Path | None = None


def verify(
    path: Path,
    level: Level = Level.FULL,
    *,
    prefix: int = PREFIX,
    workers: int = 1,
    trust: bool = False,
    data_root: Path | None = None,
    on_begin: Callable[[int], None] = lambda count: None,
    on_event: Callable[[Record, Event], None] = lambda record, event: None,
) -> Report:
    """Verify a record, every record of a folder, or those of a bundle.

    Parameters
    ----------
    path : Path
        A record, a folder of results, or a bundle's file.
    level : Level
    prefix : int in [1, inf), in updates
        For ``Level.PREFIX``.
    workers : int in [1, inf)
        Runs that are made again at once.
    trust : bool
        Import the records' own code, and fetch data from where they say.
    data_root : Path, optional
        The folder with the datasets' files on this machine.
    on_begin : callable
        Hears how many runs are made again.
    on_event : callable
        Hears of every start, progress and end of what is made again.

    Raises
    ------
    ConfigError
        There is no record.
    RecordError
        The bundle is damaged.
    """
    check_data(data_root)
    scratch = Path(tempfile.mkdtemp(prefix="lrbench-verify-"))
    kept: set[str] = set()
    try:
        folder, code = path, None
        if path.is_file():
            opened = open_bundle(path, scratch / "bundle")
            folder, code = opened.results, opened.code
        records = [read_record(run, every_byte=True) for run in find_runs(folder)]
        found = {record.run_id: _verify_files(record, level) for record in records}
        whole = [one for one in records if found[one.run_id].verdict is Verdict.IDENTICAL]
        others = [
            *check_plans(folder),
            *(told for record in records for told in check_notes(record.path)),
            *_mismatches(whole),
        ]
        # What is not in order or not finished is not made again.
        again = [
            record
            for record in records
            if level is not Level.FILES and found[record.run_id].verdict is Verdict.IDENTICAL
        ]
        on_begin(len(again))
        orders = [
            Order(
                Source(record.path, trust, data_root), level, prefix, scratch / record.run_id, code
            )
            for record in again
        ]
        environments = [variables_then(record) for record in again]
        events = run_jobs(TASK, orders, workers=workers, environments=environments)
        with closing(events):  # type: ignore[type-var]
            for event in events:
                record = again[event.job]
                if event.kind == "done":
                    found[record.run_id] = event.value
                elif event.kind == "failed":
                    found[record.run_id] = replace(
                        found[record.run_id], verdict=Verdict.REFUSED, reason=str(event.value)
                    )
                on_event(record, event)
        kept = {run_id for run_id, one in found.items() if one.kept}
        return Report(path, level, tuple(found.values()), tuple(others))
    finally:
        # Interrupted or not: only what shows a difference, and was told, is left.
        for child in scratch.iterdir():
            if child.name not in kept:
                shutil.rmtree(child, ignore_errors=True)
        with suppress(OSError):
            scratch.rmdir()


def verify_job(order: Order, report: Callable[[Progress], None]) -> Verification:
    """One run, in a worker that was started with the variables the run had."""
    record = read_record(order.source.path)
    files = Verification(record.run_id, Verdict.IDENTICAL, Level.FILES, _of_the_end(record))
    if order.source.trust and order.code is not None and str(order.code) not in sys.path:
        sys.path.insert(0, str(order.code))
    try:
        with asking_for_data():
            return _verify_again(files, record, order, report)
    except LrbenchError as error:
        told = "\n".join(line for p in error.problems for line in _told(p))
        return replace(files, verdict=Verdict.REFUSED, reason=told)


def _verify_again(
    files: Verification, record: Record, order: Order, report: Callable[[Progress], None]
) -> Verification:
    resolved = resolved_of(record, trust=order.source.trust, data_root=order.source.data_root)
    if found := differing_input(record, resolved):
        return replace(files, verdict=Verdict.DIFFERENT, difference=found)
    if order.level is Level.INPUTS:
        return replace(files, level=Level.INPUTS)
    return _verify_training(replace(files, level=Level.INPUTS), record, order, report)


def _verify_files(record: Record, level: Level) -> Verification:
    found = partial(Verification, record.run_id)
    if record.status is Status.CORRUPT:
        return found(Verdict.DAMAGED, None, record.reason)
    if record.spec and record.spec.get("format_version") != FORMAT_VERSION:
        reason = f"has another format than the {FORMAT_VERSION} of this lrbench"
        return found(Verdict.REFUSED, None, reason)
    try:
        check_record(record)
    except RecordError as error:
        told = "; ".join(f"{Path(p.key or '').name} {p.relation}" for p in error.problems)
        return found(Verdict.DAMAGED, None, told)
    if not record.status.is_finished:
        return found(Verdict.UNFINISHED, None, _of_the_middle(record))
    if level is not Level.FILES and not record.result.get("inputs"):
        reason = "was made by an earlier lrbench, whose bytes this one cannot repeat"
        return found(Verdict.REFUSED, Level.FILES, reason)
    return found(Verdict.IDENTICAL, Level.FILES, _of_the_end(record))


def _of_the_middle(record: Record) -> str:
    """Why there is nothing to compare yet."""
    if not record.spec:
        return "was claimed and never begun"
    if record.status is Status.RUNNING:
        return "is being trained at this moment"
    if record.status is Status.UNKNOWN:
        return f"may still be trained elsewhere: {record.reason}"
    why = f"failed ({' '.join(record.reason.split())})" if record.reason else "was interrupted"
    return f"{why}; lrbench resume goes on at step {record.resumes_at}"


def _of_the_end(record: Record) -> str:
    diverged_at = record.result.get("diverged_at")
    return "" if diverged_at is None else f"diverges at step {diverged_at}"


def _told(problem: Problem) -> Iterator[str]:
    """A problem without what says that the command failed, which it has not."""
    yield from str(problem).removeprefix("error: ").splitlines()


def _verify_training(
    so_far: Verification, record: Record, order: Order, report: Callable[[Progress], None]
) -> Verification:
    total = total_steps_of(record.spec)
    is_prefix = order.level is Level.PREFIX and order.prefix < total
    again = make_again(
        order.source,
        order.scratch,
        until=order.prefix if is_prefix else None,
        from_checkpoint=order.level is Level.CHECKPOINT,
        on_progress=report,
    )
    rows = order.prefix if is_prefix else None
    difference = first_difference(record, again, rows=rows)
    if difference is None and not is_prefix:
        difference = differing_result(record, again)
    profile = differing_profile(record, profile_now(record))
    if difference is None:
        shutil.rmtree(order.scratch)
        has_begun = order.level is not Level.CHECKPOINT or record.resumes_at
        level = order.level if has_begun else Level.FULL
        return replace(so_far, level=level, profile=profile)
    near = closeness(record, again, losses_of_siblings(record)) if profile else None
    is_close = near is not None and near.is_close
    return replace(
        so_far,
        verdict=Verdict.CLOSE if is_close else Verdict.DIFFERENT,
        difference=difference,
        profile=profile,
        closeness=near,
        kept=again.path,
    )


def _mismatches(records: Sequence[Record]) -> Iterator[str]:
    pairing = Pairing()
    for record in records:
        pairing.add(record)
    yield from map(str, pairing.mismatches())
