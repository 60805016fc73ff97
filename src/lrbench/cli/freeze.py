"""``lrbench freeze``: what fired in a run as a schedule of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lrbench.cli.console import loading, put, put_json, say
from lrbench.cli.options import Json


def freeze(
    path: Annotated[
        Path, typer.Argument(metavar="RUN", help="The record of a run with a trigger.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE.yaml",
            help="The file; by default mine/schedule/<run>.yaml. Its folder is made.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Write what fired in an adaptive run as the file of a schedule, for other seeds.

    A run with the same seed, restarts and settings, this schedule and no trigger has the bytes of
    the adaptive one: all logs and the final weights. A trigger that never fired makes a
    schedule that never restarts. Nothing that is there already is overwritten.
    """
    with loading():
        from lrbench.workflows.freeze import freeze as work
        from lrbench.workflows.freeze import plain

    frozen = work(path, out)
    if json:
        put_json(plain(frozen))
        return
    for event in frozen.events:
        say(
            f"step {event.step}: {event.action}, {event.cause}, "
            f"{event.statistic:.6g} against {event.threshold:.6g}"
        )
    for remark in frozen.remarks:
        say(f"note: {remark}")
    say("next:")
    for command in frozen.commands:
        say(f"  {command}")
    put(str(frozen.path))
