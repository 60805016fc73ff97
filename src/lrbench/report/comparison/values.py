"""What a comparison says, as plain values: the tree that is printed, and that a report is made of.

Every difference is ``baseline - other`` of a loss and ``other - baseline`` of an accuracy: a
positive one says that the other did better, whatever the metric.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lrbench.report.runs import Skipped
from lrbench.stats.aggregate import Estimate
from lrbench.stats.basin import Basin
from lrbench.stats.censored import TimeToTarget
from lrbench.stats.contrast import Contrast
from lrbench.stats.interval import Interval
from lrbench.stats.profiles import Profile
from lrbench.stats.ranks import Ranking
from lrbench.stats.survival import Survival

BasisKind = Literal["own_lr", "equal_lr", "equal_cost"]


@dataclass(frozen=True)
class Cost:
    """What some finished runs have cost, whatever came of them.

    Parameters
    ----------
    runs, updates : int
        Of a run that diverged the updates it made.
    wall_s : float or None
        Over all attempts, by the clock of their machines; of runs that were trained side by side in
        one program each its share. None where a record does not say.
    """

    runs: int = 0
    updates: int = 0
    wall_s: float | None = 0.0

    def __add__(self, other: Cost) -> Cost:
        known = self.wall_s is not None and other.wall_s is not None
        wall_s = (self.wall_s or 0.0) + (other.wall_s or 0.0) if known else None
        return Cost(self.runs + other.runs, self.updates + other.updates, wall_s)


@dataclass(frozen=True)
class ArmResult:
    """One arm: a contender with one learning rate, and what came of each of its seeds.

    Parameters
    ----------
    lr : float
        The base learning rate.
    steps : int
        Updates of each run.
    seeds : tuple of int
        Of the finished runs, ascending.
    runs : tuple of str
        Their names, in the order of the seeds.
    finals : dict of metric to tuple of float or None
        The last evaluation of each, in the order of the seeds; None of a run that diverged.
    estimates : dict of metric to Estimate
        Of the runs that did not diverge.
    diverged : int
    divergence : Interval or None
        Share of the finished runs that diverged (Clopper-Pearson); None if none is finished.
    unfinished : tuple of int
        Seeds whose runs are not finished or failed: they are in no figure.
    cost : Cost
    """

    lr: float
    steps: int
    seeds: tuple[int, ...]
    runs: tuple[str, ...]
    finals: dict[str, tuple[float | None, ...]]
    estimates: dict[str, Estimate]
    diverged: int
    divergence: Interval | None
    unfinished: tuple[int, ...]
    cost: Cost = Cost()


@dataclass(frozen=True)
class Contender:
    """What is compared: with ``by="schedule"`` a schedule, at every learning rate it was run with.

    Parameters
    ----------
    label : str
        In one line; printable, the same in every task.
    settings : dict
        The settings that tell it from the others.
    arms : tuple of ArmResult
        By learning rate, ascending.
    order : tuple of int
        Places in ``arms``, the best first: by the mean of the metric over the seeds that its arms
        share, arms with diverged runs after the others.
    reported : dict of metric to Estimate
        At its own best learning rate, of the seeds that did not choose it where others did.
    edge : {"low", "high"} or None
        That learning rate is the least or largest of several: the optimum may lie beyond.
    basin : Basin or None
        Learning rates whose mean is nearly as good as the best one; None of a single learning rate,
        and where there is none without a diverged run.
    cost : Cost
        Of all its arms, which is what tuning took.
    """

    label: str
    settings: dict[str, Any]
    arms: tuple[ArmResult, ...]
    order: tuple[int, ...]
    reported: dict[str, Estimate]
    edge: Literal["low", "high"] | None
    basin: Basin | None
    cost: Cost = Cost()

    @property
    def own(self) -> ArmResult:
        """The arm at its own best learning rate."""
        return self.arms[self.order[0]]


@dataclass(frozen=True)
class Row:
    """Two contenders held against each other on one basis.

    Parameters
    ----------
    baseline, other : str
        Labels.
    baseline_lr, other_lr : float or None
        None where losses of several learning rates are averaged (equal tuning cost).
    trials : int or None
        Learning rates tried, of equal tuning cost.
    seeds : tuple of int
        Those that both have.
    left_out : dict of label to tuple of int
        Seeds that only this one has.
    found : Contrast
        On the metric asked for.
    beside : Contrast or None
        On the other metric, in a family of its own; None where there is none.
    values : tuple of (float or None, float or None)
        Baseline and other of each seed.
    sentence : str
        The verdict in words.
    disagreement : str or None
        Where the two metrics point in different ways: that, in words.
    """

    baseline: str
    other: str
    baseline_lr: float | None
    other_lr: float | None
    trials: int | None
    seeds: tuple[int, ...]
    left_out: dict[str, tuple[int, ...]]
    found: Contrast
    beside: Contrast | None
    values: tuple[tuple[float | None, float | None], ...]
    sentence: str = ""
    disagreement: str | None = None


@dataclass(frozen=True)
class Basis:
    """What the comparison grants each contender, and the rows on that footing.

    Parameters
    ----------
    kind : {"own_lr", "equal_lr", "equal_cost"}
    title : str
        "each at its own best learning rate"
    rows : tuple of Row
    family : str
        Over what the p values are adjusted, in words.
    notes : tuple of str
        What must be known besides the rows; where there are none, why.
    """

    kind: BasisKind
    title: str
    rows: tuple[Row, ...]
    family: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class CostPoint:
    """What a contender has to show after so many trials.

    Parameters
    ----------
    trials : int in [1, number of learning rates]
        Learning rates tried, every choice of so many from the grid equally likely.
    estimate : Estimate
        Over seeds, of the loss expected at the best learning rate tried. Best by the mean over
        seeds. Empty where a learning rate that may be chosen diverged on some seed.
    divergence : float in [0, 1]
        Expected share of diverged runs.
    """

    trials: int
    estimate: Estimate
    divergence: float


@dataclass(frozen=True)
class CostCurve:
    """The expected best of k, for every k up to the size of a contender's grid."""

    label: str
    points: tuple[CostPoint, ...]


