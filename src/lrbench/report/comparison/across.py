"""The contenders over several tasks: ranks, and how often each is near the best."""

from __future__ import annotations

from collections.abc import Sequence

from lrbench.report.comparison.values import AcrossTasks, Task
from lrbench.report.runs import BEST
from lrbench.stats.profiles import performance_profiles
from lrbench.stats.ranks import Ranking, rank_arms


def across(tasks: Sequence[Task], metric: str, level: float) -> AcrossTasks | None:
    """Mean ranks over the tasks in which all contenders were run; None without two of each.

    Each contender with the mean at its own best learning rate; one with a diverged run there is
    ranked as worst.
    """
    shared = [
        one.label
        for one in tasks[0].contenders
        if all(any(one.label == other.label for other in task.contenders) for task in tasks)
    ]
    if len(shared) < 2 or len(tasks) < 2:
        return None
    means = tuple(tuple(_mean(task, label, metric) for label in shared) for task in tasks)
    is_loss = BEST[metric] is min
    # A profile is of costs: of an accuracy, of the rate of errors.
    costs = [[m if m is None or is_loss else 1 - m for m in row] for row in means]
    has_profiles = all(cost is None or cost > 0 for row in costs for cost in row)
    ranking = rank_arms(means, smaller_is_better=is_loss, level=level)
    return AcrossTasks(
        tasks=tuple(task.label for task in tasks),
        contenders=tuple(shared),
        means=means,
        ranking=ranking,
        profiles=performance_profiles(costs) if has_profiles else (),
        sentence=_sentence(shared, ranking),
    )


def _mean(task: Task, label: str, metric: str) -> float | None:
    one = next(one for one in task.contenders if one.label == label)
    return None if one.own.diverged else one.reported[metric].mean


def _sentence(labels: Sequence[str], ranking: Ranking) -> str:
    best = min(ranking.mean_ranks)
    first = [o for o, rank in zip(labels, ranking.mean_ranks, strict=True) if rank == best]
    told = f"lowest mean rank over {ranking.tasks} tasks: {' and '.join(first)}, {best:.2f}"
    if ranking.p is None:
        return (
            f"{told}; that is not tested: Friedman's and Nemenyi's tests of the ranks hold from "
            f"{ranking.tasks_needed} tasks"
        )
    told += f"; that all rank alike (Friedman): p = {ranking.p:.2g}"
    if ranking.critical_difference is None:
        return told
    told += f"; ranks at least {ranking.critical_difference:.2f} apart differ (Nemenyi)"
    pairs = [f"{labels[one]} before {labels[two]}" for one, two in ranking.different]
    return f"{told}: {', '.join(pairs) or 'none are'}"
