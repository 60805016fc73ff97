"""Curves of several runs as one: the mean of each step and its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lrbench.stats.aggregate import t_quantile

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """One run: values at steps. Both of shape (points,), float64, steps ascending."""

    steps: Floats
    values: Floats


@dataclass(frozen=True)
class Band:
    """Several runs at the steps that any of them has; arrays of shape (points,).

    Parameters
    ----------
    steps, mean : float64
    low, high : float64
        Student-t interval of the mean; NaN where one run goes on alone.
    n : int
        Runs that have the step: a run that diverged has none of the later ones.
    """

    steps: Floats
    mean: Floats
    low: Floats
    high: Floats
    n: NDArray[np.int64]


def finite(steps: Floats, values: Floats) -> Curve:
    """The curve without values that are not finite."""
    kept = np.isfinite(values)
    return Curve(steps[kept], values[kept])


def binned(curve: Curve, width: int) -> Curve:
    """Means over ``width`` updates each, at the mean of their steps; the last of what is left.

    Bins begin at multiples of ``width``, so that runs of any lengths have them in common.

    Examples
    --------
    >>> curve = Curve(np.array([0.0, 1.0, 2.0]), np.array([4.0, 2.0, 1.0]))
    >>> binned(curve, 2).values.tolist(), binned(curve, 2).steps.tolist()
    ([3.0, 1.0], [0.5, 2.0])
    """
    if width == 1 or not len(curve.steps):
        return curve
    bins = (curve.steps // width).astype(np.int64)
    starts = np.flatnonzero(np.diff(bins, prepend=bins[0] - 1))
    counts = np.diff(starts, append=len(bins))
    return Curve(
        np.add.reduceat(curve.steps, starts) / counts,
        np.add.reduceat(curve.values, starts) / counts,
    )


def band(curves: Sequence[Curve], level: float, within: tuple[float, float] | None = None) -> Band:
    """Mean and interval over runs, step by step; cut where no value can be, as of an accuracy.

    Examples
    --------
    >>> one = Curve(np.array([0.0, 1.0]), np.array([1.0, 2.0]))
    >>> two = Curve(np.array([0.0]), np.array([3.0]))
    >>> found = band([one, two], 0.95)
    >>> found.mean.tolist(), found.n.tolist()
    ([2.0, 2.0], [2, 1])
    """
    if not curves:
        none = np.zeros(0)
        return Band(none, none, none, none, np.zeros(0, dtype=np.int64))
    steps = np.unique(np.concatenate([curve.steps for curve in curves]))
    values = np.full((len(curves), len(steps)), math.nan)
    for row, curve in zip(values, curves, strict=True):
        row[np.searchsorted(steps, curve.steps)] = curve.values
    known = ~np.isnan(values)
    n = known.sum(axis=0)
    # Measured from the first run, so that equal values have an interval of exactly no width.
    first = values[known.argmax(axis=0), np.arange(len(steps))]
    away = np.where(known, values - first, 0.0)
    shift = away.sum(axis=0) / np.maximum(n, 1)
    mean = first + shift
    squares = np.where(known, (away - shift) ** 2, 0.0).sum(axis=0)
    half = np.full(len(steps), math.nan)
    for count in np.unique(n[n > 1]):
        there = n == count
        sd = np.sqrt(squares[there] / (count - 1))
        half[there] = t_quantile(int(count) - 1, level) * sd / count**0.5
    low, high = mean - half, mean + half
    if within is not None:
        low, high = np.maximum(low, within[0]), np.minimum(high, within[1])
    return Band(steps, mean, low, high, n)


def geometric_band(curves: Sequence[Curve], level: float) -> Band:
    """The same of positive values: geometric means, the interval by t on the logarithms.

    A loss of single batches varies in proportion to its height: an interval about its mean would
    reach below 0.
    """
    found = band([Curve(curve.steps, np.log(curve.values)) for curve in curves], level)
    return Band(found.steps, np.exp(found.mean), np.exp(found.low), np.exp(found.high), found.n)
