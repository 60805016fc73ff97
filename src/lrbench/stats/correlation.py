"""How far two things go together, over few points, with how little that is known.

The points have to be independent. Seeds of one arm are not, as to what its settings do: a
correlation between a setting and an outcome is one of arms, each with the mean over its seeds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lrbench.stats.interval import Interval

MOST_EXACT: Final = 8
"""Points up to which all orders are counted for Spearman's p, 40,320 of them."""


@dataclass(frozen=True)
class Correlation:
    """Two coefficients, each with its interval and the two-sided p that there is none.

    Parameters
    ----------
    n : int
        Points.
    pearson : Interval or None
        Of the values: how far they lie on a line. Interval by Fisher's z, none of fewer than four
        points. None of fewer than three points, or where one of the two does not vary.
    pearson_p : float or None
        By Student's t.
    spearman : Interval or None
        Of the ranks, ties at their mean: how far one grows with the other. Interval by Fisher's z
        with the variance of Bonett and Wright.
    spearman_p : float or None
        Exact up to eight points, by Student's t beyond.
    """

    n: int
    pearson: Interval | None = None
    pearson_p: float | None = None
    spearman: Interval | None = None
    spearman_p: float | None = None


def correlate(x: Sequence[float], y: Sequence[float], level: float = 0.95) -> Correlation:
    """Both coefficients of n points.

    Parameters
    ----------
    x, y : sequences of n finite floats
    level : float in (0, 1)

    Examples
    --------
    >>> found = correlate([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 3.0, 2.0, 5.0, 9.0])
    >>> found.n, round(found.pearson.value, 3), round(found.pearson.low, 3)
    (5, 0.9, 0.086)
    >>> round(found.spearman.value, 3), round(found.spearman_p, 3)
    (0.9, 0.083)

    References
    ----------
    Fisher 1921, Metron 1: 3-32; Bonett & Wright 2000, Psychometrika 65(1): 23-28.
    """
    n = len(x)
    linear = pearson(x, y)
    if linear is None:
        return Correlation(n)
    x_ranks, y_ranks = mean_ranks(x), mean_ranks(y)
    monotone = pearson(x_ranks.tolist(), y_ranks.tolist())
    assert monotone is not None
    exact = n <= MOST_EXACT
    return Correlation(
        n=n,
        pearson=_fisher(linear, n, 1.0, level),
        pearson_p=_t_p(linear, n),
        spearman=_fisher(monotone, n, 1 + monotone**2 / 2, level),
        spearman_p=_counted_p(x_ranks, y_ranks) if exact else _t_p(monotone, n),
    )


def pearson(x: Sequence[float], y: Sequence[float]) -> float | None:
    """The coefficient alone; None of fewer than three points, or where one does not vary.

    Examples
    --------
    >>> pearson([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]), pearson([1.0, 2.0, 3.0], [1.0, 1.0, 1.0])
    (1.0, None)
    """
    if len(x) < 3:
        return None
    pair = np.array([x, y], dtype=np.float64)
    # Measured from the first, so that values that are the same do not vary by rounding.
    pair -= pair[:, :1]
    pair -= pair.mean(axis=1, keepdims=True)
    largest = np.abs(pair).max(axis=1, keepdims=True)
    if not largest.all():
        return None
    pair /= largest
    found = pair[0] @ pair[1] / np.sqrt(pair[0] @ pair[0] * (pair[1] @ pair[1]))
    return min(1.0, max(-1.0, float(found)))


def mean_ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Ranks from 1, the smallest first; equal values share the mean of their places.

    Examples
    --------
    >>> mean_ranks([0.3, 0.1, 0.3]).tolist()
    [2.5, 1.0, 2.5]
    """
    array = np.asarray(values, dtype=np.float64)
    ordered = np.sort(array)
    first, last = (np.searchsorted(ordered, array, side) for side in ("left", "right"))
    return (first + 1 + last) / 2


def _fisher(r: float, n: int, variance: float, level: float) -> Interval:
    if n < 4:
        return Interval(r)
    if abs(r) == 1:
        return Interval(r, r, r)
    reach = NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(variance / (n - 3))
    return Interval(r, math.tanh(math.atanh(r) - reach), math.tanh(math.atanh(r) + reach))


def _t_p(r: float, n: int) -> float:
    # scipy.stats has it too, and takes a second to import.
    from scipy.special import stdtr

    if abs(r) == 1:
        return 0.0
    return float(2 * stdtr(n - 2, -abs(r) * math.sqrt((n - 2) / (1 - r * r))))


def _counted_p(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Share of all orders of ``y`` that go with ``x``, or against it, at least as far."""
    x, y = x - x.mean(), y - y.mean()
    orders = y[np.array(list(itertools.permutations(range(len(y)))))]
    return float(np.mean(np.abs(orders @ x) >= abs(float(y @ x)) - 1e-9))
