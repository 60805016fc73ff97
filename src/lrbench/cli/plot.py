"""``lrbench plot``: one picture of the runs in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lrbench.cli import console
from lrbench.cli.options import Baseline, By, Json, Level, Margin, Metric
from lrbench.errors import ExitCode


def plot(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of results, or a record.")],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="FILE", help="The picture: .png, .svg, or .html to look into."
        ),
    ],
    kind: Annotated[
        str,
        typer.Option(help="curves, lr-sensitivity, differences, seeds or layers."),
    ] = "curves",
    metric: Metric = "val_loss",
    by: By = "schedule",
    baseline: Baseline = None,
    margin: Margin = None,
    level: Level = 0.95,
    task: Annotated[
        str | None,
        typer.Option(help="Which dataset and model, where there are several.", show_default=False),
    ] = None,
    arm: Annotated[
        str | None,
        typer.Option(
            help="Whose layers, as compare names it; else the first with restarts.",
            show_default=False,
        ),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(
            help="Curves and layers at this learning rate, not at each one's own best.",
            show_default=False,
        ),
    ] = None,
    each_seed: Annotated[
        bool, typer.Option("--each-seed", help="Curves of single runs too.")
    ] = False,
    json: Json = False,
) -> None:
    """Draw one picture of the runs in a folder: PNG, SVG, or a page that works offline.

    curves: learning rate and loss over steps, with restarts and what they did. lr-sensitivity: the
    metric at every base learning rate. differences: paired by seed, with intervals. seeds: every
    seed of every arm. layers: gradients, updates and second moments by depth around restarts.

    Exit code 1 says that something in the folder is damaged; it is named, and the rest is drawn.
    """
    from lrbench.report.charts.files import require_ending, save
    from lrbench.workflows.plot import plot as work

    require_ending(output, key="--output")
    found = work(
        folder,
        kind,
        metric=metric,
        by=by,
        baseline=baseline,
        margin=margin,
        level=level,
        task=task,
        arm=arm,
        lr=lr,
        each_seed=each_seed,
    )
    save(found.picture, output)
    if json:
        picture = {"title": found.picture.title, "caption": found.picture.caption}
        console.put_json({"file": str(output), "kind": kind, **picture, "notices": found.notices})
    else:
        console.put(str(output))
    for notice in found.notices:
        console.say(notice)
    if any(one.status == "corrupt" for one in found.skipped):
        raise typer.Exit(int(ExitCode.RUN_FAILED))
