"""``lrbench restarts``: what every warm restart did."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrbench.cli import console
from lrbench.cli.options import Json
from lrbench.errors import ExitCode

if TYPE_CHECKING:
    from lrbench.workflows.restarts import Restarts

NARROWEST = 60
"""Columns that the tables need; in a narrower terminal its own folding begins."""


def restarts(
    path: Annotated[Path, typer.Argument(metavar="RUN|DIR", help="A record, or results.")],
    layers: Annotated[
        bool | None,
        typer.Option(
            "--layers/--no-layers",
            help="Every layer of a large model, or none; else bands of its depth.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Tell what each warm restart of a run did: to loss, gradients and moments, layer by layer.

    Of a folder: the same over the seeds of each arm. Restarts whose cycle is not over are not in
    the ledger yet, which is said. Whether a restart helped is answered by `lrbench twin`.

    Exit code 1 says that something in the folder is damaged, 3 that the record asked for is, or
    that runs of one seed had not the same inputs.
    """
    from lrbench.workflows.restarts import restarts as work

    found = work(path)
    if json:
        console.put_json(asdict(found) | {"path": str(found.path)})
    else:
        _show(found, layers)
    for notice in found.notices:
        console.say(notice)
    if found.mismatches:
        raise typer.Exit(int(ExitCode.DIFFERENCE))
    if found.has_corrupt:
        raise typer.Exit(int(ExitCode.RUN_FAILED))


def _show(found: Restarts, layers: bool | None) -> None:
    from lrbench.report.restarts import overview, story

    width = max(NARROWEST, shutil.get_terminal_size().columns)
    twin = f"{console.command('twin', found.path)} --restart 1"
    if found.run:
        lines = story.tell(found.run, width, twin, whole_model=layers)
    else:
        lines = overview.tell(found.arms, width, twin, whole_model=layers)
    for line in lines:
        console.put(line)
