"""A comparison as tables: the same columns on a terminal, in Markdown, in LaTeX and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lrbench.report import escapes
from lrbench.report.comparison.arms import BASIN
from lrbench.report.comparison.courses import FEWEST_RANKED
from lrbench.report.comparison.runs import LR
from lrbench.report.comparison.sentences import interval, of_phases, p_cell
from lrbench.report.comparison.values import (
    AcrossTasks,
    ArmResult,
    Basis,
    Comparison,
    Contender,
    Course,
    Row,
    Task,
)
from lrbench.report.notices import ranges
from lrbench.report.numbers import ABSENT, Format, format_for
from lrbench.report.restarts.measures import short, short_three, signed_three, three
from lrbench.report.tables import Column
from lrbench.stats.aggregate import Estimate
from lrbench.stats.censored import TimeToTarget
from lrbench.stats.contrast import Contrast

FACTORS = (1.0, 1.05, 1.2, 2.0)
"""Times the best mean, at which performance profiles are shown."""

OF_LIMITS = "MDE: the difference found with 80 % power, by the spread of these seeds"

LEGEND = (
    "ratio: contender / baseline, geometric mean; corr.: of the two over seeds; d: mean difference "
    "in standard deviations of the differences; P: that it is better on a seed; p: of the row "
    "alone; sign-flip p: by permutation, n < N where fewer seeds than N cannot reach the level; "
    f"{OF_LIMITS}"
)


@dataclass(frozen=True)
class Table:
    """Columns under a title.

    Parameters
    ----------
    title : str
    columns : tuple of Column
        The more important ones first.
    notes : tuple of str
        Sentences that belong below it.
    """

    title: str
    columns: tuple[Column, ...]
    notes: tuple[str, ...] = ()


def heading(found: Comparison) -> Iterator[str]:
    """What was compared, in lines: over everything."""
    contenders = list(dict.fromkeys(one.label for task in found.tasks for one in task.contenders))
    seeds = sorted(
        {seed for task in found.tasks for one in task.contenders for seed in one.own.seeds}
    )
    tasks = f" in {len(found.tasks)} tasks" if len(found.tasks) > 1 else ""
    yield (
        f"{len(contenders)} contenders{tasks} in {escapes.printable(str(found.path))}, by "
        f"{', '.join(found.by)}, paired by seed ({ranges(seeds)})"
    )
    yield found.inputs
    yield (
        "better by: difference to the baseline, seed by seed, of a loss as of an accuracy positive "
        "where the contender did better"
    )
    if found.margin is not None:
        yield (
            f"margin {short(found.margin)}: smaller differences in {found.metric} are of no "
            "matter; equivalent: shown to differ by less"
        )


def task_heading(task: Task) -> Iterator[str]:
    """What holds of all tables of a task."""
    where = f"{task.label}: " if task.label else ""
    yield f"{where}baseline {task.baseline}"
    yield only_differs(task)
    yield from task.notes


def only_differs(task: Task) -> str:
    """Which settings differ between the arms, in a sentence."""
    differ = len({arm.lr for one in task.contenders for arm in one.arms}) > 1
    tuned = any(len(one.arms) > 1 for one in task.contenders)
    keys = [escapes.printable(key) for key in task.differing]
    if differ and LR not in task.differing:
        keys.append(f"{LR} (which each is tuned by)" if tuned else LR)
    return f"settings that differ between the arms: {', '.join(keys)}; all others are equal"


def of_across(across: AcrossTasks, metric: str) -> Table:
    """Ranks over tasks, and how often each contender is near the best."""
    shown = FACTORS if across.profiles else ()
    notes = [across.sentence]
    if shown:
        notes.append("share of the tasks in which the mean is so many times the best one or better")
    return Table(
        f"{metric} over {len(across.tasks)} tasks, each at its own best learning rate",
        (
            _text("contender", across.contenders),
            Column("mean rank", tuple(f"{rank:.2f}" for rank in across.ranking.mean_ranks)),
            *(
                Column(
                    "best" if factor == 1 else f"within x{factor:g}",
                    tuple(f"{profile.at(factor):.2f}" for profile in across.profiles),
                )
                for factor in shown
            ),
        ),
        tuple(notes),
    )


def of_task(task: Task, found: Comparison) -> Iterator[Table]:
    """Every table on one task, in the order in which they are to be read."""
    yield of_contenders(task, found)
    for basis in task.bases:
        yield from of_basis(basis, task, found)
    if any(len(one.arms) > 1 for one in task.contenders):
        yield of_sensitivity(task, found)
        yield of_costs(task)
    yield of_courses(task, found)
    if found.target is not None:
        yield of_target(task, found)


def of_contenders(task: Task, found: Comparison) -> Table:
    """Each at its own best learning rate: runs, diverged ones, means of the metrics."""
    own = [one.own for one in task.contenders]
    columns = [
        _text("contender", [one.label for one in task.contenders]),
        Column("lr", tuple(short(arm.lr) for arm in own)),
        Column("runs", tuple(str(one.reported[found.metric].n) for one in task.contenders)),
    ]
    if any(arm.diverged for arm in own):
        columns.append(Column("div", tuple(str(arm.diverged) for arm in own)))
    for metric in (found.metric, found.beside):
        if metric and metric in task.contenders[0].reported:
            shown = [one.reported[metric] for one in task.contenders]
            number = format_for(shown)
            columns.append(Column(metric, tuple(number(one.mean) for one in shown)))
            spans = tuple(_span(one, number) for one in shown)
            columns.append(Column(_percent(found.level), spans))
    return Table(
        "means at own best learning rates (intervals: of means, not of differences)",
        tuple(columns),
        (*task.divergence, *of_survivors(own)),
    )


def of_survivors(arms: Sequence[ArmResult]) -> Iterator[str]:
    """That means leave out what diverged, where they do: said with every table of such means."""
    if any(arm.diverged for arm in arms):
        yield (
            "means are of the runs that did not diverge, and so look better than the arm is: with "
            "more diverged runs it ranks below, whatever the mean"
        )


def of_basis(basis: Basis, task: Task, found: Comparison) -> Iterator[Table]:
    """The verdicts by the metric that decides, what else is to be said, and the other metric."""
    title = f"{found.metric}, {basis.title}"
    rows = basis.rows
    differ = [row.disagreement for row in rows if row.disagreement]
    # At many learning rates the table says it better than as many sentences.
    sentences = [row.sentence for row in rows] if basis.kind != "equal_lr" else []
    notes = (*([basis.family] if rows else []), *sentences, *differ, *basis.notes)
    if not rows or is_repeated(basis, task):
        yield Table(title, (), basis.notes)
        return
    yield Table(title, tuple(_verdicts(rows, [r.found for r in rows], found)), notes)
    if basis.kind == "equal_lr":
        return
    yield Table(f"{title}: more on the same rows", tuple(_more(rows, found)), (LEGEND,))
    beside = [row.beside for row in rows]
    if found.beside and all(beside):
        known = [one for one in beside if one is not None]
        yield Table(
            f"{found.beside} beside it, {basis.title}", tuple(_verdicts(rows, known, found))
        )


def least_effects(found: Sequence[Contrast]) -> Column:
    """What each comparison would have found with 80 % power."""
    cells = (ABSENT if one.least_effect is None else three(one.least_effect) for one in found)
    return Column("MDE", tuple(cells))


def is_repeated(basis: Basis, task: Task) -> bool:
    """Whether its rows are those at the contenders' own best learning rates once more."""
    own = task.basis("own_lr")
    return basis is not own and [r.found.differences for r in basis.rows] == [
        r.found.differences for r in own.rows
    ]


