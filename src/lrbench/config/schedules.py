"""The schedules of a command, as runs would have them; neither data nor torch is needed to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lrbench.adapters.build import schedule_of
from lrbench.config.arms import ComposedArm, composed_arms
from lrbench.config.composed import Composed
from lrbench.config.course import KnownCourse, known_course
from lrbench.config.findings import Findings
from lrbench.config.naming import Target
from lrbench.config.scheduling import fit_schedule, read_other, read_schedule
from lrbench.config.settings import read_settings
from lrbench.config.sizes import beta2_of, needed_lengths
from lrbench.config.triggering import read_trigger
from lrbench.schedules.base import Schedule
from lrbench.spec.imports import resolve_import
from lrbench.spec.run import Component


@dataclass(frozen=True)
class PlannedSchedule:
    """A schedule as a run would have it, before there is one.

    Parameters
    ----------
    label : str
        The option it was chosen by, with what tells it from others of that name.
    name : str
    schedule : Schedule
        By itself.
    lr : float
        ``optimizer.lr``.
    total_steps : int
    settings : mapping
        Lengths in updates.
    found : callable or None
        What an import path led to.
    build : callable, () -> Schedule
        The same schedule made anew.
    course : KnownCourse
        What a run is trained with: the schedule with what triggers and re-warming make of it.
    """

    label: str
    name: str
    schedule: Schedule
    lr: float
    total_steps: int
    settings: Mapping[str, Any]
    found: Target | None
    build: Callable[[], Schedule]
    course: KnownCourse


def plan_schedules(
    overrides: Sequence[str], config_dir: Path | None = None
) -> list[PlannedSchedule]:
    """The schedules that overrides come to; several where values stand after commas.

    Data are looked at only where a length is in epochs.

    Raises
    ------
    ConfigError
        Anything is wrong with the schedule, the base learning rate or the length of the run.
    """
    return [_planned(arm) for arm in composed_arms(overrides, config_dir, "schedule")]


def _planned(arm: ComposedArm) -> PlannedSchedule:
    composed = arm.composed
    findings = Findings(composed.origins, composed.replaced)
    settings = read_settings(composed, findings)
    chosen = composed.values.get("schedule") or {}
    component = read_schedule(chosen, findings)
    optimizer = composed.values.get("optimizer") or {}
    for key in ("momentum_schedule", "weight_decay_schedule"):
        read_other(optimizer.get(key), chosen, findings, f"optimizer.{key}")
    trigger = read_trigger(composed.values.get("trigger") or {}, findings)
    lr = _base_rate(composed, findings)
    findings.raise_if_any()
    assert settings is not None
    assert component is not None
    assert lr is not None
    lengths = needed_lengths(composed, settings, findings, schedule=component, trigger=trigger)
    total_steps = lengths.train.steps

    def fitted(*, is_rebuilt: bool) -> tuple[Component, Schedule]:
        found = findings.attempt_own(
            component.target,
            "schedule",
            fit_schedule,
            component,
            lr=lr,
            total_steps=total_steps,
            steps_per_epoch=lengths.per_epoch,
            is_rebuilt=is_rebuilt,
        )
        findings.raise_if_any()
        assert found is not None
        return found

    whole = fitted(is_rebuilt=False)
    remade = whole if trigger is None else fitted(is_rebuilt=True)
    course = known_course(
        settings.restart, trigger, *remade, lr, beta2_of(composed.values), lengths, findings
    )
    findings.raise_if_any()
    _, schedule = whole
    return PlannedSchedule(
        label=arm.label(component.name),
        name=component.name,
        schedule=schedule,
        lr=lr,
        total_steps=total_steps,
        settings=whole[0].params,
        found=_found(component),
        build=partial(schedule_of, whole[0], lr=lr, total_steps=total_steps),
        course=course,
    )


def _base_rate(composed: Composed, findings: Findings) -> float | None:
    optimizer = composed.values.get("optimizer")
    lr = optimizer.get("lr") if isinstance(optimizer, Mapping) else None
    if isinstance(lr, int | float) and not isinstance(lr, bool) and 0 < lr < float("inf"):
        return float(lr)
    findings.add("must be a number above 0", "optimizer.lr", lr, "optimizer.lr=0.1")
    return None


def _found(component: Component) -> Target | None:
    if component.target is None:
        return None
    return resolve_import(component.target, key="schedule._target_")
