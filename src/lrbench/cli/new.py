"""``lrbench new``: the beginnings of something of one's own."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lrbench.cli.console import put, say


class Kind(StrEnum):
    """What can be begun."""

    SCHEDULE = "schedule"


def new(
    kind: Annotated[Kind, typer.Argument(help="What to begin.", show_default=False)],
    name: Annotated[str, typer.Argument(help="What it is called: small letters, digits and _.")],
    config_dir: Annotated[
        Path, typer.Option(help="Your own configuration folder.", metavar="DIR")
    ] = Path(),
) -> None:
    """Write a schedule of your own that works, to change: NAME.py, schedule/NAME.yaml and a test.

    Nothing that is there already is overwritten.
    """
    from lrbench.workflows.new import new_schedule

    written = new_schedule(name, config_dir)
    say("next:")
    for command in written.commands:
        say(f"  {command}")
    for path in written.paths:
        put(str(path))
