"""Measure what the statistics promise: coverage, false verdicts, power, in simulated experiments.

    python scripts/simulate_statistics.py

prints the figures of docs/decisions/0018-statistics.md, two minutes of work, the same every time.
Experiments are drawn with numpy alone and judged by lrbench: by its quantiles and its tests where
they take arrays, and by :func:`~lrbench.stats.contrast.contrast` itself where they do not.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lrbench.stats.aggregate import t_quantile
from lrbench.stats.contrast import contrast, contrast_family
from lrbench.stats.correlation import correlate
from lrbench.stats.equivalence import tost
from lrbench.stats.improvement import improvement
from lrbench.stats.power import least_effect, power_at, sd_bound, seeds_for
from lrbench.stats.ranks import rank_arms
from lrbench.stats.underdispersion import too_alike_p
from lrbench.stats.variances import variance_ratio

CASES = 100_000
FEWER = 4_000
"""Where every case is judged by a call of its own: a share of 5 % is then known to 0.7 %."""

Array = NDArray[np.float64]


def t_values(differences: Array) -> Array:
    """Student's t of each row."""
    n = differences.shape[-1]
    sd = differences.std(axis=-1, ddof=1)
    return np.asarray(differences.mean(axis=-1) / (sd / n**0.5))


def coverage() -> Iterator[str]:
    """Student's t interval, of normal and of skewed differences."""
    for n in (3, 4, 5, 8, 10, 15, 20):
        draw = np.random.default_rng([1, n])
        reach = t_quantile(n - 1, 0.95)
        normal = np.mean(np.abs(t_values(draw.normal(size=(CASES, n)))) <= reach)
        skewed = draw.lognormal(0, 0.5, (CASES, n)) - np.exp(0.125)
        yield (
            f"n={n}: normal {100 * normal:.1f} %, log-normal (sd 0.5 of the logarithm) "
            f"{100 * np.mean(np.abs(t_values(skewed)) <= reach):.1f} %"
        )


def bootstrap() -> Iterator[str]:
    """Bootstrap intervals of the same normal differences, which lrbench does not use."""
    # scipy.stats takes a second to import.
    from scipy.special import ndtr, ndtri

    resamples, z = 999, ndtri(0.975)
    for n in (3, 5, 10, 20):
        draw = np.random.default_rng([12, n])
        percentile = corrected = 0
        for _ in range(FEWER):
            x = draw.normal(size=n)
            means = np.sort(x[draw.integers(0, n, (resamples, n))].mean(axis=1))
            low, high = np.quantile(means, [0.025, 0.975])
            percentile += low <= 0 <= high
            bias = ndtri(np.clip(np.mean(means < x.mean()), 1e-3, 1 - 1e-3))
            left_out = (x.sum() - x) / (n - 1)
            d = left_out.mean() - left_out
            skew = (d**3).sum() / (6 * (d**2).sum() ** 1.5)
            ends = ndtr(bias + (bias + np.array([-z, z])) / (1 - skew * (bias + np.array([-z, z]))))
            low, high = np.quantile(means, ends)
            corrected += low <= 0 <= high
        yield (
            f"n={n}: percentile {100 * percentile / FEWER:.1f} %, BCa "
            f"{100 * corrected / FEWER:.1f} %"
        )


