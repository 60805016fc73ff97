"""Many runs trained in worker processes: what sweeps and going on with them share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrbench.config.resolve import Resolved
from lrbench.launchers.local import Event, run_jobs
from lrbench.workflows.packing import pack
from lrbench.workflows.recorded import asking_for_data
from lrbench.workflows.recording import Progress
from lrbench.workflows.results import check_results
from lrbench.workflows.run import RunReport, run, run_together
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
            for place, event in _of_each(work[whole.job], whole):
                if event.kind == "failed":
                    failures.append((orders[place].run.spec.run_id, event.value))
                elif event.kind == "done":
                    done += 1
                    diverged += event.value.diverged_at is not None
                on_event(place, event)
    return Tally(done, diverged, tuple(failures))


def parcels(orders: Sequence[Order]) -> list[Parcel]:
    """The orders as workers get them: those that fit together as one."""
    alike: dict[Any, list[int]] = {}
    for place, order in enumerate(orders):
        settings = (
            order.results,
            order.reason,
            order.force,
            order.is_recorded,
            order.slots_of,
        )
        alike.setdefault((*settings, tuple(sorted(order.variables.items()))), []).append(place)
    found = []
    for places in alike.values():
        first = orders[places[0]]
        for one in pack([orders[p].run for p in places], first.slots_of or first.results):
            chosen = tuple(places[index] for index in one.places)
            found.append(Parcel(chosen, tuple(orders[place] for place in chosen), one.slots))
    return sorted(found, key=lambda parcel: min(parcel.places))


def _of_each(parcel: Parcel, whole: Event) -> Iterator[tuple[int, Event]]:
    """What an event of a parcel is for each of its runs."""
    places = parcel.places
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
    with asking_for_data() if first.is_recorded else nullcontext():
        if len(parcel.orders) == 1:
            return [
                run(
                    first.run,
                    first.results,
                    force=first.force,
                    reason=first.reason,
                    slot=parcel.slots[0] if first.run.spec.compute.engine == "lanes" else None,
                    on_progress=lambda progress: report((0, progress)),
                )
            ]
        check_results(first.results)
        answers = run_together(
            [order.run for order in parcel.orders],
            parcel.slots,
            first.results,
            Manner(first.force, first.reason),
            on_progress=lambda place, progress: report((place, progress)),
        )
    return [str(answer) if isinstance(answer, Exception) else answer for answer in answers]
