"""``lrbench list``: what there is to choose from."""

from __future__ import annotations

from typing import Annotated

import typer

from lrbench.cli.console import out, put, put_json
from lrbench.cli.options import Json


def list_(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="[models|datasets|optimizers|schedules]", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """List models, datasets, optimizers and schedules with their settings."""
    from lrbench.workflows.catalogue import catalogue

    found = catalogue(kind)
    if json:
        put_json(found)
        return
    from rich import box
    from rich.table import Table

    for name, entries in found.items():
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=name, title_justify="left")
        table.add_column("name", no_wrap=True)
        table.add_column("what it is", ratio=3)
        table.add_column("settings", ratio=2)
        for entry in entries:
            table.add_row(entry["name"], entry["summary"], ", ".join(entry["settings"]))
        out().print(table)
    put("your own: model._target_=mypkg.nets:Net model.width=64 (dataset, optimizer likewise)")
