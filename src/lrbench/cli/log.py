"""``lrbench log``: the lab notebook."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lrbench.cli import console
from lrbench.cli.options import Json
from lrbench.cli.progress import counting
from lrbench.errors import ConfigError

if TYPE_CHECKING:
    from lrbench.workflows.log import Notebook


def log(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Results, or one record.")] = Path(
        "results"
    ),
    markdown: Annotated[
        bool, typer.Option("--markdown", help="As Markdown, which is how it is written anyway.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Write it to a file.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    json: Json = False,
) -> None:
    """Write the lab notebook: every sweep and run, in the order they were begun.

    Of each: when, what was typed, what was held equal and what differs, the outcome with mean and
    interval over seeds, what restarts did, notes, tags, flags and versions. It is made from the
    records alone, so it can be made again at any time.
    """
    from lrbench.workflows.log import log as work
    from lrbench.workflows.log import save

    if json and (markdown or out):
        relation = "must not be given together with --json"
        raise ConfigError(relation, key="--markdown" if markdown else "--out")
    if force and out is None:
        raise ConfigError("must be given with --out", key="--force", remedy="-o notebook.md")
    with counting("reading records") as on_read:
        notebook = work(folder, on_read=on_read)
    if json:
        console.put_json(_plain(notebook))
    elif out is not None:
        save(notebook, out, force=force)
        console.put(console.flat(str(out)))
    else:
        console.put(notebook.markdown.rstrip("\n"))


def _plain(notebook: Notebook) -> dict[str, Any]:
    return {
        "path": str(notebook.path),
        "chapters": [
            asdict(chapter) | {"trials": [trial.run for trial in chapter.trials]}
            for chapter in notebook.chapters
        ],
        "flags": {run: list(codes) for run, codes in notebook.flags.items()},
        "notices": list(notebook.notices),
    }
