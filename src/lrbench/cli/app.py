"""The ``lrbench`` command and its subcommands."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Annotated

import typer

from lrbench import __version__
from lrbench.cli import (
    bundle,
    check,
    check_schedule,
    compare,
    diff,
    doctor,
    freeze,
    history,
    listing,
    log,
    new,
    note,
    plan,
    plot,
    preview,
    replay,
    report,
    restarts,
    resume,
    run,
    show,
    snapshots,
    status,
    summarize,
    sweep,
    trigger_test,
    twin,
    verify,
)
from lrbench.cli.console import put, reports_errors
from lrbench.cli.usage import Verbs

app = typer.Typer(
    name="lrbench",
    cls=Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Learning-rate schedules and warm restarts as disciplined, replayable experiments.",
)

for name, command in (
    ("run", run.run),
    ("plan", plan.plan),
    ("sweep", sweep.sweep),
    ("summarize", summarize.summarize),
    ("compare", compare.compare),
    ("check", check.check),
    ("plot", plot.plot),
    ("report", report.report),
    ("restarts", restarts.restarts),
    ("history", history.history),
    ("log", log.log),
    ("note", note.note),
    ("status", status.status),
    ("resume", resume.resume),
    ("verify", verify.verify),
    ("replay", replay.replay),
    ("twin", twin.twin),
    ("snapshots", snapshots.snapshots),
    ("freeze", freeze.freeze),
    ("preview", preview.preview),
    ("check-schedule", check_schedule.check_schedule),
    ("trigger-test", trigger_test.trigger_test),
    ("diff", diff.diff),
    ("list", listing.list_),
    ("show", show.show),
    ("new", new.new),
    ("bundle", bundle.bundle),
    ("doctor", doctor.doctor),
):
    app.command(name)(reports_errors(command))


def _version(asked: bool) -> None:
    if asked:
        put(f"lrbench {__version__}")
        raise typer.Exit


@app.callback()
def common(
    debug: Annotated[bool, typer.Option(help="Show tracebacks of errors.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Options before the command."""
    if debug:
        os.environ["LRBENCH_DEBUG"] = "1"


def main() -> None:
    """Run the command that was typed."""
    # A cluster's request to end and a closed terminal are what Ctrl-C is, unless they are ignored.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)
    app()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
