"""What a trigger decided, as part of a schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Action = Literal["restart", "decay", "reset"]
"""A new cycle; a lower rate in the cycle there is; only the state operation of a restart."""


@dataclass(frozen=True)
class Event:
    """Something that happens before an update.

    Parameters
    ----------
    step : int in [1, inf)
        That update.
    action : {"restart", "decay", "reset"}
        A new cycle of the schedule; a lower rate in the cycle there is; only the state operation of
        a restart, the rate going on as it would.
    cause : str
        Name of the trigger.
    statistic, threshold : float or None
        What it held against what.
    """

    step: int
    action: Action
    cause: str = "schedule"
    statistic: float | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class PlannedRestart:
    """A warm restart that an event is, as it was planned when it happened.

    Parameters
    ----------
    step : int in [1, inf)
        First update of the new cycle.
    cycle : int in [1, inf)
        Number of that cycle.
    planned_length : int in [1, inf), updates
        Until the cycle was to end; another event may end it earlier, and where none comes it lasts
        longer.
    action : {"restart", "reset"}
    cause : str
    statistic, threshold : float or None
        As in :class:`Event`.
    """

    step: int
    cycle: int
    planned_length: int
    action: Literal["restart", "reset"]
    cause: str
    statistic: float | None
    threshold: float | None
