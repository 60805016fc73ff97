"""One arm held against another over seeds: all that is said of them, and the verdict.

The verdict is by Student's t on the paired differences (by the sign test where a run diverged); the
ratio, the permutation test and the probability of improvement stand beside it and decide nothing.
Differences are ``baseline - other`` of a loss: positive says that the other arm did better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from lrbench.stats.aggregate import describe
from lrbench.stats.correlation import pearson
from lrbench.stats.equivalence import Equivalence, tost
from lrbench.stats.holm import holm_adjusted, strictest_level
from lrbench.stats.improvement import improvement
from lrbench.stats.interval import Interval
from lrbench.stats.paired import ROUNDING, Paired, balance, finite, paired
from lrbench.stats.permutation import Permutation, sign_flip, sign_flip_seeds
from lrbench.stats.power import LEVEL, least_effect

Verdict = Literal["better", "worse", "equivalent", "undecided", "identical"]


@dataclass(frozen=True)
class Contrast:
    """What the seeds say of two arms.

    Parameters
    ----------
    n : int
        Pairs: seeds that both arms have.
    differences : tuple of float
        One a seed; ``inf`` where only the baseline diverged, ``-inf`` where only the other arm did,
        0 where both did.
    difference : Interval or None
        Their mean, with Student's t interval (not adjusted). None with a diverged run: a mean over
        the others would hide it.
    ratio : Interval or None
        ``other / baseline``: geometric mean, the interval by t on the logarithms. None unless all
        values are positive.
    correlation : float or None
        Of the arms over the seeds (Pearson): what pairing gains. None of fewer than three seeds,
        and where an arm does not vary.
    test : {"t", "sign"}
    p, p_adjusted : float or None
        Two-sided, of this comparison alone and by Holm over its family. None where there is no
        test: one seed, differences that are all the same, identical arms.
    family : int
        Comparisons with a test that are judged together.
    permutation : Permutation
        The sign-flip test, or the number of seeds it would need.
    effect : float or None
        Mean difference in standard deviations of the differences (Cohen's d, not corrected for n).
    improvement : Interval
        Probability that the other arm does better on a seed, ties half.
    equivalence : Equivalence or None
        None without a margin.
    least_effect : float or None
        Minimum detectable effect: the smallest true difference that would be found in 80 % of such
        experiments, in the unit of the differences, at the level that Holm leaves.
    verdict : {"better", "worse", "equivalent", "undecided", "identical"}
        Of the other arm. ``equivalent`` goes before the others: what is sure to be smaller than the
        margin does not matter, even where it is sure not to be 0.
    level : float
    """

    n: int
    differences: tuple[float, ...]
    difference: Interval | None
    ratio: Interval | None
    correlation: float | None
    test: Literal["t", "sign"]
    p: float | None
    p_adjusted: float | None
    family: int
    permutation: Permutation
    effect: float | None
    improvement: Interval
    equivalence: Equivalence | None
    least_effect: float | None
    verdict: Verdict
    level: float = LEVEL


def contrast(
    baseline: Sequence[float | None],
    other: Sequence[float | None],
    *,
    smaller_is_better: bool = True,
    margin: float | None = None,
    level: float = LEVEL,
) -> Contrast:
    """Hold two arms against each other, seed by seed.

    Parameters
    ----------
    baseline, other : sequences of n >= 1 float or None
        The same seeds in the same order; None, or no finite number, for a run that diverged.
    smaller_is_better : bool
        Of an accuracy the sign is turned: positive always says that the other arm did better.
    margin : float in (0, inf), optional
        The largest difference that does not matter, in the unit of the metric.
    level : float in (0.5, 1)
        Coverage of the intervals; ``1 - level`` is the size of the tests.

    Examples
    --------
    >>> found = contrast([1.0, 2.0, 3.0, 4.0], [0.9, 1.85, 2.9, 3.88])
    >>> found.verdict, round(found.difference.value, 4), round(found.ratio.value, 4)
    ('better', 0.1175, 0.94)
    >>> contrast([1.0, 2.0, 3.0], [1.1, 1.95, 2.97], margin=0.5).verdict
    'equivalent'
    """
    baseline, other = finite(baseline), finite(other)
    found = paired(baseline, other, smaller_is_better=smaller_is_better, level=level)
    has_diverged = None in baseline or None in other
    is_identical = found.judgement == "identical" and not (
        set(baseline) == {None} and set(other) == {None}
    )
    difference = None
    if not has_diverged and found.mean is not None:
        difference = Interval(found.mean, found.low, found.high)
    sd = None if found.p is None or has_diverged else describe(found.differences).sd
    equivalence = None
    if margin is not None:
        has_test = found.p is not None and not has_diverged
        equivalence = tost(found.differences, margin, level) if has_test else Equivalence(margin)
    one = Contrast(
        n=found.n,
        differences=found.differences,
        difference=difference,
        ratio=_ratio(baseline, other, level),
        correlation=_correlation(baseline, other),
        test=found.test,
        p=found.p,
        p_adjusted=found.p,
        family=int(found.p is not None),
        permutation=_permutation(found, level, has_diverged=has_diverged),
        effect=found.mean / sd if sd and found.mean is not None else None,
        improvement=improvement(found.differences, level),
        equivalence=equivalence,
        least_effect=found.least_effect,
        verdict="identical" if is_identical else "undecided",
        level=level,
    )
    return replace(one, verdict=_verdict(one))


def contrast_family(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """The same contrasts, judged as one family: any false verdict among them has ``1 - level``.

    Each kind of verdict has that on its own: *better* and *worse* by Holm over the tests of a
    difference, *equivalent* by Holm over those of equivalence. Contrasts without a test are left as
    they are and do not count; the minimum detectable effect becomes that of the strictest level.
    May be called again with a larger or smaller family: it begins from the unadjusted p.

    Parameters
    ----------
    contrasts : sequence of Contrast
        Of one level.

    Examples
    --------
    >>> one = contrast([1.0, 2.0, 3.0, 4.0], [0.9, 1.85, 2.9, 3.88])
    >>> two = contrast_family([one, one])[0]
    >>> two.family, round(two.p_adjusted / one.p), two.least_effect > one.least_effect
    (2, 2, True)
    """
    if not contrasts:
        return []
    level = contrasts[0].level
    family = sum(one.p is not None for one in contrasts)
    strictest = strictest_level(family, level)
    flips = [_again(one.permutation, one, strictest) for one in contrasts]
    columns = zip(
        contrasts,
        holm_adjusted([one.p for one in contrasts]),
        flips,
        holm_adjusted([flip.p for flip in flips]),
        holm_adjusted([one.equivalence.p if one.equivalence else None for one in contrasts]),
        strict=True,
    )
    judged = []
    for one, p, flip, flip_p, same_p in columns:
        if p is None:
            judged.append(one)
            continue
        renewed = replace(
            one,
            p_adjusted=p,
            family=family,
            permutation=replace(flip, p_adjusted=flip_p),
            equivalence=one.equivalence and replace(one.equivalence, p_adjusted=same_p),
            least_effect=_least_effect(one, strictest),
        )
        judged.append(replace(renewed, verdict=_verdict(renewed)))
    return judged


def _verdict(one: Contrast) -> Verdict:
    if one.verdict == "identical":
        return "identical"
    size = 1 - one.level
    same = one.equivalence
    if same is not None and same.p_adjusted is not None and same.p_adjusted <= size:
        return "equivalent"
    if one.p_adjusted is None or one.p_adjusted > size:
        return "undecided"
    direction = one.difference.value if one.difference else balance(one.differences)
    return "better" if direction > 0 else "worse"


def _least_effect(one: Contrast, level: float) -> float | None:
    if one.least_effect is None:
        return None
    sd = describe(one.differences).sd
    assert sd is not None
    return least_effect(one.n, level=level) * sd


def _permutation(found: Paired, level: float, *, has_diverged: bool) -> Permutation:
    if has_diverged or found.p is None:
        return Permutation(None, sign_flip_seeds(level))
    return sign_flip(found.differences, level)


def _again(before: Permutation, one: Contrast, level: float) -> Permutation:
    """The sign-flip test where a stricter level, or a looser one, decides on its refusal."""
    needed = sign_flip_seeds(level)
    if one.test == "sign" or one.p is None or one.n < needed:
        return Permutation(None, needed)
    return replace(before, seeds_needed=needed) if before.p else sign_flip(one.differences, level)


def _ratio(
    baseline: Sequence[float | None], other: Sequence[float | None], level: float
) -> Interval | None:
    logs = []
    for a, b in zip(baseline, other, strict=True):
        if a is None or b is None or a <= 0 or b <= 0:
            return None
        logs.append(np.log(b) - np.log(a))
    found = describe(logs, level)
    if found.mean is None:
        return None
    value = float(np.exp(found.mean))
    if found.low is None or found.high is None or (found.sd or 0) <= ROUNDING * max(map(abs, logs)):
        return Interval(value)
    return Interval(value, *map(float, np.exp([found.low, found.high])))


def _correlation(baseline: Sequence[float | None], other: Sequence[float | None]) -> float | None:
    pairs = [(a, b) for a, b in zip(baseline, other, strict=True) if a is not None is not b]
    # Those that are left would be correlated more than all are.
    return pearson(*zip(*pairs, strict=True)) if len(pairs) == len(baseline) else None
