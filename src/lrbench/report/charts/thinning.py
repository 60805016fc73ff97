"""Long series made short enough to be drawn; every number comes from the long ones."""

from __future__ import annotations

from collections.abc import Sequence


def thin(values: Sequence[float], buckets: int) -> list[int]:
    """Steps with which a long series looks the same as with all.

    Of each of ``buckets`` equal parts these are the first and the last step and the first ones with
    the smallest and the largest value (M4): a peak of a single step is kept, and so is a jump.

    Parameters
    ----------
    values : sequence of float
    buckets : int in [1, inf)
        As many as there are pixels.

    Returns
    -------
    list of int
        Increasing; all steps if there are at most four a bucket.

    Examples
    --------
    >>> thin([0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 0.0, 0.0], 1)
    [0, 3, 8]

    References
    ----------
    Jugel, Jerzak, Hackenbroich & Markl 2014, M4: A Visualization-Oriented Time Series Data
    Aggregation, PVLDB 7(10), 797-808.
    """
    total = len(values)
    if total <= 4 * buckets:
        return list(range(total))
    kept: list[int] = []
    for bucket in range(buckets):
        steps = range(bucket * total // buckets, (bucket + 1) * total // buckets)
        extremes = (min(steps, key=values.__getitem__), max(steps, key=values.__getitem__))
        kept += sorted({steps[0], *extremes, steps[-1]})
    return kept


def rounded(value: float | None, digits: int = 5) -> float | None:
    """``value`` as short as a picture needs it: so many significant digits.

    Examples
    --------
    >>> rounded(0.123456789)
    0.12346
    """
    return None if value is None or value != value else float(f"{value:.{digits}g}")
