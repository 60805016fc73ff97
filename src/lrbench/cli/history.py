"""``lrbench history``: every trial there is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lrbench.cli import console
from lrbench.cli.options import Json
from lrbench.cli.progress import counting
from lrbench.errors import ExitCode

if TYPE_CHECKING:
    from lrbench.workflows.history import History

NARROWEST = 60
"""Columns that the rows need; in a narrower terminal its own folding begins."""


def history(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Results, or one record.")] = Path(
        "results"
    ),
    filter_: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            help="schedule=sgdr, 'optimizer.lr<0.1', tag=pilot, since=2026-11-01; all must hold.",
            metavar="CONDITION",
            show_default=False,
        ),
    ] = None,
    sort: Annotated[
        str, typer.Option(help="A column, or several: -val_loss, schedule,-started.")
    ] = "started",
    flags: Annotated[
        bool | None,
        typer.Option(
            "--flags/--no-flags",
            help="Look for sanity flags; by default where that takes no time.",
            show_default=False,
        ),
    ] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Read every record, and make the index anew.")
    ] = False,
    json: Json = False,
) -> None:
    """List every trial: when, the settings that differ, what became of it, notes, tags, flags.

    Columns: started, ended, run, status, seed, steps, val_loss, val_accuracy, best_val_loss,
    best_val_accuracy, diverged_at, seconds, attempts, restarts, and every setting; to filter by
    also tag, flag, note, since and until. Conditions: = != < <= > >= and ~ (contains). Times are
    UTC.

    What was read is kept in an index in the cache folder, which --json names and which can be
    deleted at any time. A damaged record is listed as such, and makes the exit code 1.
    """
    from lrbench.workflows.history import history as work

    with counting("reading records") as on_read:
        found = work(
            folder,
            filters=filter_ or [],
            sort=sort,
            with_flags=flags,
            use_index=not rebuild,
            on_read=on_read,
        )
    if json:
        console.put_json(_plain(found))
    else:
        _show(found)
    for notice in found.notices:
        console.say(notice)
    if found.has_corrupt:
        raise typer.Exit(int(ExitCode.RUN_FAILED))


def _show(found: History) -> None:
    from lrbench.report.history.listing import counted, lines

    width = max(NARROWEST, shutil.get_terminal_size().columns)
    told = counted(found.trials)
    if len(found.trials) < found.total:
        told = f"{told} (of {found.total} in the folder)"
    console.put("\n".join([told, *lines(found.trials, found.differing, found.flags, width)]))


def _plain(found: History) -> dict[str, Any]:
    def trial(one: Any) -> dict[str, Any]:
        facts = {key: value for key, value in vars(one).items() if key not in ("arm", "settings")}
        settings = {key: one.settings.get(key) for key in found.differing}
        notes = [vars(note) for note in one.notes]
        return facts | {
            "notes": notes,
            "settings": settings,
            "flags": list(found.flags.get(one.run, ())),
        }

    return {
        "path": str(found.path),
        "total": found.total,
        "differing": list(found.differing),
        "equal": found.equal,
        "trials": [trial(one) for one in found.trials],
        "notices": list(found.notices),
        "index": found.index and str(found.index),
        "read": found.read,
    }
