"""``lrbench note``: what there is to say of a run, later."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lrbench.cli.console import flat, put, put_json, say
from lrbench.cli.options import Json, Tags


def note(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="A record's path; or the start of its name, or the 8 digits at its end.",
        ),
    ],
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="The remark.", show_default=False)
    ] = None,
    tag: Tags = None,
    untag: Annotated[
        list[str] | None,
        typer.Option(
            help="A tag to take away; may be given several times.",
            metavar="TAG",
            show_default=False,
        ),
    ] = None,
    results: Annotated[
        Path, typer.Option(help="Where RUN is looked for, if it is no path.", metavar="DIR")
    ] = Path("results"),
    json: Json = False,
) -> None:
    """Add a remark to a run's record, or change its tags, at any time.

    A note is a file of its own with its time, and stays as it is: nothing else of the record
    changes, nor what the run is. `lrbench history` shows and finds them.
    """
    from lrbench.workflows.note import note as work

    noted = work(run, text, tags=tag or [], untags=untag or [], results=results)
    if json:
        put_json(
            {
                "run": noted.run,
                "record": str(noted.record),
                "path": noted.path and str(noted.path),
                "tags": list(noted.tags),
            }
        )
        return
    say(flat(f"{noted.run}: {' '.join(['tags', *noted.tags]) if noted.tags else 'no tags'}"))
    if noted.path is None:
        say("it has these tags already; nothing was written")
    put(flat(str(noted.path or noted.record)))
