"""How many seeds an effect takes, and how large an effect some seeds can show.

Effects here are in standard deviations of the paired differences (``d``), so that nothing has to be
known of the metric; the standard deviation itself comes from a pilot, and from the upper bound of
it: of half of all pilots it is smaller than it should be, and a plan from those finds too little.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache, lru_cache
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lrbench.stats.aggregate import t_quantile

LEVEL: Final = 0.95
POWER: Final = 0.8

CONFIDENCE: Final = 0.8
"""How sure a plan is to take enough seeds: that of the bound of the standard deviation."""


def power_at(effect: float, n: int, *, level: float = LEVEL) -> float:
    """Chance of a significant result, on either side, of a paired t test.

    Parameters
    ----------
    effect : float in [0, inf)
        True mean difference in standard deviations of the differences.
    n : int in [2, inf)
        Pairs.
    level : float in (0, 1)
        ``1 - level`` is the two-sided size of the test.

    Examples
    --------
    >>> round(power_at(1.0, 10), 3), round(power_at(0.0, 10), 3)
    (0.803, 0.05)
    """
    # scipy.stats has it too, and takes a second to import.
    from scipy.special import ndtr

    # The noncentral t distribution of scipy is no number at some large effects. Given the standard
    # deviation of the sample, in true ones, the mean is normal; then over that.
    spread, weights = _spreads(n - 1)
    reach, shift = t_quantile(n - 1, level) * spread, effect * n**0.5
    return float(weights @ (ndtr(shift - reach) + ndtr(-shift - reach)))


@lru_cache(maxsize=1024)
def _spreads(freedom: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where to evaluate a function of a sample's standard deviation, and with what weights."""
    from scipy.special import chdtri, gammaln

    high, low = np.sqrt(chdtri(freedom, [1e-16, 1 - 1e-16]) / freedom)
    nodes, weights = _gauss()
    spread = low + (high - low) * (nodes + 1) / 2
    half = freedom / 2
    density = np.exp(
        math.log(2)
        + half * math.log(half)
        - gammaln(half)
        + (freedom - 1) * np.log(spread)
        - half * spread**2
    )
    weights = density * weights * (high - low) / 2
    # What is lost of large numbers' logarithms is the same everywhere.
    return spread, weights / weights.sum()


@cache
def _gauss() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.polynomial.legendre.leggauss(160)


@cache
def least_effect(n: int, *, power: float = POWER, level: float = LEVEL) -> float:
    """The smallest effect that a paired t test finds with this power, in standard deviations.

    Parameters
    ----------
    n : int in [2, inf)
        Pairs.
    power, level : float in (0, 1)
        ``1 - level`` is the two-sided size of the test.

    Examples
    --------
    >>> [round(least_effect(n), 2) for n in (3, 5, 8, 10, 20)]
    [3.26, 1.68, 1.16, 1.0, 0.66]
    """
    low, high = 0.0, 1.0
    while power_at(high, n, level=level) < power:
        high *= 2
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        is_less = power_at(middle, n, level=level) < power
        low, high = (middle, high) if is_less else (low, middle)
    return high


def seeds_for(effect: float, *, power: float = POWER, level: float = LEVEL) -> int:
    """The fewest pairs with which a paired t test finds an effect with this power.

    Parameters
    ----------
    effect : float in (0, inf)
        In standard deviations of the differences.
    power, level : float in (0, 1)

    Examples
    --------
    >>> [seeds_for(d) for d in (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)]
    [34, 16, 10, 8, 6, 5, 4]
    """
    # With a known standard deviation nearly as many would do, and never more.
    normal = NormalDist()
    reach = normal.inv_cdf((1 + level) / 2) + normal.inv_cdf(power)
    low, high = 1, 2  # not enough; enough
    known = math.floor((reach / effect) ** 2) if reach > 0 else 0
    if known > 2 and power_at(effect, known, level=level) < power:
        low, high = known, known + 4
    while power_at(effect, high, level=level) < power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        is_less = power_at(effect, middle, level=level) < power
        low, high = (middle, high) if is_less else (low, middle)
    return high


def sd_bound(sd: float, freedom: int, confidence: float = CONFIDENCE) -> float:
    """The standard deviation that the true one is below with this confidence.

    Parameters
    ----------
    sd : float in [0, inf)
        Of a sample.
    freedom : int in [1, inf)
        Degrees of freedom of ``sd``: one less than the pairs of the pilot.
    confidence : float in (0, 1)
        Where the differences are normal.

    Examples
    --------
    >>> [round(sd_bound(1.0, n - 1), 2) for n in (3, 5, 10, 20)]
    [2.12, 1.56, 1.29, 1.18]
    """
    # scipy.stats has it too, and takes a second to import.
    from scipy.special import chdtri

    return sd * math.sqrt(freedom / float(chdtri(freedom, confidence)))


def pooled_sd(samples: Iterable[tuple[float, int]]) -> tuple[float, int]:
    """One standard deviation of several samples, each about its own mean.

    Parameters
    ----------
    samples : iterable of (sd, n)
        Standard deviation and size, ``n >= 2``.

    Returns
    -------
    sd : float
    freedom : int
        Its degrees of freedom if the samples are independent.

    Examples
    --------
    >>> pooled_sd([(3.0, 3), (1.0, 3)])
    (2.23606797749979, 4)
    """
    known = list(samples)
    freedom = sum(n - 1 for _, n in known)
    return math.sqrt(math.fsum(sd * sd * (n - 1) for sd, n in known) / freedom), freedom


def noether_seeds(probability: float, *, power: float = 0.95, level: float = LEVEL) -> int:
    """Pairs to tell that one arm does better on this share of seeds, and not on half of them.

    Parameters
    ----------
    probability : float in (0.5, 1)
        P(A > B) that matters; Bouthillier and others take 0.75.
    power, level : float in (0, 1)
        ``1 - level`` is the one-sided size.

    Examples
    --------
    >>> [noether_seeds(p) for p in (0.7, 0.75, 0.8, 0.9)], noether_seeds(0.75, power=0.8)
    ([46, 29, 21, 12], 17)

    References
    ----------
    Noether 1987, J. Am. Stat. Assoc. 82(398): 645-647; Bouthillier et al. 2021 (arXiv:2103.03098).
    """
    normal = NormalDist()
    reach = normal.inv_cdf(level) + normal.inv_cdf(power)
    return math.ceil((reach / (6**0.5 * (probability - 0.5))) ** 2)
