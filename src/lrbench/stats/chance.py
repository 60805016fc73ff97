"""How likely something is by chance alone: what makes a result too good, or too alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist, fmean

import numpy as np

_NORMAL = NormalDist()


def too_small_spread(variance: float, usual: float, n: int) -> float:
    """Chance of a sample variance this small or smaller, where the true one is ``usual``.

    Parameters
    ----------
    variance : float in [0, inf)
        Of ``n`` independent normal values, divisor ``n - 1``.
    usual : float in (0, inf)
    n : int in [2, inf)

    Examples
    --------
    >>> round(too_small_spread(1 / 16, 1.0, 5), 4)
    0.0073
    """
    # scipy.stats has it too, and takes a second to import.
    from scipy.special import chdtr

    return float(chdtr(n - 1, (n - 1) * variance / usual))


def too_alike(ps: Sequence[float], signs: Sequence[float]) -> float:
    """Chance that results of independent experiments vary as little as these, or less.

    Each p with the sign of its effect is a standard normal deviate, shifted by however large the
    true effect is. Deviates vary with variance 1 around their shifts, so a set of them that varies
    less than its own sampling error allows was not sampled (the variance ratio of Carlisle 2017,
    Anaesthesia 72(8): 944-952, with what the experiments share as the reference).

    Parameters
    ----------
    ps : sequence of m >= 2 floats in (0, 1]
        Two-sided, one an experiment.
    signs : sequence of m floats
        Of the effects; only their sign counts.

    Examples
    --------
    >>> too_alike([0.031, 0.032, 0.030, 0.031, 0.033], [1.0] * 5) < 1e-6
    True
    >>> too_alike([0.9, 0.03, 0.4, 0.2, 0.001], [1.0] * 5) > 0.1
    True
    """
    deviates = [
        math.copysign(-_NORMAL.inv_cdf(max(p, 1e-300) / 2), sign)
        for p, sign in zip(ps, signs, strict=True)
    ]
    mean = fmean(deviates)
    variance = sum((z - mean) ** 2 for z in deviates) / (len(deviates) - 1)
    return too_small_spread(variance, 1.0, len(deviates))


@cache
def expected_maximum(k: int) -> float:
    """How far the best of ``k`` equal arms looks better than it is, in standard errors of an arm.

    The expected maximum of ``k`` standard normal values.

    Parameters
    ----------
    k : int in [1, inf)

    Examples
    --------
    >>> [round(expected_maximum(k), 2) for k in (1, 2, 5, 10, 20, 50, 100)]
    [0.0, 0.56, 1.16, 1.54, 1.87, 2.25, 2.51]
    """
    from scipy.special import ndtr

    # E[max] = integral of (1 - F^k) above 0, less that of F^k below it.
    x = np.linspace(0.0, 12.0, 12_001)
    above, below = 1 - ndtr(x) ** k, ndtr(-x) ** k
    return float(np.trapezoid(above - below, x))


def correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Pearson's; None of fewer than three pairs, or where one of the two does not vary.

    Examples
    --------
    >>> correlation([1.0, 2.0, 4.0], [2.0, 4.0, 8.0])
    1.0
    >>> correlation([1.0, 1.0, 1.0], [2.0, 4.0, 8.0]) is None
    True
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if len(a) < 3:
        return None
    a, b = a - a.mean(), b - b.mean()
    size = math.sqrt(float(a @ a) * float(b @ b))
    return None if size == 0 else min(1.0, max(-1.0, float(a @ b) / size))