def of_sensitivity(task: Task, found: Comparison) -> Table:
    """The metric at every learning rate, and how wide the good region is."""
    lrs = sorted({arm.lr for one in task.contenders for arm in one.arms})
    estimates = [arm.estimates[found.metric] for one in task.contenders for arm in one.arms]
    number = format_for(estimates)
    columns = [_text("contender", [one.label for one in task.contenders])]
    columns += [
        Column(f"lr {short(lr)}", tuple(_at(one, lr, found, number) for one in task.contenders))
        for lr in lrs
    ]
    columns.append(Column("basin", tuple(map(_basin, task.contenders))))
    return Table(
        f"mean {found.metric} at each learning rate",
        tuple(columns),
        (
            *_on_basins(task.contenders),
            *of_survivors([arm for one in task.contenders for arm in one.arms]),
        ),
    )


def of_costs(task: Task) -> Table:
    """The expected best of 1, 2, … learning rates."""
    most = max(len(curve.points) for curve in task.costs)
    number = format_for([point.estimate for curve in task.costs for point in curve.points])
    cells = [
        [
            _or_diverged(curve.points[k].estimate, curve.points[k].divergence, number)
            if k < len(curve.points)
            else ABSENT
            for curve in task.costs
        ]
        for k in range(most)
    ]
    return Table(
        "expected best after so many learning rates, chosen at random from each grid",
        (
            _text("contender", [curve.label for curve in task.costs]),
            *(
                Column(f"{k} trial{'s' if k > 1 else ''}", tuple(column))
                for k, column in enumerate(cells, start=1)
            ),
        ),
    )


