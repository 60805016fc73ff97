"""``lrbench snapshots``: the models at the ends of cycles, alone and together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lrbench.cli.console import inert, loading, out, put, put_json, say
from lrbench.cli.options import Data, Json, Trust

if TYPE_CHECKING:
    from lrbench.workflows.snapshots import RunSnapshots


def snapshots(
    path: Annotated[
        Path, typer.Argument(metavar="RUN|DIR", help="A record, or a folder of results.")
    ],
    trust: Trust = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Measure the models at the ends of a run's cycles, which restart.keep_checkpoints=true keeps.

    Each alone, the last m of them together (mean of probabilities), how many predictions change
    from one to the next, and the barrier between them: how much higher the validation loss rises on
    the straight line from one to the other.
    """
    with loading():
        from lrbench.workflows.snapshots import snapshots as work

    def on_run(run_id: str) -> None:
        say(f"looking at {run_id}")

    report = work(path, trust=trust, data_root=data, on_run=on_run)
    for run_id, reason in report.skipped:
        say(f"left out: {run_id} {reason}")
    if json:
        put_json(
            {
                "runs": [_plain(run) for run in report.runs],
                "left_out": [{"run": run, "reason": why} for run, why in report.skipped],
            }
        )
        return
    for run in report.runs:
        _show(run)


def _show(run: RunSnapshots) -> None:
    from rich import box
    from rich.table import Table

    measured = run.measured
    put(f"{run.run_id}: {len(run.steps)} snapshots, on the validation data")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("step", "loss", "accuracy", "changed", "barrier", "last", "loss", "accuracy"):
        table.add_column(name, justify="right", no_wrap=True)
    count = len(run.steps)
    for place, (step, single) in enumerate(zip(run.steps, measured.singles, strict=True)):
        before = measured.between[place - 1] if place else None
        # The row of snapshot i has the ensemble of it and all that follow.
        together = measured.ensembles[count - place - 1] if measured.ensembles else None
        table.add_row(
            *map(
                inert,
                (
                    str(step),
                    f"{single.loss:.4g}",
                    _percent(single.accuracy),
                    _percent(before.disagreement if before else None),
                    f"{before.barrier:.3g}" if before else "",
                    str(count - place) if together else "",
                    f"{together.loss:.4g}" if together else "",
                    _percent(together.accuracy if together else None),
                ),
            )
        )
    out().print(table)
    put("changed: predictions that differ from the snapshot before; barrier: rise of the loss on")
    put("the way from it; last: how many, from this one to the last, the ensemble is of")
    if run.gain is None:
        put("no ensemble: the outputs are losses themselves")
    else:
        put(f"gain of all {count} together: {run.gain:+.4g} in loss, against their mean alone")


def _percent(part: float | None) -> str:
    return "" if part is None else f"{100 * part:.2f}%"


def _plain(run: RunSnapshots) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "run": run.run_id,
        "steps": list(run.steps),
        "gain": run.gain,
        **asdict(run.measured),
    }
