"""``lrbench twin``: did a restart help?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lrbench.cli.console import command, inert, loading, out, put, put_json, say
from lrbench.cli.options import Data, Json, Trust, Workers
from lrbench.errors import ExitCode

if TYPE_CHECKING:
    from lrbench.launchers.local import Event
    from lrbench.stats.paired import Paired
    from lrbench.workflows.twin import Fork, TwinPlan, TwinReport
    from lrbench.workflows.twin_results import Horizon, PolicyResult, RestartResult

NAMES = {"val_loss": "loss", "val_accuracy": "accuracy"}


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
        from lrbench.workflows.twin import parse_policies, parse_restart, plan_twins, run_twins
        from lrbench.workflows.twin_results import twin_results

    plan = plan_twins(
        path,
        restart=parse_restart(restart),
        policies=parse_policies(policies),
        results=results,
        force=force,
        trust=trust,
        data_root=data,
    )
    for run_id, reason in plan.skipped:
        say(f"left out: {run_id} {reason}")
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
        for result in found:
            _show(result)
        for run_id, difference in report.differences:
            told = difference.told("the run", "its twin")
            put(f"not the same run: the twin of {run_id} with its own policy; {told}")
        put(command("summarize", plan.results))
        put(str(plan.results))
    if report.failures:
        raise typer.Exit(int(ExitCode.RUN_FAILED))
    if report.differences:
        raise typer.Exit(int(ExitCode.DIFFERENCE))


def _headline(plan: TwinPlan) -> str:
    twins = sum(len(fork.twins) for fork in plan.forks)
    kept = sum(fork.restart.step in fork.parent.kept() for fork in plan.forks)
    places = len(plan.forks)
    again = "" if kept == places else f", {places - kept} made again up to the restart"
    return f"{_count(twins, 'twin')} at {_count(places, 'restart')}: {kept} kept{again}"


def _show(result: RestartResult) -> None:
    from rich import box
    from rich.table import Table

    where = ", ".join(map(str, result.steps[:4])) + (" …" if len(result.steps) > 4 else "")
    arm = f"{result.arm}, " if result.arm else ""
    put(f"{arm}restart {result.restart} at step {where}, against the same run without it")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("policy", "metric", "at"):
        table.add_column(name, overflow="fold")
    for name in ("without", "with", "better by", "95% interval", "seeds"):
        table.add_column(name, justify="right", no_wrap=True)
    for policy in result.policies:
        label = f"{policy.policy} (as run)" if policy.is_own else policy.policy
        for metric, horizons in policy.horizons.items():
            for horizon in horizons:
                table.add_row(*map(inert, (label, NAMES[metric], *_cells(horizon))))
                label = ""
    out().print(table)
    put("better by: positive where the run with the restart is better, seed by seed")
    for policy in result.policies:
        last = policy.horizons["val_loss"][-1]
        told = ", ".join(
            f"{pair.seed}: {_signed(difference)}"
            for pair, difference in zip(last.pairs, last.found.differences, strict=True)
        )
        put(f"{policy.policy}, loss at the end, each seed: {told}")
    put("at T/4 and T/2 the learning rates of the two differ, so these are no verdict")
    for policy in result.policies:
        put(verdict(policy, result.restart, len(result.policies)))


def _cells(horizon: Horizon) -> Iterator[str]:
    steps = horizon.steps
    place = f"+{steps[0]}" if len(steps) == 1 else f"+{steps[0]}..{steps[-1]}" if steps else ""
    yield f"{horizon.when} {place}"
    if not horizon.pairs:
        yield from ("not looked at", "", "", "", "0")
        return
    found = horizon.found
    for values in ([p.without for p in horizon.pairs], [p.restart for p in horizon.pairs]):
        there = [value for value in values if value is not None]
        yield f"{sum(there) / len(there):.4g}" if len(there) == len(values) else "diverged"
    yield "" if found.mean is None else _signed(found.mean)
    has_interval = found.low is not None and found.high is not None
    yield f"{_signed(found.low or 0.0)} {_signed(found.high or 0.0)}" if has_interval else "none"
    missing = f" ({horizon.missing} not looked at)" if horizon.missing else ""
    yield f"{found.n}{missing}"


def verdict(policy: PolicyResult, restart: int, policies: int) -> str:
    """The verdict on a restart in a sentence, with what it does not say."""
    found = policy.verdict
    seeds = _count(found.n, "seed")
    lost = _lost(policy)
    what = f"restart {restart} with {policy.policy}"
    adjusted = f", adjusted for {policies} policies" if policies > 1 else ""
    if found.judgement == "identical":
        return f"{what}: identical to the control in every one of {seeds}{lost}"
    by = "sign test, as runs diverged" if found.test == "sign" else "paired t test"
    if found.judgement in ("helped", "hurt"):
        assert found.p is not None
        mean = "" if found.mean is None else f" by {abs(found.mean):.3g} on average"
        word = "lower" if found.judgement == "helped" else "higher"
        return (
            f"{what} {found.judgement}: the validation loss at the end of its cycle is {word} with "
            f"it{mean}, over {seeds} ({by}, p = {found.p:.2g}{adjusted}){lost}"
        )
    return f"{what}: inconclusive ({_why(found, by, adjusted)}), over {seeds}{lost}"


def _why(found: Paired, by: str, adjusted: str) -> str:
    if found.n < 2:
        return "one seed has no interval; train more, and give their folder"
    if found.p is None:
        return "the difference is the same in every seed, so the seeds have changed nothing"
    if found.least_effect is None:
        return f"{by}, p = {found.p:.2g}{adjusted}"
    return (
        f"{by}, p = {found.p:.2g}{adjusted}; minimum detectable effect {found.least_effect:.3g} "
        f"at 80% power"
    )


def _lost(policy: PolicyResult) -> str:
    parts = []
    if policy.diverged:
        parts.append(f"{policy.diverged} diverged with it")
    if policy.control_diverged:
        parts.append(f"{policy.control_diverged} without it")
    return f"; {' and '.join(parts)}, each counted as the worst" if parts else ""


def _plain(found: Sequence[RestartResult], plan: TwinPlan, report: TwinReport) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "twins": str(plan.results),
        "trained": report.trained,
        "restarts": [
            {
                "arm": result.arm,
                "restart": result.restart,
                "steps": list(result.steps),
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


def _signed(value: float) -> str:
    return f"{value:+.3g}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
