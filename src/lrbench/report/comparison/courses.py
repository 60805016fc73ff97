"""How contenders got there: anytime area, early and late phase, crossings, steps to a target.

At their own best learning rates. An annealed run is good only near its end, so none of this is read
from the middle of a longer schedule: it says when a budget of these very updates had paid off.

All of it is read from the evaluations at updates where every complete run has one. Schedules with
restarts are evaluated more often than the others: a phase would be the mean of other moments, and
a target found sooner for having been looked for more often.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from lrbench.report.comparison.bases import Judge, Outcomes
from lrbench.report.comparison.contenders import Entrant
from lrbench.report.comparison.runs import Curve, Run
from lrbench.report.comparison.values import Contender, Course, ToTarget
from lrbench.report.runs import WITHIN, Goal
from lrbench.stats.aggregate import Estimate, describe
from lrbench.stats.area import Scale, mean_height
from lrbench.stats.censored import time_to_target
from lrbench.stats.contrast import Contrast, contrast_family
from lrbench.stats.survival import kaplan_meier, log_rank, restricted_mean, restricted_times

PHASES = 3
"""Parts of the horizon; the first is the early phase and the last the late one."""

FEWEST_RANKED = 10
"""Runs an arm for the log-rank test, whose normal approximation says too much with fewer: three
runs each, all of one arm before all of the other, have p = 0.02 by it and 0.1 exactly."""

Measure = Callable[[Run, str], float | None]


@dataclass(frozen=True)
class Runner:
    """A contender at its own best learning rate, with the runs themselves."""

    contender: Contender
    runs: tuple[Run, ...]

    @property
    def label(self) -> str:
        """Of the contender."""
        return self.contender.label

    def outcomes(self, measure: Measure, metric: str) -> Outcomes:
        """By seed; None of a diverged run, or one without what is measured."""
        return {run.seed: measure(run, metric) if run.is_complete else None for run in self.runs}


def runner(one: Contender, entrant: Entrant, tuned_on: Collection[int] = ()) -> Runner:
    """The runs of the arm that suits the contender best, those that chose it left out."""
    names = set(one.own.runs)
    runs = (run for run in entrant.runs if run.name in names and run.seed not in tuned_on)
    return Runner(one, tuple(sorted(runs, key=_seed)))


def at_shared(runners: Sequence[Runner]) -> list[Runner]:
    """The same, their curves at the evaluations that all complete runs have."""
    curves = [run.curve for one in runners for run in one.runs if run.is_complete]
    shared = set.intersection(*(set(curve.steps) for curve in curves)) if curves else set()
    return [
        replace(one, runs=tuple(replace(run, curve=_only(run.curve, shared)) for run in one.runs))
        for one in runners
    ]


def courses(runners: Sequence[Runner], judge: Judge, goal: Goal | None) -> tuple[Course, ...]:
    """One a contender; the first is the baseline the others are held against."""
    metric = judge.metrics[0]
    runners = at_shared(runners)
    baseline = runners[0]
    told = [_course(one, baseline, judge, metric, goal) for one in runners]
    families = zip(
        told,
        _as_a_family([course.area_found for course in told]),
        _as_a_family([course.early_found for course in told]),
        _as_a_family([course.late_found for course in told]),
        _as_a_family([course.to_target.found if course.to_target else None for course in told]),
        strict=True,
    )
    return tuple(
        replace(
            course,
            area_found=area,
            early_found=first,
            late_found=last,
            to_target=course.to_target and replace(course.to_target, found=steps),
        )
        for course, area, first, last, steps in families
    )


def anytime(run: Run, metric: str) -> float | None:
    """Mean of the curve over updates; the lower, the sooner a low loss was there."""
    return _height(run.curve, metric, "linear")


def anytime_log(run: Run, metric: str) -> float | None:
    """The same over ``log(1 + updates)``."""
    return _height(run.curve, metric, "log")


def early(run: Run, metric: str) -> float | None:
    """Mean evaluation of the first third, that before training left out."""
    return _mean_between(run.curve, metric, 0, run.steps / PHASES)


def late(run: Run, metric: str) -> float | None:
    """Mean evaluation of the last third."""
    return _mean_between(run.curve, metric, run.steps * (PHASES - 1) / PHASES, run.steps)


def crossings(one: Runner, other: Runner, metric: str) -> tuple[int, ...]:
    """Updates at which the mean curve of ``other`` passes to the other side of that of ``one``.

    Over the seeds that both have complete, at the evaluations that all of them have.
    """
    both = [
        (a.curve, b.curve)
        for a in one.runs
        for b in other.runs
        if a.seed == b.seed and a.is_complete and b.is_complete
    ]
    if not both:
        return ()
    shared = sorted(set.intersection(*(set(c.steps) for pair in both for c in pair)))
    found, side = [], 0.0
    for step in shared:
        gaps = [_at(a, metric, step) - _at(b, metric, step) for a, b in both]
        gap = math.fsum(gaps)
        if gap == 0 or math.isnan(gap):
            continue
        if side and (gap > 0) != (side > 0):
            found.append(step)
        side = gap
    return tuple(found)


def _course(one: Runner, baseline: Runner, judge: Judge, metric: str, goal: Goal | None) -> Course:
    def described(measure: Measure) -> Estimate:
        values = one.outcomes(measure, metric).values()
        return describe((v for v in values if v is not None), judge.level, WITHIN[metric])

    def against(measure: Measure) -> Contrast | None:
        if one is baseline:
            return None
        a, b = (who.outcomes(measure, metric) for who in (baseline, one))
        # Evaluations so rare that a phase has none say nothing; that is no divergence.
        if not all(any(value is not None for value in side.values()) for side in (a, b)):
            return None
        return judge.contrast(a, b, metric)

    return Course(
        label=one.label,
        lr=one.contender.own.lr,
        area=described(anytime),
        area_log=described(anytime_log),
        early=described(early),
        late=described(late),
        area_found=against(anytime),
        early_found=against(early),
        late_found=against(late),
        crossings=() if one is baseline else crossings(baseline, one, metric),
        to_target=_to_target(one, baseline, judge, goal) if goal else None,
    )


def _to_target(one: Runner, baseline: Runner, judge: Judge, goal: Goal) -> ToTarget:
    times, budgets = _hits(one.runs, goal)
    found = p = None
    if one is not baseline:
        others = _hits(baseline.runs, goal)
        horizon = min(*budgets, *others[1])
        # Of updates fewer are better, as of a loss, whatever the metric.
        found = judge.contrast(
            _until(baseline.runs, others[0], horizon), _until(one.runs, times, horizon), "val_loss"
        )
        if min(len(times), len(others[0])) >= FEWEST_RANKED:
            p = log_rank(*others, times, budgets)
    return ToTarget(
        time=time_to_target(times, budgets),
        restricted=restricted_mean(times, budgets, judge.level),
        survival=kaplan_meier(times, budgets, judge.level),
        found=found,
        log_rank=p,
    )


def _hits(runs: Sequence[Run], goal: Goal) -> tuple[list[int | None], list[int]]:
    return [_hit(run, goal) for run in runs], [run.steps for run in runs]


def _until(runs: Sequence[Run], hits: Sequence[int | None], horizon: int) -> Outcomes:
    return dict(zip((run.seed for run in runs), restricted_times(hits, horizon), strict=True))


def _hit(run: Run, goal: Goal) -> int | None:
    """The first evaluation that is good enough; a diverged run has reached nothing."""
    if not run.is_complete:
        return None
    pairs = zip(run.curve.steps, run.curve.values[goal.metric], strict=True)
    return next((step for step, v in pairs if v is not None and goal.is_reached(v)), None)


def _as_a_family(found: Sequence[Contrast | None]) -> list[Contrast | None]:
    judged = iter(contrast_family([one for one in found if one is not None]))
    return [None if one is None else next(judged) for one in found]


def _height(curve: Curve, metric: str, scale: Scale) -> float | None:
    values = curve.values[metric]
    if len(values) < 2 or any(v is None or not math.isfinite(v) for v in values):
        return None
    return mean_height(curve.steps, [v for v in values if v is not None], scale=scale)


def _mean_between(curve: Curve, metric: str, after: float, until: float) -> float | None:
    values = [
        value
        for step, value in zip(curve.steps, curve.values[metric], strict=True)
        if after < step <= until
    ]
    known = [value for value in values if value is not None and math.isfinite(value)]
    return describe(known).mean if known and len(known) == len(values) else None


def _only(curve: Curve, steps: Collection[int]) -> Curve:
    places = [place for place, step in enumerate(curve.steps) if step in steps]
    return Curve(
        tuple(curve.steps[place] for place in places),
        {metric: tuple(v[place] for place in places) for metric, v in curve.values.items()},
    )


def _at(curve: Curve, metric: str, step: int) -> float:
    value = curve.values[metric][curve.steps.index(step)]
    return math.nan if value is None else value


def _seed(run: Run) -> int:
    return run.seed
