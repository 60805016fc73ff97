"""``lrbench replay``: a recorded run, made again beside its record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lrbench.cli.console import inert, loading, put, put_json, say
from lrbench.cli.options import Data, Json, Trust
from lrbench.errors import ConfigError, ExitCode


def replay(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a record.")],
    into: Annotated[
        str | None,
        typer.Option(help="Folder of results for the replay; a temporary one.", metavar="DIR"),
    ] = None,
    trust: Trust = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Train a recorded run again into a scratch record, and compare the two bit for bit.

    Same specification, same numeric profile; the record itself is not touched. The exit code is 3
    if they differ.
    """
    if into == "":
        # As a path it would be the folder one is in.
        relation = "must be the path of a folder"
        raise ConfigError(relation, key="--into", got=into, remedy="--into replays")
    with loading():
        from dataclasses import asdict

        from lrbench.cli.progress import run_progress
        from lrbench.workflows.replay import Source
        from lrbench.workflows.replay import replay as work

    with run_progress(run.name, None) as on_progress:
        found = work(
            Source(run, trust, data), Path(into) if into else None, on_progress=on_progress
        )
    if json:
        put_json(
            {
                "path": str(found.path),
                "identical": found.difference is None,
                "difference": asdict(found.difference) if found.difference else None,
                "profile": [asdict(change) for change in found.profile],
            }
        )
    else:
        for change in found.profile:
            say(f"not as it was: {inert(change.key)} {change.recorded} then, {change.other} now")
        if found.difference is None:
            put("identical: every log and the final weights, bit for bit")
        else:
            put(f"different: {inert(found.difference.told('the record', 'the replay'))}")
        put(str(found.path))
    if found.difference is not None:
        raise typer.Exit(int(ExitCode.DIFFERENCE))
