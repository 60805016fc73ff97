"""Progress bars on standard error; nothing is drawn where that is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from lrbench.cli.console import say, talk

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from lrbench.launchers.local import Event
    from lrbench.workflows.recording import Progress


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
    """Loss, learning rate and speed in a few characters, or what is done instead."""
    if progress.doing:
        return progress.doing
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


COMPILING = "compiling a program for these runs, which is kept for the next ones"


@contextmanager
def run_progress(name: str, steps: int | None) -> Iterator[Callable[[Progress], None]]:
    """The bar of one run; ``steps`` is None where they are not known yet."""
    with bars() as display:
        task = display.add_task(_short(name), total=steps, figures="")
        was_said = False

        def show(progress: Progress) -> None:
            nonlocal was_said
            if progress.doing and not was_said:
                was_said = True
                say(COMPILING)
            if progress.doing:
                display.update(task, figures=figures(progress))
                return
            display.update(
                task, completed=progress.step, total=progress.total, figures=figures(progress)
            )

        yield show


MOST_BARS = 8
"""Of running jobs that are shown at once: a program of many runs has one for each."""


class JobBars:
    """A bar for all jobs and one for each of some running jobs; a line a finished job where piped.

    Parameters
    ----------
    what : str
        What is done.
    total, complete : int
        Jobs in all, and of those the ones that were complete before.
    outcome : callable
        What is told of a job, from the value it ended with.
    """

    def __init__(
        self,
        display: Bars,
        what: str,
        total: int,
        complete: int,
        outcome: Callable[[Any], str],
    ) -> None:
        self._display = display
        self._whole = display.add_task(what, total=total, completed=complete, figures="")
        self._total = total
        self._ended = complete
        self._outcome = outcome
        self._running: dict[str, TaskID] = {}
        self._was_said = False

    def expect(self, total: int) -> None:
        """The number of jobs, where it becomes known later."""
        self._total = total
        self._display.update(self._whole, total=total)

    def show(self, run_id: str, steps: int, event: Event) -> None:
        """An event of the job of this run."""
        display, running = self._display, self._running
        if event.kind in ("started", "retried") and run_id not in running:
            running[run_id] = display.add_task(
                _short(run_id), total=steps, figures="", visible=len(running) < MOST_BARS
            )
        if event.kind == "retried":
            say(f"again: {run_id} ({event.value})")
            display.reset(running[run_id])
        elif event.kind == "progress":
            progress: Progress = event.value
            if progress.doing and not self._was_said:
                self._was_said = True
                say(COMPILING)
            done = None if progress.doing else progress.step
            display.update(running[run_id], completed=done, figures=figures(progress))
        elif event.kind in ("done", "failed"):
            self._ended += 1
            display.remove_task(running.pop(run_id))
            for task in list(running.values())[:MOST_BARS]:
                display.update(task, visible=True)
            counted = f"{self._ended}/{self._total}"
            display.update(self._whole, completed=self._ended, figures=f"{counted} runs")
            if display.disable:
                outcome = "failed" if event.kind == "failed" else self._outcome(event.value)
                say(f"[{counted}] {run_id} {outcome}")


@contextmanager
def jobs_progress(
    what: str,
    total: int = 0,
    complete: int = 0,
    outcome: Callable[[Any], str] = lambda report: str(report.status),
) -> Iterator[JobBars]:
    """The bars of many runs."""
    with bars() as display:
        yield JobBars(display, what, total, complete, outcome)


@contextmanager
def counting(what: str, least: int = 200) -> Iterator[Callable[[int, int], None]]:
    """A bar for what is read one by one, if there are ``least`` of them or more."""
    with ExitStack() as stack:
        display: Bars | None = None
        task: TaskID | None = None

        def show(done: int, total: int) -> None:
            nonlocal display, task
            if total < least:
                return
            if display is None or task is None:
                display = stack.enter_context(bars())
                task = display.add_task(what, total=total, figures="")
            display.update(task, completed=done, figures=f"{done}/{total}")

        yield show


def _short(name: str, width: int = 34) -> str:
    return name if len(name) <= width else f"{name[: width - 1]}…"