def of_courses(task: Task, found: Comparison) -> Table:
    """Anytime area, early and late phase; differences to the baseline with their intervals."""
    shown = task.courses
    number = format_for([e for c in shown for e in (c.area, c.early, c.late)])
    columns = [_text("contender", [course.label for course in shown])]
    for head, name in (("mean over steps", "area"), ("first third", "early"), ("last", "late")):
        columns.append(Column(head, tuple(number(getattr(c, name).mean) for c in shown)))
        columns.append(
            Column("better by", tuple(_difference(getattr(c, f"{name}_found")) for c in shown))
        )
    columns.append(Column("over log step", tuple(number(c.area_log.mean) for c in shown)))
    columns.append(Column("last crossings", tuple(_crossings(c) for c in shown)))
    return Table(
        f"{found.metric} on the way, each at its own best learning rate",
        tuple(columns),
        (
            *of_phases(shown, task.baseline, found.metric),
            "from the evaluations at updates where every run has one; mean over steps: area under "
            "their curve divided by its length (anytime performance); * the difference to the "
            "baseline is one by Holm over its column",
            *of_survivors([one.own for one in task.contenders]),
        ),
    )


def of_target(task: Task, found: Comparison) -> Table:
    """Updates to the target, those that did not get there censored at the horizon."""
    shown = [(course.label, course.to_target) for course in task.courses if course.to_target]
    restricted = [
        Estimate(0, x.value, low=x.low, high=x.high) for _, t in shown if (x := t.restricted)
    ]
    return Table(
        f"updates to {found.metric} {short(found.target or 0.0)}, at own best learning rates",
        (
            _text("contender", [label for label, _ in shown]),
            Column("reached", tuple(f"{one.time.reached}/{one.time.n}" for _, one in shown)),
            Column("median", tuple(_median(one.time) for _, one in shown)),
            Column("mean", tuple(f"{one.mean:.1f}" for one in restricted)),
            Column("fewer by", tuple(_difference(one.found) for _, one in shown)),
            Column(
                _percent(found.level),
                tuple(interval(one.found.difference if one.found else None) for _, one in shown),
            ),
            Column("log-rank p", tuple(p_cell(one.log_rank) for _, one in shown)),
        ),
        (
            "runs that did not get there are censored at the horizon: median by Kaplan and Meier, "
            "mean and difference of min(updates, horizon), log-rank p not adjusted and only of "
            f"{FEWEST_RANKED} runs an arm or more; looked for at the updates where every run has "
            "an evaluation. An annealed run gets there near its end: with another horizon all of "
            "this is another",
        ),
    )


