"""How much better the best of several looks than it is, where all of them are equal."""

from __future__ import annotations

import math
from functools import cache

import numpy as np


@cache
def expected_maximum(count: int) -> float:
    """Mean of the largest of ``count`` independent standard normal numbers.

    Parameters
    ----------
    count : int in [1, inf)

    Examples
    --------
    >>> [round(expected_maximum(k), 2) for k in (1, 2, 5, 10, 20, 50, 100)]
    [0.0, 0.56, 1.16, 1.54, 1.87, 2.25, 2.51]
    """
    # scipy.stats has it too, and takes a second to import.
    from scipy.special import log_ndtr

    # The trapezoidal rule is exact to rounding for a function that vanishes at both ends.
    x = np.linspace(-12, 12, 4001)
    density = count * np.exp((count - 1) * log_ndtr(x) - x * x / 2) / np.sqrt(2 * np.pi)
    return float(np.sum(x * density) * (x[1] - x[0]))


def winners_curse(count: int, error: float, correlation: float = 0.0) -> float:
    """By how much the best of equal arms is expected to look better than they are.

    Parameters
    ----------
    count : int in [1, inf)
        Arms among which the best was chosen, by the very runs that are reported.
    error : float in [0, inf)
        Standard error of an arm's mean.
    correlation : float in [0, 1]
        Of the arms over the seeds: what they share does not choose.

    Examples
    --------
    >>> round(winners_curse(10, 0.01), 4), round(winners_curse(10, 0.01, correlation=0.75), 4)
    (0.0154, 0.0077)
    """
    return expected_maximum(count) * error * math.sqrt(1 - correlation)
