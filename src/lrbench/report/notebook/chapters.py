"""The chapters of the notebook: a sweep or a lone run each, in the order they were begun."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrbench.record import layout
from lrbench.record.plans import Plan
from lrbench.record.reader import UNREADABLE, Status, read_json, read_record
from lrbench.report.frames import Arm
from lrbench.report.history.restarts import in_words
from lrbench.report.history.trial import Trial
from lrbench.report.restarts.ledger import read_ledger
from lrbench.report.runs import WITHIN
from lrbench.report.settings import differing_of, equal_of, label
from lrbench.stats.aggregate import describe

METRICS = ("val_loss", "val_accuracy")
PACKAGES = ("torch", "numpy")
"""Whose versions are told besides Python's and lrbench's own."""


@dataclass(frozen=True)
class Chapter:
    """One sweep, or one run that belongs to none.

    Parameters
    ----------
    name : str
        Of the sweep or the run.
    is_sweep : bool
    began, ended : str or None
        The first start and the last end of the runs that are its own: UTC, ISO 8601.
    seconds : float
        Of wall clock in those runs together.
    planned : int
        Runs that belong to it.
    earlier : int
        How many of them an earlier chapter had already.
    typed : tuple of str
        What was typed for each arm of a sweep.
    trials : tuple of Trial
        Those of its runs that have a record.
    equal : dict
        The settings its runs share, with their values.
    differing : tuple of str
        The settings that tell its arms apart.
    arms : tuple of Arm
        With estimates over seeds; the lowest mean loss first, arms with diverged runs after the
        others.
    restarts : dict
        A sentence on the restarts of each arm that has some, by its label.
    versions : tuple of str
        Each set of versions that its runs were made with.
    """

    name: str
    is_sweep: bool
    began: str | None
    ended: str | None
    seconds: float
    planned: int
    earlier: int
    typed: tuple[str, ...]
    trials: tuple[Trial, ...]
    equal: dict[str, Any]
    differing: tuple[str, ...]
    arms: tuple[Arm, ...]
    restarts: dict[str, str]
    versions: tuple[str, ...]


def chapters(
    folder: Path, trials: Sequence[Trial], plans: Sequence[Plan], level: float
) -> list[Chapter]:
    """Every trial in the chapter that it belongs to.

    A run that two sweeps share, one with more seeds than the other, is counted in both; the first
    one began it.

    Parameters
    ----------
    folder : Path
        Of the records.
    level : float in (0, 1)
        Coverage of the intervals.
    """
    by_digest = {trial.run.rpartition("-")[2]: trial for trial in trials}
    members = {
        plan.path.stem: [by_digest[run[:8]] for run in plan.runs if run[:8] in by_digest]
        for plan in plans
    }
    # What a sweep was made larger by comes later than what it had.
    ordered = sorted(plans, key=lambda plan: (_last(members[plan.path.stem]), len(plan.runs)))
    taken: set[str] = set()
    made = []
    for plan in ordered:
        own = members[plan.path.stem]
        made.append(_chapter(folder, plan.path.stem, own, taken, level, plan))
        taken |= {trial.run for trial in own}
    lone = [trial for trial in trials if trial.run not in taken]
    made += [_chapter(folder, trial.run, [trial], set(), level) for trial in lone]
    # Those of which no time is known are told last.
    return sorted(made, key=lambda one: (one.began is None, one.began or "", one.name))


def _chapter(
    folder: Path,
    name: str,
    trials: Sequence[Trial],
    taken: set[str],
    level: float,
    plan: Plan | None = None,
) -> Chapter:
    new = [trial for trial in trials if trial.run not in taken]
    dated = new or trials
    arms: dict[str, list[Trial]] = {}
    for trial in trials:
        if trial.arm:
            arms.setdefault(trial.arm, []).append(trial)
    settings = [of_arm[0].settings for of_arm in arms.values()]
    keys = list(dict.fromkeys(key for one in settings for key in one))
    apart = differing_of(settings, keys)
    shown = apart or ("schedule",)
    described = [_arm(of_arm, shown, level) for of_arm in arms.values()]
    return Chapter(
        name=name,
        is_sweep=plan is not None,
        began=min((t.started for t in dated if t.started), default=None),
        ended=max((t.ended for t in dated if t.ended), default=None),
        seconds=sum(trial.seconds or 0.0 for trial in new),
        planned=len(plan.runs) if plan else 1,
        earlier=len(trials) - len(new),
        typed=tuple(_typed(plan)) if plan else (),
        trials=tuple(trials),
        equal=equal_of(settings, keys),
        differing=apart,
        arms=tuple(sorted(described, key=_place)),
        restarts=dict(_restarts(folder, arms.values(), shown)),
        versions=tuple(dict.fromkeys(_versions(folder, trials))),
    )


def _last(trials: Sequence[Trial]) -> str:
    return max((trial.started for trial in trials if trial.started), default="")


def _typed(plan: Plan) -> Iterator[str]:
    for arm in plan.content["arms"]:
        overrides = arm.get("overrides")
        # What was typed is not under the plan's seal: it may be anything.
        if isinstance(overrides, list):
            yield " ".join(map(str, overrides))


def _arm(trials: Sequence[Trial], shown: Sequence[str], level: float) -> Arm:
    complete = [trial for trial in trials if trial.status == Status.COMPLETE]
    diverged = sum(trial.status == Status.DIVERGED for trial in trials)
    failed = sum(trial.status in (Status.FAILED, Status.CORRUPT) for trial in trials)
    finished = [trial for trial in trials if trial.status in (Status.COMPLETE, Status.DIVERGED)]
    return Arm(
        settings={key: trials[0].settings.get(key) for key in shown},
        seeds=tuple(sorted(trial.seed for trial in finished if trial.seed is not None)),
        n=len(complete),
        diverged=diverged,
        failed=failed,
        unfinished=len(trials) - len(complete) - diverged - failed,
        estimates={
            f"{when}{metric}": describe(_known(complete, f"{field}{metric}"), level, WITHIN[metric])
            for when, field in (("final_", ""), ("best_", "best_"))
            for metric in METRICS
        },
        to_target=None,
    )


def _known(trials: Sequence[Trial], field: str) -> list[float]:
    values = (getattr(trial, field) for trial in trials)
    return [value for value in values if value is not None]


def _place(arm: Arm) -> tuple[bool, float, float]:
    """As in a summary: a mean over the survivors must not win over one over all runs."""
    mean = arm.estimates["final_val_loss"].mean
    return mean is None, arm.lost, mean or 0.0


def _restarts(
    folder: Path, arms: Iterable[list[Trial]], shown: Sequence[str]
) -> Iterator[tuple[str, str]]:
    for trials in arms:
        if not any(trial.restarts for trial in trials):
            continue
        runs = []
        for trial in trials:
            try:
                if trial.restarts is not None:
                    runs.append(read_ledger(read_record(_path(folder, trial.run))).restarts)
            except UNREADABLE:
                continue  # changed since; its remarks tell of damage
        if told := in_words(runs):
            yield label({key: trials[0].settings.get(key) for key in shown}), told


def _versions(folder: Path, trials: Sequence[Trial]) -> Iterator[str]:
    for trial in trials:
        try:
            manifest = read_json(_path(folder, trial.run) / layout.MANIFEST)
            yield _in_words(manifest["environment"])
        except UNREADABLE:
            continue


def _in_words(environment: Mapping[str, Any]) -> str:
    packages = environment["packages"]
    parts = [f"lrbench {environment['lrbench']['version']}", f"Python {environment['python']}"]
    parts += [f"{name} {packages[name]}" for name in PACKAGES if name in packages]
    parts.append(str(environment["os"]))
    if model := environment["cpu"].get("model_name"):
        parts.append(str(model))
    git = environment.get("git")
    if git:
        changed = " with uncommitted changes" if git["dirty"] else ""
        parts.append(f"commit {str(git['commit'])[:12]}{changed}")
    return ", ".join(parts)


def _path(folder: Path, run: str) -> Path:
    return folder if folder.name == run else folder / run
