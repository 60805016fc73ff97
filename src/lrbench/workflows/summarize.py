"""The runs of a results folder, one row an arm."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrbench.errors import ConfigError
from lrbench.record.reader import Status
from lrbench.record.test_uses import occasions
from lrbench.report import notices
from lrbench.report.frames import (
    Arm,
    describe_arms,
    mixed_in,
    one_row_an_arm,
    runs_frame,
    settings_in,
)
from lrbench.report.plans import read_plans
from lrbench.report.runs import BEST, Goal, Row, Skipped, read_runs
from lrbench.report.sanity.flag import Flag
from lrbench.report.settings import differing, equal, parse_by
from lrbench.report.traces.places import place_of
from lrbench.workflows.asked import check_folder, check_level, check_metric, check_target
from lrbench.workflows.check import is_quick, quick_flags


@dataclass(frozen=True)
class Summary:
    """What ``lrbench summarize`` answers, as plain data.

    Parameters
    ----------
    path : Path
        The folder.
    metrics : tuple of str
        Those the runs have, the one asked for first.
    level : float
        Coverage of the intervals.
    target : float or None
        Value of the first metric that steps are counted to.
    differing : tuple of str
        The settings that tell arms apart.
    equal : dict
        The settings that all arms share, with their values.
    arms : tuple of Arm
        Rows: the best mean of the first metric first, arms with diverged runs after the others, the
        larger the share of those the later.
    notices : tuple of str
        What must be known besides the rows.
    skipped : tuple of Skipped
        What is in the folder and in no figure.
    mismatches : tuple of str
        Runs of a seed that do not share what they must share: their arms cannot be compared.
    flags : tuple of Flag or None
        Sanity flags as far as they cost next to nothing; None where there are too many runs,
        or they were not asked for.
    has_read_logs : bool
        Whether the flags are of logs of updates too.
    test_uses : tuple of str
        When the test split was looked at, by these runs' final weights: UTC, oldest first.
    """

    path: Path
    metrics: tuple[str, ...]
    level: float
    target: float | None
    differing: tuple[str, ...]
    equal: dict[str, Any]
    arms: tuple[Arm, ...]
    notices: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    mismatches: tuple[str, ...]
    flags: tuple[Flag, ...] | None = ()
    has_read_logs: bool = True
    test_uses: tuple[str, ...] = ()

    @property
    def has_corrupt(self) -> bool:
        """Whether anything in the folder is damaged."""
        return any(one.status == Status.CORRUPT for one in self.skipped)


def summarize(
    folder: Path,
    *,
    metric: str = "val_loss",
    by: str | None = None,
    target: float | None = None,
    level: float = 0.95,
    with_flags: bool = True,
) -> Summary:
    """Describe the runs in ``folder`` arm by arm, finished or not.

    Parameters
    ----------
    folder : Path
        Results of runs and sweeps, or one record.
    metric : {"val_loss", "val_accuracy"}
        Which metric comes first, orders the rows, and has the target.
    by : str, optional
        Settings, joined by commas, to group by instead of all but the seed.
    target : float, optional
        Count the steps until an evaluation is at least this good.
    level : float in (0, 1)
        Coverage of the intervals of the means.
    with_flags : bool
        Whether to look for sanity flags too.

    Raises
    ------
    ConfigError
        An option is wrong, or there is no record in ``folder``. Damaged records do not raise: they
        are in ``skipped``.
    """
    check_folder(folder, "summarize")
    check_metric(metric)
    check_level(level, above=0)
    check_target(target)
    goal = None if target is None else Goal(metric, target)
    rows, skipped, mismatches = read_runs(folder, goal)
    if not rows and all(one.status == "foreign" for one in skipped):
        raise ConfigError("must hold records of runs", key=str(folder), remedy="lrbench run")
    statuses = {_digest(one.name): one.status for one in skipped}
    statuses |= {_digest(row["run"]): row["status"] for row in rows}
    plans, damaged = read_plans(folder, statuses)

    frame = runs_frame(rows)
    keys = settings_in(frame)
    apart = differing(one_row_an_arm(frame), keys) if rows else ()
    arms = describe_arms(frame, apart or ("schedule",), ["arm"], level, goal) if rows else []
    asked = parse_by(by, keys, apart) if by is not None and rows else ()
    shown = describe_arms(frame, asked, asked, level, goal) if asked else arms
    said = (
        *notices.of_mismatches(mismatches),
        *notices.of_plans(plans),
        *notices.of_skipped([*skipped, *damaged]),
        *notices.of_arms(arms),
        *notices.of_datasets(apart),
        *notices.of_mixed(mixed_in(frame, asked, apart) if asked else ()),
    )
    uses = {row["run"]: occasions(place_of(folder, row["run"])) for row in rows}
    return Summary(
        path=folder,
        metrics=_metrics(rows, metric),
        level=level,
        target=target,
        differing=apart,
        equal=equal(one_row_an_arm(frame), keys),
        arms=tuple(sorted(shown, key=lambda arm: _place(arm, metric))),
        notices=said,
        skipped=(*skipped, *damaged),
        mismatches=tuple(map(str, mismatches)),
        flags=quick_flags(folder, rows, skipped, mismatches, uses) if with_flags else None,
        has_read_logs=is_quick(rows),
        test_uses=tuple(sorted({one for of_run in uses.values() for one in of_run})),
    )


def _metrics(rows: list[Row], first: str) -> tuple[str, ...]:
    """The metrics any run has, ``first`` in front; a regression has no accuracy."""
    # Before any run is finished there is nothing to tell a regression by.
    finals = [name for name in BEST if any(row.get(f"final_{name}") is not None for row in rows)]
    finals = finals or [first]
    if first not in finals:
        relation = f"must be a metric of these runs ({', '.join(finals)})"
        raise ConfigError(relation, key="--metric", got=first)
    return tuple(sorted(finals, key=lambda name: name != first))


def _place(arm: Arm, metric: str) -> tuple[bool, float, float]:
    """Of an arm among the rows. A mean over the survivors must not win over one over all runs."""
    mean = arm.estimates[f"final_{metric}"].mean
    if mean is None:
        return True, 1.0, 0.0
    return False, arm.lost, mean if BEST[metric] is min else -mean


def _digest(name: str) -> str:
    """The start of a run's digest, with which its folder's name ends."""
    return name.rpartition("-")[2]