def family() -> Iterator[str]:
    """Ten arms that are equal to a baseline: how often any of them has a verdict."""
    for n in (3, 5, 10):
        draw = np.random.default_rng([2, n])
        any_holm = any_single = any_flip = 0
        cases = 600
        for _ in range(cases):
            arms = draw.normal(size=(11, n)) + draw.normal(size=n)
            single = [contrast(arms[0].tolist(), arm.tolist()) for arm in arms[1:]]
            judged = contrast_family(single)
            any_single += any(one.verdict != "undecided" for one in single)
            any_holm += any(one.verdict != "undecided" for one in judged)
            flips = [one.permutation.p_adjusted for one in judged]
            any_flip += any(p is not None and p <= 0.05 for p in flips)
        # The first step of Holm's procedure is all there is where every null is true.
        arms = draw.normal(size=(CASES // 2, 11, n))
        t = np.abs(t_values(arms[:, :1] - arms[:, 1:]))
        first = np.mean((t > t_quantile(n - 1, 1 - 0.05 / 10)).any(axis=1))
        yield (
            f"n={n}: a verdict in {100 * any_holm / cases:.1f} % of {cases} families "
            f"({100 * first:.2f} % of {CASES // 2} by the first step alone), without Holm in "
            f"{100 * any_single / cases:.1f} %, sign-flip {100 * any_flip / cases:.1f} %"
        )


def power() -> Iterator[str]:
    """How often a plan finds what it was made for, and what a pilot does to that."""
    for effect in (0.5, 0.75, 1.0, 1.5, 2.0, 3.0):
        n = seeds_for(effect)
        draw = np.random.default_rng([3, n])
        t = t_values(draw.normal(effect, 1, (CASES, n)))
        found = np.mean(np.abs(t) > t_quantile(n - 1, 0.95))
        said = power_at(effect, n)
        yield f"d={effect}: n={n}, said {100 * said:.1f} %, found {100 * found:.1f} %"
    for n in (3, 5, 10, 20):
        draw = np.random.default_rng([4, n])
        t = t_values(draw.normal(least_effect(n), 1, (CASES, n)))
        found = np.mean(np.abs(t) > t_quantile(n - 1, 0.95))
        yield f"least effect at n={n}: found {100 * found:.1f} %"
    for pilot in (3, 5, 10):
        draw = np.random.default_rng([5, pilot])
        sd = draw.normal(size=(2000, pilot)).std(axis=1, ddof=1)
        parts = []
        for name, factor in (("sd itself", 1.0), ("upper 80 % bound", sd_bound(1, pilot - 1))):
            plans = np.array([min(seeds_for(0.75 / (factor * s)), 4000) for s in sd])
            reached = np.array([power_at(0.75, int(n)) for n in plans])
            parts.append(
                f"by the {name} {100 * np.mean(reached >= 0.8):.0f} % of the plans have the power, "
                f"in the median {np.median(plans):.0f} seeds (enough: {seeds_for(0.75)})"
            )
        yield f"pilot of {pilot} seeds, d=0.75: " + "; ".join(parts)


def equivalence() -> Iterator[str]:
    """Arms whose difference is the margin itself: how often they are called equivalent."""
    for n, margin in ((3, 1.0), (5, 1.0), (10, 1.0), (20, 1.0), (10, 3.0)):
        draw = np.random.default_rng([6, n])
        rows = draw.normal(margin, 1, (FEWER, n)).tolist()
        ps = [tost(row, margin).p for row in rows]
        wrong = np.mean([p is not None and p <= 0.05 for p in ps])
        yield f"n={n}, margin {margin:g} sd: {100 * wrong:.1f} %"


def probability() -> Iterator[str]:
    """Probability of improvement: how often its interval holds, with ties and without."""
    for ties in (0.0, 0.3):
        for n in (3, 5, 10, 20):
            draw = np.random.default_rng([7, n])
            worst = 1.0
            for win in np.linspace(0, 1 - ties, 15):
                truth = win + ties / 2
                u = draw.random((1500, n))
                rows = (u < win).astype(float) - (u >= win + ties)
                scores = np.sort(rows, axis=1)
                kinds, counts = np.unique(scores, axis=0, return_counts=True)
                held = [improvement(row.tolist()) for row in kinds]
                inside = [
                    (one.low or 0.0) <= truth + 1e-12 and truth - 1e-12 <= (one.high or 1.0)
                    for one in held
                ]
                worst = min(worst, float(np.average(inside, weights=counts)))
            yield f"n={n}, ties {100 * ties:.0f} %: at least {100 * worst:.1f} %"


def spreads() -> Iterator[str]:
    """Variance ratio of paired samples, and the F interval that takes them as independent."""
    # scipy.stats takes a second to import.
    from scipy.stats import f

    for n, rho in ((3, 0.8), (5, 0.8), (10, 0.8), (10, 0.0), (20, 0.5)):
        draw = np.random.default_rng([8, n])
        x, y = draw.normal(size=(2, FEWER, n))
        y = 2 * (rho * x + (1 - rho**2) ** 0.5 * y)
        held, width = 0, []
        for before, after in zip(x, y, strict=True):
            ratio = variance_ratio(before.tolist(), after.tolist()).ratio
            assert ratio is not None
            assert ratio.low is not None
            assert ratio.high is not None
            held += ratio.low <= 4 <= ratio.high
            width.append(ratio.high / ratio.low)
        naive = y.var(axis=1) / x.var(axis=1) / 4
        reach = f.ppf(0.975, n - 1, n - 1)
        inside = np.mean((naive / reach <= 1) & (naive * reach >= 1))
        yield (
            f"n={n}, correlation {rho}: {100 * held / FEWER:.1f} %, "
            f"high / low {np.median(width):.1f} in the median "
            f"(F: {100 * inside:.1f} %, {reach * reach:.1f})"
        )


def correlations() -> Iterator[str]:
    """Intervals of both coefficients where the truth is 0.6."""
    rho = 0.6
    truth = 6 / np.pi * np.arcsin(rho / 2)
    for n in (5, 8, 20):
        draw = np.random.default_rng([9, n])
        held = np.zeros(2)
        for _ in range(FEWER // 2):
            x, y = draw.normal(size=(2, n))
            found = correlate(x.tolist(), (rho * x + (1 - rho**2) ** 0.5 * y).tolist())
            for place, (one, true) in enumerate(((found.pearson, rho), (found.spearman, truth))):
                assert one is not None
                assert one.low is not None
                assert one.high is not None
                held[place] += one.low <= true <= one.high
        share = 100 * held / (FEWER // 2)
        yield f"n={n}: Pearson {share[0]:.1f} %, Spearman {share[1]:.1f} %"


def tasks() -> Iterator[str]:
    """Equal arms over few tasks: how often some pair of them differs."""
    for arms in (2, 3, 5, 11):
        parts = []
        for count in (5, 6, 8, 15):
            draw = np.random.default_rng([10, arms, count])
            found = [rank_arms(draw.normal(size=(count, arms)).tolist()) for _ in range(FEWER)]
            if found[0].p is None:
                parts.append(f"{count} tasks refused")
                continue
            wrong = np.mean([bool(one.different) for one in found])
            parts.append(f"{count} tasks {100 * wrong:.1f} %")
        yield f"{arms} arms: " + ", ".join(parts)


def few_tasks() -> Iterator[str]:
    """Friedman's F over fewer tasks than lrbench takes, and for two arms: how often it rejects."""
    # scipy.stats takes a second to import.
    from scipy.special import fdtrc

    for arms in (2, 3, 5, 11):
        parts = []
        for count in (3, 4, 5):
            draw = np.random.default_rng([13, arms, count])
            ranks = draw.random((20_000, count, arms)).argsort(axis=2).argsort(axis=2) + 1.0
            between = count * ((ranks.mean(axis=1) - (arms + 1) / 2) ** 2).sum(axis=1)
            within = count * arms * (arms**2 - 1) / 12 - between
            f = between * (count - 1) / np.maximum(within, 1e-12)
            p = fdtrc(arms - 1, (arms - 1) * (count - 1), f)
            parts.append(f"{count} tasks {100 * np.mean(p <= 0.05):.1f} %")
        yield f"{arms} arms: " + ", ".join(parts)


def alike() -> Iterator[str]:
    """Chance results over six tasks: how often they are called too alike."""
    for seeds in (3, 5, 20):
        draw = np.random.default_rng([11, seeds])
        runs = draw.normal(size=(FEWER, 6, seeds))
        means, errors = runs.mean(axis=2), runs.std(axis=2, ddof=1) / seeds**0.5
        p = np.array([too_alike_p(*case) for case in zip(means, errors, strict=True)], dtype=float)
        yield (
            f"{seeds} seeds: p at most 0.05 in {100 * np.mean(p <= 0.05):.1f} %, "
            f"at most 0.001 in {100 * np.mean(p <= 0.001):.2f} %"
        )


def main() -> None:
    """Print one section a promise."""
    for part in (
        coverage,
        bootstrap,
        family,
        power,
        equivalence,
        probability,
        spreads,
        correlations,
        tasks,
        few_tasks,
        alike,
    ):
        print((part.__doc__ or "").splitlines()[0])
        for line in part():
            print(f"  {line}", flush=True)


if __name__ == "__main__":
    main()
