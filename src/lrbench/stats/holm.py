"""Several comparisons at once, so that any false one among them has the size of one."""

from __future__ import annotations

from collections.abc import Sequence


def holm_adjusted(values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values: each is at most ``1 - level`` exactly where Holm's procedure rejects.

    Whatever the comparisons have to do with each other (here they share a baseline), the chance
    that any true null is rejected is at most ``1 - level``.

    Parameters
    ----------
    values : sequence of K p-values in [0, 1] or None
        None of a comparison without a test; it stays None and does not count.

    Examples
    --------
    >>> holm_adjusted([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]

    References
    ----------
    Holm 1979, Scand. J. Stat. 6(2): 65-70.
    """
    tested = {place: p for place, p in enumerate(values) if p is not None}
    adjusted: list[float | None] = [None] * len(values)
    highest = 0.0
    for rank, place in enumerate(sorted(tested, key=tested.__getitem__)):
        highest = max(highest, min(1.0, tested[place] * (len(tested) - rank)))
        adjusted[place] = highest
    return adjusted


def strictest_level(family: int, level: float) -> float:
    """The level at which one of ``family`` comparisons is judged before any other is rejected.

    Examples
    --------
    >>> round(strictest_level(10, 0.95), 4)
    0.995
    """
    return 1 - (1 - level) / max(family, 1)
