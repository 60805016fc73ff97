"""Many runs trained in worker processes: what sweeps and going on with them share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

from lrbench.config.resolve import Resolved
from lrbench.launchers.local import Event, reason_of, run_jobs
from lrbench.workflows.packing import pack, recorded_slot
from lrbench.workflows.recorded import asking_for_data
from lrbench.workflows.recording import Progress
from lrbench.workflows.run import RunReport, reported, run_together
from lrbench.workflows.training import Manner

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
    slots_of : Path, optional
        The folder of records whose slots runs of the lanes engine keep; default: ``results``.
    """

    run: Resolved
    results: Path
    reason: str
    variables: Mapping[str, str]
    force: bool = False
    is_recorded: bool = False
    slots_of: Path | None = None


@dataclass(frozen=True)
class Parcel:
    """Orders that one worker does at once; more than one only with the lanes engine.

    Parameters
    ----------
    places : tuple of int
        Of the orders, among all.
    orders : tuple of Order
    slots : tuple of int
        Of the runs in the program of their plan.
    """

    places: tuple[int, ...]
    orders: tuple[Order, ...]
    slots: tuple[int, ...]


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
    work = parcels(orders)
    environments = [parcel.orders[0].variables for parcel in work]
    events = run_jobs(TASK, work, workers=workers, environments=environments)
    with closing(events):  # type: ignore[type-var]
        for whole in events:
            for place, event in of_each(work[whole.job].places, whole):
                if event.kind == "failed":
                    failures.append((orders[place].run.spec.run_id, event.value))
                elif event.kind == "done":
                    done += 1
                    diverged += event.value.diverged_at is not None
                on_event(place, event)
    return Tally(done, diverged, tuple(failures))


def parcels(orders: Sequence[Order]) -> list[Parcel]:
    """The orders as workers get them: those that fit together as one."""
    packs = pack(
        [order.run for order in orders],
        [recorded_slot((o.slots_of or o.results) / o.run.spec.run_id) for o in orders],
        [
            (o.results, o.reason, o.force, o.is_recorded, frozenset(o.variables.items()))
            for o in orders
        ],
    )
    return [Parcel(one.places, tuple(orders[p] for p in one.places), one.slots) for one in packs]


def of_each(places: Sequence[int], whole: Event) -> Iterator[tuple[int, Event]]:
    """What an event of a job is for each of its parts, which are the ones at these places.

    It reports which of its parts has progressed, and how far, and answers with a list: a string
    says why a part failed.
    """
    if whole.kind == "progress":
        index, progress = whole.value
        yield places[index], Event("progress", places[index], progress)
    elif whole.kind == "done":
        for place, answer in zip(places, whole.value, strict=True):
            kind = "failed" if isinstance(answer, str) else "done"
            yield place, Event(kind, place, answer)  # type: ignore[arg-type]
    else:
        for place in places:
            yield place, Event(whole.kind, place, whole.value)


def train_job(
    parcel: Parcel, report: Callable[[tuple[int, Progress]], None]
) -> list[RunReport | str]:
    """The runs of a parcel, in a worker; the reason of one that failed."""
    first = parcel.orders[0]
    ended = run_together(
        [order.run for order in parcel.orders],
        parcel.slots,
        first.results,
        Manner(first.force, first.reason),
        on_progress=lambda place, progress: report((place, progress)),
    )
    answers: list[RunReport | str] = []
    for one in ended:
        try:
            with asking_for_data() if first.is_recorded else nullcontext():
                answers.append(reported(one))
        except Exception as error:
            answers.append(reason_of(error))
    return answers
