"""``lrbench bundle``: finished runs in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lrbench.cli.console import put, put_json, say
from lrbench.cli.options import Json

SHOWN = 20
"""Names of what was left out that are shown; ``--json`` has all."""


def bundle(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN|DIR", help="A record, or a folder of records.")
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", metavar="FILE.zip", help="The bundle; its folder must exist."),
    ],
    checkpoints: Annotated[bool, typer.Option(help="Put checkpoints in as well.")] = False,
    without_damaged: Annotated[
        bool, typer.Option("--without-damaged", help="Leave damaged records out, and say so.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    json: Json = False,
) -> None:
    """Put finished runs into one file, with what a stranger needs to repeat them.

    Runs that are not finished are left out and named. Damaged records are refused (exit code 3).
    `lrbench verify FILE.zip` checks the file and trains its runs again.
    """
    from lrbench.workflows.bundle import bundle as work

    made = work(folder, out, checkpoints=checkpoints, without_damaged=without_damaged, force=force)
    if json:
        put_json(
            {
                "bundle": str(made.path),
                "bytes": made.size_bytes,
                "runs": made.runs,
                "left_out": [vars(one) for one in made.left_out],
            }
        )
        return
    for one in made.left_out[:SHOWN]:
        say(f"left out: {one.name}: {one.reason}")
    if len(made.left_out) > SHOWN:
        say(f"left out: {len(made.left_out) - SHOWN} more, see --json")
    number = len(made.runs)
    say(f"{number} run{'s' if number != 1 else ''}, {made.size_bytes} bytes")
    put(str(made.path))
