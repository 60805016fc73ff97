"""An estimate and how far it may be off."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A value and its interval.

    Parameters
    ----------
    value : float
    low, high : float or None
        None where the sample is too small, or does not vary, so that nothing is known of it.
    """

    value: float
    low: float | None = None
    high: float | None = None
