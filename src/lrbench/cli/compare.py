"""``lrbench compare``: which schedule did better, by how much, how sure."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrbench.cli import console, flags
from lrbench.cli.options import Baseline, By, Level, Margin, Metric, TuneSeeds
from lrbench.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from lrbench.report.comparison.tables import Table
    from lrbench.report.comparison.values import Comparison
    from lrbench.report.restarts.grid import Column

NARROWEST = 60
"""Columns that the tables need; in a narrower terminal its own folding begins."""


NAME_ROOM = 28
"""Characters of a name that are not folded to make room for figures."""


class Format(StrEnum):
    """How the comparison is written."""

    TEXT = "text"
    CSV = "csv"
    MARKDOWN = "markdown"
    LATEX = "latex"
    JSON = "json"


def compare(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of results.")],
    baseline: Baseline = None,
    metric: Metric = "val_loss",
    by: By = "schedule",
    margin: Margin = None,
    target: Annotated[
        float | None,
        typer.Option(
            help="Compare the updates until an evaluation is this good.", show_default=False
        ),
    ] = None,
    tune_seeds: TuneSeeds = 0,
    all_pairs: Annotated[
        bool, typer.Option("--all-pairs", help="Each against each, not all against the baseline.")
    ] = False,
    level: Level = 0.95,
    full: Annotated[
        bool, typer.Option("--full", help="Every table, not only those the answer rests on.")
    ] = False,
    form: Annotated[
        Format, typer.Option("--format", help="How the comparison is written.")
    ] = Format.TEXT,
    as_json: Annotated[
        bool, typer.Option("--json", help="The same as --format json: every number, exactly.")
    ] = False,
) -> None:
    """Compare schedules seed by seed: difference, interval, verdict.

    The answer comes first, then the table of pairs, then what supports it and what it cost.

    Every contender is held against the baseline on three footings: each at its own best learning
    rate, at equal learning rate, and after equally many tuning trials. Differences are paired by
    seed and positive where the contender did better; p values are Holm's over the family that is
    named. Diverged runs rank as worst and are never left out.

    Exit code 1 says that something in the folder is damaged; it is named, and the rest is compared.
    Exit code 3 says that runs of one seed had not the same data, split, first weights or batches,
    so that nothing can be compared.
    """
    from lrbench.report.comparison import tables
    from lrbench.report.comparison.screen import answer
    from lrbench.workflows.check import check
    from lrbench.workflows.compare import compare as work

    if as_json and form not in (Format.TEXT, Format.JSON):
        relation = "must not be given together with --json"
        raise ConfigError(relation, key="--format", got=str(form), remedy="only one of them")
    found = work(
        folder,
        baseline=baseline,
        metric=metric,
        by=by,
        margin=margin,
        target=target,
        tune_seeds=tune_seeds,
        all_pairs=all_pairs,
        level=level,
    )
    doubts = check(folder).flags
    if as_json or form is Format.JSON:
        from dataclasses import asdict

        plain = asdict(found) | {"path": str(found.path), "answer": answer(found)}
        console.put_json(plain | {"flags": [asdict(flag) for flag in doubts]})
    elif form is Format.CSV:
        console.put(tables.to_csv(found))
    elif form is Format.TEXT:
        width = max(NARROWEST, shutil.get_terminal_size().columns)
        for line in _text(found, width, is_full=full):
            console.put(line)
    else:
        console.put("\n\n".join(_marked_up(found, form, is_full=full)))
    for notice in (*found.notices, *flags.told(doubts, folder, is_whole=True)):
        console.say(notice)
    if any(one.status == "corrupt" for one in found.skipped):
        raise typer.Exit(int(ExitCode.RUN_FAILED))


def _text(found: Comparison, width: int, *, is_full: bool) -> Iterator[str]:
    from lrbench.report.comparison.screen import parts
    from lrbench.report.restarts.grid import fill

    for place, part in enumerate(parts(found, is_full=is_full)):
        if place:
            yield ""
        if isinstance(part, list):
            for line in part:
                yield from fill(line, width, "  ")
        else:
            yield from _table(part, width)


def _table(table: Table, width: int) -> Iterator[str]:
    from lrbench.report.restarts.grid import Column, fill, plain_table

    yield from fill(table.title, width)
    columns = [Column(("", one.header), one.cells, is_text=one.is_label) for one in table.columns]
    for place, part in enumerate(_parts(columns, width)):
        if place:
            yield ""
        yield from plain_table(part, width)
    for note in table.notes:
        yield from fill(f"  {note}", width, "    ")


def _parts(columns: list[Column], width: int) -> Iterator[list[Column]]:
    """Columns as many as fit side by side; the names of the rows stand before each part."""
    from lrbench.report.restarts.grid import excess_width

    names = [column for column in columns if column.is_text and column.head[1] != "verdict"]
    # Names are folded before figures that belong together are parted.
    room = width + sum(max(0, max(map(len, one.cells)) - NAME_ROOM) for one in names)
    part = list(names)
    for column in columns:
        if column in names:
            continue
        if len(part) > len(names) and excess_width([*part, column], room) > 0:
            yield part
            part = list(names)
        part.append(column)
    if part:
        yield part


def _marked_up(found: Comparison, form: Format, *, is_full: bool) -> Iterator[str]:
    from lrbench.report import escapes
    from lrbench.report.comparison.screen import parts
    from lrbench.report.tables import to_latex, to_markdown

    is_latex = form is Format.LATEX
    write = to_latex if is_latex else to_markdown

    def say(line: str, mark: str = "") -> str:
        return f"% {escapes.latex(line)}" if is_latex else f"{mark}{escapes.markdown(line)}"

    for part in parts(found, is_full=is_full):
        if isinstance(part, list):
            yield "\n".join(say(line, "- ") for line in part)
            continue
        yield say(part.title, "### ")
        if part.columns:
            yield write(part.columns)
        if part.notes:
            yield "\n".join(say(note, "- ") for note in part.notes)
