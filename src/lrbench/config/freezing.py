"""What happened to an adaptive run as a file that a schedule is chosen by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import yaml

from lrbench.config.findings import Findings
from lrbench.config.scheduling import fit_schedule, read_schedule
from lrbench.config.typed import as_overrides, as_typed
from lrbench.schedules.base import Schedule
from lrbench.schedules.events import Event
from lrbench.spec.run import Component, RunSpec
from lrbench.triggers.base import Aftermath


def schedule_file(of: Component, events: Sequence[Event], after: Aftermath, about: str) -> str:
    """The YAML of the schedule ``frozen`` for these events.

    Parameters
    ----------
    of : Component
        The schedule of the learning rate, by its own name.
    after : Aftermath
        What followed from the events.
    about : str
        Lines of text for its top.
    """
    head = "".join(f"# {line}\n" for line in about.splitlines())
    body = {
        "of": {"name": of.name, **of.params},
        "num_cycles": after.num_cycles,
        "peak_decay": after.peak_decay,
        "decay_factor": after.decay_factor,
        "final_fraction": after.final_fraction,
    }
    lines = ["name: frozen\n", yaml.safe_dump(body, sort_keys=False, allow_unicode=True)]
    if not events:
        return head + "".join([*lines, "events: []\n"])
    lines.append("events:\n")
    for event in events:
        told = yaml.safe_dump(asdict(event), sort_keys=False, default_flow_style=True, width=10_000)
        lines.append(f"- {told}")
    return head + "".join(lines)


def read_back(text: str, *, lr: float, total_steps: int) -> Schedule:
    """The schedule that the file comes to in a run, as if it had been chosen.

    Raises
    ------
    ConfigError
        It cannot be chosen.
    """
    findings = Findings({})
    component = read_schedule(yaml.safe_load(text), findings)
    findings.raise_if_any()
    assert component is not None
    _, schedule = fit_schedule(component, lr=lr, total_steps=total_steps, steps_per_epoch=1)
    return schedule


def other_overrides(config: str, spec: RunSpec) -> list[str]:
    """All else that was set in a run, as overrides: no schedule, trigger or seed.

    Parameters
    ----------
    config : str
        YAML, of its record.
    """
    values = yaml.safe_load(config)
    if not isinstance(values, Mapping):
        return []
    restart = dict(values.get("restart") or {})
    if restart.get("rewarm", 0) != spec.restart.rewarm:
        # By the rule it depends on the cycles there may be; those of another schedule are others.
        restart["rewarm"] = spec.restart.rewarm
    optimizer = dict(values.get("optimizer") or {})
    for key in ("momentum_schedule", "weight_decay_schedule"):
        component: Component | None = getattr(spec.optimizer, key)
        if component is not None:
            optimizer[key] = _inside(component)
    # One of steps and epochs is null, and beaten by the other where that is typed.
    train = {k: v for k, v in dict(values.get("train") or {}).items() if v is not None}
    values = {**values, "restart": restart, "optimizer": optimizer, "train": train}
    return as_overrides(values, without=("schedule", "trigger", "seed", "note"))


def choosing(name: str) -> str:
    """The override that chooses a file of schedules by its name."""
    return f"schedule={as_typed(name)}"


def _inside(component: Component) -> dict[str, Any]:
    who = {"_target_": component.target} if component.target else {"name": component.name}
    return {**who, **component.params}