@dataclass(frozen=True)
class ToTarget:
    """Updates until an evaluation is good enough, runs that never got there censored.

    Parameters
    ----------
    time : TimeToTarget
        How many got there, and the median; a diverged run has not.
    restricted : Interval or None
        Mean of ``min(updates, horizon)`` with its interval.
    survival : Survival
        Share of the runs that have not got there, by Kaplan and Meier.
    found : Contrast or None
        ``min(updates, horizon)`` against the baseline, paired by seed.
    log_rank : float or None
        p that the baseline gets there as fast, pairs not looked at; not adjusted. None of fewer
        than ten runs an arm. Both None of the baseline itself.
    """

    time: TimeToTarget
    restricted: Interval | None
    survival: Survival
    found: Contrast | None
    log_rank: float | None


@dataclass(frozen=True)
class Course:
    """How a contender got there, at its own best learning rate.

    Parameters
    ----------
    label : str
    lr : float
    area : Estimate
        Anytime performance: mean of the metric over updates (area under its curve, divided by its
        length), over seeds that did not diverge.
    area_log : Estimate
        The same over the logarithm of the update number plus one: early updates count for more.
    early, late : Estimate
        Mean of the evaluations in the first and last third of the updates, that before training
        left out.
    area_found, early_found, late_found : Contrast or None
        Against the baseline; None of the baseline itself.
    crossings : tuple of int
        Updates at which the mean curve passes from one side of the baseline's to the other.
    to_target : ToTarget or None
        With a target only.
    """

    label: str
    lr: float
    area: Estimate
    area_log: Estimate
    early: Estimate
    late: Estimate
    area_found: Contrast | None
    early_found: Contrast | None
    late_found: Contrast | None
    crossings: tuple[int, ...]
    to_target: ToTarget | None


