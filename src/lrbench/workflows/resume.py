"""Going on with what was interrupted: one run, or all of a folder and of its sweeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lrbench.config.compose import compose
from lrbench.config.overrides import parse
from lrbench.config.resolve import Resolved, resolve_run, with_seed
from lrbench.errors import ConfigError, LrbenchError, Problem, RecordError
from lrbench.launchers.local import Event
from lrbench.record import layout
from lrbench.record.plans import read_plan
from lrbench.record.reader import Record, Status, read_record
from lrbench.spec.profiles import variables_of
from lrbench.spec.sweep import Arm
from lrbench.workflows.crew import Order, Tally, train_all
from lrbench.workflows.recorded import (
    check_data,
    named,
    records_at,
    refuse_other_code,
    refuse_own_code,
    refuse_own_values,
    resolved_of,
)
from lrbench.workflows.replay import variables_then


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
    check_data(data_root)
    paths = records_at(path)
    place = named(path)
    is_one = paths == [place]
    results = place.absolute().parent if is_one else place
    plans = [] if is_one else sorted((place / layout.SWEEPS).glob("*.json"))
    if not paths and not plans:
        raise ConfigError("must hold records of runs", key=str(path), remedy="lrbench run")
    unfinished: list[Unfinished] = []
    running: list[str] = []
    refused: list[tuple[str, str]] = []
    claimed: list[str] = []
    untrusted: list[Problem] = []
    finished = 0
    for record in map(read_record, paths):
        if record.status.is_finished:
            finished += 1
        elif record.status is Status.RUNNING:
            running.append(record.run_id)
        elif record.status is Status.CORRUPT:
            refused.append((record.run_id, f"is damaged ({record.reason})"))
        elif not record.spec:
            claimed.append(record.run_id)
        else:
            try:
                unfinished.append(_unfinished(record, trust, data_root))
            except ConfigError as error:
                untrusted += error.problems
            except (LrbenchError, LookupError, TypeError, ValueError, AttributeError) as error:
                refused.append((record.run_id, _words(error)))
    if untrusted:
        raise ConfigError(untrusted)
    known = {record.name for record in paths if (record / layout.SPEC).exists()}
    for plan in plans:
        for run_id, found in _not_begun(plan, known, trust, data_root):
            known.add(run_id)
            if isinstance(found, str):
                refused.append((run_id, found))
            else:
                unfinished.append(found)
    why = "was claimed and not begun: repeat its command"
    refused += [(run_id, why) for run_id in claimed if run_id not in known]
    return ResumePlan(results, tuple(unfinished), finished, tuple(running), tuple(refused))


def resume(
    plan: ResumePlan,
    *,
    workers: int,
    start_over: bool = False,
    on_event: Callable[[Unfinished, Event], None] = lambda run, event: None,
) -> Tally:
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
    jobs = plan.unfinished
    orders = [
        Order(job.run, plan.results, "resume", job.variables, force=start_over, is_recorded=True)
        for job in jobs
    ]
    return train_all(
        orders, workers=workers, on_event=lambda place, event: on_event(jobs[place], event)
    )


def _unfinished(record: Record, trust: bool, data_root: Path | None) -> Unfinished:
    run = resolved_of(record, trust=trust, data_root=data_root)
    refuse_other_code(run.spec)
    return Unfinished(run, record.resumes_at, variables_then(record))


def _not_begun(
    plan: Path, known: set[str], trust: bool, data_root: Path | None
) -> Iterator[tuple[str, Unfinished | str]]:
    """The runs of a sweep that have no record yet, or why one cannot be trained."""
    name = f"{layout.SWEEPS}/{plan.name}"
    try:
        found = read_plan(plan)
        spec = found.spec
    except RecordError as error:
        yield name, f"is damaged ({_words(error)})"
        return
    if tuple(run.digest for arm in spec.arms for run in arm.runs) != found.runs:
        there = {run_id.rpartition("-")[2] for run_id in known}
        if any(run[:8] not in there for run in found.runs):
            yield name, "is of an earlier lrbench: repeat the sweep's command"
        return
    for arm in spec.arms:
        missing = [run for run in arm.runs if run.run_id not in known]
        if not missing:
            continue
        try:
            first = _composed(arm, trust, data_root)
        except LrbenchError as error:
            for run in missing:
                yield run.run_id, _words(error)
            continue
        for run in missing:
            now = with_seed(first, run.seed)
            if now.spec == run:
                yield run.run_id, Unfinished(now, 0, variables_of(run.compute))
            else:
                # Other defaults, other data, or another --config-dir than when it was planned.
                yield run.run_id, "comes to another run here and now: repeat the sweep's command"


def _composed(arm: Arm, trust: bool, data_root: Path | None) -> Resolved:
    """The first run of an arm, from what was typed for it."""
    (parsed,) = parse(arm.overrides)
    composed = compose(parsed, None)
    if not trust:
        # A plan can say one thing in its runs and another in what was typed.
        for run in arm.runs:
            refuse_own_code(run, run.run_id)
        refuse_own_values(composed.values, "a sweep's plan")
    dataset = composed.values.get("dataset")
    if data_root is not None and isinstance(dataset, dict) and "root" in dataset:
        dataset["root"] = str(data_root)
    return resolve_run(composed)


def _words(error: Exception) -> str:
    """An error in one line, with what to do about it."""
    if not isinstance(error, LrbenchError):
        return f"is not of the form of a record ({type(error).__name__})"
    told = [
        f"{p.key or ''} {p.relation}{f' (try {p.remedy})' if p.remedy else ''}"
        for p in error.problems
    ]
    return "; ".join(" ".join(one.split()) for one in told)
