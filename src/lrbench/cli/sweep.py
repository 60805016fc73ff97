"""``lrbench sweep``: many runs, durable, only what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lrbench.cli.console import command, inert, loading, out, put, put_json, say, undisturbed
from lrbench.cli.options import ConfigDir, Json, Note, Overrides, Results, Tags
from lrbench.errors import ExitCode, LrbenchError

if TYPE_CHECKING:
    from lrbench.launchers.local import Event
    from lrbench.workflows.sweep import Job, SweepPlan, SweepReport


FORCE = "--force-damaged"


def sweep(
    overrides: Overrides = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            help="How many seeds (5: 0 to 4), or which (3,7,11).  [default: 5, or the preset's]",
            metavar="SEEDS",
            show_default=False,
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="A sweep that has a name (lrbench list presets); overrides win over its own.",
            metavar="NAME",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(help="Worker processes; one a core by default.", min=1, max=1024, metavar="N"),
    ] = None,
    results: Results = Path("results"),
    config_dir: ConfigDir = None,
    note: Note = None,
    tag: Tags = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be trained; train nothing.")
    ] = False,
    force_damaged: Annotated[
        bool, typer.Option(FORCE, help="Train damaged records again, in their place.")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Write a report on all of DIR when it is done.")
    ] = False,
    json: Json = False,
) -> None:
    """Train every combination of a,b,c or range(...) over several seeds.

    Run it again to do what is missing; add seeds or values, and only those are trained.
    """
    with loading():
        if not dry_run:
            from lrbench.workflows.ahead import load_ahead_of_sweep

            load_ahead_of_sweep(overrides or [], preset, config_dir)
        from lrbench.cli.progress import download_progress, jobs_progress
        from lrbench.workflows.sweep import (
            default_workers,
            parse_seeds,
            plan_sweep,
            run_sweep,
            seeds_of,
        )
        from lrbench.workflows.trust import needs_trust

    with download_progress() as on_download:
        plan = plan_sweep(
            overrides or [],
            parse_seeds(seeds_of(preset) if seeds is None else seeds),
            results,
            config_dir=config_dir,
            note=note,
            tags=tag or [],
            preset=preset,
            on_download=on_download,
        )
    workers = jobs or default_workers(plan)
    if dry_run:
        _show_plan(plan, workers, json)
        return
    say(_headline(plan))
    for notice in dict.fromkeys(notice for job in plan.jobs for notice in job.run.notices):
        say(f"note: {notice}")
    complete = sum(job.is_finished for job in plan.jobs)
    if complete and (note or tag):
        say("what is complete already keeps the note and tags it has; lrbench note adds to them")
    with jobs_progress("sweep", len(plan.jobs), complete) as display:

        def on_event(job: Job, event: Event) -> None:
            display.show(job.run.spec.run_id, job.run.spec.train.steps, event)

        try:
            found = run_sweep(plan, workers=workers, force_damaged=force_damaged, on_event=on_event)
        except KeyboardInterrupt:
            with undisturbed():
                done = sum(job.is_finished for job in plan.refreshed().jobs)
                say(f"{done} of {len(plan.jobs)} runs are complete")
                trust = any(needs_trust(run.model_dump()) for run in plan.spec.runs)
                say(
                    f"to go on: {command('resume', plan.results, trust=trust)}, or the same command"
                )
            raise
    written = _write_report(plan) if report else None
    _show_report(found, plan, json, written)
    if found.failures:
        raise typer.Exit(int(ExitCode.RUN_FAILED))
    if found.mismatches:
        raise typer.Exit(int(ExitCode.DIFFERENCE))


def _headline(plan: SweepPlan) -> str:
    product = f"{_count(len(plan.spec.arms), 'arm')} x {_count(len(plan.spec.seeds), 'seed')}"
    parts = [f"{product} = {_count(len(plan.jobs), 'run')}"]
    complete = sum(job.is_finished for job in plan.jobs)
    if complete:
        parts.append(f"{complete} complete already")
    if elsewhere := len(plan.jobs) - complete - len(plan.missing):
        parts.append(f"{elsewhere} being trained by another process and left to it")
    return ", ".join(parts)


def _show_plan(plan: SweepPlan, workers: int, as_json: bool) -> None:
    from dataclasses import asdict

    from lrbench.cli.plan import lines
    from lrbench.workflows.estimate import estimate, estimate_of_loop
    from lrbench.workflows.power import power_of_sweep

    power = power_of_sweep(plan)
    estimates = [estimate(plan, workers)]
    if estimates[0].engine == "lanes":
        estimates.append(estimate_of_loop(plan, workers))
    # What every arm of a preset has in common is told once.
    shared = set.intersection(*(set(arm.overrides) for arm in plan.spec.arms))
    if len(plan.spec.arms) == 1:
        shared = set()
    arms: list[dict[str, Any]] = []
    for index, arm in enumerate(plan.spec.arms):
        jobs = [job for job in plan.jobs if job.arm == index]
        arms.append(
            {
                "arm": " ".join(arm.overrides) or "(defaults)",
                "apart": " ".join(one for one in arm.overrides if one not in shared),
                "steps": arm.runs[0].train.steps,
                "complete": sum(not job.is_missing for job in jobs),
                "missing": sum(job.is_missing for job in jobs),
            }
        )
    if as_json:
        put_json(
            {
                "arms": [{k: v for k, v in arm.items() if k != "apart"} for arm in arms],
                "seeds": list(plan.spec.seeds),
                "runs": len(plan.jobs),
                "missing": len(plan.missing),
                "workers": workers,
                "estimated_seconds": round(estimates[0].seconds, 1),
                "engines": [
                    {"engine": e.engine, "plans": e.plans, "seconds": round(e.seconds, 1)}
                    for e in estimates
                ],
                "power": None if power is None else asdict(power),
                "sweep": str(plan.path),
            }
        )
        return
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("arm", overflow="fold")
    for name in ("steps", "complete", "missing"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in arms:
        cells = (row["apart"] or row["arm"], row["steps"], row["complete"], row["missing"])
        table.add_row(*(inert(str(value)) for value in cells))
    put(_headline(plan))
    if shared:
        common = [one for one in plan.spec.arms[0].overrides if one in shared]
        put(f"in all arms: {' '.join(common)}")
    put(f"seeds: {', '.join(map(str, plan.spec.seeds))}")
    out().print(table)
    crew = _count(workers, "worker")
    lanes, *others = estimates
    if others:
        width = plan.missing[0].run.spec.compute.lanes if plan.missing else 0
        put(f"{_count(lanes.plans, 'plan')} of {width} lanes")
        put(f"with the loop engine it would be about {_duration(others[0].seconds)} of training")
    if plan.missing:
        put(
            f"about {_duration(lanes.seconds)} of training with {crew}, by a few updates timed "
            "just now; starting workers and runs is not in it"
        )
    else:
        put("nothing to train: every run is complete")
    if power:
        for line in lines(power):
            put(line)
    put("nothing was written; without --dry-run the sweep's file will be")
    put(str(plan.path))


def _write_report(plan: SweepPlan) -> Path | None:
    """The page on everything in the folder; a sweep without a finished run has none."""
    from lrbench.cli.report import default_path, save
    from lrbench.report.document.html import to_html
    from lrbench.workflows.report import report

    path = default_path(plan.results)
    try:
        save(to_html(report(plan.results).document), path)
    except LrbenchError as error:
        say(f"no report: {error}")
        return None
    return path


def _show_report(report: SweepReport, plan: SweepPlan, as_json: bool, written: Path | None) -> None:
    if as_json:
        put_json(
            {
                "sweep": str(report.path),
                "runs": len(plan.jobs),
                "trained": report.done,
                "diverged": report.diverged,
                "complete_before": report.skipped,
                "failed": [{"run": run, "reason": reason} for run, reason in report.failures],
                "mismatches": list(report.mismatches),
                **({"report": str(written)} if written else {}),
            }
        )
        return
    for run, reason in report.failures:
        say(f"failed: {run}")
        for line in reason.splitlines():
            say(f"  {line}")
    for mismatch in report.mismatches:
        say(f"not comparable: {mismatch}")
    parts = [f"{_count(report.done, 'run')} trained"]
    if report.diverged:
        parts.append(f"{report.diverged} of them diverged")
    if report.skipped:
        parts.append(f"{report.skipped} complete before")
    if report.failures:
        parts.append(f"{len(report.failures)} failed; {_remedy(report, plan)}")
    put(", ".join(parts))
    put(command("summarize", plan.results))
    put(str(report.path))
    if written:
        put(str(written))


def _remedy(report: SweepReport, plan: SweepPlan) -> str:
    """What makes the runs that failed be trained: a damaged one fails again unless it is forced."""
    from lrbench.record.reader import Status

    found = {job.run.spec.run_id: job.status for job in plan.jobs}
    # With --force-damaged it was not its damage that one of these failed of.
    left = sum(found[run] is Status.CORRUPT and FORCE in why for run, why in report.failures)
    if not left:
        return "the same command tries them again"
    if left == len(report.failures):
        return f"the same command with {FORCE} trains them again"
    return f"the same command tries them again, and with {FORCE} also the {left} damaged"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{max(1, round(seconds))} s" if seconds else "0 s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
