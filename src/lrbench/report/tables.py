"""Arms as the columns of a table, and a table as CSV, Markdown, LaTeX or plain values."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lrbench.report import escapes
from lrbench.report.frames import Arm
from lrbench.report.numbers import ABSENT, Format, format_for, significant
from lrbench.report.settings import header, label, show
from lrbench.stats.aggregate import Estimate
from lrbench.stats.censored import TimeToTarget

LONG = 60
"""Letters of a cell of words from which on LaTeX breaks it into lines."""

MOST_LABELS = 3
"""Settings with a column each; more are joined into one."""


@dataclass(frozen=True)
class Column:
    """A column as shown: rounded, printable, not yet escaped for any format."""

    header: str
    cells: tuple[str, ...]
    is_label: bool = False


def columns(arms: Sequence[Arm], metric: str, level: float, *, has_target: bool) -> list[Column]:
    """The columns for one metric, the more important ones first.

    Counts of diverged, failed and unfinished runs have a column where any is not zero. With a
    target there are the number of runs that reached it and the median of their steps, ``>100``
    where that is past a budget of 100.
    """
    final = [arm.estimates[f"final_{metric}"] for arm in arms]
    best = [arm.estimates[f"best_{metric}"] for arm in arms]
    number = format_for([*final, *best])
    chosen = [*_labels(arms), Column("n", tuple(str(arm.n) for arm in arms))]
    for name, short in (("diverged", "div"), ("failed", "fail"), ("unfinished", "unfin")):
        if any(counts := [getattr(arm, name) for arm in arms]):
            chosen.append(Column(short, tuple(map(str, counts))))
    chosen += [
        # Of a mean without the runs that diverged the column itself says that they are not in it.
        _column(
            "mean of n" if any(arm.diverged for arm in arms) else "mean",
            final,
            lambda e: number(e.mean),
        ),
        _column(f"{100 * level:.6g} % interval", final, lambda e: _interval(e, number)),
    ]
    if has_target:
        times = [arm.to_target for arm in arms if arm.to_target]
        chosen.append(Column("reached", tuple(f"{t.reached}/{t.n}" for t in times)))
        chosen.append(Column("steps", tuple(map(_median_steps, times))))
    return [
        *chosen,
        _column("sd", final, lambda e: significant(e.sd)),
        _column("best mean", best, lambda e: number(e.mean)),
        _column("median", final, lambda e: number(e.median)),
        _column("min", final, lambda e: number(e.minimum)),
        _column("max", final, lambda e: number(e.maximum)),
        _column("variance", final, lambda e: significant(e.variance)),
        _column("best interval", best, lambda e: _interval(e, number)),
        _column("best sd", best, lambda e: significant(e.sd)),
        _column("best median", best, lambda e: number(e.median)),
        _column("best min", best, lambda e: number(e.minimum)),
        _column("best max", best, lambda e: number(e.maximum)),
    ]


def records(arms: Iterable[Arm]) -> list[dict[str, Any]]:
    """Arms as plain values, unrounded: what ``--json`` prints and CSV is made of."""
    return [
        {
            "settings": arm.settings,
            "n": arm.n,
            "diverged": arm.diverged,
            "failed": arm.failed,
            "unfinished": arm.unfinished,
            "seeds": list(arm.seeds),
            **{name: asdict(estimate) for name, estimate in arm.estimates.items()},
            "steps_to_target": asdict(arm.to_target) if arm.to_target else None,
        }
        for arm in arms
    ]


def to_csv(arms: Sequence[Arm]) -> str:
    """A row an arm with every statistic, floats to the last bit; empty where there is none."""
    stream = io.StringIO()
    for index, record in enumerate(records(arms)):
        flat = record.pop("settings") | {"seeds": " ".join(map(str, record.pop("seeds")))}
        for name, value in record.items():
            if isinstance(value, dict):
                flat |= {f"{name}_{part}": number for part, number in value.items()}
            elif name != "steps_to_target":
                flat[name] = value
        writer = csv.writer(stream, lineterminator="\n")
        if index == 0:
            writer.writerow(map(_inert, flat))
        writer.writerow(map(_inert, flat.values()))
    return stream.getvalue().rstrip("\n")


def to_markdown(chosen: Sequence[Column]) -> str:
    """A pipe table; numbers to the right."""
    rule = [":---" if column.is_label else "---:" for column in chosen]
    rows = [[escapes.markdown(cell) for cell in row] for row in _rows(chosen)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [rows[0], rule, *rows[1:]])


def to_latex(chosen: Sequence[Column]) -> str:
    r"""A ``tabular`` with the rules of the booktabs package."""
    alignment = "".join(_alignment(column) if column.is_label else "r" for column in chosen)
    head, *body = [
        " & ".join([escapes.latex_line(first), *map(escapes.latex, rest)]) + r" \\"
        for first, *rest in _rows(chosen)
    ]
    lines = [rf"\begin{{tabular}}{{{alignment}}}", r"\toprule", head, r"\midrule", *body]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def _alignment(column: Column) -> str:
    """Of words: in lines, where they are many."""
    return "p{8cm}" if max(map(len, column.cells), default=0) > LONG else "l"


def _rows(chosen: Sequence[Column]) -> list[tuple[str, ...]]:
    head = tuple(column.header for column in chosen)
    return [head, *zip(*(column.cells for column in chosen), strict=True)]


def _labels(arms: Sequence[Arm]) -> list[Column]:
    keys = list(arms[0].settings) if arms else []
    if len(keys) > MOST_LABELS:
        return [Column("arm", tuple(label(arm.settings) for arm in arms), is_label=True)]
    return [
        Column(
            escapes.printable(header(key, keys)),
            tuple(show(key, arm.settings[key]) for arm in arms),
            is_label=True,
        )
        for key in keys
    ]


def _column(header: str, estimates: Sequence[Estimate], cell: Callable[[Estimate], str]) -> Column:
    return Column(header, tuple(map(cell, estimates)))


def _interval(estimate: Estimate, number: Format) -> str:
    if estimate.low is None:
        return ABSENT
    return f"[{number(estimate.low)}, {number(estimate.high)}]"


def _median_steps(time: TimeToTarget) -> str:
    if time.median is not None:
        return f"{time.median:g}"
    return ABSENT if time.budget is None else f">{time.budget}"


def _inert(value: Any) -> Any:
    return escapes.cell(value) if isinstance(value, str) else value
