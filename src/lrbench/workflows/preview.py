"""What a schedule does in a run, before anything is trained."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, repeat
from math import fsum, inf
from pathlib import Path
from typing import Any

from lrbench.adapters.torch_scheduler import is_torch_scheduler
from lrbench.config.findings import raised
from lrbench.config.schedules import PlannedSchedule, plan_schedules
from lrbench.errors import ScheduleError
from lrbench.workflows.outlook import course_in_words


@dataclass(frozen=True)
class Cycle:
    """One cycle of a schedule in a run.

    Parameters
    ----------
    index : int, from 0
    step : int
        Its first step.
    length : int in [1, inf), in updates
        As much of it as lies in the run.
    full_length : int in [1, inf), in updates, or None
        Its length if the run went on; None if it would never end.
    before, after : float
        Factor of the update before it, and of its own first one. ``before`` is None for cycle 0.
    is_restart : bool
        Whether its beginning is a warm restart: a jump, with what a restart does to the optimizer.
    """

    index: int
    step: int
    length: int
    full_length: int | None
    before: float | None
    after: float
    is_restart: bool


@dataclass(frozen=True)
class Preview:
    """The facts of one schedule, exactly: the same floats a run computes with.

    Parameters
    ----------
    label, name : str
        What tells it from the others shown; what it is called.
    settings : mapping
        Of the schedule, lengths in updates.
    base_lr : float
        ``optimizer.lr``, by which the factor is multiplied.
    factor, lr : arrays of float64 of length total_steps
        Row t belongs to update t.
    cycles : tuple of Cycle, never empty
    area : float
        Mean factor.
    conventions, notes : tuple of str
        How the schedule begins and ends, in words; what became of the settings in this run.
    knows_restarts : bool
        Whether it is known where it restarts: of a user's function it is not.
    """

    label: str
    name: str
    settings: Mapping[str, Any]
    base_lr: float
    factor: Sequence[float]
    lr: Sequence[float]
    cycles: tuple[Cycle, ...]
    area: float
    conventions: tuple[str, ...]
    notes: tuple[str, ...]
    knows_restarts: bool = True

    @property
    def total_steps(self) -> int:
        """Updates of the run."""
        return len(self.factor)

    @property
    def peak_step(self) -> int:
        """The first step with the largest factor."""
        return self.factor.index(max(self.factor))

    @property
    def restarts(self) -> tuple[Cycle, ...]:
        """The cycles that begin with a warm restart."""
        return tuple(cycle for cycle in self.cycles if cycle.is_restart)

    def cycle_of_each_step(self) -> Iterator[int]:
        """Numbers of the cycles the steps belong to; steps after the last cycle have its number."""
        ends = (*(cycle.step for cycle in self.cycles[1:]), self.total_steps)
        for cycle, end in zip(self.cycles, ends, strict=True):
            yield from repeat(cycle.index, end - cycle.step)


def preview(overrides: Sequence[str], *, config_dir: Path | None = None) -> list[Preview]:
    """Every schedule that the overrides ask for, in the order of the sweep. Nothing is trained.

    Parameters
    ----------
    overrides : sequence of str
        Hydra's grammar; commas make several schedules.
    config_dir : Path, optional
        Configuration of your own.

    Raises
    ------
    ConfigError
        Anything is wrong with the configuration.
    ScheduleError
        A schedule gives a factor that is not finite or is negative; the step is named.
    """
    return [describe(planned) for planned in plan_schedules(overrides, config_dir)]


def describe(planned: PlannedSchedule) -> Preview:
    """The facts of a schedule in the run it is planned for."""
    schedule, factor = planned.course.schedule, array("d")
    for step in range(planned.total_steps):
        try:
            value = schedule(step)
        except (Exception, SystemExit) as error:
            if planned.found is None:
                raise
            relation = f"must give a factor at every step (step {step} {raised(error)})"
            raise ScheduleError(relation, key="schedule", got=planned.label) from error
        if not 0.0 <= value < inf:
            relation = f"must be finite and not negative at every step; step {step} is not"
            raise ScheduleError(relation, key="schedule", got=value)
        factor.append(value)
    return Preview(
        label=planned.label,
        name=planned.name,
        settings=planned.settings,
        base_lr=planned.lr,
        factor=factor,
        lr=array("d", [value * planned.lr for value in factor]),
        cycles=tuple(_cycles(planned, factor)),
        area=fsum(factor) / planned.total_steps,
        conventions=schedule.conventions,
        notes=(*schedule.notes, *course_in_words(planned.course, planned.total_steps)),
        knows_restarts=planned.found is None
        or is_torch_scheduler(planned.found)
        or schedule.cycles.start(1) is not None,
    )


def _cycles(planned: PlannedSchedule, factor: Sequence[float]) -> Iterator[Cycle]:
    schedule = planned.course.schedule
    cycles = schedule.cycles
    restarts = set(schedule.restarts(planned.total_steps))
    starts = (*cycles.before(planned.total_steps), planned.total_steps)
    for index, (start, end) in enumerate(pairwise(starts)):
        full_length = cycles.length(index)
        yield Cycle(
            index=index,
            step=start,
            length=min(end - start, full_length or end),
            full_length=full_length,
            before=factor[start - 1] if index else None,
            after=factor[start],
            is_restart=start in restarts,
        )
