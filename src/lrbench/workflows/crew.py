"""Many runs trained in worker processes: what sweeps and going on with them share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

from lrbench.config.resolve import Resolved
from lrbench.launchers.local import Event, run_jobs
from lrbench.workflows.recorded import asking_for_data
from lrbench.workflows.recording import Progress
from lrbench.workflows.run import RunReport, run

TASK = "lrbench.workflows.crew:train_job"


@dataclass(frozen=True)
class Order:
    """A run to be trained by a worker.

    Parameters
    ----------
    run : Resolved
    results : Path
        The folder of records.
    reason : str
        For the record's note of the attempt.
    variables : mapping
        Environment variables that the worker must have been started with.
    force : bool
        Train from the first update, whatever stands there.
    is_recorded : bool
        It comes from a record: data that are not here are asked for with ``--data``.
    """

    run: Resolved
    results: Path
    reason: str
    variables: Mapping[str, str]
    force: bool = False
    is_recorded: bool = False


@dataclass(frozen=True)
class Tally:
    """What became of the runs.

    Parameters
    ----------
    done, diverged : int
        Runs trained to their end, and how many of them diverged.
    failures : tuple of (run id, reason)
    """

    done: int
    diverged: int
    failures: tuple[tuple[str, str], ...]


def train_all(
    orders: Sequence[Order], *, workers: int, on_event: Callable[[int, Event], None]
) -> Tally:
    """Train every run; one that fails does not stop the others.

    Parameters
    ----------
    orders : sequence of Order
    workers : int in [1, inf)
        Worker processes.
    on_event : callable
        Hears of every start, progress and end, with the place of the run.

    Raises
    ------
    KeyboardInterrupt
        Passed on after the workers have saved what they had.
    """
    done = diverged = 0
    failures: list[tuple[str, str]] = []
    environments = [order.variables for order in orders]
    events = run_jobs(TASK, orders, workers=workers, environments=environments)
    with closing(events):  # type: ignore[type-var]
        for event in events:
            if event.kind == "failed":
                failures.append((orders[event.job].run.spec.run_id, event.value))
            elif event.kind == "done":
                done += 1
                diverged += event.value.diverged_at is not None
            on_event(event.job, event)
    return Tally(done, diverged, tuple(failures))


def train_job(order: Order, report: Callable[[Progress], None]) -> RunReport:
    """One run, in a worker."""
    with asking_for_data() if order.is_recorded else nullcontext():
        return run(
            order.run, order.results, force=order.force, reason=order.reason, on_progress=report
        )