def to_csv(found: Comparison) -> str:
    """A row a comparison, with every number to the last bit."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    rows = [
        _flat(task, basis, row)
        for task in found.tasks
        for basis in task.bases
        for row in basis.rows
    ]
    if rows:
        writer.writerow(rows[0])
        writer.writerows([map(_inert, row.values()) for row in rows])
    return stream.getvalue().rstrip("\n")


def _verdicts(
    rows: Sequence[Row], found: Sequence[Contrast], all_of: Comparison
) -> Iterator[Column]:
    lrs = {(row.baseline_lr, row.other_lr) for row in rows}
    yield from _names(rows)
    if any(None not in pair for pair in lrs):
        is_one = all(row.baseline_lr == row.other_lr for row in rows)
        yield Column("lr" if is_one else "lr (base)", tuple(map(_lrs, rows)))
    yield Column("n", tuple(str(one.n) for one in found))
    yield Column("better by", tuple(map(_mean, found)))
    yield Column(_percent(all_of.level), tuple(interval(one.difference) for one in found))
    yield Column("Holm p", tuple(p_cell(one.p_adjusted) for one in found))
    yield _text("verdict", [one.verdict for one in found])


def _more(rows: Sequence[Row], all_of: Comparison) -> Iterator[Column]:
    found = [row.found for row in rows]
    yield from _names(rows)
    yield Column("ratio", tuple(_ratio(one) for one in found))
    yield Column("corr.", tuple(_signed(one.correlation) for one in found))
    yield Column("d", tuple(_signed(one.effect) for one in found))
    yield Column("P", tuple(_improvement(one) for one in found))
    yield Column("p", tuple(p_cell(one.p) for one in found))
    yield Column("sign-flip p", tuple(map(_permutation, found)))
    yield least_effects(found)
    if all_of.margin is not None:
        yield Column(
            "equiv. p",
            tuple(p_cell(one.equivalence.p_adjusted if one.equivalence else None) for one in found),
        )


def _names(rows: Sequence[Row]) -> Iterator[Column]:
    yield _text("contender", [row.other for row in rows])
    if len({row.baseline for row in rows}) > 1:
        yield _text("against", [row.baseline for row in rows])


def _text(header: str, cells: Sequence[str]) -> Column:
    return Column(header, tuple(cells), is_label=True)


def _lrs(row: Row) -> str:
    if row.baseline_lr is None or row.other_lr is None:
        return ABSENT
    if row.baseline_lr == row.other_lr:
        return short(row.other_lr)
    return f"{short(row.other_lr)} ({short(row.baseline_lr)})"


def _mean(found: Contrast) -> str:
    if found.difference is None:
        won = sum(d > 0 for d in found.differences)
        return f"on {won} of {found.n}"
    return signed_three(found.difference.value)


def _ratio(found: Contrast) -> str:
    if found.ratio is None:
        return ABSENT
    value = f"{found.ratio.value:.3f}"
    if found.ratio.low is None or found.ratio.high is None:
        return value
    return f"{value} [{found.ratio.low:.3f}, {found.ratio.high:.3f}]"


def _improvement(found: Contrast) -> str:
    one = found.improvement
    if one.low is None or one.high is None:
        return f"{one.value:.2f}"
    return f"{one.value:.2f} [{one.low:.2f}, {one.high:.2f}]"


def _permutation(found: Contrast) -> str:
    flips = found.permutation
    if flips.p is not None:
        return p_cell(flips.p_adjusted if flips.p_adjusted is not None else flips.p)
    return f"n < {flips.seeds_needed}" if found.n < flips.seeds_needed else ABSENT


def _signed(value: float | None) -> str:
    return ABSENT if value is None else f"{value:+.2f}"


def _span(estimate: Estimate, number: Format) -> str:
    if estimate.low is None or estimate.high is None:
        return ABSENT
    return f"[{number(estimate.low)}, {number(estimate.high)}]"


def _difference(found: Contrast | None) -> str:
    if found is None:
        return ABSENT
    return f"{_mean(found)}{'*' if found.verdict in ('better', 'worse') else ''}"


def _median(time: TimeToTarget) -> str:
    return f">{time.budget}" if time.median is None else f"{time.median:g}"


def _crossings(course: Course) -> str:
    return " ".join(map(str, course.crossings[-2:])) or ABSENT


def _at(one: Contender, lr: float, found: Comparison, number: Format) -> str:
    arm = next((arm for arm in one.arms if arm.lr == lr), None)
    if arm is None or not arm.seeds:
        return ABSENT
    best = "<" if arm is one.own and len(one.arms) > 1 else ""
    lost = f" ({arm.diverged} div.)" if arm.diverged else ""
    return f"{number(arm.estimates[found.metric].mean)}{lost}{best}"


def _basin(one: Contender) -> str:
    if one.basin is None:
        return ABSENT
    low, high = map(short_three, (one.basin.low, one.basin.high))
    ends = ("<= " if one.basin.is_open_low else "", ">= " if one.basin.is_open_high else "")
    return f"{ends[0]}{low} to {ends[1]}{high}"


def _on_basins(contenders: Sequence[Contender]) -> Iterator[str]:
    if any(one.basin for one in contenders):
        yield (
            "<: its best. Basin: learning rates around it whose mean is at most "
            f"{100 * BASIN:.3g} % worse, straight between those tried; <=, >=: up to the end of "
            "the grid, so that it may be wider"
        )


def _or_diverged(estimate: Estimate, divergence: float, number: Format) -> str:
    if estimate.mean is None and divergence:
        return f"{100 * divergence:.2g} % div."
    return number(estimate.mean)


def _percent(level: float) -> str:
    return f"{100 * level:.6g} % interval"


def _flat(task: Task, basis: Basis, row: Row) -> dict[str, Any]:
    flat: dict[str, Any] = {
        "task": task.label,
        "basis": basis.kind,
        "baseline": row.baseline,
        "contender": row.other,
        "baseline_lr": row.baseline_lr,
        "lr": row.other_lr,
        "trials": row.trials,
        "seeds": " ".join(map(str, row.seeds)),
    }
    for prefix, one in (("", row.found), ("beside_", row.beside)):
        flat |= {f"{prefix}{key}": value for key, value in _numbers(one).items()}
    return flat | {"sentence": row.sentence, "disagreement": row.disagreement}


def _numbers(found: Contrast | None) -> dict[str, Any]:
    spans = {"difference": None, "ratio": None, "improvement": None}
    flat: dict[str, Any] = {}
    for name in spans:
        one = getattr(found, name, None)
        flat |= {f"{name}{end}": getattr(one, part, None) for part, end in _ENDS.items()}
    for name in ("n", "correlation", "test", "p", "p_adjusted", "family", "effect", "least_effect"):
        flat[name] = getattr(found, name, None)
    flat["permutation_p"] = found.permutation.p if found else None
    flat["permutation_seeds_needed"] = found.permutation.seeds_needed if found else None
    same = found.equivalence if found else None
    flat["equivalence_p"] = same.p if same else None
    flat["verdict"] = found.verdict if found else None
    return flat


_ENDS = {"value": "", "low": "_low", "high": "_high"}


def _inert(value: Any) -> Any:
    return escapes.cell(value) if isinstance(value, str) else value
