"""``lrbench report``: the whole answer on a folder, to be put in front of someone else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrbench.cli import console
from lrbench.cli.options import Baseline, By, Json, Level, Margin, Metric, TuneSeeds
from lrbench.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from lrbench.workflows.report import Report


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of results, or a record.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Where to; by default report.html in DIR, Markdown and LaTeX to standard output.",
            show_default=False,
        ),
    ] = None,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Text and tables as Markdown, without pictures.")
    ] = False,
    as_latex: Annotated[
        bool, typer.Option("--latex", help="Text and tables as LaTeX, without pictures.")
    ] = False,
    metric: Metric = "val_loss",
    by: By = "schedule",
    baseline: Baseline = None,
    margin: Margin = None,
    tune_seeds: TuneSeeds = 0,
    level: Level = 0.95,
    json: Json = False,
) -> None:
    """Write a report on the runs in a folder: one page that works offline, with its pictures.

    The question, what was held equal, every arm, paired comparisons, what restarts did, sanity
    flags, what went wrong, limitations, environment, and how to have it all again.

    Exit code 3 says that a serious flag stands or that nothing can be compared, 1 that something in
    the folder is damaged; the report is written all the same, and says so.
    """
    from lrbench.workflows.asked import check_folder
    from lrbench.workflows.report import report as work

    if as_markdown and as_latex:
        relation = "must not be given together with --markdown"
        raise ConfigError(relation, key="--latex", remedy="only one of them")
    check_folder(folder, "report")
    target = output
    if target is None and not (as_markdown or as_latex):
        target = default_path(folder)
    if target is not None:
        _check(target, as_page=not (as_markdown or as_latex))
    found = work(
        folder,
        metric=metric,
        by=by,
        baseline=baseline,
        margin=margin,
        tune_seeds=tune_seeds,
        level=level,
    )
    text = _written(found, as_markdown=as_markdown, as_latex=as_latex)
    if target is None and not json:
        console.put(text.rstrip("\n"))
    elif target is not None:
        save(text, target)
    if json:
        console.put_json(
            {
                "file": None if target is None else str(target),
                "title": found.document.title,
                "is_serious": found.is_serious,
                "text": _written(found, as_markdown=True, as_latex=False),
            }
        )
    elif target is not None:
        console.put(str(target))
    if found.is_serious:
        raise typer.Exit(int(ExitCode.DIFFERENCE))
    if found.has_corrupt:
        raise typer.Exit(int(ExitCode.RUN_FAILED))


def default_path(folder: Path) -> Path:
    """With the results, but not inside a record, which is sealed."""
    from lrbench.record import layout

    is_record = (folder / layout.SPEC).exists()
    return Path(layout.REPORT) if is_record else folder / layout.REPORT


def save(text: str, path: Path) -> None:
    """Write a report over what was there."""
    from lrbench.report.charts.files import write

    write(path, text.encode(), key="--output")


def _check(path: Path, *, as_page: bool) -> None:
    if as_page:
        from lrbench.report.charts.files import require_ending

        require_ending(path, key="--output", endings=(".html",))
    elif path.is_dir() or not path.parent.is_dir():
        relation = "must be a file in a folder that exists"
        raise ConfigError(relation, key="--output", got=str(path))


def _written(found: Report, *, as_markdown: bool, as_latex: bool) -> str:
    if as_markdown:
        from lrbench.report.document.markdown import to_markdown

        return to_markdown(found.document)
    if as_latex:
        from lrbench.report.document.latex import to_latex

        return to_latex(found.document)
    from lrbench.report.document.html import to_html

    return to_html(found.document)
