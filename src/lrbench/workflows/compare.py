"""Which schedule did better, by how much and how sure: the arms of a folder against a baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from lrbench.errors import ConfigError, PairingError
from lrbench.record.pairing import MATTERS, Mismatch
from lrbench.report import notices
from lrbench.report.comparison import sentences
from lrbench.report.comparison.across import across
from lrbench.report.comparison.arms import contender
from lrbench.report.comparison.bases import (
    Judge,
    at_equal_cost,
    at_equal_lr,
    at_own_lr,
    cost_curve,
)
from lrbench.report.comparison.contenders import (
    Entrant,
    Group,
    group,
    refuse_baseline,
)
from lrbench.report.comparison.courses import courses, runner
from lrbench.report.comparison.family import lineup, pairs_of
from lrbench.report.comparison.runs import Run, gather, metrics_of
from lrbench.report.comparison.values import Basis, BasisKind, Comparison, Contender, Row, Task
from lrbench.report.escapes import printable
from lrbench.report.runs import BEST, Goal, Skipped
from lrbench.stats.contrast import contrast_family
from lrbench.stats.winner import expected_maximum
from lrbench.workflows.asked import (
    check_folder,
    check_level,
    check_margin,
    check_metric,
    check_target,
)

TITLES: dict[BasisKind, str] = {
    "own_lr": "each at its own best learning rate",
    "equal_lr": "at equal learning rate",
    "equal_cost": "at equal tuning cost",
}


@dataclass(frozen=True)
class Asked:
    """What is asked of every task alike."""

    metric: str
    margin: float | None
    level: float
    tuned_on: tuple[int, ...]
    goal: Goal | None
    baseline: str | None
    is_all_pairs: bool


def compare(
    folder: Path,
    *,
    baseline: str | None = None,
    metric: str = "val_loss",
    by: str = "schedule",
    margin: float | None = None,
    target: float | None = None,
    tune_seeds: int = 0,
    all_pairs: bool = False,
    level: float = 0.95,
) -> Comparison:
    """Hold the arms in ``folder`` against each other, seed by seed, task by task.

    Parameters
    ----------
    folder : Path
        Results of runs and sweeps.
    baseline : str, optional
        The contender the others are held against: ``schedule=constant``. By default the one with a
        constant schedule, else the first by name.
    metric : {"val_loss", "val_accuracy"}
        The one that decides, selects learning rates, and has margin and target.
    by : str
        What is compared: settings, or components with all of their own, joined by commas.
    margin : float in (0, inf), optional
        The largest difference that does not matter; without one nothing is called equivalent.
    target : float, optional
        Count the steps until an evaluation is at least this good.
    tune_seeds : int in [0, number of seeds)
        The first so many seeds choose each contender's learning rate and are not reported at it, so
        that none looks better for having been chosen; 0: all seeds do both, which is said.
    all_pairs : bool
        Each contender against each other instead of all against the baseline.
    level : float in (0.5, 1)
        Coverage of the intervals; ``1 - level`` is the size of the tests.

    Raises
    ------
    ConfigError
        An option is wrong, or there is nothing to compare. Damaged records do not raise: they are
        in ``skipped``.
    PairingError
        Runs of a seed that are to be compared had not the same inputs.
    """
    check_folder(folder, "compare")
    check_metric(metric)
    check_level(level)
    check_margin(margin)
    check_target(target)
    runs, skipped, mismatches = gather(folder)
    if not any(run.is_finished for run in runs):
        if not runs and all(one.status == "foreign" for one in skipped):
            raise ConfigError("must hold records of runs", key=str(folder), remedy="lrbench run")
        remedy = f"lrbench status {folder}"
        raise ConfigError("must hold finished runs", key=str(folder), remedy=remedy)
    chosen, groups = group(runs, by)
    compared = [run for one in groups for entrant in one.entrants for run in entrant.runs]
    _refuse_mismatches(mismatches, compared)
    _check_metric(compared, metric)
    goal = None if target is None else Goal(metric, target)
    tuned_on = _tuning_seeds(compared, tune_seeds)
    asked = Asked(metric, margin, level, tuned_on, goal, baseline, all_pairs)
    tasks = _judged([task for one in groups if (task := _task(one, asked))], asked)
    if not tasks and baseline is not None:
        raise refuse_baseline(groups, baseline)
    if not tasks:
        relation = "must hold finished runs of two contenders on one dataset and model"
        raise ConfigError(relation, key=str(folder), remedy=f"lrbench status {folder}")
    return Comparison(
        path=folder,
        metric=metric,
        beside=next((name for task in tasks for name in task.metrics[1:]), None),
        by=chosen,
        level=level,
        margin=margin,
        target=target,
        tuned_on=tuned_on,
        is_all_pairs=all_pairs,
        tasks=tuple(tasks),
        across=across(tasks, metric, level) if len(tasks) > 1 else None,
        inputs=_inputs(groups),
        notices=tuple(_notices(groups, tasks, compared, runs, skipped, mismatches)),
        skipped=tuple(skipped),
    )


def _refuse_mismatches(mismatches: Sequence[Mismatch], compared: Sequence[Run]) -> None:
    names = {run.name for run in compared}
    told = [str(one) for one in mismatches if len(names.intersection(one.runs)) > 1]
    if told:
        relation = (
            "runs of one seed must have had the same inputs to be compared: "
            f"{notices.some(list(map(printable, told)), '; ')}"
        )
        raise PairingError(relation, remedy="lrbench diff RUN RUN")


def _check_metric(runs: Sequence[Run], first: str) -> None:
    known = metrics_of(runs)
    if first not in known:
        relation = f"must be a metric of all of these runs ({', '.join(known)})"
        raise ConfigError(relation, key="--metric", got=first)


def _tuning_seeds(compared: Sequence[Run], many: int) -> tuple[int, ...]:
    seeds = sorted({run.seed for run in compared if run.is_finished})
    if not 0 <= many < len(seeds):
        relation = f"must leave seeds to report (there are {len(seeds)})"
        remedy = f"--tune-seeds {len(seeds) // 2}"
        raise ConfigError(relation, key="--tune-seeds", got=many, remedy=remedy)
    if many and len({run.lr for run in compared}) == 1:
        relation = "must not be given where all runs have one learning rate: none is chosen"
        raise ConfigError(relation, key="--tune-seeds", got=many, remedy="--tune-seeds 0")
    return tuple(seeds[:many])


def _task(one: Group, asked: Asked) -> Task | None:
    """A task with its comparisons, not yet judged as a family; None where there are none."""
    finished = [one for one in one.entrants if any(run.is_finished for run in one.runs)]
    held = lineup(one, finished, asked.baseline)
    if held is None:
        return None
    first, finished = held.entrants[0], list(held.entrants)
    known = metrics_of([run for entrant in finished for run in entrant.runs])
    metrics = (asked.metric, *(name for name in known if name != asked.metric))
    judge = Judge(metrics, asked.margin, asked.level, asked.tuned_on)
    members = [contender(one, metrics, asked.level, asked.tuned_on) for one in finished]
    pairs = pairs_of(members, all_pairs=asked.is_all_pairs)
    makers: dict[BasisKind, Callable[..., Iterator[Row]]] = {
        "own_lr": at_own_lr,
        "equal_lr": at_equal_lr,
        "equal_cost": at_equal_cost,
    }
    bases = [
        Basis(kind, TITLES[kind], tuple(make(judge, pairs)), "", ())
        for kind, make in makers.items()
    ]
    runners = [runner(*both, asked.tuned_on) for both in zip(members, finished, strict=True)]
    return Task(
        label=one.label,
        settings=one.settings,
        metrics=metrics,
        baseline=first.label,
        contenders=tuple(members),
        differing=one.differing,
        beyond=one.beyond,
        bases=tuple(bases),
        costs=tuple(cost_curve(member, judge) for member in members),
        courses=courses(runners, judge, asked.goal),
        divergence=tuple(sentences.of_divergence(members, asked.level)),
        notes=tuple(_notes(one, first, held.why, members, asked)),
    )


def _notes(
    one: Group,
    first: Entrant,
    why: str,
    members: Sequence[Contender],
    asked: Asked,
) -> Iterator[str]:
    if why:
        yield f"the baseline is {first.label}, {why}: --baseline chooses another one"
    if one.beyond:
        yield (
            f"more than what was to be compared differs between the arms: "
            f"{', '.join(map(printable, one.beyond))}; a difference may come from that"
        )
    for entrant in one.entrants:
        if not any(run.is_finished for run in entrant.runs):
            yield f"{entrant.label} is in no row: none of its {len(entrant.runs)} runs is finished"
    tried = max(len(member.arms) for member in members)
    yield from sentences.of_selection(
        members, asked.metric, expected_maximum(tried), asked.tuned_on
    )


def _judged(tasks: Sequence[Task], asked: Asked) -> list[Task]:
    """Every basis is one family over all tasks: p adjusted, verdicts renewed, then put in words."""
    judged = list(tasks)
    for place in range(len(TITLES)):
        rows = [row for task in judged for row in task.bases[place].rows]
        found = contrast_family([row.found for row in rows])
        known = iter(contrast_family([row.beside for row in rows if row.beside]))
        renewed = iter(
            [
                _told(
                    replace(row, found=one, beside=next(known) if row.beside else None),
                    asked.metric,
                )
                for row, one in zip(rows, found, strict=True)
            ]
        )
        judged = [_renewed(task, place, renewed, len(tasks), asked) for task in judged]
    return judged


def _renewed(task: Task, place: int, renewed: Iterator[Row], tasks: int, asked: Asked) -> Task:
    basis = task.bases[place]
    rows = tuple(next(renewed) for _ in basis.rows)
    pairs = pairs_of(task.contenders, all_pairs=asked.is_all_pairs)
    notes = (*_on(basis.kind, rows, task), *_without_row(basis.kind, pairs, rows))
    new = replace(basis, rows=rows, family=_family(rows, tasks), notes=notes)
    return replace(task, bases=(*task.bases[:place], new, *task.bases[place + 1 :]))


def _told(row: Row, metric: str) -> Row:
    beside = next(name for name in BEST if name != metric)
    return replace(
        row,
        sentence=sentences.verdict(row, metric),
        disagreement=sentences.disagreement(row, metric, beside),
    )


def _family(rows: Sequence[Row], tasks: int) -> str:
    family = max((row.found.family for row in rows), default=0)
    where = f"in the {tasks} tasks together" if tasks > 1 else "of this table"
    if family == 0:
        return "no comparison has a test"
    if family == 1:
        return f"one comparison {where}: p needs no adjustment"
    return f"Holm p: over the {family} comparisons {where}"


def _on(kind: BasisKind, rows: Sequence[Row], task: Task) -> Iterator[str]:
    yield from sentences.of_left_out(rows)
    grids = {tuple(arm.lr for arm in one.arms) for one in task.contenders}
    sizes = {len(grid) for grid in grids}
    match kind:
        case "equal_lr" if len(grids) == 1 and len(next(iter(grids))) == 1:
            yield "all have the same single learning rate, so that the rows are those above"
        case "equal_lr" if not rows:
            yield "no learning rate is in the grids of two contenders"
        case "equal_lr" if len(grids) > 1:
            yield "only the learning rates that both of a row were run with"
        case "equal_cost" if len(sizes) == 1:
            many = sizes.pop()
            tried = "one learning rate" if many == 1 else f"{many} learning rates"
            yield f"every contender was tried with {tried}: the rows are those at its own best one"
        case "equal_cost":
            yield (
                "expected loss after so many trials, every choice of them from the grid equally "
                "likely: who was tried with more learning rates has no advantage of it"
            )
        case _:
            pass


def _without_row(
    kind: BasisKind, pairs: Sequence[tuple[Contender, Contender]], rows: Sequence[Row]
) -> Iterator[str]:
    # At equal rates a pair may as well have no rate in common.
    if kind != "equal_lr":
        yield from sentences.of_no_row(pairs, rows)


def _notices(
    groups: Sequence[Group],
    tasks: Sequence[Task],
    compared: Sequence[Run],
    runs: Sequence[Run],
    skipped: Sequence[Skipped],
    mismatches: Sequence[Mismatch],
) -> Iterator[str]:
    if len(tasks) < len(groups):
        without = [one.label for one in groups if one.label not in {task.label for task in tasks}]
        told = notices.some(without, "; ")
        yield f"not compared, without the baseline or a second contender: {told}"
    names = {run.name for run in compared}
    alone = [run.name for run in runs if run.name not in names]
    if alone:
        yield (
            f"{len(alone)} runs have nothing to be compared with: "
            f"{notices.some(list(map(printable, alone)), ', ')}"
        )
    twice = _twice(chain.from_iterable(one.entrants for one in groups))
    if twice:
        yield (
            "a seed stands more than once, and only its first run counts: "
            f"{notices.some(twice, '; ')}"
        )
    yield from notices.of_mismatches(mismatches)
    yield from notices.of_skipped(skipped)


def _twice(entrants: Iterable[Entrant]) -> list[str]:
    return [
        f"{entrant.label} (lr {lr:g}), seed {seed}"
        for entrant in entrants
        for (lr, seed), count in Counter(
            (run.lr, run.seed) for run in entrant.runs if run.is_finished
        ).items()
        if count > 1
    ]


def _inputs(groups: Sequence[Group]) -> str:
    """Whether the runs of a seed had the same, by what their records state."""
    finished = [
        (place, run)
        for place, one in enumerate(groups)
        for entrant in one.entrants
        for run in entrant.runs
        if run.is_finished
    ]
    silent = sum(not run.inputs for _, run in finished)
    if silent:
        return (
            f"not checked whether the runs of a seed had the same inputs: {silent} of "
            f"{len(finished)} do not state theirs"
        )
    versions: dict[tuple[str, int, int], set[str]] = {}
    for place, run in finished:
        for what, digest in run.inputs.items():
            versions.setdefault((what, place, run.seed), set()).add(digest)
    other = {what for (what, *_), digests in versions.items() if len(digests) > 1}
    known = {what for what, *_ in versions}
    same = [MATTERS[what] for what in MATTERS if what in known - other]
    told = f"checked from digests, the same for all runs of a seed: {', '.join(same) or 'nothing'}"
    if other:
        told += f"; not the same: {', '.join(MATTERS[what] for what in MATTERS if what in other)}"
    return told


__all__ = ["Comparison", "compare"]