@dataclass(frozen=True)
class Task:
    """Contenders that had the same task: dataset, model and all else that is held equal.

    Parameters
    ----------
    label : str
        The settings that tell it from the other tasks; empty of a single one.
    settings : dict
    metrics : tuple of str
        Those that all of its runs have, the one that decides first.
    baseline : str
        Label of the contender the others are held against.
    contenders : tuple of Contender
        The baseline first.
    differing : tuple of str
        Settings that differ between the compared arms, besides the learning rate.
    beyond : tuple of str
        Those of ``differing`` that are not part of what was to be compared.
    bases : tuple of Basis
        Own best learning rate, equal learning rate, equal tuning cost.
    costs : tuple of CostCurve
    courses : tuple of Course
    divergence : tuple of str
        How many runs diverged, with the interval of their share, in sentences.
    notes : tuple of str
        On this task, in sentences.
    """

    label: str
    settings: dict[str, Any]
    metrics: tuple[str, ...]
    baseline: str
    contenders: tuple[Contender, ...]
    differing: tuple[str, ...]
    beyond: tuple[str, ...]
    bases: tuple[Basis, ...]
    costs: tuple[CostCurve, ...]
    courses: tuple[Course, ...]
    divergence: tuple[str, ...]
    notes: tuple[str, ...]

    def basis(self, kind: BasisKind) -> Basis:
        """The rows on that footing."""
        return next(basis for basis in self.bases if basis.kind == kind)


@dataclass(frozen=True)
class AcrossTasks:
    """The contenders over several tasks, each at its own best learning rate.

    Parameters
    ----------
    tasks : tuple of str
        Labels of the tasks in which all of them were run.
    contenders : tuple of str
    means : tuple of tuple of float or None
        A row a task; None where a run diverged, which is ranked as worst.
    ranking : Ranking
        Mean ranks, and the tests of them where there are tasks enough.
    profiles : tuple of Profile
        One a contender: the share of tasks in which its mean is at most so many times the best one
        (of an accuracy: its rate of errors). Empty where a mean is no cost.
    sentence : str
    """

    tasks: tuple[str, ...]
    contenders: tuple[str, ...]
    means: tuple[tuple[float | None, ...], ...]
    ranking: Ranking
    profiles: tuple[Profile, ...]
    sentence: str


@dataclass(frozen=True)
class Comparison:
    """What ``lrbench compare`` answers.

    Parameters
    ----------
    path : Path
    metric : str
        The one that decides.
    beside : str or None
        The other one, where the runs of a task have it.
    by : tuple of str
        What was to be compared: settings, or components with all of their own.
    level : float
        Coverage of the intervals; ``1 - level`` is the size of the tests.
    margin : float or None
        Differences smaller than this are of no matter, in the unit of the metric.
    target : float or None
    tuned_on : tuple of int
        Seeds that chose the learning rates and are in no figure at own best learning rates or equal
        tuning cost; empty where the seeds that are reported chose them too.
    is_all_pairs : bool
        Every contender against every other; else all against the baseline.
    tasks : tuple of Task
    across : AcrossTasks or None
        None of a single task.
    inputs : str
        Whether the runs of a seed had the same inputs, in a sentence.
    notices : tuple of str
        What must be known besides the tables.
    skipped : tuple of Skipped
        What is in the folder and in no figure.
    """

    path: Path
    metric: str
    beside: str | None
    by: tuple[str, ...]
    level: float
    margin: float | None
    target: float | None
    tuned_on: tuple[int, ...]
    is_all_pairs: bool
    tasks: tuple[Task, ...]
    across: AcrossTasks | None
    inputs: str
    notices: tuple[str, ...]
    skipped: tuple[Skipped, ...]
