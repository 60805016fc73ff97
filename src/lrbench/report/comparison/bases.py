"""The three footings on which contenders are compared, and the rows on each.

A schedule may look better because its learning rate was looked for longer, or because the one that
both were given suits it. So there is no single answer: each at its own best learning rate, both at
the same one, and both after the same number of trials.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from lrbench.report.comparison.arms import outcomes_of
from lrbench.report.comparison.values import ArmResult, Contender, CostCurve, CostPoint, Row
from lrbench.report.runs import BEST, WITHIN
from lrbench.stats.aggregate import describe
from lrbench.stats.best_of import best_shares
from lrbench.stats.contrast import Contrast, contrast

Outcomes = dict[int, float | None]


class Judge:
    """Makes rows: what is asked of every comparison alike.

    Parameters
    ----------
    metrics : sequence of str
        The one that decides, and the one beside it if there is one.
    margin : float or None
        Of the metric that decides.
    level : float in (0.5, 1)
    tuned_on : collection of int
        Seeds that chose the learning rates and are kept out of what is chosen by them.
    """

    def __init__(
        self,
        metrics: Sequence[str],
        margin: float | None,
        level: float,
        tuned_on: Collection[int] = (),
    ) -> None:
        self.metrics, self.margin, self.level = metrics, margin, level
        self.tuned_on = frozenset(tuned_on)

    def own(self, one: Contender, metric: str) -> Outcomes:
        """At its own best learning rate, of the seeds that are reported there."""
        return self.reported(outcomes_of(one.own, metric))

    def reported(self, outcomes: Outcomes) -> Outcomes:
        """Those of the seeds that did not choose the learning rate."""
        return {seed: value for seed, value in outcomes.items() if seed not in self.tuned_on}

    def contrast(
        self, baseline: Outcomes, other: Outcomes, metric: str, margin: float | None = None
    ) -> Contrast | None:
        """Over the seeds that both have; None where there are none."""
        seeds = sorted(baseline.keys() & other.keys())
        if not seeds:
            return None
        return contrast(
            [baseline[seed] for seed in seeds],
            [other[seed] for seed in seeds],
            smaller_is_better=BEST[metric] is min,
            margin=margin,
            level=self.level,
        )

    def row(
        self,
        pair: tuple[Contender, Contender],
        outcomes: Callable[[Contender, str], Outcomes],
        *,
        lrs: tuple[float | None, float | None] = (None, None),
        trials: int | None = None,
    ) -> Row | None:
        """One comparison; None where the two have no seed in common."""
        first, *rest = self.metrics
        a, b = (outcomes(one, first) for one in pair)
        found = self.contrast(a, b, first, self.margin)
        if found is None:
            return None
        beside = None
        if rest:
            other_a, other_b = (outcomes(one, rest[0]) for one in pair)
            beside = self.contrast(other_a, other_b, rest[0])
        seeds = tuple(sorted(a.keys() & b.keys()))
        only = ((one.label, tuple(sorted(x.keys() - y.keys()))) for one, x, y in _both(pair, a, b))
        return Row(
            baseline=pair[0].label,
            other=pair[1].label,
            baseline_lr=lrs[0],
            other_lr=lrs[1],
            trials=trials,
            seeds=seeds,
            left_out={name: left for name, left in only if left},
            found=found,
            beside=beside,
            values=tuple((a[seed], b[seed]) for seed in seeds),
        )


def at_own_lr(judge: Judge, pairs: Sequence[tuple[Contender, Contender]]) -> Iterator[Row]:
    """Each at its own best learning rate."""
    for pair in pairs:
        row = judge.row(pair, judge.own, lrs=(pair[0].own.lr, pair[1].own.lr))
        if row:
            yield row


def at_equal_lr(judge: Judge, pairs: Sequence[tuple[Contender, Contender]]) -> Iterator[Row]:
    """At every learning rate that both were run with."""
    for lr in sorted({arm.lr for pair in pairs for one in pair for arm in one.arms}):
        for pair in pairs:
            at_it = {one.label: arm for one in pair for arm in one.arms if arm.lr == lr}
            if len(at_it) < 2:
                continue
            row = judge.row(pair, _at(at_it), lrs=(lr, lr))
            if row:
                yield row


def at_equal_cost(judge: Judge, pairs: Sequence[tuple[Contender, Contender]]) -> Iterator[Row]:
    """Each at the best of as many learning rates as the one with the fewest was tried with."""
    for pair in pairs:
        trials = min(len(one.arms) for one in pair)
        row = judge.row(pair, _after(judge, trials), trials=trials)
        if row:
            yield row


def after(one: Contender, metric: str, trials: int) -> Outcomes:
    """What each seed can expect after so many trials, every choice of them equally likely.

    The best learning rate tried is the one with the best mean over seeds, the same for all seeds: a
    learning rate of its own for every seed would be chosen for luck.

    Returns
    -------
    dict of seed to float or None
        Seeds that all arms that can be chosen have; None where one of these runs diverged.
    """
    order = one.order
    chosen = [
        (weight, outcomes_of(one.arms[place], metric))
        for weight, place in zip(best_shares(len(order), trials), order, strict=True)
        if weight
    ]
    seeds = set.intersection(*(set(outcomes) for _, outcomes in chosen))
    return {
        seed: _mean([(weight, outcomes[seed]) for weight, outcomes in chosen]) for seed in seeds
    }


def cost_curve(one: Contender, judge: Judge) -> CostCurve:
    """The expected best of 1, 2, … trials, by the metric that decides."""
    order = one.order
    points = []
    for trials in range(1, len(order) + 1):
        values = judge.reported(after(one, judge.metrics[0], trials)).values()
        weights = best_shares(len(order), trials)
        known = [value for value in values if value is not None]
        points.append(
            CostPoint(
                trials=trials,
                estimate=describe(
                    known if len(known) == len(values) else [],
                    judge.level,
                    WITHIN[judge.metrics[0]],
                ),
                divergence=sum(
                    weight * _lost(one.arms[place])
                    for weight, place in zip(weights, order, strict=True)
                ),
            )
        )
    return CostCurve(one.label, tuple(points))


def _lost(arm: ArmResult) -> float:
    return arm.divergence.value if arm.divergence else 0.0


def _mean(values: Sequence[tuple[float, float | None]]) -> float | None:
    total = 0.0
    for weight, value in values:
        if value is None:
            return None
        total += weight * value
    return total


def _after(judge: Judge, trials: int) -> Callable[[Contender, str], Outcomes]:
    return lambda one, metric: judge.reported(after(one, metric, trials))


def _at(arms: dict[str, ArmResult]) -> Callable[[Contender, str], Outcomes]:
    return lambda one, metric: outcomes_of(arms[one.label], metric)


def _both(
    pair: tuple[Contender, Contender], a: Outcomes, b: Outcomes
) -> tuple[tuple[Contender, Outcomes, Outcomes], ...]:
    return (pair[0], a, b), (pair[1], b, a)
