"""Runs as the flags see them: runs in arms, arms in contenders, contenders in tasks.

An arm is the runs that differ only by seed. A contender is the arms that differ only in
``optimizer.lr``: a schedule with everything it needs, tuned over a grid of rates. A task is what
contenders compete on: one dataset and one model.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrbench.report.frames import one_row_an_arm, runs_frame, settings_in
from lrbench.report.runs import Row
from lrbench.report.settings import differing, label
from lrbench.spec.canonical import canonical
from lrbench.spec.run import arm_of
from lrbench.stats.aggregate import describe
from lrbench.stats.paired import Paired, paired

Floats = NDArray[np.float64]

PlannedArm = tuple[tuple[int, str], ...]

LR = "optimizer.lr"
BASELINE = "constant"
"""The schedule that others are held against where it is there."""


@dataclass(frozen=True)
class Updates:
    """What was logged of every update of a run, columns of ``steps.csv``; NaN where a field is
    empty.

    Parameters
    ----------
    lr, loss : ndarray of shape (rows,)
    momentum, weight_decay : ndarray of shape (rows,)
    """

    lr: Floats
    loss: Floats
    momentum: Floats
    weight_decay: Floats

    @cached_property
    def rates(self) -> Floats:
        """What changes from update to update, shape (rows, 3); -1 where a field is empty."""
        table = np.stack([self.lr, self.momentum, self.weight_decay], axis=1)
        return np.where(np.isnan(table), -1.0, table)


@dataclass(frozen=True)
class Facts:
    """All that flags ask of one finished run.

    Parameters
    ----------
    run : str
        Its id.
    seed : int
    arm : str
        What it shares with the other seeds, canonical.
    diverged : bool
    spec, result : mapping
        As in the record.
    looks : mapping
        ``step``, ``val_loss`` and ``val_accuracy`` of every evaluation, as lists.
    restarts : sequence of mapping
        Rows of the ledger.
    updates : Updates or None
        None where the logs were not read.
    planned_restarts : sequence of int
        First updates of the cycles that the schedule has: of a run that diverged the last one is
        not in the ledger.
    samples : int
        To train on.
    made_by : str
        A digest of all that decides bits besides the specification: where it differs, so may the
        losses. Empty where that was not read.
    began, ended : str
        When, ISO 8601 in UTC; empty where that was not read.
    """

    run: str
    seed: int
    arm: str
    diverged: bool
    spec: Mapping[str, Any]
    result: Mapping[str, Any]
    looks: Mapping[str, Sequence[Any]]
    restarts: Sequence[Mapping[str, Any]] = ()
    updates: Updates | None = None
    planned_restarts: Sequence[int] = ()
    samples: int = 0
    made_by: str = ""
    began: str = ""
    ended: str = ""

    def final(self, metric: str = "val_loss") -> float | None:
        """The last evaluation; None of a run that diverged, or that has no such metric."""
        values = self.looks[metric]
        if self.diverged or not values or values[-1] is None:
            return None
        return float(values[-1])

    @property
    def final_train_loss(self) -> float | None:
        """Mean over the last tenth of the updates, single batches being too noisy to compare."""
        if self.diverged or self.updates is None or not len(self.updates.loss):
            return None
        losses = self.updates.loss
        return float(losses[-max(1, len(losses) // 10) :].mean())


@dataclass(frozen=True)
class Arm:
    """Runs that differ only by seed.

    Parameters
    ----------
    name : str
        The settings that tell it from the other arms of the folder; printable.
    lr : float
        Its base learning rate.
    runs : tuple of Facts
        By seed.
    """

    name: str
    lr: float
    runs: tuple[Facts, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Ascending."""
        return tuple(run.seed for run in self.runs)

    @property
    def ids(self) -> tuple[str, ...]:
        """Of the runs."""
        return tuple(run.run for run in self.runs)

    @property
    def schedule(self) -> str:
        """Its name in the catalogue."""
        return str(self.runs[0].spec["schedule"]["name"])

    @property
    def has_restarts(self) -> bool:
        """Whether any run restarted."""
        return any(run.restarts for run in self.runs)

    def finals(self, metric: str = "val_loss") -> dict[int, float | None]:
        """The last evaluation by seed."""
        return {run.seed: run.final(metric) for run in self.runs}

    @cached_property
    def rank(self) -> tuple[float, float]:
        """What orders arms, as in ``lrbench compare``: the share of runs that diverged, then the
        mean of the last validation loss of the others."""
        values = list(self.finals().values())
        mean = describe(value for value in values if value is not None).mean
        lost = sum(value is None for value in values) / len(values)
        return lost, math.inf if mean is None else mean


