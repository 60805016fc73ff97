"""The test split, for ``lrbench summarize --final-test``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lrbench.cli.console import loading, out, put, say

if TYPE_CHECKING:
    from lrbench.launchers.local import Event
    from lrbench.stats.aggregate import Estimate
    from lrbench.workflows.final_test import FinalTest


def evaluate(
    folder: Path, *, level: float, trust: bool, data: Path | None, jobs: int | None
) -> FinalTest:
    """Look at the test split, with a progress bar for what is trained again."""
    with loading():
        from lrbench.cli.progress import jobs_progress
        from lrbench.workflows.final_test import final_test
        from lrbench.workflows.sweep import usable_cores

    with jobs_progress("final test", 0, 0) as display:

        def on_begin(count: int) -> None:
            display.expect(count)
            if count:
                say(f"{count} runs do not keep their final weights and are trained again")

        def on_event(run_id: str, event: Event) -> None:
            display.show(run_id, 0, event)

        return final_test(
            folder,
            level=level,
            trust=trust,
            data_root=data,
            workers=jobs or usable_cores(),
            on_begin=on_begin,
            on_event=on_event,
        )


def show(tested: FinalTest, level: float) -> None:
    """A row an arm, in the order of the validation loss."""
    from lrbench.cli.summarize import fitting_columns, lines_of
    from lrbench.report.numbers import ABSENT, format_for
    from lrbench.report.tables import Column

    arms = tested.arms

    def of(name: str, estimates: list[Estimate]) -> list[Column]:
        number = format_for(estimates)
        ends = [
            ABSENT if e.low is None else f"[{number(e.low)}, {number(e.high)}]" for e in estimates
        ]
        return [
            Column(name, tuple(number(e.mean) for e in estimates)),
            Column(f"{100 * level:.6g} % interval", tuple(ends)),
        ]

    columns = [
        Column("arm", tuple(arm.name for arm in arms), is_label=True),
        Column("n", tuple(str(arm.loss.n) for arm in arms)),
    ]
    if any(arm.diverged for arm in arms):
        columns.append(Column("div", tuple(str(arm.diverged) for arm in arms)))
    columns += of("test loss", [arm.loss for arm in arms])
    if any(arm.accuracy.n for arm in arms):
        columns += of("accuracy", [arm.accuracy for arm in arms])
    put("")
    put(f"test split, {_samples(tested)}, final weights; rows in the order of their val_loss:")
    put("choose by validation, for whoever chooses by this table has no test data left")
    if any(arm.diverged for arm in arms):
        put("means are of the n runs that did not diverge; the more did, the lower an arm stands")
    for line in lines_of(fitting_columns(columns, out().width)):
        put(line)
    for one in tested.skipped:
        say(f"not evaluated: {one.name} ({one.reason})")


def _samples(tested: FinalTest) -> str:
    many = tested.samples
    if len(many) != 1:
        return "of different sizes"
    return f"{many[0]} sample{'s' if many[0] != 1 else ''}"
