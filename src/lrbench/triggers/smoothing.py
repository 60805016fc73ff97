"""Denoised statistics: a moving average that spikes do not reach, and how much noise is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import fsum
from typing import Any

Smoothed = dict[str, Any]
"""``value``: the average, None before the first number. ``weight``: of the numbers seen, in (0, 1].
``high``: how many in a row were too high to be believed."""


@dataclass(frozen=True)
class Smoother:
    """An exponential moving average that leaves out spikes.

    A number more than ``spike_factor`` times the average is a spike (for an average m below zero:
    more than ``(spike_factor - 1) * abs(m)`` above it) and has no part in it. What stays as high
    for more than ``longest`` numbers is no spike but a new level: the average begins anew there.
    An average of exactly 0 has no scale to tell a spike by, so that above it there is none.

    Parameters
    ----------
    half_life : float in [0, inf), in numbers
        After so many a number's weight is halved; 0: the average is the last number.
    spike_factor : float in (1, inf)
    longest : int in [1, inf), in numbers
    """

    half_life: float
    spike_factor: float
    longest: int

    def start(self) -> Smoothed:
        """Nothing seen."""
        return {"value": None, "weight": 0.0, "high": 0}

    def fold(self, before: Smoothed, numbers: Sequence[float]) -> tuple[Smoothed, bool]:
        """The average after ``numbers``, and whether half of them or more were spikes."""
        gain = 1.0 - 0.5 ** (1.0 / self.half_life) if self.half_life else 1.0
        value, weight, high = before["value"], before["weight"], before["high"]
        spikes = 0
        for number in numbers:
            if value and number - value > (self.spike_factor - 1) * abs(value):
                high += 1
                if high <= self.longest:
                    spikes += 1
                    continue
                value = None
            high = 0
            if value is None:
                value, weight = number, gain
            else:
                weight += gain * (1.0 - weight)
                # In this form the average of equal numbers is that very number.
                value += (number - value) * (gain / weight)
        after = {"value": value, "weight": weight, "high": high}
        return after, spikes > 0 and 2 * spikes >= len(numbers)


def is_half_full(smoothed: Smoothed) -> bool:
    """Whether an average has seen a half-life of numbers, up to rounding."""
    return bool(smoothed["weight"] >= 0.5 - 1e-9)


def mean_and_variance(numbers: Sequence[float]) -> tuple[float, float]:
    """Mean of at least one number, and the variance of that mean for what they are a sample of.

    Neighbours that are alike say less: the variance is that of :func:`independent` numbers.
    """
    # Measured from the first, so that equal numbers have a variance of exactly zero.
    n, first = len(numbers), numbers[0]
    mean = first + fsum(x - first for x in numbers) / n
    if n < 3:
        return mean, 0.0
    residuals = [x - mean for x in numbers]
    return mean, fsum(r * r for r in residuals) / (n - 1) / independent(residuals)


def independent(residuals: Sequence[float]) -> float:
    """How many independent numbers are as good as these, ``n (1 - rho) / (1 + rho)``.

    ``rho`` is the correlation of neighbours, in [0, 0.99]: numbers that alternate count as
    independent, and not as more.
    """
    squares = fsum(r * r for r in residuals)
    if not squares:
        return float(len(residuals))
    products = fsum(a * b for a, b in pairwise(residuals))
    rho = min(max(products / squares, 0.0), 0.99)
    return len(residuals) * (1 - rho) / (1 + rho)
