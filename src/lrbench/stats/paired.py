"""Did one arm do better than the other on the same seeds: difference, interval, verdict.

Differences are ``baseline - other`` of something that is better the smaller it is (a loss), so that
a positive one says that the other arm did better. A run that diverged is never left out: it lost
against one that did not, and where there is one no mean is taken (reference/schedules.md §7.3).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from lrbench.stats.aggregate import describe
from lrbench.stats.holm import holm_adjusted, strictest_level
from lrbench.stats.power import LEVEL, least_effect

ROUNDING: Final = 8 * sys.float_info.epsilon
"""A spread of the differences below this part of the values is what subtracting them left."""

Judgement = Literal["helped", "hurt", "inconclusive", "identical"]


@dataclass(frozen=True)
class Paired:
    """Two arms held against each other over seeds.

    Parameters
    ----------
    differences : tuple of float
        One a seed; ``inf`` where only the baseline diverged, ``-inf`` where only the other arm did,
        0 where both did.
    judgement : {"helped", "hurt", "inconclusive", "identical"}
        What the other arm did, compared with the baseline. ``identical``: every difference is
        exactly 0.
    test : {"t", "sign"}
        Student's t; the sign test where a run diverged.
    p : float or None
        Two-sided; adjusted if :func:`holm` has been here. None where there is no test: one seed,
        or differences that are all the same.
    mean, low, high : float or None
        Mean and its 95 % interval (not adjusted); no interval of one seed, and neither with a
        diverged run.
    least_effect : float or None
        The smallest true difference that would be found in 80 % of such experiments (minimum
        detectable effect), in the unit of the differences.
    """

    differences: tuple[float, ...]
    judgement: Judgement
    test: Literal["t", "sign"] = "t"
    p: float | None = None
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    least_effect: float | None = None

    @property
    def n(self) -> int:
        """Seeds."""
        return len(self.differences)


def paired(
    baseline: Sequence[float | None],
    other: Sequence[float | None],
    *,
    smaller_is_better: bool = True,
    level: float = LEVEL,
) -> Paired:
    """Hold two arms against each other, seed by seed.

    A run that diverged in one arm lost; one that diverged in both is neither won nor lost, and as
    its difference is no number either, no mean is taken of the others.

    Parameters
    ----------
    baseline, other : sequences of n float or None
        The same seeds in the same order; None, or no finite number, for a run that diverged.
    smaller_is_better : bool
        Of an accuracy the sign is turned: positive always says that the other arm did better.
    level : float in (0, 1)
        Coverage of the interval; ``1 - level`` is the two-sided size of the test.

    Examples
    --------
    >>> found = paired([1.0, 2.0, 3.0], [0.9, 1.8, 2.9])
    >>> found.judgement, round(found.mean, 3), round(found.low, 3)
    ('inconclusive', 0.133, -0.01)
    >>> paired([1.0, 2.0, 3.0], [0.9, 1.88, 2.9]).judgement
    'helped'
    >>> paired([1.0, 2.0], [1.0, 2.0]).judgement
    'identical'
    """
    sign = 1.0 if smaller_is_better else -1.0
    baseline, other = finite(baseline), finite(other)
    pairs = zip(baseline, other, strict=True)
    differences = tuple(_difference(a, b, sign) for a, b in pairs)
    if differences and not any(differences):
        return Paired(differences, "identical", mean=0.0)
    values = [abs(value) for value in (*baseline, *other) if value is not None]
    if len(values) < 2 * len(differences):
        return _by_signs(differences, level)
    found = describe(differences, level)
    if found.n < 2 or not found.sd or found.sd <= ROUNDING * max(values):
        # Equal but for rounding in every seed: the seeds have changed nothing.
        return Paired(differences, "inconclusive", mean=found.mean)
    assert found.mean is not None
    p = t_test(found.mean, found.sd, found.n)
    return Paired(
        differences,
        _judged(found.mean, p, level),
        p=p,
        mean=found.mean,
        low=found.low,
        high=found.high,
        least_effect=least_effect(found.n, level=level) * found.sd,
    )


def holm(found: Sequence[Paired]) -> list[Paired]:
    """The same comparisons with one baseline, judged so that any false verdict has 5 % (Holm 1979).

    Comparisons without a test are left as they are, and do not count.

    Examples
    --------
    >>> one = paired([1.0, 2.1, 3.0], [0.9, 1.9, 2.9])
    >>> [round(each.p / one.p) for each in holm([one, one])]
    [2, 2]
    """
    adjusted = holm_adjusted([one.p for one in found])
    # To be found whatever the others are, an effect has to be found at the strictest level.
    strictest = strictest_level(sum(p is not None for p in adjusted), LEVEL)
    judged = []
    for one, p in zip(found, adjusted, strict=True):
        if p is None:
            judged.append(one)
            continue
        effect = one.least_effect
        if effect is not None:
            effect *= least_effect(one.n, level=strictest) / least_effect(one.n)
        direction = one.mean if one.mean is not None else balance(one.differences)
        judged.append(
            replace(one, p=p, judgement=_judged(direction, p, LEVEL), least_effect=effect)
        )
    return judged


def t_test(mean: float, sd: float, n: int) -> float:
    """Two-sided p of Student's t that the mean of ``n`` values is 0.

    Parameters
    ----------
    mean : float
    sd : float in (0, inf)
    n : int in [2, inf)
    """
    # scipy.stats has it too, and takes a second to import.
    from scipy.special import stdtr

    return float(2 * stdtr(n - 1, -abs(mean) / (sd / n**0.5)))


def sign_test(differences: Sequence[float]) -> float:
    """Two-sided p that positive and negative differences are equally likely; zeros do not count.

    Examples
    --------
    >>> sign_test([1.0] * 6), sign_test([1.0, -1.0])
    (0.03125, 1.0)
    """
    counted = [d for d in differences if d]
    n, fewer = len(counted), min(sum(d > 0 for d in counted), sum(d < 0 for d in counted))
    tail: int = sum(math.comb(n, k) for k in range(fewer + 1))
    return min(1.0, 2.0 * tail / float(2**n))


def finite(values: Sequence[float | None]) -> list[float | None]:
    """The values, None where a number is not finite: that run diverged, whatever its status."""
    return [v if v is not None and math.isfinite(v) else None for v in values]


def _difference(baseline: float | None, other: float | None, sign: float) -> float:
    if baseline is None or other is None:
        return 0.0 if baseline is other else math.inf if baseline is None else -math.inf
    return sign * (baseline - other) or 0.0  # no -0.0


def _by_signs(differences: tuple[float, ...], level: float) -> Paired:
    p = sign_test(differences)
    return Paired(differences, _judged(balance(differences), p, level), "sign", p)


def balance(differences: Sequence[float]) -> float:
    """More positive or more negative ones?"""
    return float(sum(d > 0 for d in differences) - sum(d < 0 for d in differences))


def _judged(direction: float, p: float, level: float) -> Judgement:
    if p > 1 - level:
        return "inconclusive"
    return "helped" if direction > 0 else "hurt"
