"""``lrbench run``: train one run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrbench.cli.console import command, loading, put, put_json, say, tell_of_stop
from lrbench.cli.options import ConfigDir, Json, Note, Overrides, Results, Tags

if TYPE_CHECKING:
    from lrbench.config.resolve import Resolved
    from lrbench.record.reader import Record


def run(
    overrides: Overrides = None,
    results: Results = Path("results"),
    config_dir: ConfigDir = None,
    note: Note = None,
    tag: Tags = None,
    force: Annotated[
        bool, typer.Option("--force", help="Train again even if the record is complete.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and train nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Train one run and leave its record.

    A complete record of the same specification is reported, not trained again.
    """
    with loading():
        if not dry_run:
            from lrbench.workflows.ahead import load_ahead_of_run

            load_ahead_of_run(overrides or [], config_dir)
        from lrbench.cli.progress import download_progress, run_progress
        from lrbench.workflows.results import check_results, found_record
        from lrbench.workflows.run import resolve_overrides
        from lrbench.workflows.run import run as run_workflow
        from lrbench.workflows.trust import needs_trust

    with download_progress() as on_download:
        resolved = resolve_overrides(
            overrides or [],
            config_dir=config_dir,
            note=note,
            tags=tag or [],
            on_download=on_download,
        )
    for remark in (*resolved.notes, *resolved.notices):
        say(f"note: {remark}")
    if dry_run:
        check_results(results)
        path = results / resolved.spec.run_id
        _show_plan(resolved, path, found_record(path), force, json)
        return
    try:
        with run_progress(resolved.spec.run_id, resolved.spec.train.steps) as on_progress:
            report = run_workflow(
                resolved, results, force=force, on_progress=on_progress, on_stop=tell_of_stop
            )
    except KeyboardInterrupt:
        path, trust = results / resolved.spec.run_id, needs_trust(resolved.spec.model_dump())
        say(f"to go on: {command('resume', path, trust=trust)}, or the same command")
        raise
    for sentence in report.talk:
        say(sentence)
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
        if resolved.note or resolved.tags:
            say("its record keeps the note and tags it has; to add to them:")
            say(f"  {command('note', report.path)} …")
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


def _show_plan(run: Resolved, path: Path, found: Record | None, force: bool, as_json: bool) -> None:
    """What would be trained, and what stands in its place already."""
    from lrbench.workflows.outlook import outlook

    train, ahead = run.spec.train, list(outlook(run))
    would_train = found is None or _would_train(found, force)
    if as_json:
        put_json(
            {
                "run_id": run.spec.run_id,
                "path": str(path),
                "steps": train.steps,
                "eval_every": train.eval_every,
                "restarts": ahead,
                "status": found and str(found.status),
                "reason": found.reason if found else "",
                "would_train": would_train,
            }
        )
        return
    put(run.spec.run_id)
    put(f"{train.steps} updates, evaluated every {train.eval_every}")
    for sentence in ahead:
        put(sentence)
    if found is None:
        put("there is no record of it yet")
    else:
        reason = f" ({found.reason})" if found.reason else ""
        verdict = "it would be trained" if would_train else "it would not be trained"
        put(f"its record is {found.status}{reason}; {verdict}")
    put("nothing was written; without --dry-run its record is")
    put(str(path))


def _would_train(found: Record, force: bool) -> bool:
    """Whether ``run`` trains what has this record; one being written is left to its writer."""
    from lrbench.record.reader import Status

    if found.status is Status.RUNNING:
        return False
    return force or not (found.status.is_finished or found.status is Status.CORRUPT)
