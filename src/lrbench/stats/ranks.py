"""Arms over many tasks by their ranks: Friedman's test and Nemenyi's critical difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from lrbench.stats.correlation import mean_ranks
from lrbench.stats.paired import sign_test
from lrbench.stats.permutation import sign_flip_seeds

FEWEST_TASKS: Final = 5
"""From here on both approximations hold (simulated, docs/decisions/0018-statistics.md)."""


@dataclass(frozen=True)
class Ranking:
    """Mean ranks of k arms over N tasks, and what may be said of them.

    Parameters
    ----------
    tasks : int
    mean_ranks : tuple of k floats in [1, k]
        1 is the best; ties share the mean of their places. Ranks say who, not by how much.
    tasks_needed : int
        The fewest tasks with which two arms could be told apart, and at least five. With fewer the
        tests are refused: everything below is None.
    p : float or None
        That all arms rank alike: Friedman's test by the F of Iman and Davenport; of two arms the
        sign test, which is exact.
    critical_difference : float or None
        Arms whose mean ranks differ by at least that much differ (Nemenyi), any false one among all
        pairs having ``1 - level``. To be read only where ``p`` is significant. None of two arms.
    different : tuple of (int, int)
        Pairs of places of arms that do, the better one first; none where ``p`` is not significant.
    """

    tasks: int
    mean_ranks: tuple[float, ...]
    tasks_needed: int
    p: float | None = None
    critical_difference: float | None = None
    different: tuple[tuple[int, int], ...] = ()


def rank_arms(
    values: Sequence[Sequence[float | None]],
    *,
    smaller_is_better: bool = True,
    level: float = 0.95,
) -> Ranking:
    """Rank the arms on each task and compare the mean ranks.

    Parameters
    ----------
    values : sequence of N >= 1 tasks, each a sequence of one float or None for each of k >= 2 arms
        An arm's result on the task, such as its mean loss over seeds; None where it diverged, which
        ranks worst.
    smaller_is_better : bool
    level : float in (0, 1)

    Examples
    --------
    >>> found = rank_arms([[0.1, 0.2, 0.3], [0.2, 0.1, 0.4], [0.1, 0.3, None]])
    >>> [round(rank, 2) for rank in found.mean_ranks], found.p, found.tasks_needed
    ([1.33, 1.67, 3.0], None, 5)

    References
    ----------
    Friedman 1937, J. Am. Stat. Assoc. 32(200): 675-701; Iman & Davenport 1980, Commun. Stat. 9(6):
    571-595; Nemenyi 1963; Demšar 2006, J. Mach. Learn. Res. 7: 1-30.
    """
    sign = 1.0 if smaller_is_better else -1.0
    worst = math.inf
    ranks = np.array(
        [
            mean_ranks([worst if v is None or not math.isfinite(v) else sign * v for v in task])
            for task in values
        ]
    )
    tasks, arms = ranks.shape
    means = ranks.mean(axis=0)
    needed = tasks_needed(arms, level)
    plain = tuple(map(float, means))
    if tasks < needed:
        return Ranking(tasks, plain, needed)
    if arms == 2:
        p = sign_test((ranks[:, 1] - ranks[:, 0]).tolist())
        first = (0, 1) if means[0] < means[1] else (1, 0)
        return Ranking(tasks, plain, needed, p, None, (first,) if p <= 1 - level else ())
    p = _friedman_p(ranks)
    critical = critical_difference(arms, tasks, level)
    different = [
        (one, two)
        for one in range(arms)
        for two in range(arms)
        if p <= 1 - level and means[two] - means[one] >= critical
    ]
    return Ranking(tasks, plain, needed, p, critical, tuple(different))


def critical_difference(arms: int, tasks: int, level: float = 0.95) -> float:
    """Nemenyi's, of mean ranks.

    Examples
    --------
    >>> round(critical_difference(4, 14), 2)
    1.25
    """
    return _quantile(arms, level) * math.sqrt(arms * (arms + 1) / (6 * tasks))


def tasks_needed(arms: int, level: float = 0.95) -> int:
    """The fewest tasks with which an arm that is always first differs from one always last.

    Examples
    --------
    >>> [tasks_needed(arms) for arms in (2, 3, 5, 10)]
    [6, 5, 5, 5]
    """
    if arms == 2:
        return sign_flip_seeds(level)
    alone = (critical_difference(arms, 1, level) / (arms - 1)) ** 2
    return max(FEWEST_TASKS, math.ceil(alone))


@cache
def _quantile(arms: int, level: float) -> float:
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(level, arms, np.inf)) / 2**0.5


def _friedman_p(ranks: np.ndarray) -> float:
    # scipy.stats has it too, and takes a second to import.
    from scipy.special import fdtrc

    tasks, arms = ranks.shape
    between = tasks * ((ranks.mean(axis=0) - (arms + 1) / 2) ** 2).sum()
    # The sum of squares of all ranks, with which ties are accounted for.
    total = ((ranks - (arms + 1) / 2) ** 2).sum()
    within = total - between
    if total == 0:
        return 1.0
    if within <= 1e-12 * total:
        return 0.0
    return float(fdtrc(arms - 1, (arms - 1) * (tasks - 1), between * (tasks - 1) / within))
