"""Runs as a tidy frame, and the frame as arms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lrbench.record.reader import Status
from lrbench.report.runs import BEST, Goal, Row
from lrbench.report.settings import differing
from lrbench.stats.aggregate import Estimate, describe
from lrbench.stats.censored import TimeToTarget, time_to_target

OUTCOMES = (
    *(f"{when}_{metric}" for metric in BEST for when in ("final", "best")),
    "steps_to_target",
)
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
        ``final_val_loss``, ``best_val_loss``, ``final_val_accuracy``, ``best_val_accuracy``. Final is
        a run's last evaluation, best its best one, the evaluation before training included.
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
    groups = frame.groupby(list(by), sort=False, dropna=False)
    return [_describe(group, keys, level, goal) for _, group in groups]


def mixed_in(frame: pd.DataFrame, by: Sequence[str], apart: Sequence[str]) -> tuple[str, ...]:
    """Which of the settings ``apart`` differ inside one combination of the columns ``by``."""
    rest = [key for key in apart if key not in by]
    groups = [group for _, group in one_row_an_arm(frame).groupby(list(by), dropna=False)]
    return tuple(key for key in rest if any(key in differing(group, rest) for group in groups))


def _describe(runs: pd.DataFrame, keys: Sequence[str], level: float, goal: Goal | None) -> Arm:
    counts = runs["status"].value_counts()
    finished = runs[runs["status"].isin([Status.COMPLETE, Status.DIVERGED])]
    estimates = {
        name: describe(runs[name].dropna().to_numpy(), level)
        for name in OUTCOMES
        if name != "steps_to_target"
    }
    to_target = None
    if goal:
        times = [None if time != time else int(time) for time in finished["steps_to_target"]]
        to_target = time_to_target(times, finished["budget"].tolist())
    return Arm(
        settings={key: runs[key].iloc[0] for key in keys},
        seeds=tuple(sorted(finished["seed"])),
        n=int(counts.get(Status.COMPLETE, 0)),
        diverged=int(counts.get(Status.DIVERGED, 0)),
        failed=int(counts.get(Status.FAILED, 0)),
        unfinished=int(counts.get(Status.RUNNING, 0) + counts.get(Status.INTERRUPTED, 0)),
        estimates=estimates,
        to_target=to_target,
    )
