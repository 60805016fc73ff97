"""What a restart did, as functions of series.

Row k of a series is update r + k, where r is the first update of the new cycle: k = 0 is already
trained with the new rate, and the last update before the restart is r - 1. Losses are of single
batches and are smoothed by a trailing mean that never looks across the restart.

The definitions are those of the project's reference on schedules ("Measurements and exact
definitions"); the comparison with a twin, which alone says whether a restart helped, is not here.
What does not apply, or would not be finite, is None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SHORTEST_WINDOW = 20
COSINE_UPDATES = 11
"""Directions are compared over k = 0..10."""


def smoothing_window(cycle_length: int) -> int:
    """``w = max(20, ceil(T_i / 20))``, in updates.

    Parameters
    ----------
    cycle_length : int in [1, inf)
        As planned when the cycle begins, so that it is known while the cycle goes on.
    """
    return max(SHORTEST_WINDOW, -(-cycle_length // 20))


def trailing_mean(values: Floats, window: int) -> Floats:
    """``s_t = mean(values[t - window + 1 .. t])``; of as many as there are at the beginning.

    No sum has more than ``window`` terms, and none is ever subtracted: a window is the end of one
    block of ``window`` values and the beginning of the next, and both are running sums that start
    anew with each block (van Herk 1992; Gil & Werman 1993). The error therefore stays below
    ``window`` roundings however long the series is, and a spike leaves no trace after it.

    Parameters
    ----------
    values : ndarray of shape (n,)
    window : int in [1, inf)

    Returns
    -------
    ndarray of shape (n,)

    Examples
    --------
    >>> trailing_mean(np.array([4.0, 2.0, 3.0, 7.0]), 2).tolist()
    [4.0, 3.0, 2.5, 5.0]
    """
    if not len(values):
        return np.zeros(0)
    window = min(window, len(values))
    blocks = np.zeros((-(-len(values) // window), window))
    blocks.flat[: len(values)] = values
    sums = np.cumsum(blocks, axis=1)
    ends = np.cumsum(blocks[:, ::-1], axis=1)[:, ::-1]
    sums[1:, :-1] += ends[:-1, 1:]
    counts = np.minimum(np.arange(1, len(values) + 1), window)
    means: Floats = sums.ravel()[: len(values)] / counts
    return means


@dataclass(frozen=True)
class LossResponse:
    """The training loss around a restart.

    With ``l`` the loss, ``w`` the window, ``s`` its trailing mean since the restart and ``T`` the
    length of the cycle:

    Parameters
    ----------
    level : float or None
        ``mean(l[r-w .. r-1])``; of fewer where the cycle before is shorter.
    sd : float or None
        Sample standard deviation of the same; None of a single one.
    height : float or None
        ``H = max_{0<=k<T} s[r+k] - level``; negative if the loss only fell.
    relative : float or None
        ``H / level``; None at level 0.
    z : float or None
        ``H / sd * sqrt(w)``; None at sd 0.
    steps_to_peak : int or None
        ``k* = argmax_k s[r+k]``, the first of equal ones. Below ``w - 1`` fewer than ``w`` losses
        are in that mean.
    recovery_steps : int or None
        ``min{k >= max(k*, w): s[r+k] <= level}``; None if there is none before the cycle ends.
    recovery_censored_at : int or None
        ``T`` if there is none: recovery takes at least that long. Otherwise None.
    overshoot_area : float or None, loss times updates
        ``sum_k max(0, s[r+k] - level)``.
    """

    level: float | None = None
    sd: float | None = None
    height: float | None = None
    relative: float | None = None
    z: float | None = None
    steps_to_peak: int | None = None
    recovery_steps: int | None = None
    recovery_censored_at: int | None = None
    overshoot_area: float | None = None


def loss_response(before: Floats, after: Floats, window: int) -> LossResponse:
    """Measure the losses of a cycle against those of the cycle before.

    A cycle that diverges is measured up to its first loss that is not finite, and recovery is
    censored there. Without a finite loss on either side there is nothing to compare.

    Parameters
    ----------
    before : ndarray of shape (m,)
        Losses of the cycle before, in order; all of them or at least the last ``window``.
    after : ndarray of shape (n,)
        Losses of this cycle, the first one that of update r.
    window : int in [1, inf)

    Examples
    --------
    >>> loss_response(np.array([9.0, 2.0, 4.0]), np.array([7.0, 5.0, 1.0, 1.0]), 2)
    ... # doctest: +NORMALIZE_WHITESPACE
    LossResponse(level=3.0, sd=1.4142135623730951, height=4.0, relative=1.3333333333333333, z=4.0,
        steps_to_peak=0, recovery_steps=2, recovery_censored_at=None, overshoot_area=7.0)
    """
    before = before[-window:]
    if not len(before) or not np.isfinite(before).all():
        return LossResponse()
    # All is measured from a loss nearby, so that equal losses have equal means, to the last bit.
    origin = before[-1]
    before = before - origin
    level = trailing_mean(before, window)[-1]
    sd = float(np.std(before, ddof=1)) if len(before) > 1 else None
    spoken = finite(origin + level)
    after = finite_part(after)
    if not len(after):
        return LossResponse(level=spoken, sd=finite(sd), recovery_censored_at=0)
    excess = trailing_mean(after - origin, window) - level
    peak = int(np.argmax(excess))
    height = float(excess[peak])
    soonest = max(peak, window)
    recovered = np.flatnonzero(excess[soonest:] <= 0)
    recovery = soonest + int(recovered[0]) if len(recovered) else None
    return LossResponse(
        level=spoken,
        sd=finite(sd),
        height=finite(height),
        relative=finite(height / spoken) if spoken else None,
        z=finite(height / sd * math.sqrt(window)) if sd else None,
        steps_to_peak=peak,
        recovery_steps=recovery,
        recovery_censored_at=len(after) if recovery is None else None,
        overshoot_area=finite(float(np.maximum(excess, 0).sum())),
    )


def finite_part(values: Floats) -> Floats:
    """What comes before the first value that is not finite."""
    lost = np.flatnonzero(~np.isfinite(values))
    return values[: lost[0]] if len(lost) else values


def gain(loss_before: float | None, loss_end: float | None) -> float | None:
    """``G = V(end of the cycle before) - V(end of this one)``; positive: lower than before.

    Not a verdict: training on would have changed the loss without a restart too.
    """
    if loss_before is None or loss_end is None:
        return None
    return finite(loss_before - loss_end)


def ratio(value: float | None, base: float | None) -> float | None:
    """``value / base``; None unless ``base`` is positive and all is finite."""
    if value is None or base is None or not base > 0:
        return None
    return finite(value / base)


def effective_step(update_norm: Floats, lr: Floats, size: Floats) -> Floats:
    """``|update| / (lr * sqrt(n))``: 1 for an update of the size of ``lr`` in each of n numbers.

    Parameters
    ----------
    update_norm, lr, size : ndarrays of shapes that fit each other

    Returns
    -------
    ndarray; NaN at rate 0 and where there are no numbers.
    """
    steps = lr * np.sqrt(size)
    measured: Floats = np.where(steps > 0, update_norm, np.nan) / np.where(steps > 0, steps, 1)
    return measured


def carry_peak(peak: Floats, peak_at: Floats, values: Floats, at: Floats) -> tuple[Floats, Floats]:
    """The largest value so far and where it was, carried on by a block of later values.

    Parameters
    ----------
    peak, peak_at : ndarrays of shape S
        So far; -inf where there was none.
    values : ndarray of shape (n, *S)
        Those that are not finite are passed over.
    at : ndarray of shape (n,)
        Ascending. Of equal values the first counts.

    Returns
    -------
    ndarrays of shape S
    """
    if not len(values):
        return peak, peak_at
    values = np.where(np.isfinite(values), values, -np.inf)
    is_higher = values.max(axis=0) > peak
    return (
        np.where(is_higher, values.max(axis=0), peak),
        np.where(is_higher, at[values.argmax(axis=0)], peak_at),
    )


def depth_trend(depths: Sequence[int], peaks: Sequence[float | None]) -> float | None:
    """Least-squares slope of ``log(peak)`` on the depth of the layer.

    Positive: deeper layers respond more strongly; ``exp`` of it is the factor a layer.

    Parameters
    ----------
    depths : sequence of length n
    peaks : sequence of length n
        Peak ratios; layers without one (None) do not count.

    Returns
    -------
    float or None
        None with fewer than 3 layers that count, if they are all of one depth, or a peak is 0.

    Examples
    --------
    >>> round(depth_trend([0, 1, 2], [1.0, 2.0, 4.0]), 12) == round(math.log(2), 12)
    True
    """
    pairs = [(depth, peak) for depth, peak in zip(depths, peaks, strict=True) if peak is not None]
    if len(pairs) < 3 or any(peak <= 0 for _, peak in pairs):
        return None
    x = np.array([depth for depth, _ in pairs], dtype=np.float64)
    x -= x.mean()
    if not x.any():
        return None
    y = np.log([peak for _, peak in pairs])
    return finite(float(x @ (y - y.mean()) / (x @ x)))


def finite(value: float | None) -> float | None:
    """``value`` as a plain float, or None."""
    return float(value) if value is not None and math.isfinite(value) else None
