"""``lrbench status``: what has become of the runs in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lrbench.cli.console import command, flat, put, put_json
from lrbench.cli.options import Json
from lrbench.errors import ExitCode

if TYPE_CHECKING:
    from lrbench.workflows.status import FolderStatus, RunStatus

SHOWN = 20
"""Runs of one status that are listed; the rest is counted."""


def status(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Results, or one record.")] = Path(
        "results"
    ),
    show_all: Annotated[bool, typer.Option("--all", help="List every run.")] = False,
    json: Json = False,
) -> None:
    """Show which runs are complete, running, interrupted, failed or damaged.

    Derived from the records as they are at this moment, by the sizes of their files and the seals
    of what closes them; `lrbench verify --files` reads every bit. A damaged record is named and
    makes the exit code 3.
    """
    from lrbench.record.reader import Status
    from lrbench.workflows.status import status as work

    found = work(folder)
    if json:
        put_json(_plain(found))
    else:
        for line in _lines(found, show_all):
            put(flat(line))
    if found.damaged or found.counts.get(Status.CORRUPT):
        raise typer.Exit(int(ExitCode.DIFFERENCE))


def _lines(found: FolderStatus, show_all: bool) -> Iterator[str]:
    counts = ", ".join(f"{count} {status}" for status, count in found.counts.items())
    yield f"{len(found.runs)} run{'' if len(found.runs) == 1 else 's'}: {counts}"
    for sweep in found.sweeps:
        others = "".join(f", {n} {what}" for what, n in sorted(sweep.unfinished.items()))
        yield f"sweep {sweep.sweep_id}: {sweep.finished} of {sweep.planned} finished{others}"
    for one in found.damaged:
        yield f"damaged: {one.name} ({one.reason})"
    can_go_on = False
    for status in found.counts:
        runs = [run for run in found.runs if run.status is status]
        # Of what is finished there is nothing more to say, unless it was asked for.
        if status.is_finished and not show_all and len(found.runs) > 1:
            continue
        can_go_on |= status in ("interrupted", "failed", "unknown")
        for run in runs if show_all else runs[:SHOWN]:
            yield f"{status:<11}  {run.run_id}"
            if told := _told(run):
                yield f"             {told}"
        if not show_all and len(runs) > SHOWN:
            yield f"{status:<11}  and {len(runs) - SHOWN} more, which --all lists"
    if can_go_on or any("not started" in sweep.unfinished for sweep in found.sweeps):
        yield command("resume", found.path, trust=found.needs_trust)


def _told(run: RunStatus) -> str:
    parts = []
    if run.total is not None and not run.status.is_finished and run.status != "corrupt":
        parts.append(f"{run.updates} of {run.total} updates")
        if run.status != "running":
            parts.append(f"goes on at {run.goes_on_at}")
    if run.attempts > 1:
        parts.append(f"{run.attempts} attempts")
    if run.reason:
        parts.append(" ".join(run.reason.split()))
    return ", ".join(parts)


def _plain(found: FolderStatus) -> dict[str, Any]:
    return {
        "path": str(found.path),
        "counts": {str(status): count for status, count in found.counts.items()},
        "runs": [vars(run) | {"status": str(run.status)} for run in found.runs],
        "sweeps": [vars(sweep) | {"unfinished": dict(sweep.unfinished)} for sweep in found.sweeps],
        "damaged": [vars(one) for one in found.damaged],
    }
