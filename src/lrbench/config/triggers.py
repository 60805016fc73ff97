"""The triggers of a command, as runs would have them; neither torch nor a schedule is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lrbench.config.arms import ComposedArm, composed_arms
from lrbench.config.course import fitted_trigger
from lrbench.config.findings import Findings
from lrbench.config.settings import read_settings
from lrbench.config.sizes import beta2_of, needed_lengths
from lrbench.config.triggering import NO_TRIGGER, FittedTrigger, read_trigger
from lrbench.triggers.catalog import TRIGGERS


@dataclass(frozen=True)
class PlannedTrigger:
    """A trigger as a run would have it, before there is one.

    Parameters
    ----------
    label : str
        The option it was chosen by, with what tells it from others of that name.
    fitted : FittedTrigger
        Lengths in updates.
    total_steps, batch_size : int in [1, inf), in updates and samples
        Of the run.
    seed : int
    is_default : bool
        Whether all its settings are as lrbench has them.
    """

    label: str
    fitted: FittedTrigger
    total_steps: int
    batch_size: int
    seed: int
    is_default: bool


def plan_triggers(overrides: Sequence[str], config_dir: Path | None = None) -> list[PlannedTrigger]:
    """The triggers that overrides come to; several where values stand after commas.

    Data are looked at only where a length is in epochs.

    Raises
    ------
    ConfigError
        Anything is wrong with the trigger, the re-warmup or the length of the run, or there is no
        trigger.
    """
    return [_planned(arm) for arm in composed_arms(overrides, config_dir, "trigger")]


def _planned(arm: ComposedArm) -> PlannedTrigger:
    composed = arm.composed
    findings = Findings(composed.origins, composed.replaced)
    settings = read_settings(composed, findings)
    chosen = composed.values.get("trigger") or {}
    component = read_trigger(chosen, findings)
    findings.raise_if_any()
    assert settings is not None
    if component is None:
        first = next(iter(TRIGGERS))
        relation = f"must be one of: {', '.join(TRIGGERS)}"
        findings.add(relation, "trigger", NO_TRIGGER, f"trigger={first}")
        findings.raise_if_any()
    assert component is not None
    lengths = needed_lengths(composed, settings, findings, trigger=component)
    beta2 = beta2_of(composed.values)
    fitted = fitted_trigger(settings.restart, component, beta2, lengths, findings)
    known = TRIGGERS[component.name].parameters
    return PlannedTrigger(
        label=arm.label(component.name),
        fitted=fitted,
        total_steps=lengths.train.steps,
        batch_size=lengths.train.batch_size,
        seed=settings.seed,
        is_default=all(component.params[key] == known[key].default for key in known),
    )
