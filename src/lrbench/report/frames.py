"""Runs as a tidy frame, and the frame as arms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lrbench.record.reader import Status
from lrbench.report.runs import BEST, WITHIN, Goal, Row
from lrbench.report.settings import differing
from lrbench.stats.aggregate import Estimate, describe
from lrbench.stats.censored import TimeToTarget, time_to_target

STATISTICS = tuple(f"{when}_{metric}" for metric in BEST for when in ("final", "best"))
OUTCOMES = (*STATISTICS, "steps_to_target")
_FACTS = ("run", "status", "arm", "seed", "budget", *OUTCOMES)


@dataclass(frozen=True)
class Arm:
    """A row of the summary: runs that share their settings, described.

    Parameters
    ----------
    settings : dict
        The keys that make the row; ``None`` where it has no such setting.
    seeds : tuple of int
        Of the finished runs, ascending.
    n : int
        Finished runs that did not diverge: those the estimates are made of.
    diverged, failed, unfinished : int
        Runs that are in no estimate. ``unfinished`` ones are running or were interrupted.
    estimates : dict
        By the names in :data:`STATISTICS`, such as ``final_val_loss``. Final is a run's last
        evaluation, best its best one, that before training included.
    to_target : TimeToTarget or None
        Over finished runs, diverged ones censored; None if there is no target.
    """

    settings: dict[str, Any]
    seeds: tuple[int, ...]
    n: int
    diverged: int
    failed: int
    unfinished: int
    estimates: dict[str, Estimate]
    to_target: TimeToTarget | None

    @property
    def lost(self) -> float:
        """The share of its finished runs that diverged; arms are ordered by it before all else."""
        return self.diverged / max(1, self.n + self.diverged)


def runs_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """A row a run: its facts, and a column for every setting that any run has.

    Setting columns keep Python's own values (``object``), so that a seed stays an integer and a
    missing setting ``None``.
    """
    keys = dict.fromkeys([*_FACTS, *(key for row in rows for key in row)])
    frame = pd.DataFrame({key: [row.get(key) for row in rows] for key in keys}, dtype=object)
    return frame.astype(dict.fromkeys(OUTCOMES, "float64"))


def settings_in(frame: pd.DataFrame) -> list[str]:
    """The columns that are settings."""
    return [column for column in frame.columns if column not in _FACTS]


def one_row_an_arm(frame: pd.DataFrame) -> pd.DataFrame:
    """The first run of each arm, in the place of the arm."""
    return frame.drop_duplicates("arm")


def describe_arms(
    frame: pd.DataFrame, keys: Sequence[str], by: Sequence[str], level: float, goal: Goal | None
) -> list[Arm]:
    """One :class:`Arm` for each combination of the columns ``by``, named by its ``keys``."""
    # Arrays and positions: a frame for each of thousands of arms would take longer than the rest.
    arrays = {name: frame[name].to_numpy() for name in (*_FACTS, *keys)}
    groups = frame.groupby(list(by), sort=False, dropna=False).indices.values()
    return [
        _describe({name: array[group] for name, array in arrays.items()}, keys, level, goal)
        for group in groups
    ]


def mixed_in(frame: pd.DataFrame, by: Sequence[str], apart: Sequence[str]) -> tuple[str, ...]:
    """Which of the settings ``apart`` differ inside one combination of the columns ``by``."""
    rest = [key for key in apart if key not in by]
    groups = [group for _, group in one_row_an_arm(frame).groupby(list(by), dropna=False)]
    return tuple(key for key in rest if any(key in differing(group, rest) for group in groups))


def _describe(
    runs: Mapping[str, NDArray[Any]], keys: Sequence[str], level: float, goal: Goal | None
) -> Arm:
    counts = Counter(runs["status"])
    finished = [Status(status).is_finished for status in runs["status"]]
    to_target = None
    if goal:
        times = [None if time != time else int(time) for time in runs["steps_to_target"][finished]]
        to_target = time_to_target(times, runs["budget"][finished].tolist())
    return Arm(
        settings={key: runs[key][0] for key in keys},
        seeds=tuple(sorted(runs["seed"][finished])),
        n=counts[Status.COMPLETE],
        diverged=counts[Status.DIVERGED],
        failed=counts[Status.FAILED],
        unfinished=counts[Status.RUNNING] + counts[Status.INTERRUPTED],
        estimates={
            f"{when}_{metric}": describe(_known(runs[f"{when}_{metric}"]), level, WITHIN[metric])
            for metric in BEST
            for when in ("final", "best")
        },
        to_target=to_target,
    )


def _known(values: NDArray[Any]) -> list[float]:
    return [float(value) for value in values if not np.isnan(value)]
