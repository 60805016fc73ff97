"""What the runs of one arm say together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A sample described; ``None`` where the sample is too small to say it.

    Parameters
    ----------
    n : int
        Number of values.
    mean, median, minimum, maximum : float or None
        None of no values.
    variance, sd : float or None
        Of the population the sample is from (divisor ``n - 1``); none of fewer than two values.
    low, high : float or None
        Two-sided Student-t interval of the mean, cut where no value can be; none of fewer than two
        values.
    """

    n: int
    mean: float | None = None
    variance: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    median: float | None = None
    minimum: float | None = None
    maximum: float | None = None


def describe(
    values: Iterable[float],
    level: float = 0.95,
    within: tuple[float, float] | None = None,
) -> Estimate:
    """Moments, quantiles and the t interval of a sample.

    Parameters
    ----------
    values : iterable of n finite floats
        In any order: the result has the same bits in every order.
    level : float in (0, 1), default 0.95
        Coverage of the interval when the values are independent and normal.
    within : (float, float), optional
        Where values can lie at all, as accuracies in 0 … 1. The interval ends there at the latest:
        no mean lies beyond, so that it covers the true one exactly as often as if it went on. (On
        logits it would be one of another mean, and of none where a run has everything right.)

    Returns
    -------
    Estimate

    Examples
    --------
    >>> estimate = describe([1.0, 2.0, 6.0])
    >>> estimate.mean, estimate.variance, estimate.median
    (3.0, 7.0, 2.0)
    >>> round((estimate.high - estimate.mean) / (estimate.sd / 3**0.5), 3)
    4.303
    >>> describe([0.97, 0.99, 1.0], within=(0.0, 1.0)).high
    1.0

    References
    ----------
    Small samples get Student's t: at n = 3 bootstrap intervals cover 70 % where they promise 95 %
    (reference/schedules.md §7.3).
    """
    sample = np.sort(np.fromiter(values, dtype=np.float64))
    n = len(sample)
    if n == 0:
        return Estimate(0)
    variance = sd = low = high = None
    # Losses of runs that nearly diverged may be near the end of the floating-point range.
    with np.errstate(over="ignore", invalid="ignore"):
        # Measured from the first value, so that equal values have a variance of exactly zero.
        mean = float(sample[0] + np.mean(sample - sample[0]))
        # NumPy's median takes as long as all the rest.
        middle = sample[(n - 1) // 2 : n // 2 + 1]
        median = float(middle.sum() / len(middle))
        if n > 1:
            variance = float(np.sum((sample - mean) ** 2) / (n - 1))
            sd = variance**0.5
            half_width = t_quantile(n - 1, level) * sd / n**0.5
            low, high = mean - half_width, mean + half_width
            if within is not None:
                low, high = max(low, within[0]), min(high, within[1])
    return Estimate(
        n=n,
        mean=mean,
        variance=variance,
        sd=sd,
        low=low,
        high=high,
        median=median,
        minimum=float(sample[0]),
        maximum=float(sample[-1]),
    )


def t_quantile(freedom: int, level: float) -> float:
    """The number of standard errors a two-sided Student-t interval reaches to each side.

    Parameters
    ----------
    freedom : int in [1, inf)
        Degrees of freedom.
    level : float in (0, 1)
        Coverage.
    """
    # scipy.stats has it too, and takes a second to import.
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + level) / 2))
