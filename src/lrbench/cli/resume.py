"""``lrbench resume``: go on with what was interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrbench.cli.console import command, loading, put, put_json, say
from lrbench.cli.options import Data, Json, Trust, Workers
from lrbench.errors import ExitCode

if TYPE_CHECKING:
    from lrbench.launchers.local import Event
    from lrbench.workflows.resume import ResumePlan, Unfinished


def resume(
    path: Annotated[
        Path, typer.Argument(metavar="RUN|DIR", help="A record, or a folder of results.")
    ],
    jobs: Workers = None,
    start_over: Annotated[
        bool, typer.Option("--start-over", help="From the first update, not from the checkpoint.")
    ] = False,
    trust: Trust = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Go on with interrupted and failed runs, and with the runs of sweeps that were not begun.

    A run goes on at its last checkpoint and leaves the same bytes as if nothing had happened.
    """
    with loading():
        from lrbench.cli.progress import jobs_progress
        from lrbench.workflows.resume import plan_resume
        from lrbench.workflows.resume import resume as work
        from lrbench.workflows.sweep import usable_cores

    plan = plan_resume(path, trust=trust, data_root=data)
    say(_headline(plan))
    for run_id, reason in plan.refused:
        say(f"left as it is: {run_id} {' '.join(reason.split())}")
    with jobs_progress("resume", len(plan.unfinished)) as display:

        def on_event(job: Unfinished, event: Event) -> None:
            display.show(job.run.spec.run_id, job.run.spec.total_steps, event)

        try:
            report = work(
                plan, workers=jobs or usable_cores(), start_over=start_over, on_event=on_event
            )
        except KeyboardInterrupt:
            say(f"to go on: {command('resume', path, trust=trust)}")
            raise
    if json:
        put_json(
            {
                "path": str(path),
                "trained": report.done,
                "diverged": report.diverged,
                "complete_before": plan.finished,
                "running": list(plan.running),
                "left": [{"run": run, "reason": reason} for run, reason in plan.refused],
                "failed": [{"run": run, "reason": reason} for run, reason in report.failures],
            }
        )
    else:
        for run_id, reason in report.failures:
            say(f"failed: {run_id}")
            for line in reason.splitlines():
                say(f"  {line}")
        diverged = f", {report.diverged} of them diverged" if report.diverged else ""
        put(f"{_runs(report.done)} finished{diverged}; {plan.finished} finished before")
        put(str(path))
    if report.failures:
        raise typer.Exit(int(ExitCode.RUN_FAILED))
    if plan.refused:
        raise typer.Exit(int(ExitCode.DIFFERENCE))


def _headline(plan: ResumePlan) -> str:
    parts = [f"{_runs(len(plan.unfinished))} to go on with"]
    if begun := [job.goes_on_at for job in plan.unfinished if job.goes_on_at]:
        parts.append(f"{len(begun)} from a checkpoint")
    if plan.running:
        parts.append(f"{len(plan.running)} being trained by another process and left to it")
    return ", ".join(parts)


def _runs(number: int) -> str:
    return f"{number} run{'' if number == 1 else 's'}"