@dataclass(frozen=True)
class Contender:
    """A schedule with its settings, over a grid of learning rates.

    Parameters
    ----------
    name : str
    arms : tuple of Arm
        By ascending learning rate.
    """

    name: str
    arms: tuple[Arm, ...]

    @cached_property
    def best(self) -> Arm:
        """The arm with the lowest mean last validation loss, over the seeds that all arms have.

        Of arms with diverged runs the one with the fewest, as ``lrbench compare`` has it.
        """
        shared = set.intersection(*(set(arm.seeds) for arm in self.arms))

        def key(arm: Arm) -> tuple[float, float, float]:
            finals = arm.finals()
            known = [
                v for seed, v in finals.items() if v is not None and seed in (shared or finals)
            ]
            lost = sum(value is None for value in finals.values()) / len(finals)
            mean = describe(known).mean
            return lost, math.inf if mean is None else mean, arm.lr

        return min(self.arms, key=key)


@dataclass(frozen=True)
class Claim:
    """That the best contender of a task is better than another one, each at its own best rate.

    Parameters
    ----------
    task : str
    winner, other : Contender
    against : str
        What the other one is: ``the baseline`` or ``the runner-up``.
    seeds : tuple of int
        That both have.
    found : Paired
        Differences are ``other - winner`` of the last validation loss.
    """

    task: str
    winner: Contender
    other: Contender
    against: str
    seeds: tuple[int, ...]
    found: Paired

    @property
    def runs(self) -> tuple[str, ...]:
        """Of both arms."""
        return (*self.winner.best.ids, *self.other.best.ids)


@dataclass(frozen=True)
class Task:
    """One dataset and one model, and who competes on them.

    Parameters
    ----------
    name : str
    contenders : tuple of Contender
        The best one first.
    """

    name: str
    contenders: tuple[Contender, ...]

    @property
    def arms(self) -> list[Arm]:
        """Of all contenders."""
        return [arm for contender in self.contenders for arm in contender.arms]

    @property
    def baseline(self) -> Contender | None:
        """A constant rate without restarts, where there is one."""
        flat = [c for c in self.contenders if c.best.schedule == BASELINE]
        return next((c for c in flat if not c.best.has_restarts), None)

    def claims(self) -> list[Claim]:
        """What a table would be read as saying: the first row beats the second, and the baseline.

        None of a single contender, and none of one that has no seed in common with the other.
        """
        if len(self.contenders) < 2:
            return []
        winner, second = self.contenders[:2]
        others = {id(second): (second, "the runner-up")}
        if self.baseline is not None and self.baseline is not winner:
            others[id(self.baseline)] = (self.baseline, "the baseline")
        found = (self.claim(winner, other, against) for other, against in others.values())
        return [claim for claim in found if claim is not None]

    def claim(self, winner: Contender, other: Contender, against: str) -> Claim | None:
        """The two held against each other on the seeds that both have; None without any."""
        ours, theirs = winner.best.finals(), other.best.finals()
        seeds = tuple(sorted(ours.keys() & theirs.keys()))
        if not seeds:
            return None
        pairs = paired([theirs[s] for s in seeds], [ours[s] for s in seeds])
        return Claim(self.name, winner, other, against, seeds, pairs)


