"""``lrbench summarize``: one row an arm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import accumulate, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.cells import cell_len, chop_cells, set_cell_size

from lrbench.cli import console, flags
from lrbench.cli.options import Data, Level, Metric, Trust, Workers
from lrbench.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from lrbench.report.tables import Column
    from lrbench.workflows.final_test import FinalTest
    from lrbench.workflows.summarize import Summary

GAP = 2
"""Blanks between two columns."""

LABEL_ROOM = 40
"""Characters of all label columns together; longer labels are broken into lines."""

LISTED = (
    "dataset",
    "model",
    "optimizer",
    "optimizer.lr",
    "schedule",
    "train.steps",
    "train.batch_size",
)
"""The settings that are named if equal; the others are counted."""


class Format(StrEnum):
    """How the summary is written."""

    TABLE = "table"
    CSV = "csv"
    MARKDOWN = "md"
    JSON = "json"
    LATEX = "latex"


def summarize(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of results.")],
    metric: Metric = "val_loss",
    by: Annotated[
        str | None,
        typer.Option(help="Group by these settings (schedule,optimizer.lr) instead of by arm."),
    ] = None,
    target: Annotated[
        float | None,
        typer.Option(
            help="Count the steps until an evaluation is this good (their median is shown)."
        ),
    ] = None,
    level: Level = 0.95,
    form: Annotated[
        Format, typer.Option("--format", help="How the summary is written.")
    ] = Format.TABLE,
    as_json: Annotated[
        bool, typer.Option("--json", help="The same as --format json: every number, exactly.")
    ] = False,
    final_test: Annotated[
        bool,
        typer.Option(
            "--final-test",
            help="Evaluate final weights on the test split, once all is chosen; it is counted.",
        ),
    ] = False,
    trust: Trust = False,
    data: Data = None,
    jobs: Workers = None,
) -> None:
    """Summarize the runs in a folder, one row an arm; finished or still running.

    An arm is the runs that differ only by seed. Means have a Student-t interval. Diverged runs are
    counted, never averaged; with a target they count as not having reached it.

    With --final-test every use of the test split is written down beside the records and counted:
    look once, when nothing is left to choose. Runs that do not keep their last checkpoint
    (restart.keep_checkpoints=true) are trained again for it.

    Exit code 1 says that something in the folder is damaged; it is named, and the rest is shown.
    Exit code 3 says that runs of one seed had not the same data, split, first weights or batches,
    though their settings claim so: their arms cannot be compared.
    """
    from lrbench.report import tables
    from lrbench.workflows.summarize import summarize as work

    if as_json and form not in (Format.TABLE, Format.JSON):
        relation = "must not be given together with --json"
        remedy = "only one of them"
        raise ConfigError(relation, key="--format", got=str(form), remedy=remedy)
    if (trust or data is not None or jobs is not None) and not final_test:
        relation = "must be given together with --final-test, which alone computes something"
        raise ConfigError(relation, key="--trust, --data or --jobs", remedy="--final-test")
    is_plain = as_json or form is Format.JSON
    if final_test and not is_plain and form is not Format.TABLE:
        relation = "must be table or json with --final-test"
        raise ConfigError(relation, key="--format", got=str(form), remedy="--json")
    summary = work(folder, metric=metric, by=by, target=target, level=level)
    tested = None
    if final_test:
        from lrbench.cli.final_test import evaluate

        tested = evaluate(folder, level=level, trust=trust, data=data, jobs=jobs)
        # Now with this use.
        summary = work(folder, metric=metric, by=by, target=target, level=level)
    if is_plain:
        console.put_json(_plain(summary) | _plain_test(tested))
    elif form is Format.CSV:
        console.put(tables.to_csv(summary.arms))
    elif form is Format.TABLE:
        _show(summary)
        if tested is not None:
            from lrbench.cli.final_test import show

            show(tested, level)
    else:
        write = tables.to_latex if form is Format.LATEX else tables.to_markdown
        mark = "%" if form is Format.LATEX else "**Table:**"
        console.put(
            "\n\n".join(
                f"{mark} {_title(name)}\n\n{write(_columns(summary, name))}"
                for name in summary.metrics
            )
        )
    for notice in summary.notices:
        console.say(notice)
    for line in _sanity(summary):
        console.say(line)
    if summary.mismatches:
        raise typer.Exit(int(ExitCode.DIFFERENCE))
    if summary.has_corrupt:
        raise typer.Exit(int(ExitCode.RUN_FAILED))


def _plain(summary: Summary) -> dict[str, object]:
    from dataclasses import asdict

    from lrbench.report import tables

    return asdict(summary) | {"path": str(summary.path), "arms": tables.records(summary.arms)}


def _plain_test(tested: FinalTest | None) -> dict[str, object]:
    from dataclasses import asdict

    return {} if tested is None else {"final_test": asdict(tested)}


def _sanity(summary: Summary) -> Iterator[str]:
    """Serious flags, a line each; how many cautions; how often test data were looked at."""
    uses = summary.test_uses
    if uses:
        times = "once" if len(uses) == 1 else f"{len(uses)} times"
        warning = "" if len(uses) == 1 else ": it no longer tells how good the best one is"
        yield f"the test split was looked at {times}, last {uses[-1][:10]}{warning}"
    if summary.flags is None:
        more = console.command("check", summary.path)
        yield f"sanity flags were not looked for, there are many runs: {more}"
        return
    yield from flags.told(summary.flags, summary.path, is_whole=summary.has_read_logs)


def _columns(summary: Summary, metric: str) -> list[Column]:
    from lrbench.report import tables

    has_target = summary.target is not None and metric == summary.metrics[0]
    return tables.columns(summary.arms, metric, summary.level, has_target=has_target)


def _show(summary: Summary) -> None:
    out = console.out()
    for line in _heading(summary):
        out.print(line)
    left_out: dict[str, None] = {}
    for metric in summary.metrics:
        chosen = _columns(summary, metric)
        fitting = fitting_columns(chosen, out.width)
        left_out |= dict.fromkeys(column.header for column in chosen[len(fitting) :])
        out.print()
        out.print(_title(metric))
        for line in lines_of(fitting):
            console.put(line)
    if left_out:
        console.say(f"no room at this width, see --format csv: {', '.join(left_out)}")


def _title(metric: str) -> str:
    return f"{metric}, last evaluation of each run (best: its best evaluation)"


def _heading(summary: Summary) -> list[str]:
    from lrbench.report.escapes import printable
    from lrbench.report.settings import show

    runs = sum(arm.n + arm.diverged for arm in summary.arms)
    rows = f"{len(summary.arms)} row{'s' if len(summary.arms) != 1 else ''}"
    lines = [f"{rows}, {runs} finished runs in {printable(str(summary.path))}"]
    if summary.target is not None and summary.metrics:
        lines.append(f"target: {summary.metrics[0]} {summary.target!r}")
    if len(summary.metrics) > 1:
        lines.append(f"order of the rows: mean {summary.metrics[0]}, in every table")
    if summary.differing:
        lines.append(f"differing: {' '.join(map(printable, summary.differing))}")
    named = [f"{key}={show(key, summary.equal[key])}" for key in LISTED if key in summary.equal]
    if named:
        others = len(summary.equal) - len(named)
        lines.append(f"equal: {' '.join(named)} ({others} more: --json)")
    return lines


def fitting_columns(chosen: list[Column], width: int) -> list[Column]:
    """The first columns, as many as stand side by side in ``width`` characters."""
    ends = accumulate(column_width + GAP for column_width in _widths(chosen))
    return [
        column
        for column, end in zip(chosen, ends, strict=True)
        if column.is_label or end - GAP <= width
    ]


def _widths(chosen: list[Column]) -> list[int]:
    room = LABEL_ROOM // max(1, sum(column.is_label for column in chosen))
    natural = [max(map(cell_len, (column.header, *column.cells))) for column in chosen]
    return [
        min(width, room) if column.is_label else width
        for width, column in zip(natural, chosen, strict=True)
    ]


def lines_of(fitting: list[Column]) -> Iterator[str]:
    """Header, rule and rows. Rich's own table needs seconds for thousands of rows."""
    widths = _widths(fitting)
    yield from _row([column.header for column in fitting], fitting, widths)
    yield "-" * (sum(widths) + GAP * (len(widths) - 1))
    for cells in zip(*(column.cells for column in fitting), strict=True):
        yield from _row(cells, fitting, widths)


def _row(cells: Sequence[str], fitting: list[Column], widths: list[int]) -> Iterator[str]:
    """One row; a label that is too wide goes on in the next line, a number never is."""
    parts = [
        chop_cells(cell, width) if column.is_label else [" " * (width - len(cell)) + cell]
        for cell, column, width in zip(cells, fitting, widths, strict=True)
    ]
    for line in zip_longest(*parts, fillvalue=""):
        padded = [set_cell_size(part, width) for part, width in zip(line, widths, strict=True)]
        yield (" " * GAP).join(padded).rstrip()
