"""A schedule from its specification, whoever wrote it."""

from __future__ import annotations

from lrbench.adapters.own import own_entry
from lrbench.adapters.torch_scheduler import is_torch_scheduler, tabulate_scheduler
from lrbench.schedules.base import Schedule
from lrbench.schedules.catalog import build, build_schedule
from lrbench.spec.imports import resolve_import
from lrbench.spec.run import Component


def schedule_of(component: Component, *, lr: float, total_steps: int) -> Schedule:
    """The schedule that a specification names.

    Parameters
    ----------
    component : Component
        Lengths in updates.
    lr : float
        Base learning rate; only a torch scheduler's factors depend on it.
    total_steps : int in [1, inf)

    Raises
    ------
    ConfigError
        An import path leads nowhere, or a setting is outside its interval.
    """
    if component.target is None:
        return build_schedule(component.name, component.params, total_steps)
    found = resolve_import(component.target, key="schedule._target_")
    if is_torch_scheduler(found):
        return tabulate_scheduler(found, component.params, lr=lr, total_steps=total_steps)
    return build(own_entry(component.name, found), component.params, total_steps)
