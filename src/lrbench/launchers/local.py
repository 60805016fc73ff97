"""Worker processes on this machine: warm, replaced when they die, stopped cleanly.

A worker imports the task once and then does one job after another. Workers are started by
``spawn``, because a fork would carry the parent's threads and locks along, or forked from a process
with one thread that has loaded what they need (:mod:`lrbench.launchers.loaded`).
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any, Literal

from lrbench.errors import LrbenchError
from lrbench.launchers.loaded import (
    SAFE_PATH,
    end_loading,
    is_loaded,
    later_interrupts,
    with_variables,
)

STOP_GRACE_S = 10.0
"""How long a stopped worker may take to put its record in order before it is killed."""

POLL_S = 0.02
MOST_BYTES = 65536

NO_JOB = -1

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
    """One worker process, the variables it was started with, and the job it has."""

    def __init__(self, task: str, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.job = NO_JOB
        with with_variables(variables):
            if is_loaded():
                try:
                    # Ctrl-C is heard: loading may take a while, and a worker without its parent's
                    # end of the pipe ends.
                    self._start(task, "forkserver")
                except (EOFError, OSError):
                    end_loading()
                else:
                    return
            with later_interrupts():
                self._start(task, "spawn")

    def _start(self, task: str, way: str) -> None:
        context: Any = multiprocessing.get_context(way)
        self.pipe, theirs = context.Pipe()
        with theirs:
            work = partial(_work, theirs, task, os.environ.get(SAFE_PATH))
            self.process = context.Process(target=work, daemon=True)
            self.process.start()

    def give(self, job: int, payloads: Sequence[Any]) -> None:
        self.job = job
        # One that is dead already is noticed when its pipe is read.
        with suppress(BrokenPipeError):
            self.pipe.send(payloads[job])

    def stop(self) -> None:
        """Ask it to end: an idle worker sees its pipe closed, a working one gets a signal, and may
        still report while it puts its work in order.
        """
        if self.job == NO_JOB:
            self.pipe.close()
        elif self.process.is_alive():
            self.process.terminate()

    def join(self, timeout: float) -> None:
        """Wait until it has ended; end it after so many seconds."""
        late = time.monotonic() + timeout
        while self.process.is_alive() and time.monotonic() < late:
            # What it says is taken, so that it does not wait for a reader; as bytes, because
            # Ctrl-C may have come in the middle of a message.
            with suppress(OSError):
                if self.pipe.poll(POLL_S) and os.read(self.pipe.fileno(), MOST_BYTES):
                    continue
            self.process.join(POLL_S)
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self.pipe.close()


def run_jobs(
    task: str,
    payloads: Sequence[Any],
    *,
    workers: int,
    environments: Sequence[Mapping[str, str]] | None = None,
) -> Iterator[Event]:
    """Do every job, ``workers`` at a time, and tell what happens as it happens.

    Parameters
    ----------
    task : str
        ``module:function``, called as ``function(payload, report)`` in a worker; what it reports
        and returns must be picklable.
    payloads : sequence
        One a job.
    workers : int in [1, inf)
    environments : sequence of mapping, optional
        One a job: variables its worker must have been started with, besides this process's own. A
        worker does the jobs that have its variables and then gives way to one with others, so the
        order is that of ``payloads`` only among jobs with equal variables.

    Yields
    ------
    Event
        For each job ``started``, any number of ``progress``, then ``done`` or ``failed``. A job
        that raises fails; one whose worker dies is tried once more, then fails. No failure touches
        other jobs. Closing the iterator stops the workers.
    """
    environments = environments or [{}] * len(payloads)
    waiting = deque(range(len(payloads)))
    deaths = dict.fromkeys(waiting, 0)
    unfinished = len(payloads)
    crew: list[_Worker] = []
    try:
        while unfinished:
            while waiting and (pair := _match(crew, waiting, environments, workers, task)):
                worker, job = pair
                waiting.remove(job)
                worker.give(job, payloads)
                yield Event("started", job)
            for worker, kind, value in _next_messages(crew):
                job = worker.job
                if kind == "progress":
                    yield Event("progress", job, value)
                    continue
                worker.job = NO_JOB
                if kind == "died":
                    worker.stop()
                    crew.remove(worker)
                    if job == NO_JOB:
                        continue
                    deaths[job] += 1
                    if deaths[job] == 1:
                        waiting.appendleft(job)
                        yield Event("retried", job, value)
                        continue
                unfinished -= 1
                yield Event("done" if kind == "done" else "failed", job, value)
    finally:
        try:
            for worker in crew:
                worker.stop()
            for worker in crew:
                worker.join(STOP_GRACE_S)
        except KeyboardInterrupt:  # pressed again: at once, then
            for worker in crew:
                worker.join(0.0)
            raise


def _match(
    crew: list[_Worker],
    waiting: Sequence[int],
    environments: Sequence[Mapping[str, str]],
    limit: int,
    task: str,
) -> tuple[_Worker, int] | None:
    """A free worker and the first job for its variables, a new worker if need be, or None."""
    idle = [worker for worker in crew if worker.job == NO_JOB]
    for worker in idle:
        for job in waiting:
            if environments[job] == worker.variables:
                return worker, job
    if len(crew) >= limit:
        if not idle:
            return None
        idle[0].stop()
        idle[0].join(STOP_GRACE_S)
        crew.remove(idle[0])
    crew.append(_Worker(task, environments[waiting[0]]))
    return crew[-1], waiting[0]


def _next_messages(crew: Sequence[_Worker]) -> Iterator[tuple[_Worker, str, Any]]:
    """Wait for workers' messages; a worker that ended without a word has died."""
    by_pipe = {worker.pipe: worker for worker in crew}
    for pipe in wait(list(by_pipe)):
        assert isinstance(pipe, Connection)
        worker = by_pipe[pipe]
        try:
            kind, value = pipe.recv()
        except (EOFError, OSError):
            worker.process.join(1.0)
            yield worker, "died", f"its worker died ({_cause(worker.process.exitcode)})"
        else:
            yield worker, kind, value


def _cause(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        with suppress(ValueError):
            return f"signal {signal.Signals(-exit_code).name}"
    return f"exit code {exit_code}"


def _work(pipe: Connection, task: str, safe_path: str | None) -> None:
    # Ctrl-C reaches the whole terminal; the parent decides what it means and stops workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if safe_path is None:
        os.environ.pop(SAFE_PATH, None)
    module, _, name = task.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    # Until here there was nothing to put in order, and being killed by the signal is right.
    signal.signal(signal.SIGTERM, _interrupt)
    # A parent that has gone ends the worker: at the next report, or while it waits for a job.
    with suppress(EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        while True:
            payload = pipe.recv()
            try:
                result = function(payload, partial(_report, pipe))
            except (BrokenPipeError, KeyboardInterrupt):
                raise
            except Exception as error:
                pipe.send(("failed", reason_of(error)))
            else:
                pipe.send(("done", result))
    # Late signals must not spoil the interpreter's own shutdown.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def reason_of(error: Exception) -> str:
    """Why a job failed, in words."""
    return str(error) if isinstance(error, LrbenchError) else f"{type(error).__name__}: {error}"


def _report(pipe: Connection, value: Any) -> None:
    """Tell the parent; if it has gone, the task is interrupted, which is no failure of its own."""
    try:
        pipe.send(("progress", value))
    except (BrokenPipeError, ConnectionResetError):
        raise KeyboardInterrupt from None


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def is_worker() -> bool:
    """Whether this process is one."""
    return multiprocessing.parent_process() is not None


def is_orphan() -> bool:
    """Whether this is a worker whose parent has gone."""
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()
