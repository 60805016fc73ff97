"""Did the spread over seeds grow or shrink: ratio of the variances of two paired samples.

Before and after a restart the same seeds are measured, so the two samples are correlated, and the F
test of independent samples would be wrong: too wide where they go together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lrbench.stats.aggregate import describe, t_quantile
from lrbench.stats.correlation import pearson
from lrbench.stats.interval import Interval


@dataclass(frozen=True)
class VarianceRatio:
    """What two samples of the same seeds say of their spreads.

    Parameters
    ----------
    n : int
        Pairs.
    ratio : Interval or None
        Variance after, over variance before. None of fewer than three pairs, or where a sample does
        not vary.
    p : float or None
        Two-sided, that the variances are equal; below ``1 - level`` exactly where the interval
        leaves out 1.
    correlation : float or None
        Of the samples over the seeds.
    """

    n: int
    ratio: Interval | None = None
    p: float | None = None
    correlation: float | None = None


def variance_ratio(
    before: Sequence[float], after: Sequence[float], level: float = 0.95
) -> VarianceRatio:
    """Compare the variances of two samples that belong together pair by pair.

    Their sum and their difference are correlated exactly where the variances differ (Pitman,
    Morgan); turned round, that gives the interval (Maloney and Rastogi). It holds for normal
    values: with heavy tails it is too narrow, as every interval of a variance is. Losses that
    spread over magnitudes are better given as logarithms.

    Parameters
    ----------
    before, after : sequences of n finite floats
        The same seeds in the same order.
    level : float in (0, 1)

    Examples
    --------
    >>> found = variance_ratio([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 4.5, 5.0, 8.0, 9.5])
    >>> [round(x, 2) for x in (found.ratio.value, found.ratio.low, found.ratio.high, found.p)]
    [4.37, 2.16, 8.84, 0.01]

    References
    ----------
    Pitman 1939, Biometrika 31(1/2): 9-12; Morgan 1939, ibid. 13-19; Maloney & Rastogi 1970,
    Biometrics 26(4): 671-676.
    """
    # scipy.stats has it too, and takes a second to import.
    from scipy.special import stdtr

    n, r = len(before), pearson(before, after)
    one, two = describe(before).variance, describe(after).variance
    if r is None or not one or not two:
        return VarianceRatio(n)
    ratio, freedom = two / one, n - 2
    rest = 1 - r * r
    if rest <= 0:
        # On a line: no chance is left by which the ratio could be another.
        return VarianceRatio(n, Interval(ratio, ratio, ratio), float(ratio == 1), r)
    reach = 1 + 2 * rest * t_quantile(freedom, level) ** 2 / freedom
    spread = reach + math.sqrt(reach * reach - 1)
    t = (ratio - 1) * math.sqrt(freedom / (4 * ratio * rest))
    p = float(2 * stdtr(freedom, -abs(t)))
    return VarianceRatio(n, Interval(ratio, ratio / spread, ratio * spread), p, r)
