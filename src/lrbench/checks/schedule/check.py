"""The truth check of lrbench's own schedules and of users' functions: every probe in turn.

*Wrong* is a rate that is not the one the formula gives, a factor no update can be made with, a
schedule that is not a function of the step alone, so that a resumed run differs, and a decay that
rises again behind its end. *Remark* is what is as it was asked for and may surprise. A user's
function has no formula here; it is examined for everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lrbench.adapters.torch_bench import undisturbed
from lrbench.checks.findings import Finding, heard
from lrbench.checks.reference.exact import Exact
from lrbench.checks.schedule import rates, steps
from lrbench.checks.schedule.applied import Accuracy, Subject
from lrbench.schedules.base import Schedule

Probe = Callable[[Subject], Iterable[Finding]]

PROBES: tuple[Probe, ...] = (
    rates.kind_of_number,
    steps.pure,
    steps.resume,
    rates.applied_rate,
    rates.formula,
    steps.restarts,
    steps.behind_the_end,
    steps.rises_again,
    steps.formula_behind_the_end,
    rates.course,
    rates.units,
    rates.warmup,
    rates.floor,
)
"""After :func:`rates.inside_the_run`; what they raise is a finding too."""


@dataclass(frozen=True)
class Examination:
    """What was found; how near a schedule with a formula comes to it, if nothing is wrong."""

    findings: tuple[Finding, ...]
    accuracy: Accuracy | None


def examine(
    name: str | None,
    schedule: Schedule,
    settings: Mapping[str, Any],
    *,
    lr: float,
    total_steps: int,
    exact: Exact | None,
    build: Callable[[], Schedule],
) -> Examination:
    """Examine a schedule for a run of ``total_steps`` updates.

    Parameters
    ----------
    name : str or None
        Of the schedule in the library; None for a user's function.
    schedule : Schedule
    settings : mapping
        Lengths in updates.
    lr : float in (0, inf)
        Base learning rate.
    total_steps : int in [1, inf), in updates
    exact : Exact or None
        Its reference; without one rates are not compared, and a remark says so.
    build : callable, () -> Schedule
        Makes it anew.

    Returns
    -------
    Examination
        What a schedule raises is among the findings.
    """
    subject = Subject(schedule, settings, lr, total_steps, exact, build)
    with undisturbed():
        findings = heard(rates.inside_the_run, subject)
        if findings:
            return Examination(tuple(findings), None)
        findings = [finding for probe in PROBES for finding in heard(probe, subject)]
        if exact is None:
            whose = "a function of your own" if name is None else f"the schedule {name}"
            text = f"the rates are compared with no formula: lrbench has none of {whose}"
            findings.append(Finding("remark", "formula", text))
        is_right = not any(finding.kind == "wrong" for finding in findings)
        return Examination(tuple(findings), subject.accuracy if is_right else None)
