"""``lrbench run``: train one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lrbench.cli.console import loading, put, put_json, say, tell_of_stop
from lrbench.cli.options import ConfigDir, Json, Note, Overrides, Results


def run(
    overrides: Overrides = None,
    results: Results = Path("results"),
    config_dir: ConfigDir = None,
    note: Note = None,
    force: Annotated[
        bool, typer.Option("--force", help="Train again even if the record is complete.")
    ] = False,
    json: Json = False,
) -> None:
    """Train one run and leave its record.

    A complete record of the same specification is reported, not trained again.
    """
    with loading():
        from lrbench.cli.progress import download_progress, run_progress
        from lrbench.workflows.run import resolve_overrides
        from lrbench.workflows.run import run as run_workflow

    with download_progress() as on_download:
        resolved = resolve_overrides(
            overrides or [], config_dir=config_dir, note=note, on_download=on_download
        )
    for remark in (*resolved.notes, *resolved.notices):
        say(f"note: {remark}")
    try:
        with run_progress(resolved.spec.run_id, resolved.spec.train.steps) as on_progress:
            report = run_workflow(
                resolved, results, force=force, on_progress=on_progress, on_stop=tell_of_stop
            )
    except KeyboardInterrupt:
        say(f"to go on: lrbench resume {results / resolved.spec.run_id}, or the same command")
        raise
    if json:
        put_json(
            {
                "path": str(report.path),
                "status": str(report.status),
                "diverged_at": report.diverged_at,
                "metrics": dict(report.metrics),
                "was_there": report.was_there,
                "seconds": round(report.seconds, 3),
            }
        )
        return
    if report.was_there:
        say("this run is complete already; --force trains it again")
        if resolved.note:
            say("its record keeps the note it has; the new one was not written")
    shown = [
        f"{name} {value:.4g}"
        for name, value in report.metrics.items()
        if name.startswith("val_") and value is not None
    ]
    ended = f"{report.status}:"
    if report.diverged_at is not None:
        ended = f"diverged at step {report.diverged_at}; last finite evaluation at"
    seconds = "" if report.was_there else f"  ({report.seconds:.1f} s)"
    put(f"{ended} step {report.metrics['step']}, {', '.join(shown) or 'no finite loss'}{seconds}")
    put(str(report.path))
