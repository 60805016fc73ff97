"""``lrbench twin``: did a restart help?"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lrbench.cli.console import command, loading, put, put_json, say, undisturbed
from lrbench.cli.options import Data, Json, Trust, Workers
from lrbench.errors import ExitCode

if TYPE_CHECKING:
    from lrbench.launchers.local import Event
    from lrbench.workflows.twin import Fork, TwinPlan
    from lrbench.workflows.twin_results import RestartResult
    from lrbench.workflows.twin_training import TwinReport

NARROWEST = 60
"""Columns that the tables need; in a narrower terminal its own folding begins."""


def twin(
    path: Annotated[
        Path, typer.Argument(metavar="RUN|DIR", help="A record, or a folder of results.")
    ],
    restart: Annotated[
        str, typer.Option("--restart", help="Which restart, from 1; or all.", metavar="K")
    ] = "1",
    policies: Annotated[
        str,
        typer.Option("--policies", help="What it does instead; none: no restart.", metavar="NAMES"),
    ] = "none",
    results: Annotated[
        Path | None,
        typer.Option(help="Folder of the twins; default: twins beside the runs.", metavar="DIR"),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Go on although what decides bits is not as it was."),
    ] = False,
    jobs: Workers = None,
    trust: Trust = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Train runs once more from a restart on, without it, and say whether it helped.

    The control has the same batches and random numbers and no restart; its learning rate goes in a
    straight line to that of the cycle's end and is there at the same update. The verdict is by the
    validation loss at the end of the cycle, over the seeds of the folder. Twins that are complete
    are not trained again.

    Exit code 3 says that a twin with the run's own policy did not come out as the run itself: then
    no difference on this machine means anything.
    """
    with loading():
        from lrbench.cli.progress import jobs_progress
        from lrbench.workflows.sweep import usable_cores
        from lrbench.workflows.twin import parse_policies, parse_restart, plan_twins
        from lrbench.workflows.twin_results import twin_results
        from lrbench.workflows.twin_text import tell
        from lrbench.workflows.twin_training import run_twins

    plan = plan_twins(
        path,
        restart=parse_restart(restart),
        policies=parse_policies(policies),
        results=results,
        force=force,
        trust=trust,
        data_root=data,
    )
    for line in _left_out(plan.skipped):
        say(line)
    say(_headline(plan))
    with jobs_progress("twin", len(plan.forks), outcome=lambda done: done.status) as display:

        def on_event(fork: Fork, event: Event) -> None:
            name = f"{fork.parent.run_id} restart {fork.restart.cycle}"
            display.show(name, fork.until, event)

        try:
            report = run_twins(
                plan,
                workers=jobs or usable_cores(),
                force=force,
                trust=trust,
                data_root=data,
                on_event=on_event,
            )
        except KeyboardInterrupt:
            with undisturbed():
                twins = sum(len(fork.twins) for fork in plan.forks)
                say(f"{_complete(plan)} of {twins} twins are complete")
                say("to go on: the same command")
            raise
    for run_id, reason in report.failures:
        say(f"failed: {run_id}")
        for line in reason.splitlines():
            say(f"  {line}")
    found = twin_results(plan)
    if json:
        put_json(_plain(found, plan, report))
    else:
        width = max(NARROWEST, shutil.get_terminal_size().columns)
        for result in found:
            for line in tell(result, width):
                put(line)
            put("")
        for run_id, difference in report.differences:
            told = difference.told("the run", "its twin")
            put(f"not the same run: the twin of {run_id} with its own policy; {told}")
        put(command("summarize", plan.results))
        put(str(plan.results))
    if report.failures:
        raise typer.Exit(int(ExitCode.RUN_FAILED))
    if report.differences:
        raise typer.Exit(int(ExitCode.DIFFERENCE))


def _left_out(skipped: Sequence[tuple[str, str]]) -> Iterator[str]:
    """A line for each reason, which with several runs names the first of them."""
    runs: dict[str, list[str]] = {}
    for run_id, reason in skipped:
        runs.setdefault(reason.replace(f"{run_id} has", "it has"), []).append(run_id)
    for reason, ids in runs.items():
        if len(ids) == 1:
            yield f"left out: {ids[0]} {reason}"
        else:
            yield f"left out: {len(ids)} runs, such as {ids[0]}: {reason}"


def _headline(plan: TwinPlan) -> str:
    """How many twins, how many of them are there, and where the others begin."""
    places, done = len(plan.forks), _complete(plan)
    twins = sum(len(fork.twins) for fork in plan.forks)
    words = f"{_count(twins, 'twin')} at {_count(places, 'restart')}"
    if done:
        words += f", {done} complete already"
    if done == twins:
        return words
    kept = sum(fork.restart.step in fork.parent.kept() for fork in plan.forks)
    if kept == places:
        return f"{words}; they begin with a state that was kept there"
    again = f"{places - kept} of the parents" if kept else "their parents"
    return f"{words}; {again} must be made again up to there, no state was kept"


def _complete(plan: TwinPlan) -> int:
    from lrbench.record.reader import read_record

    paths = (plan.results / twin.spec.run_id for fork in plan.forks for twin in fork.twins.values())
    return sum(read_record(path).status.is_finished for path in paths if path.exists())


def _plain(found: Sequence[RestartResult], plan: TwinPlan, report: TwinReport) -> dict[str, Any]:
    from dataclasses import asdict

    from lrbench.workflows.twin_text import verdict

    return {
        "twins": str(plan.results),
        "trained": report.trained,
        "restarts": [
            {
                "arm": result.arm,
                "restart": result.restart,
                "steps": list(result.steps),
                "rates": asdict(result.rates),
                "policies": [
                    {
                        **asdict(policy),
                        "verdict": policy.verdict.judgement,
                        "sentence": verdict(policy, result.restart, len(result.policies)),
                    }
                    for policy in result.policies
                ],
            }
            for result in found
        ],
        "left_out": [{"run": run, "reason": reason} for run, reason in plan.skipped],
        "failed": [{"run": run, "reason": reason} for run, reason in report.failures],
        "different": [
            {"run": run, "difference": asdict(difference)} for run, difference in report.differences
        ],
    }


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
