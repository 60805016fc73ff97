"""A comparison as tables: the same columns on a terminal, in Markdown, in LaTeX and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lrbench.report import escapes
from lrbench.report.comparison.sentences import interval, p_cell
from lrbench.report.comparison.values import Basis, Comparison, Contender, Course, Row, Task
from lrbench.report.numbers import ABSENT, Format, format_for
from lrbench.report.restarts.measures import short, signed_three, three, times
from lrbench.report.tables import Column
from lrbench.stats.aggregate import Estimate
from lrbench.stats.contrast import Contrast


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


def of_task(task: Task, found: Comparison) -> Iterator[Table]:
    """Every table on one task, in the order in which they are to be read."""
    for basis in task.bases:
        if basis.rows:
            yield from of_basis(basis, task, found)
    yield of_sensitivity(task, found)
    if any(len(one.arms) > 1 for one in task.contenders):
        yield of_costs(task)
    yield of_courses(task, found)
    if found.target is not None:
        yield of_target(task, found)


def of_basis(basis: Basis, task: Task, found: Comparison) -> Iterator[Table]:
    """The verdicts by the metric that decides, what else is to be said, and the other metric."""
    sentences = [row.sentence for row in basis.rows]
    differ = [row.disagreement for row in basis.rows if row.disagreement]
    yield Table(
        f"{found.metric}, {basis.title}",
        tuple(_verdicts(basis.rows, [r.found for r in basis.rows], task, found.metric, found)),
        (basis.family, *sentences, *differ, *basis.notes),
    )
    if basis.kind == "equal_lr":
        return
    yield Table(
        f"{found.metric}, {basis.title}: the same rows, more of them",
        tuple(_more(basis.rows, found)),
    )
    beside = [row.beside for row in basis.rows]
    if found.beside and all(beside):
        known = [one for one in beside if one is not None]
        yield Table(
            f"{found.beside} beside it, {basis.title}",
            tuple(_verdicts(basis.rows, known, task, found.beside, found)),
        )


def of_sensitivity(task: Task, found: Comparison) -> Table:
    """The metric at every learning rate, and how wide the good region is."""
    lrs = sorted({arm.lr for one in task.contenders for arm in one.arms})
    estimates = [arm.estimates[found.metric] for one in task.contenders for arm in one.arms]
    number = format_for(estimates)
    columns = [_text("contender", [one.label for one in task.contenders])]
    for lr in lrs:
        columns.append(
            Column(f"lr {short(lr)}", tuple(_at(one, lr, found, number) for one in task.contenders))
        )
    columns.append(Column("basin", tuple(map(_basin, task.contenders))))
    return Table(
        f"mean {found.metric} at each learning rate",
        tuple(columns),
        tuple(_on_basins(task.contenders)),
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
    columns.append(Column("crosses at", tuple(_crossings(c) for c in shown)))
    return Table(
        f"{found.metric} on the way, each at its own best learning rate",
        tuple(columns),
        (
            "mean over steps: area under the curve of evaluations divided by its length (anytime "
            "performance); * the difference to the baseline is one by Holm over its column",
        ),
    )


def of_target(task: Task, found: Comparison) -> Table:
    """Steps to the target, those that did not get there censored at the horizon."""
    shown = [(course, course.to_target) for course in task.courses if course.to_target]
    return Table(
        f"steps to {found.metric} {short(found.target or 0.0)}, each at its own best learning rate",
        (
            _text("contender", [course.label for course, _ in shown]),
            Column("reached", tuple(f"{time.reached}/{time.n}" for _, time in shown)),
            Column(
                "median",
                tuple(
                    f">{time.budget}" if time.median is None else f"{time.median:g}"
                    for _, time in shown
                ),
            ),
            Column(
                "restricted mean",
                tuple(
                    ABSENT if time.restricted_mean is None else f"{time.restricted_mean:.1f}"
                    for _, time in shown
                ),
            ),
            Column("log-rank p", tuple(p_cell(course.log_rank) for course, _ in shown)),
        ),
        (
            "runs that did not get there are censored at the horizon; median by Kaplan and Meier, "
            "mean of min(steps, horizon). An annealed run gets there near its end: with another "
            "horizon all of this is another",
        ),
    )


def to_csv(found: Comparison) -> str:
    """A row a comparison, with every number to the last bit."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    rows = [_flat(task, basis, row) for task in found.tasks for basis in task.bases for row in basis.rows]
    if rows:
        writer.writerow(rows[0])
        writer.writerows([map(_inert, row.values()) for row in rows])
    return stream.getvalue().rstrip("\n")


def _verdicts(
    rows: Sequence[Row], found: Sequence[Contrast], task: Task, metric: str, all_of: Comparison
) -> Iterator[Column]:
    lrs = {(row.baseline_lr, row.other_lr) for row in rows}
    yield from _names(rows)
    if any(None not in pair for pair in lrs):
        yield Column("lr", tuple(map(_lrs, rows)))
    yield Column("n", tuple(str(one.n) for one in found))
    yield Column("better by", tuple(map(_mean, found)))
    yield Column(_percent(all_of.level), tuple(interval(one.difference) for one in found))
    yield Column("p", tuple(p_cell(one.p) for one in found))
    yield Column("Holm p", tuple(p_cell(one.p_adjusted) for one in found))
    yield _text("verdict", [one.verdict for one in found])


def _more(rows: Sequence[Row], all_of: Comparison) -> Iterator[Column]:
    found = [row.found for row in rows]
    yield from _names(rows)
    yield Column("ratio", tuple(_ratio(one) for one in found))
    yield Column("corr.", tuple(_signed(one.correlation) for one in found))
    yield Column("d", tuple(_signed(one.effect) for one in found))
    yield Column("P(better)", tuple(_improvement(one) for one in found))
    yield Column("sign-flip p", tuple(map(_permutation, found)))
    yield Column(
        "MDE",
        tuple(ABSENT if one.least_effect is None else three(one.least_effect) for one in found),
    )
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


def _difference(found: Contrast | None) -> str:
    if found is None:
        return ABSENT
    return f"{_mean(found)}{'*' if found.verdict in ('better', 'worse') else ''}"


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
    more = ">= " if one.basin.is_open_below or one.basin.is_open_above else ""
    return f"{more}{times(one.basin.width)}"


def _on_basins(contenders: Sequence[Contender]) -> Iterator[str]:
    basins = [one.basin for one in contenders if one.basin]
    if basins:
        yield (
            f"<: its best. Basin: largest / smallest of the neighbouring learning rates with a mean "
            f"at most {100 * basins[0].tolerance:.3g} % above the best; >=: up to the end of the grid"
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
