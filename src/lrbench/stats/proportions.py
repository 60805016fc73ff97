"""How often something happens, from how often it did."""

from __future__ import annotations

from statistics import NormalDist


def wilson(count: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Two-sided interval of a probability.

    Parameters
    ----------
    count, n : int, 0 <= count <= n, n >= 1
        It happened ``count`` times in ``n`` independent trials.
    level : float in (0, 1)

    Returns
    -------
    low, high : float in [0, 1]

    Examples
    --------
    >>> [round(bound, 4) for bound in wilson(0, 100)]
    [0.0, 0.037]

    References
    ----------
    Wilson 1927, J. Am. Stat. Assoc. 22(158): 209-212.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, spread = count / n, z * z / n
    middle = share + spread / 2
    half_width = z * (share * (1 - share) / n + spread / (4 * n)) ** 0.5
    low, high = (middle - half_width) / (1 + spread), (middle + half_width) / (1 + spread)
    return max(low, 0.0), min(high, 1.0)
