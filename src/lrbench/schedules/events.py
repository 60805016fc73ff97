"""What a trigger decided, as part of a schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


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
    action: Literal["restart", "decay", "reset"]
    cause: str = "schedule"
    statistic: float | None = None
    threshold: float | None = None