@dataclass(frozen=True)
class Study:
    """All runs of a folder that are finished.

    Parameters
    ----------
    runs : tuple of Facts
    arms : tuple of Arm
    tasks : tuple of Task
    planned : tuple of tuples of (int, str)
        For every arm of every sweep in the folder its seeds in their order, each with the digest of
        the run's specification.
    present : frozenset of str
        The first 8 digits of the digests of all runs in the folder, finished or not.
    twinned : frozenset of str
        Digests of the specifications of runs that have twins.
    """

    runs: tuple[Facts, ...]
    arms: tuple[Arm, ...]
    tasks: tuple[Task, ...]
    planned: tuple[PlannedArm, ...] = ()
    present: frozenset[str] = frozenset()
    twinned: frozenset[str] = frozenset()


def study_of(
    runs: Sequence[Facts],
    rows: Sequence[Row],
    *,
    planned: Iterable[PlannedArm] = (),
    present: Iterable[str] = (),
    twinned: Iterable[str] = (),
) -> Study:
    """Sort runs into arms, contenders and tasks; twins are in arms only.

    Parameters
    ----------
    runs : sequence of Facts
    rows : sequence of Row
        Of the same runs, by which arms are named.
    """
    names = _names(rows)
    by_arm: dict[str, list[Facts]] = {}
    for run in runs:
        by_arm.setdefault(run.arm, []).append(run)
    arms: list[Arm] = []
    tasks: dict[str, dict[str, list[Arm]]] = {}
    labels: dict[str, str] = {}
    for key, of_arm in by_arm.items():
        spec = of_arm[0].spec
        name, contender_name, task_name = names[key]
        by_seed = sorted(of_arm, key=lambda run: run.seed)
        arm = Arm(name, float(spec["optimizer"]["lr"]), tuple(by_seed))
        arms.append(arm)
        if spec.get("fork") is not None:
            continue
        task, contender = _task_of(spec), _contender_of(spec)
        tasks.setdefault(task, {}).setdefault(contender, []).append(arm)
        labels |= {contender: contender_name, task: task_name}
    found = []
    for task, contenders in tasks.items():
        those = [
            Contender(labels[key], tuple(sorted(of_one, key=lambda arm: arm.lr)))
            for key, of_one in contenders.items()
        ]
        found.append(Task(labels[task], tuple(sorted(those, key=lambda c: c.best.rank))))
    return Study(
        tuple(runs),
        tuple(arms),
        tuple(found),
        tuple(planned),
        frozenset(present),
        frozenset(twinned),
    )


def _task_of(spec: Mapping[str, Any]) -> str:
    # Without the digest: each seed may have a split of its own, and changed data is another flag.
    dataset = {key: value for key, value in spec["dataset"].items() if key != "digest"}
    return canonical([dataset, spec["model"]])


def _contender_of(spec: Mapping[str, Any]) -> str:
    arm = arm_of(spec)
    optimizer = {key: value for key, value in arm["optimizer"].items() if key != "lr"}
    dataset = {key: value for key, value in arm["dataset"].items() if key != "digest"}
    return canonical({**arm, "optimizer": optimizer, "dataset": dataset})


def _names(rows: Sequence[Row]) -> dict[str, tuple[str, str, str]]:
    """Of every arm: its name, that of its contender, and that of its task."""
    if not rows:
        return {}
    arms = one_row_an_arm(runs_frame(rows))
    apart = differing(arms, settings_in(arms))
    of_task = [key for key in apart if key.startswith(("dataset.", "model."))]
    names = {}
    for arm in arms.to_dict("records"):
        whole = {key: arm[key] for key in dict.fromkeys(("schedule", *apart))}
        names[str(arm["arm"])] = (
            label(whole),
            label({key: value for key, value in whole.items() if key != LR}),
            label({key: arm[key] for key in ("dataset", "model", *of_task)}),
        )
    return names
