"""Progress bars on standard error; nothing is drawn where that is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lrbench.cli.console import say, talk

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from lrbench.launchers.local import Event
    from lrbench.workflows.recording import Progress
    from lrbench.workflows.sweep import Job


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
def download_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each file that is fetched; nothing where none is."""
    with bars() as display:
        tasks: dict[str, TaskID] = {}

        def show(name: str, done_bytes: int, total_bytes: int) -> None:
            if name not in tasks:
                say(f"fetching {name}")
                tasks[name] = display.add_task(_short(name), total=total_bytes or None, figures="")
            figure = f"{done_bytes / 2**20:.1f} MiB"
            display.update(tasks[name], completed=done_bytes, figures=figure)

        yield show


@contextmanager
def run_progress(name: str, steps: int) -> Iterator[Callable[[Progress], None]]:
    """The bar of one run."""
    with bars() as display:
        task = display.add_task(_short(name), total=steps, figures="")

        def show(progress: Progress) -> None:
            display.update(task, completed=progress.step, figures=figures(progress))

        yield show


@contextmanager
def sweep_progress(total: int, complete: int) -> Iterator[Callable[[Job, Event], None]]:
    """A bar for the whole sweep and one a running job; a line a finished run where piped."""
    with bars() as display:
        whole = display.add_task("sweep", total=total, completed=complete, figures="")
        running: dict[str, TaskID] = {}
        ended = complete

        def show(job: Job, event: Event) -> None:
            nonlocal ended
            run_id, steps = job.run.spec.run_id, job.run.spec.train.steps
            if event.kind in ("started", "retried") and run_id not in running:
                running[run_id] = display.add_task(_short(run_id), total=steps, figures="")
            if event.kind == "retried":
                say(f"again: {run_id} ({event.value})")
                display.reset(running[run_id])
            elif event.kind == "progress":
                progress: Progress = event.value
                display.update(running[run_id], completed=progress.step, figures=figures(progress))
            elif event.kind in ("done", "failed"):
                ended += 1
                display.remove_task(running.pop(run_id))
                display.update(whole, completed=ended, figures=f"{ended}/{total} runs")
                if display.disable:
                    outcome = "failed" if event.kind == "failed" else str(event.value.status)
                    say(f"[{ended}/{total}] {run_id} {outcome}")

        yield show


def _short(name: str, width: int = 34) -> str:
    return name if len(name) <= width else f"{name[: width - 1]}…"
