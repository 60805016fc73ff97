"""What trials can be filtered and sorted by: facts of a run, and every setting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lrbench.errors import Problem, nearest
from lrbench.report.history.trial import Trial

SINGLE = (
    "started",
    "ended",
    "run",
    "status",
    "seed",
    "steps",
    "val_loss",
    "val_accuracy",
    "best_val_loss",
    "best_val_accuracy",
    "diverged_at",
    "seconds",
    "attempts",
    "restarts",
)
"""Facts with one value."""

MANY = ("tag", "flag", "note")
"""Facts that a run may have several of."""

MOMENTS = ("since", "until")
"""Only to filter by: when it was started."""


@dataclass(frozen=True)
class Table:
    """Trials, the flags of each, and the names of their columns.

    Parameters
    ----------
    trials : sequence of Trial
    flags : mapping
        Codes of what a sanity check found, by the names of the runs that it found it in.
    """

    trials: Sequence[Trial]
    flags: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def settings(self) -> list[str]:
        """Every setting that any of them has, in the order of a specification."""
        arms = {trial.arm: trial.settings for trial in self.trials}
        return list(dict.fromkeys(key for settings in arms.values() for key in settings))

    def value(self, trial: Trial, column: str) -> Any:
        """A fact or a setting with one value; None where the trial has none."""
        return getattr(trial, column) if column in SINGLE else trial.settings.get(column)

    def values(self, trial: Trial, column: str) -> tuple[str, ...]:
        """All that the trial has of one of :data:`MANY`."""
        if column == "tag":
            return trial.tags
        if column == "flag":
            return self.flags.get(trial.run, ())
        return tuple(text for text in (trial.note, *(n.text for n in trial.notes)) if text)


def unknown(key: str, known: Iterable[str], option: str, remedy: Callable[[str], str]) -> Problem:
    """What is said of a name that is no column.

    Parameters
    ----------
    remedy : function
        What to type, of the name of a column.
    """
    known = list(known)
    near = nearest(key, known)
    facts = [name for name in known if name in (*SINGLE, *MANY, *MOMENTS)]
    relation = f"must name one of {', '.join(facts)}, or a setting of these runs"
    return Problem(relation, key=option, got=key, remedy=remedy(near) if near else None)


def plain(key: str) -> str:
    """A key as it is here: ``schedule.name`` is ``schedule``."""
    return key.strip().removesuffix(".name")
