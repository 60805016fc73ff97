"""What there is to be shown in a folder: what is compared, or where nothing is, what is there."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from lrbench.errors import ConfigError
from lrbench.report import notices
from lrbench.report.comparison.arms import contender
from lrbench.report.comparison.contenders import ALWAYS_A_TASK, Entrant
from lrbench.report.comparison.runs import Run, gather, metrics_of
from lrbench.report.comparison.values import Comparison, Task
from lrbench.report.frames import one_row_an_arm, runs_frame, settings_in
from lrbench.report.settings import differing, label
from lrbench.workflows.compare import compare


def contenders_in(
    folder: Path,
    *,
    metric: str = "val_loss",
    by: str = "schedule",
    baseline: str | None = None,
    margin: float | None = None,
    tune_seeds: int = 0,
    level: float = 0.95,
) -> Comparison:
    """A comparison of the arms in ``folder``; one without rows where there is only one to show.

    Raises
    ------
    ConfigError
        As :func:`~lrbench.workflows.compare.compare`, but for there being nothing to compare.
    PairingError
        Likewise.
    """
    try:
        return compare(
            folder,
            metric=metric,
            by=by,
            baseline=baseline,
            margin=margin,
            tune_seeds=tune_seeds,
            level=level,
        )
    except ConfigError as error:
        if error.problems[0].key != "--by" or by != "schedule" or baseline or tune_seeds:
            raise
    return described_in(folder, metric, level)


def described_in(folder: Path, metric: str, level: float) -> Comparison:
    """Every schedule of every dataset and model, held against nothing.

    Raises
    ------
    ConfigError
        No run is finished, or ``metric`` is none of theirs.
    """
    runs, skipped, mismatches = gather(folder)
    finished = [run for run in runs if run.is_finished]
    if not finished:
        remedy = f"lrbench status {folder}"
        raise ConfigError("must hold finished runs", key=str(folder), remedy=remedy)
    known = metrics_of(finished)
    if metric not in known:
        relation = f"must be a metric of all of these runs ({', '.join(known)})"
        raise ConfigError(relation, key="--metric", got=metric)
    metrics = (metric, *(name for name in known if name != metric))
    arms = one_row_an_arm(runs_frame([run.row for run in finished]))
    apart = differing(arms, settings_in(arms))
    tasks = []
    keys = [key for key in apart if key.partition(".")[0] in ALWAYS_A_TASK]
    others = [key for key in apart if key not in keys and key != "optimizer.lr"] or ["schedule"]
    ordered = sorted(finished, key=lambda run: _named(run, keys))
    for named, some in groupby(ordered, key=lambda run: _named(run, keys)):
        entrants = _entrants(list(some), others)
        members = tuple(contender(one, metrics, level) for one in entrants)
        first = members[0].label
        tasks.append(Task(named, {}, metrics, first, members, (), (), (), (), (), (), ()))
    return Comparison(
        path=folder,
        metric=metric,
        beside=metrics[1] if len(metrics) > 1 else None,
        by=("schedule",),
        level=level,
        margin=None,
        target=None,
        tuned_on=(),
        is_all_pairs=False,
        tasks=tuple(tasks),
        across=None,
        inputs="",
        notices=(*notices.of_mismatches(mismatches), *notices.of_skipped(skipped)),
        skipped=tuple(skipped),
    )


def _entrants(runs: list[Run], keys: list[str]) -> list[Entrant]:
    ordered = sorted(runs, key=lambda run: _named(run, keys))
    return [
        Entrant(named, dict.fromkeys(keys), tuple(some))
        for named, some in groupby(ordered, key=lambda run: _named(run, keys))
    ]


def _named(run: Run, keys: list[str]) -> str:
    return label({key: run.row.get(key) for key in keys})
