"""Contenders described: every learning rate they were run with, and the best of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from lrbench.report.comparison.contenders import Entrant
from lrbench.report.comparison.runs import Run
from lrbench.report.comparison.values import ArmResult, Contender, Cost
from lrbench.report.runs import BEST, WITHIN
from lrbench.stats.aggregate import describe
from lrbench.stats.basin import Basin, basin
from lrbench.stats.interval import Interval
from lrbench.stats.proportions import clopper_pearson

BASIN = 0.1
"""In the basin the mean loss (or rate of errors) is at most this part above the best one."""


def contender(
    entrant: Entrant,
    metrics: Sequence[str],
    level: float = 0.95,
    tuned_on: Collection[int] = (),
) -> Contender:
    """An entrant with its arms described.

    Parameters
    ----------
    entrant : Entrant
        With a finished run.
    metrics : sequence of str
        The one that decides first.
    level : float in (0, 1)
    tuned_on : collection of int
        Seeds that choose the learning rate, and are not reported at it; empty: all do both.
    """
    by_lr: dict[float, list[Run]] = {}
    for run in entrant.runs:
        by_lr.setdefault(run.lr, []).append(run)
    # A learning rate without a finished run was not tried; the runs are told of elsewhere.
    tried = [lr for lr in sorted(by_lr) if any(run.is_finished for run in by_lr[lr])]
    arms = tuple(_arm(lr, by_lr[lr], metrics, level) for lr in tried)
    order = tuple(ranking(arms, metrics[0], tuned_on))
    best = order[0]
    return Contender(
        label=entrant.label,
        settings=entrant.settings,
        arms=arms,
        order=order,
        reported={
            metric: describe(
                (
                    value
                    for seed, value in outcomes_of(arms[best], metric).items()
                    if value is not None and seed not in tuned_on
                ),
                level,
                WITHIN[metric],
            )
            for metric in metrics
        },
        edge=_edge(best, len(arms)),
        basin=_basin(arms, best, metrics[0]) if len(arms) > 1 else None,
        cost=sum((arm.cost for arm in arms), Cost()),
    )


def ranking(arms: Sequence[ArmResult], metric: str, tuned_on: Collection[int] = ()) -> list[int]:
    """Places of the arms of a contender, the best first.

    Means are over the seeds that all arms with a finished run have, so that no learning rate is
    chosen for its luck with seeds. Arms with diverged runs come after all others, the fewer the
    sooner; those without a finished run last. With ``tuned_on`` only these seeds are looked at.
    """
    seeds = [set(arm.seeds) & set(tuned_on or arm.seeds) for arm in arms]
    shared = set.intersection(*filter(None, seeds)) if any(seeds) else set()
    sign = 1 if BEST[metric] is min else -1

    def key(place: int) -> tuple[bool, float, bool, float, float]:
        arm = arms[place]
        outcomes = {s: v for s, v in outcomes_of(arm, metric).items() if s in seeds[place]}
        known = [v for s, v in outcomes.items() if v is not None and (s in shared or not shared)]
        mean = describe(known).mean
        lost = sum(v is None for v in outcomes.values()) / max(len(outcomes), 1)
        return not outcomes, lost, mean is None, sign * (mean or 0.0), arm.lr

    return sorted(range(len(arms)), key=key)


def outcomes_of(arm: ArmResult, metric: str) -> dict[int, float | None]:
    """Each seed's last evaluation; None of a run that diverged."""
    return dict(zip(arm.seeds, arm.finals[metric], strict=True))


def _arm(lr: float, runs: Sequence[Run], metrics: Sequence[str], level: float) -> ArmResult:
    by_seed = {run.seed: run for run in reversed(runs) if run.is_finished}
    finished = [by_seed[seed] for seed in sorted(by_seed)]
    finals = {metric: tuple(run.final(metric) for run in finished) for metric in metrics}
    diverged = sum(value is None for value in finals[metrics[0]])
    n = len(finished)
    return ArmResult(
        lr=lr,
        steps=runs[0].steps,
        seeds=tuple(run.seed for run in finished),
        runs=tuple(run.name for run in finished),
        finals=finals,
        estimates={
            metric: describe((v for v in values if v is not None), level, WITHIN[metric])
            for metric, values in finals.items()
        },
        diverged=diverged,
        divergence=Interval(diverged / n, *clopper_pearson(diverged, n, level)) if n else None,
        unfinished=tuple(sorted({run.seed for run in runs} - set(by_seed))),
        cost=sum((Cost(1, run.updates, run.wall_s) for run in finished), Cost()),
    )


def _edge(best: int, many: int) -> Literal["low", "high"] | None:
    if many < 2 or 0 < best < many - 1:
        return None
    return "low" if best == 0 else "high"


def _basin(arms: Sequence[ArmResult], best: int, metric: str) -> Basin | None:
    costs = [None if arm.diverged else _cost(arm, metric) for arm in arms]
    lowest = costs[best]
    if lowest is None:
        return None
    return basin([arm.lr for arm in arms], costs, BASIN * abs(lowest))


def _cost(arm: ArmResult, metric: str) -> float | None:
    mean = arm.estimates[metric].mean
    return mean if mean is None or BEST[metric] is min else 1 - mean
