"""Worker processes on this machine: warm, replaced when they die, stopped cleanly.

A worker imports the task once and then does one job after another. Workers are started by ``spawn``:
a fork would carry the parent's threads and locks along.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any, Literal

from lrbench.errors import LrbenchError

STOP_GRACE_S = 10.0
"""How long a stopped worker may take to put its record in order before it is killed."""

Kind = Literal["started", "progress", "done", "failed", "retried"]


@dataclass(frozen=True)
class Event:
    """Something that happened to a job.

    Parameters
    ----------
    kind : {"started", "progress", "done", "failed", "retried"}
        ``retried``: its worker died and the job starts again, once.
    job : int
        Index of the job.
    value : object
        What the task reported or returned; for ``failed`` and ``retried`` the reason in words.
    """

    kind: Kind
    job: int
    value: Any = None


class _Worker:
    """One worker process and the job it has."""

    def __init__(self, task: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(
            target=_work, args=(theirs, task), daemon=True
        )
        self.process.start()
        theirs.close()
        self.job: int | None = None

    def give(self, job: int, payload: Any) -> None:
        self.job = job
        # A worker that is dead already is noticed by its sentinel.
        with suppress(BrokenPipeError):
            self.pipe.send(payload)

    def stop(self) -> None:
        """Ask it to end: an idle worker sees its pipe closed, a working one gets a signal."""
        self.pipe.close()
        if self.job is not None and self.process.is_alive():
            self.process.terminate()

    def join(self, timeout: float) -> None:
        self.process.join(timeout)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def run_jobs(task: str, payloads: Sequence[Any], *, workers: int) -> Iterator[Event]:
    """Do every job, ``workers`` at a time, and tell what happens as it happens.

    Parameters
    ----------
    task : str
        ``module:function``, called as ``function(payload, report)`` in a worker; what it reports
        and returns must be picklable.
    payloads : sequence
        One a job.
    workers : int in [1, inf)

    Yields
    ------
    Event
        For each job ``started``, any number of ``progress``, then ``done`` or ``failed``. A job
        that raises fails; one whose worker dies is tried once more, then fails. No failure touches
        other jobs. Closing the iterator stops the workers.
    """
    waiting = deque(range(len(payloads)))
    deaths = dict.fromkeys(waiting, 0)
    crew = [_Worker(task) for _ in range(min(workers, len(payloads)))]
    unfinished = len(payloads)
    try:
        while unfinished:
            for worker in crew:
                if worker.job is None and waiting:
                    job = waiting.popleft()
                    worker.give(job, payloads[job])
                    yield Event("started", job)
            for index, kind, value in _next_messages(crew):
                job = crew[index].job
                if kind == "died":
                    crew[index].stop()
                    crew[index] = _Worker(task)
                    if job is None:
                        continue
                    deaths[job] += 1
                    if deaths[job] == 1:
                        waiting.appendleft(job)
                        yield Event("retried", job, value)
                        continue
                    kind, value = "failed", f"{value}, twice"
                assert job is not None
                if kind in ("done", "failed"):
                    crew[index].job = None
                    unfinished -= 1
                yield Event(kind, job, value)
    finally:
        for worker in crew:
            worker.stop()
        for worker in crew:
            worker.join(STOP_GRACE_S)


def _next_messages(crew: Sequence[_Worker]) -> Iterator[tuple[int, Any, Any]]:
    """Wait for workers' messages; a worker that ended without a word has died."""
    pipes = {worker.pipe: index for index, worker in enumerate(crew)}
    for pipe in wait(list(pipes)):
        assert isinstance(pipe, Connection)
        index = pipes[pipe]
        try:
            kind, value = pipe.recv()
        except (EOFError, OSError):
            process = crew[index].process
            process.join(1.0)
            yield index, "died", f"its worker died ({_cause(process.exitcode)})"
        else:
            yield index, kind, value


def _cause(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        with suppress(ValueError):
            return f"signal {signal.Signals(-exit_code).name}"
    return f"exit code {exit_code}"


def _work(pipe: Connection, task: str) -> None:
    # Ctrl-C reaches the whole terminal; the parent decides what it means and stops workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupt)
    module, _, name = task.partition(":")
    # A worker has one thread; libraries that read this do so when they are loaded.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    # A parent that has gone ends the worker: at the next report, or while it waits for a job.
    with suppress(EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        while True:
            payload = pipe.recv()
            try:
                result = function(payload, lambda value: pipe.send(("progress", value)))
            except (BrokenPipeError, KeyboardInterrupt):
                raise
            except LrbenchError as error:
                pipe.send(("failed", str(error)))
            except Exception as error:
                pipe.send(("failed", f"{type(error).__name__}: {error}"))
            else:
                pipe.send(("done", result))
    # Late signals must not spoil the interpreter's own shutdown.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
