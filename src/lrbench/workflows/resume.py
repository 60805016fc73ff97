"""Going on with what was interrupted: one run, or all of a folder and of its sweeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lrbench.config.overrides import parse
from lrbench.config.resolve import Resolved, with_seed
from lrbench.engine.profiles import variables_of
from lrbench.errors import ConfigError, LrbenchError
from lrbench.launchers.local import Event, run_jobs
from lrbench.record import layout
from lrbench.record.files import read_file
from lrbench.record.reader import Record, Status, find_records, read_record
from lrbench.spec.sweep import Arm, SweepSpec
from lrbench.workflows.recorded import refuse_own_code, resolved_of
from lrbench.workflows.replay import variables_then
from lrbench.workflows.run import resolve_arm
from lrbench.workflows.sweep import TASK

REACHING_OUT = ("dataset.mirror", "dataset.download")
"""Settings of a plan that reach into the network."""


@dataclass(frozen=True)
class Unfinished:
    """A run to be gone on with.

    Parameters
    ----------
    run : Resolved
    goes_on_at : int
        Its next update.
    variables : dict
        Environment variables its process must be started with.
    """

    run: Resolved
    goes_on_at: int
    variables: dict[str, str]


@dataclass(frozen=True)
class ResumePlan:
    """What stands in a folder, before anything is trained.

    Parameters
    ----------
    results : Path
        The folder of records.
    unfinished : tuple of Unfinished
    finished : int
        Runs with a closed record.
    running : tuple of str
        Runs that another process has.
    refused : tuple of (run id, reason)
        Runs that cannot be gone on with: damaged ones first of all.
    """

    results: Path
    unfinished: tuple[Unfinished, ...]
    finished: int
    running: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ResumeReport:
    """What became of it.

    Parameters
    ----------
    done, diverged : int
        Runs finished now, and how many of them diverged.
    failures : tuple of (run id, reason)
    """

    done: int
    diverged: int
    failures: tuple[tuple[str, str], ...]


def plan_resume(path: Path, *, trust: bool = False, data_root: Path | None = None) -> ResumePlan:
    """Look at a record, or at a folder of records and the sweeps planned in it.

    Parameters
    ----------
    path : Path
    trust : bool
        Import the records' own code, and fetch data from where they say.
    data_root : Path, optional
        The folder with the datasets' files.

    Raises
    ------
    ConfigError
        There is nothing of the kind, or a run needs trust.
    """
    if not path.is_dir():
        relation = "must be a record or a folder of records"
        raise ConfigError(relation, key=str(path), remedy="lrbench status results")
    paths = list(find_records(path))
    is_one = paths == [path]
    results = path.absolute().parent if is_one else path
    plans = [] if is_one else sorted((path / layout.SWEEPS).glob("*.json"))
    if not paths and not plans:
        raise ConfigError("must hold records of runs", key=str(path), remedy="lrbench run")
    unfinished: list[Unfinished] = []
    running: list[str] = []
    refused: list[tuple[str, str]] = []
    finished = 0
    for record in map(read_record, paths):
        if record.status.is_finished:
            finished += 1
        elif record.status is Status.RUNNING:
            running.append(record.run_id)
        elif record.status is Status.CORRUPT:
            refused.append((record.run_id, f"is damaged ({record.reason})"))
        elif record.spec:
            unfinished.append(_unfinished(record, trust, data_root))
        elif not plans:
            refused.append((record.run_id, "was claimed and not begun: repeat its command"))
    known = {record.name for record in paths if (record / layout.SPEC).exists()}
    for plan in plans:
        for run_id, found in _not_begun(plan, known, trust):
            known.add(run_id)
            if isinstance(found, str):
                refused.append((run_id, found))
            else:
                unfinished.append(found)
    return ResumePlan(results, tuple(unfinished), finished, tuple(running), tuple(refused))


def resume(
    plan: ResumePlan,
    *,
    workers: int,
    start_over: bool = False,
    on_event: Callable[[Unfinished, Event], None] = lambda run, event: None,
) -> ResumeReport:
    """Go on with every unfinished run; one that fails does not stop the others.

    Parameters
    ----------
    plan : ResumePlan
    workers : int in [1, inf)
        Worker processes.
    start_over : bool
        Train from the first update again instead of from the checkpoint.
    on_event : callable
        Hears of every start, progress and end.

    Raises
    ------
    KeyboardInterrupt
        Passed on after the workers have saved what they had.
    """
    done = diverged = 0
    failures: list[tuple[str, str]] = []
    jobs = plan.unfinished
    events = run_jobs(
        TASK,
        [(job.run, str(plan.results), start_over) for job in jobs],
        workers=workers,
        environments=[job.variables for job in jobs],
    )
    with closing(events):  # type: ignore[type-var]
        for event in events:
            job = jobs[event.job]
            if event.kind == "failed":
                failures.append((job.run.spec.run_id, event.value))
            elif event.kind == "done":
                done += 1
                diverged += event.value.diverged_at is not None
            on_event(job, event)
    return ResumeReport(done, diverged, tuple(failures))


def _unfinished(record: Record, trust: bool, data_root: Path | None) -> Unfinished:
    run = resolved_of(record, trust=trust, data_root=data_root)
    return Unfinished(run, record.resumes_at, variables_then(record))


def _not_begun(plan: Path, known: set[str], trust: bool) -> Iterator[tuple[str, Unfinished | str]]:
    """The runs of a sweep that have no record yet, or why one cannot be trained."""
    try:
        spec = SweepSpec.model_validate_json(read_file(plan))
    except (LrbenchError, OSError, ValueError) as error:
        told = str(error).partition("\n")[0]
        yield f"{layout.SWEEPS}/{plan.name}", f"is damaged ({told})"
        return
    for arm in spec.arms:
        missing = [run for run in arm.runs if run.run_id not in known]
        if not missing:
            continue
        try:
            first = _composed(arm, trust)
        except LrbenchError as error:
            for run in missing:
                yield run.run_id, str(error)
            continue
        for run in missing:
            now = with_seed(first, run.seed)
            if now.spec == run:
                yield run.run_id, Unfinished(now, 0, variables_of(run.compute))
            else:
                # Other defaults, other data, or another --config-dir than when it was planned.
                yield run.run_id, "comes to another run here and now: repeat the sweep's command"


def _composed(arm: Arm, trust: bool) -> Resolved:
    """The first run of an arm, from what was typed for it."""
    if not trust:
        for run in arm.runs:
            refuse_own_code(run, run.run_id)
        for text in arm.overrides:
            if "_target_" in text or ":" in text or text.startswith(REACHING_OUT):
                relation = "reaches outside of lrbench, which is done only if you trust the plan"
                raise ConfigError(relation, key=text, remedy="--trust")
    (parsed,) = parse(arm.overrides)
    return resolve_arm(parsed)
