"""The schedules of a run, their lengths in updates, tried at every one of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lrbench.adapters.build import schedule_of
from lrbench.config.findings import Findings
from lrbench.config.lengths import Lengths
from lrbench.config.scheduling import fit_schedule
from lrbench.engine.tables import table_digest, tabulate
from lrbench.errors import ConfigError, ScheduleError
from lrbench.schedules.base import Schedule
from lrbench.spec.run import Component, OptimizerSpec


@dataclass(frozen=True)
class Fitter:
    """Fits schedules to one run.

    Parameters
    ----------
    lr : float
        Base learning rate.
    lengths : Lengths
    findings : Findings
    """

    lr: float
    lengths: Lengths
    findings: Findings

    def fit(
        self,
        component: Component,
        group: str,
        base: float,
        *,
        is_momentum: bool = False,
        is_rebuilt: bool = False,
    ) -> tuple[Component, Schedule]:
        """A schedule with its lengths in updates, tried at every step of the run.

        Parameters
        ----------
        base : float
            What its factors multiply.
        is_rebuilt : bool, default False
            Of a schedule that is made anew for every cycle: its parts of the run stay parts.

        Raises
        ------
        ConfigError
            With all that was found before.
        """
        target, findings, steps = component.target, self.findings, self.lengths.train.steps
        fitted = findings.attempt_own(
            target,
            group,
            fit_schedule,
            component,
            lr=self.lr,
            total_steps=steps,
            steps_per_epoch=self.lengths.per_epoch,
            is_rebuilt=is_rebuilt,
        )
        if fitted is not None:
            findings.attempt_own(target, group, _check_values, fitted[1], base, steps, is_momentum)
        findings.raise_if_any()
        assert fitted is not None
        if target is None:
            return fitted
        component, schedule = fitted
        code = findings.attempt_own(target, group, _code_of, component, schedule, self.lr, steps)
        findings.raise_if_any()
        return component.model_copy(update={"code": code}), schedule

    def with_schedules(self, spec: OptimizerSpec, base: Mapping[str, float]) -> OptimizerSpec:
        """The optimizer with the schedules of its momentum and weight decay fitted to the run.

        Parameters
        ----------
        base : mapping
            What they may multiply, by the names "momentum" and "weight_decay".

        Raises
        ------
        ConfigError
        """
        fitted = {}
        for what, component in (
            ("momentum", spec.momentum_schedule),
            ("weight_decay", spec.weight_decay_schedule),
        ):
            if component is None:
                continue
            key = f"{what}_schedule"
            if not base.get(what):
                raise ConfigError(
                    f"needs an optimizer with one {what} above 0 in all its parameter groups",
                    key=f"optimizer.{key}",
                    got=component.name,
                    remedy=f"{'' if what in base else 'optimizer=sgd '}optimizer.{what}=…",
                )
            is_momentum = what == "momentum"
            fitted[key], _ = self.fit(
                component, f"optimizer.{key}", base[what], is_momentum=is_momentum
            )
        return spec.model_copy(update=fitted)


def _code_of(component: Component, schedule: Schedule, lr: float, total_steps: int) -> str:
    """Digest of a user's schedule: of its factors, whatever file its code may lie in.

    Raises
    ------
    ScheduleError
        Made anew, it gives other factors.
    """
    factors = tabulate([schedule], [1.0], total_steps)
    again = tabulate([schedule_of(component, lr=lr, total_steps=total_steps)], [1.0], total_steps)
    if (wrong := np.flatnonzero(factors[:, 0] != again[:, 0])).size:
        step = int(wrong[0])
        relation = f"must be a function of the step alone; step {step} gave {factors[step, 0]}"
        remedy = f"lrbench check-schedule schedule=python:{component.target}"
        key = "_target_"
        raise ScheduleError(f"{relation} and then {again[step, 0]}", key=key, remedy=remedy)
    return table_digest(factors[:, 0])


def _check_values(schedule: Schedule, base: float, total_steps: int, is_momentum: bool) -> None:
    values = tabulate([schedule], [base], total_steps)[:, 0]
    # At 0 torch's SGD leaves its buffer as it was, and goes on from there afterwards.
    wrong = np.flatnonzero((values <= 0) | (values >= 1)).tolist() if is_momentum else []
    if wrong:
        relation = f"must keep the momentum between 0 and 1; step {wrong[0]} does not"
        raise ScheduleError(relation, got=float(values[wrong[0]]))
