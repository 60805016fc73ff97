"""What restarts do in a run and what sets them off: from settings as typed to a specification."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from lrbench.config.components import Parts
from lrbench.config.findings import Findings
from lrbench.config.lengths import Lengths
from lrbench.config.settings import Restart, Settings
from lrbench.schedules.base import Schedule
from lrbench.spec.restart import RestartSpec
from lrbench.spec.run import Component


@dataclass(frozen=True)
class Restarting:
    """The restarts of a run.

    Parameters
    ----------
    spec : RestartSpec
    trigger : Component or None
        With all its settings, lengths in updates.
    notes : tuple of str
        What of them a person should know.
    mismatch : str
        The multiplier of the learning rate that they hide, in words; empty for none.
    """

    spec: RestartSpec
    trigger: Component | None = None
    notes: tuple[str, ...] = ()
    mismatch: str = ""


def resolve_restarts(
    settings: Settings, parts: Parts, schedule: Schedule, lengths: Lengths, findings: Findings
) -> Restarting:
    """The restarts that the settings ask for.

    Parameters
    ----------
    schedule : Schedule
        Of the learning rate, fitted to the run.

    Raises
    ------
    ConfigError
        They do not fit the run, with whatever was found before.
    """
    trigger = None
    rewarm = findings.attempt("", _rewarm, settings.restart, parts, schedule, lengths)
    findings.raise_if_any()
    assert rewarm is not None
    switches = settings.restart.model_dump(exclude={"allow_mismatch", "keep_checkpoints"})
    switches |= {"rewarm": rewarm, "state_names": settings.restart.state_names or {}}
    spec = RestartSpec(**switches)
    never = trigger is None and not schedule.restarts(lengths.train.steps)
    return Restarting(spec, trigger, tuple(_notes(spec, never=never)))


def shortest_cycle(schedule: Schedule, total_steps: int) -> int:
    """Updates of the shortest cycle that begins with a restart; of the run where none does.

    A last cycle that the end of the run cuts short counts as it was planned.
    """
    lengths = [
        schedule.cycles.length(index) or total_steps - start
        for index, start in enumerate(schedule.restarts(total_steps), start=1)
    ]
    return min(lengths, default=total_steps)


def _rewarm(asked: Restart, parts: Parts, schedule: Schedule, lengths: Lengths) -> int:
    if asked.rewarm is None:
        beta2 = parts.optimizer.params.get("beta2")
        beta2 = beta2 if isinstance(beta2, float) else None
        return rewarm_steps(shortest_cycle(schedule, lengths.train.steps), beta2)
    return lengths.updates("restart.rewarm", asked.rewarm, least=0)


def rewarm_steps(shortest_cycle: int, beta2: float | None) -> int:
    """A stand-in."""
    share = ceil(0.05 * shortest_cycle)
    return share if beta2 is None else min(share, ceil(2 / (1 - beta2)))


def _notes(spec: RestartSpec, *, never: bool) -> Iterator[str]:
    if never and spec != RestartSpec():
        yield "restart has no effect: the schedule never restarts, and there is no trigger"
