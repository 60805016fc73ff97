"""The schedules of a command, as runs would have them; neither data nor torch is needed to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lrbench.adapters.build import schedule_of
from lrbench.config.composed import Composed
from lrbench.config.findings import Findings
from lrbench.config.naming import Target
from lrbench.config.plain import compose_plain, plain_arms
from lrbench.config.scheduling import fit_schedule, read_other, read_schedule, uses_epochs
from lrbench.config.settings import LONGEST_STEPS, read_settings
from lrbench.errors import ConfigError
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
    lr : float
        ``optimizer.lr``.
    total_steps : int
    settings : mapping
        Lengths in updates.
    found : callable or None
        What an import path led to.
    build : callable, () -> Schedule
        The same schedule made anew.
    """

    label: str
    name: str
    schedule: Schedule
    lr: float
    total_steps: int
    settings: Mapping[str, Any]
    found: Target | None
    build: Callable[[], Schedule]


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
    composed = _composed(overrides, config_dir)
    told = [
        position
        for position in range(len(overrides))
        if len({texts[position] for _, texts in composed}) > 1
    ]
    return [_planned(one, _label(texts, told)) for one, texts in composed]


def _composed(
    overrides: Sequence[str], config_dir: Path | None
) -> list[tuple[Composed, Sequence[str]]]:
    """The configuration of each arm, and its overrides as texts."""
    arms = plain_arms(overrides) if config_dir is None else None
    plain = [(compose_plain(arm), [text for _, _, text in arm]) for arm in arms or []]
    done: list[tuple[Composed, Sequence[str]]] = [
        (one, texts) for one, texts in plain if one is not None
    ]
    if arms is not None and len(done) == len(arms):
        return done
    from lrbench.config.compose import compose
    from lrbench.config.overrides import parse

    return [
        (compose(arm, config_dir), [override.text for override in arm])
        for arm in parse(overrides, sweep=True, user_folder=config_dir)
    ]


def _label(texts: Sequence[str], told: Sequence[int]) -> Callable[[str], str]:
    """From a schedule's name to its label: the option as typed, and the settings that vary."""
    chosen = [text.partition("=")[2] for text in texts if text.startswith("schedule=")]
    varying = [texts[position] for position in told if not texts[position].startswith("schedule=")]
    settings = [text.removeprefix("schedule.") for text in varying]

    def label(name: str) -> str:
        return " ".join([*(chosen or [name]), *settings])

    return label


def _planned(composed: Composed, label: Callable[[str], str]) -> PlannedSchedule:
    findings = Findings(composed.origins, composed.replaced)
    settings = read_settings(composed, findings)
    chosen = composed.values.get("schedule") or {}
    component = read_schedule(chosen, findings)
    optimizer = composed.values.get("optimizer") or {}
    for key in ("momentum_schedule", "weight_decay_schedule"):
        read_other(optimizer.get(key), chosen, findings, f"optimizer.{key}")
    lr = _base_rate(composed, findings)
    findings.raise_if_any()
    assert settings is not None
    assert component is not None
    assert lr is not None
    total_steps = settings.train.steps
    if total_steps is not None and total_steps > LONGEST_STEPS:
        relation = f"must be at most {LONGEST_STEPS} updates"
        raise ConfigError(relation, key="train.steps", got=total_steps)
    if total_steps is None or uses_epochs(component.params):
        component, total_steps = _with_data(composed)
        schedule = schedule_of(component, lr=lr, total_steps=total_steps)
    else:
        fitted = findings.attempt_own(
            component.target,
            "schedule",
            fit_schedule,
            component,
            lr=lr,
            total_steps=total_steps,
            steps_per_epoch=1,  # no length is in epochs
        )
        findings.raise_if_any()
        assert fitted is not None
        component, schedule = fitted
    return PlannedSchedule(
        label=label(component.name),
        name=component.name,
        schedule=schedule,
        lr=lr,
        total_steps=total_steps,
        settings=component.params,
        found=_found(component),
        build=partial(schedule_of, component, lr=lr, total_steps=total_steps),
    )


def _with_data(composed: Composed) -> tuple[Component, int]:
    """Schedule and length of the run, where only the data tell how many updates an epoch has."""
    from lrbench.config.resolve import resolve_run

    spec = resolve_run(composed).spec
    return spec.schedule, spec.train.steps


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
