"""Progress bars on standard error; nothing is drawn where that is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lrbench.cli.console import talk

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from lrbench.workflows.run import Progress


def bars() -> Bars:
    """One bar a task: what it is, how far, loss, rate, speed and time left."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = talk()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        expand=True,
    )


def figures(progress: Progress) -> str:
    """Loss, learning rate and speed in a few characters."""
    return f"loss {progress.loss:.4f} lr {progress.lr:.3g} {progress.steps_per_s:.0f}/s"


@contextmanager
def run_progress(name: str, steps: int) -> Iterator[Callable[[Progress], None]]:
    """The bar of one run."""
    with bars() as display:
        task = display.add_task(_short(name), total=steps, figures="")

        def show(progress: Progress) -> None:
            display.update(task, completed=progress.step, figures=figures(progress))

        yield show


def _short(name: str, width: int = 34) -> str:
    return name if len(name) <= width else f"{name[: width - 1]}…"
