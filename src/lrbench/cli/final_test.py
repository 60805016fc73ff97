"""The test split, for ``lrbench summarize --final-test``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lrbench.cli.console import inert, loading, out, say

if TYPE_CHECKING:
    from lrbench.launchers.local import Event
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
    """A row an arm."""
    from rich import box
    from rich.table import Table

    from lrbench.report.numbers import ABSENT, format_for

    number = format_for([arm.loss for arm in tested.arms])
    share = format_for([arm.accuracy for arm in tested.arms])
    has_accuracy = any(arm.accuracy.n for arm in tested.arms)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("arm", overflow="fold")
    interval = f"{100 * level:.6g} % interval"
    names = ["n", "div", "test loss", interval, *(["accuracy", interval] if has_accuracy else [])]
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for arm in tested.arms:
        cells = [arm.name, str(arm.loss.n), str(arm.diverged)]
        of_both = [(arm.loss, number), *([(arm.accuracy, share)] if has_accuracy else [])]
        for estimate, written in of_both:
            cells.append(written(estimate.mean))
            has_interval = estimate.low is not None
            ends = f"[{written(estimate.low)}, {written(estimate.high)}]"
            cells.append(ends if has_interval else ABSENT)
        table.add_row(*map(inert, cells))
    out().print()
    out().print("test split, final weights; the order is no choice: choose by validation")
    out().print(table)
    for one in tested.skipped:
        say(f"not evaluated: {one.name} ({one.reason})")
