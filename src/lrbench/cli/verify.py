"""``lrbench verify``: is a record what it says, and does the run come out the same again?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shutil import get_terminal_size
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lrbench.cli.console import flat, loading, put, put_json
from lrbench.cli.options import Data, Json, Trust, Workers
from lrbench.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from lrbench.launchers.local import Event
    from lrbench.record.reader import Record
    from lrbench.workflows.verify import Level, Report, Verification

INDENTED: Any = {
    "initial_indent": " " * 11,
    "subsequent_indent": " " * 13,
    "break_long_words": False,
    "break_on_hyphens": False,
}
"""What is told of a run, below its name; a path or a digest stays in one piece."""

WORDS = {
    "files": "every byte of the files",
    "inputs": "files, data, batches, rates, first weights",
    "prefix": "files, inputs, first updates",
    "from-checkpoint": "files, inputs, updates from the last checkpoint on, final weights",
    "full": "files, inputs, every update, final weights",
}


def verify(
    path: Annotated[
        Path,
        typer.Argument(metavar="RUN|DIR|BUNDLE", help="A record, results, or a bundle's file."),
    ],
    files: Annotated[
        bool, typer.Option("--files", help="Only the files: nothing is computed again.")
    ] = False,
    inputs: Annotated[
        bool, typer.Option("--inputs", help="And data, batches, rates, first weights.")
    ] = False,
    prefix: Annotated[
        int | None,
        typer.Option(help="And the first N updates, made again.", metavar="N", min=1),
    ] = None,
    from_checkpoint: Annotated[
        bool, typer.Option("--from-checkpoint", help="And those after the last checkpoint.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="And every update: the default.")] = False,
    close: Annotated[
        bool, typer.Option("--close", help="Be content with close where the profile differs.")
    ] = False,
    jobs: Workers = None,
    trust: Trust = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Check records bit for bit, in tiers: what is in the files, and whether runs repeat.

    On a difference it says what broke first, and keeps the run that was made again. Nothing that a
    record names is imported unless --trust is given.

    The exit code is 3 for a difference or damage, 2 for a run that cannot be tried here, and 0 if
    all is the same; a run that is not finished has nothing to compare, is named, and changes no
    exit code.
    """
    with loading():
        from lrbench.cli.progress import jobs_progress
        from lrbench.spec.run import total_steps_of
        from lrbench.workflows.sweep import usable_cores
        from lrbench.workflows.verify import PREFIX, Level, Verdict
        from lrbench.workflows.verify import verify as work

    level = _level(
        {
            Level.FILES: files,
            Level.INPUTS: inputs,
            Level.PREFIX: prefix is not None,
            Level.CHECKPOINT: from_checkpoint,
            Level.FULL: full,
        }
    )
    with jobs_progress("verify", outcome=lambda found: str(found.verdict)) as display:

        def on_event(record: Record, event: Event) -> None:
            display.show(record.run_id, total_steps_of(record.spec), event)

        report = work(
            path,
            level,
            prefix=prefix or PREFIX,
            workers=jobs or usable_cores(),
            trust=trust,
            data_root=data,
            on_begin=display.expect,
            on_event=on_event,
        )
    if json:
        put_json(_plain(report))
    else:
        for line in _lines(report, get_terminal_size().columns):
            put(line)
    if report.others or any(
        report.count(verdict)
        for verdict in (Verdict.DIFFERENT, Verdict.DAMAGED, *([] if close else [Verdict.CLOSE]))
    ):
        raise typer.Exit(int(ExitCode.DIFFERENCE))
    if report.count(Verdict.REFUSED):
        raise typer.Exit(int(ExitCode.USAGE))


def _level(asked: dict[Level, bool]) -> Level:
    chosen = [level for level, is_asked in asked.items() if is_asked]
    if len(chosen) > 1:
        told = " and ".join(f"--{level}" for level in chosen)
        raise ConfigError("must be one tier", key="verify", got=told, remedy=f"--{chosen[-1]}")
    return chosen[0] if chosen else list(asked)[-1]


def _lines(report: Report, width: int) -> Iterator[str]:
    for run in report.runs:
        yield f"{run.verdict:<10} {flat(run.run_id)}"
        for line in _details(run):
            yield from wrap(flat(line), width, **INDENTED)
    for other in report.others:
        yield flat(other)
    counts: dict[str, int] = {}
    for run in report.runs:
        counts[run.verdict] = counts.get(run.verdict, 0) + 1
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    yield f"{len(report.runs)} run{'' if len(report.runs) == 1 else 's'}: {told}"
    reached = {run.level for run in report.runs if run.verdict == "identical" and run.level}
    if len(reached) == 1:
        yield f"compared: {WORDS[next(iter(reached))]}"
    yield str(report.path)


def _details(run: Verification) -> Iterator[str]:
    for line in run.reason.splitlines():
        yield line.strip()
    if run.difference:
        yield run.difference.told("the record", "the replay")
    if run.level and run.verdict not in ("identical", "refused"):
        yield f"the same until then: {WORDS[run.level]}"
    for change in run.profile:
        then, now = change.recorded, change.other
        yield f"not as it was: {change.key.removeprefix('profile.')} {then} then, {now} now"
    if run.closeness:
        for verdict in run.closeness.verdicts:
            yield _judged(vars(verdict))
    if run.kept:
        yield f"made again: {run.kept}"


def _judged(verdict: dict[str, Any]) -> str:
    word = {True: "close", False: "NOT CLOSE", None: "not judged"}[verdict["holds"]]
    figure = f": {verdict['figure']:.3g}" if verdict["figure"] is not None else ""
    why = f" ({verdict['why']})" if verdict["why"] else f" ({verdict['tolerance']})"
    return f"{word}: {verdict['what']}{figure}{why}"


def _plain(report: Report) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "path": str(report.path),
        "level": str(report.level),
        "runs": [
            asdict(run) | {"kept": str(run.kept) if run.kept else None} for run in report.runs
        ],
        "others": list(report.others),
    }
