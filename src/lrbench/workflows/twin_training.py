"""Training twins: those of runs that fit together are one job, as a plan of lanes trains them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lrbench.config.resolve import Resolved
from lrbench.launchers.local import Event, run_jobs
from lrbench.record.comparison.difference import Difference
from lrbench.workflows.crew import of_each
from lrbench.workflows.packing import pack, slot_of_same
from lrbench.workflows.replay import Source, variables_then
from lrbench.workflows.twin import CONTROL, Fork, TwinPlan

TASK = "lrbench.workflows.forking:fork_job"


@dataclass(frozen=True)
class ForkOrder:
    """The twins of one run, to be trained.

    Parameters
    ----------
    source : Source
        The parent's record.
    step, until : int in updates
    twins : tuple of Resolved
    same : str
        Run id of the twin that does what its parent did; empty for none.
    """

    source: Source
    step: int
    until: int
    twins: tuple[Resolved, ...]
    same: str


@dataclass(frozen=True)
class ForkParcel:
    """Work for a worker: the twins of a run, with the lanes engine of runs that fit together.

    Parameters
    ----------
    orders : tuple of ForkOrder
        All part from their parents at one step.
    results : Path
        Folder of the twins' records.
    force : bool
        Go on although what decides bits is not as it was.
    """

    orders: tuple[ForkOrder, ...]
    results: Path
    force: bool


@dataclass(frozen=True)
class Forked:
    """What a worker answers of the twins of one run.

    Parameters
    ----------
    status : str
        In a word, of all of them.
    trained : int
        Twins that had no complete record before.
    difference : Difference or None
        The first one between the parent and the twin that does what it did.
    """

    status: str
    trained: int
    difference: Difference | None


@dataclass(frozen=True)
class TwinReport:
    """What became of the training.

    Parameters
    ----------
    trained : int
        Twins that had no complete record before.
    failures : tuple of (run id, reason)
        By the id of the parent.
    differences : tuple of (run id, Difference)
        Parents whose twin with their own policy is not the same run.
    """

    trained: int
    failures: tuple[tuple[str, str], ...]
    differences: tuple[tuple[str, Difference], ...]


def run_twins(
    plan: TwinPlan,
    *,
    workers: int,
    force: bool = False,
    trust: bool = False,
    data_root: Path | None = None,
    on_event: Callable[[Fork, Event], None] = lambda fork, event: None,
) -> TwinReport:
    """Train the twins that have no complete record; one that fails does not stop the others.

    Parameters
    ----------
    plan : TwinPlan
    workers : int in [1, inf)
        Worker processes; each does the twins of one parent, or of those that fit together.
    force : bool
        Go on although what decides bits is not as it was when the parents were trained.
    trust, data_root
        As they were for the plan.
    on_event : callable
        Hears of every start, progress and end of the twins of a parent.

    Raises
    ------
    KeyboardInterrupt
        Passed on after the workers have saved what they had.
    """
    variables = [variables_then(fork.parent) for fork in plan.forks]
    packs = pack(
        [fork.twins[CONTROL] for fork in plan.forks],
        [slot_of_same(fork.parent.path) for fork in plan.forks],
        [frozenset(one.items()) for one in variables],
    )
    parcels = [
        ForkParcel(
            tuple(_order(plan.forks[place], trust, data_root) for place in one.places),
            plan.results,
            force,
        )
        for one in packs
    ]
    environments = [variables[one.places[0]] for one in packs]
    trained = 0
    failures: list[tuple[str, str]] = []
    differences: list[tuple[str, Difference]] = []
    events = run_jobs(TASK, parcels, workers=workers, environments=environments)
    with closing(events):  # type: ignore[type-var]
        for whole in events:
            for place, event in of_each(packs[whole.job].places, whole):
                fork = plan.forks[place]
                if event.kind == "failed":
                    failures.append((fork.parent.run_id, str(event.value)))
                elif event.kind == "done":
                    trained += event.value.trained
                    if event.value.difference:
                        differences.append((fork.parent.run_id, event.value.difference))
                on_event(fork, event)
    return TwinReport(trained, tuple(failures), tuple(differences))


def _order(fork: Fork, trust: bool, data_root: Path | None) -> ForkOrder:
    return ForkOrder(
        Source(fork.parent.path, trust, data_root),
        fork.restart.step,
        fork.until,
        tuple(fork.twins.values()),
        fork.twins[fork.own].spec.run_id if fork.own in fork.twins else "",
    )
