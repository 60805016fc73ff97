"""How sensitive an arm is to its base learning rate: where its loss is near the best of a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Basin:
    """Rates around the best whose loss is at most ``tolerance`` above the best one's.

    Parameters
    ----------
    best_rate, best_loss : float
        The grid point with the lowest loss; of equal ones the smaller rate.
    edge : {"lowest", "highest"} or None
        Which end of the grid the best one is, if it is one: it may be better beyond.
    low, high : float
        Rates between which the loss, straight between grid points over the logarithm of the rate,
        stays within the tolerance.
    is_open_low, is_open_high : bool
        The grid ends before the basin does, so that it is wider than this.
    decades : float in [0, inf)
        ``log10(high / low)``; where an end is open, at least.
    """

    best_rate: float
    best_loss: float
    edge: Literal["lowest", "highest"] | None
    low: float
    high: float
    is_open_low: bool
    is_open_high: bool
    decades: float


def basin(rates: Sequence[float], losses: Sequence[float | None], tolerance: float) -> Basin | None:
    """Width of the basin around the best rate of a grid.

    Parameters
    ----------
    rates : sequence of n distinct floats in (0, inf), in any order
    losses : sequence of n float or None
        Mean over seeds; None where a run diverged. Towards such a rate the basin ends at the last
        one without, for nothing is known of those between. Of an accuracy give ``-accuracy``.
    tolerance : float in [0, inf)
        In the unit of the losses.

    Returns
    -------
    Basin or None
        None where every rate diverged.

    Examples
    --------
    >>> found = basin([0.01, 0.1, 1.0, 10.0], [0.6, 0.4, 0.5, None], tolerance=0.05)
    >>> found.best_rate, round(found.low, 4), round(found.high, 4), round(found.decades, 2)
    (0.1, 0.0562, 0.3162, 0.75)
    >>> basin([0.1, 1.0], [0.4, 0.5], 0.05).edge
    'lowest'
    """
    grid = [
        (rate, loss if loss is not None and math.isfinite(loss) else None)
        for rate, loss in sorted(zip(rates, losses, strict=True))
    ]
    known = [(loss, place) for place, (_, loss) in enumerate(grid) if loss is not None]
    if not known:
        return None
    best_loss, place = min(known)
    level = best_loss + tolerance
    low, is_open_low = _end(grid[place::-1], level)
    high, is_open_high = _end(grid[place:], level)
    edge: Literal["lowest", "highest"] | None = None
    if place == 0:
        edge = "lowest"
    elif place == len(grid) - 1:
        edge = "highest"
    return Basin(
        best_rate=grid[place][0],
        best_loss=best_loss,
        edge=edge,
        low=low,
        high=high,
        is_open_low=is_open_low,
        is_open_high=is_open_high,
        decades=math.log10(high) - math.log10(low),
    )


def _end(side: Sequence[tuple[float, float | None]], level: float) -> tuple[float, bool]:
    """Where the loss leaves ``level`` on the way outwards, and whether the grid ends first."""
    rate, loss = side[0]
    assert loss is not None
    for next_rate, next_loss in side[1:]:
        if next_loss is None:
            return rate, False
        if next_loss > level:
            part = (level - loss) / (next_loss - loss)
            return rate * (next_rate / rate) ** part, False
        rate, loss = next_rate, next_loss
    return rate, True
