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


def clopper_pearson(count: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Two-sided interval of a probability that never covers it less often than it says.

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
    >>> [round(bound, 4) for bound in clopper_pearson(0, 100)]
    [0.0, 0.0362]
    >>> [round(bound, 4) for bound in clopper_pearson(5, 100)]
    [0.0164, 0.1128]

    References
    ----------
    Clopper & Pearson 1934, Biometrika 26(4): 404-413.
    """
    # scipy.stats has it too, and takes a second to import.
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = betaincinv(count, n - count + 1, tail) if count else 0.0
    high = betaincinv(count + 1, n - count, 1 - tail) if count < n else 1.0
    return float(low), float(high)
