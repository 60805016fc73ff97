"""How good a run was all along: the mean height of its curve of evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

Scale = Literal["linear", "log"]


def mean_height(steps: Sequence[int], values: Sequence[float], *, scale: Scale = "linear") -> float:
    """Area under a curve, straight between its points, divided by its length.

    So it has the unit of the values, and curves of other lengths can be told beside each other.

    Parameters
    ----------
    steps : sequence of n >= 2 int in [0, inf), strictly ascending
        Updates made before each evaluation.
    values : sequence of n finite floats
    scale : {"linear", "log"}
        Over the updates, or over ``log(1 + updates)``, where every doubling counts the same, so
        that early ones count for more.

    Examples
    --------
    >>> mean_height([0, 10, 20], [3.0, 1.0, 1.0])
    1.5
    >>> round(mean_height([0, 1, 3], [3.0, 1.0, 1.0], scale="log"), 3)
    1.5
    """
    x = np.asarray(steps, dtype=np.float64)
    if scale == "log":
        x = np.log1p(x)
    return float(np.trapezoid(values, x) / (x[-1] - x[0]))
