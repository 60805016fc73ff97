"""Whether schedules do what they say: lrbench's own, torch's and users'."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lrbench.adapters.torch_scheduler import is_torch_scheduler
from lrbench.checks.findings import Finding
from lrbench.config.home import options
from lrbench.config.schedules import PlannedSchedule, plan_schedules
from lrbench.errors import ConfigError, LrbenchError
from lrbench.schedules.catalog import SCHEDULES

if TYPE_CHECKING:
    from lrbench.checks.schedule.applied import Accuracy


@dataclass(frozen=True)
class Checked:
    """What came out for one schedule.

    Parameters
    ----------
    label : str
        What tells it from the others checked.
    total_steps : int in [1, inf), in updates, or None
        None where it could not be made for this run, which is a remark.
    findings : tuple of Finding
    accuracy : Accuracy or None
        How near it comes to its formula, where it has one.
    """

    label: str
    total_steps: int | None
    findings: tuple[Finding, ...]
    accuracy: Accuracy | None = None

    @property
    def is_right(self) -> bool:
        """Whether nothing is wrong."""
        return not any(finding.kind == "wrong" for finding in self.findings)


def check_schedules(
    overrides: Sequence[str], *, config_dir: Path | None = None, every_one: bool = False
) -> Iterator[Checked]:
    """Check the schedules that the overrides ask for, or all of lrbench's; one after the other.

    Parameters
    ----------
    overrides : sequence of str
        Hydra's grammar; commas make several schedules.
    config_dir : Path, optional
        Configuration of your own.
    every_one : bool, default False
        Every schedule of the library, with the settings of its file.

    Raises
    ------
    ConfigError
        Anything is wrong with the configuration; with ``every_one``, of every schedule.
    """
    if every_one:
        return _all(overrides, config_dir)
    return map(check, plan_schedules(overrides, config_dir))


def check(planned: PlannedSchedule) -> Checked:
    """Check one schedule in the run it is planned for."""
    lr, total_steps = planned.lr, planned.total_steps
    if is_torch_scheduler(planned.found) and callable(planned.found):
        from lrbench.checks.torch.check import check_scheduler

        found = check_scheduler(planned.found, planned.settings, lr=lr, total_steps=total_steps)
        return Checked(planned.label, total_steps, (*found, *_unseen(planned)))

    from lrbench.checks.reference.catalog import exact
    from lrbench.checks.schedule.check import examine

    name = planned.name if planned.found is None else None
    examined = examine(
        name,
        planned.schedule,
        planned.settings,
        lr=lr,
        total_steps=total_steps,
        exact=exact(name, planned.settings, total_steps) if name else None,
        build=planned.build,
    )
    findings = (*examined.findings, *_unseen(planned))
    return Checked(planned.label, total_steps, findings, examined.accuracy)


def _unseen(planned: PlannedSchedule) -> Iterator[Finding]:
    """What a run trains with besides the schedule, which is checked by itself."""
    course = planned.course
    if course.trigger is not None:
        text = (
            f"the schedule is checked by itself, for the whole run; {course.trigger.trigger.name} "
            "decides in the run where its cycles begin"
        )
        yield Finding("remark", "trigger", text)
    elif course.rewarm and planned.schedule.restarts(planned.total_steps):
        text = (
            "the schedule is checked by itself; restart.rewarm, not checked here, has the rate "
            f"rise over {course.rewarm} updates after each restart: lrbench preview shows it"
        )
        yield Finding("remark", "re-warmup", text)


def _all(overrides: Sequence[str], config_dir: Path | None) -> Iterator[Checked]:
    """Every schedule with an option; one that cannot be made for this run says why."""
    if any(text.startswith("schedule") for text in overrides):
        relation = "cannot be given together with --all, which has every schedule as its file says"
        given = " ".join(overrides)
        remedy = f"lrbench check-schedule {given}"
        raise ConfigError(relation, key="schedule", got=given, remedy=remedy)
    refused: list[LrbenchError] = []
    names = [name for name in SCHEDULES if name in options("schedule")]
    planned: list[PlannedSchedule | Checked] = []
    for name in names:
        try:
            planned += plan_schedules([f"schedule={name}", *overrides], config_dir)
        except LrbenchError as error:
            refused.append(error)
            problem = error.problems[0]
            text = f"not checked: {problem.key} {problem.relation}, got {problem.got}"
            planned.append(Checked(name, None, (Finding("remark", "construction", text),)))
    if len(refused) == len(names):
        raise refused[0]
    return (one if isinstance(one, Checked) else check(one) for one in planned)
