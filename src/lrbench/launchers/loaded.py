"""A process that loads what workers need while it is found out what they are to do, and from which
they are then forked: the standard library's fork server, with one environment and one thread.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, resource_tracker, util
from types import FrameType

THREADS = "OMP_NUM_THREADS"
SAFE_PATH = "PYTHONSAFEPATH"

_environment: dict[str, str] | None = None
"""With which that process was started; None where there is none."""


def load_ahead(modules: Sequence[str], variables: Mapping[str, str]) -> None:
    """Begin to load what workers need.

    Workers with these variables are then forked from the process that has loaded it, and start at
    once; those with others, or after this process's own have changed, start as they would have.

    Parameters
    ----------
    modules : sequence of str
        They must start no thread when they are imported.
    variables : mapping
        As in :func:`lrbench.launchers.local.run_jobs`.
    """
    global _environment
    # Elsewhere system libraries start threads; and there is one such process at most.
    if sys.platform != "linux" or _environment is not None:
        return
    with later_interrupts(), with_variables(variables):
        wanted = dict(os.environ)
        if wanted[THREADS] != "1":
            return
        # It would import from the current folder what this process has from elsewhere.
        with with_variables({SAFE_PATH: "1"}):
            multiprocessing.get_context("forkserver").set_forkserver_preload(list(modules))
            # Without a folder for its socket, say, workers start as ever.
            with suppress(OSError):
                forkserver.ensure_running()
                _environment = wanted
    if _environment is not None:
        atexit.register(end_loading)
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, _end_both)


def is_loaded() -> bool:
    """Whether there is a process with this one's environment. Forked from one that was started with
    other variables, a worker would have those.
    """
    return _environment == dict(os.environ)


def end_loading() -> None:
    """End that process, whatever it is doing: it would hold this one's output open, and workers
    are started as ever from now on.
    """
    global _environment
    pid = getattr(forkserver._forkserver, "_forkserver_pid", None)
    if _environment is not None and pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _environment = None


def _end_both(number: int, frame: FrameType | None) -> None:
    end_loading()
    util._run_finalizers()  # type: ignore[attr-defined]
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


@contextmanager
def with_variables(values: Mapping[str, str]) -> Iterator[None]:
    """Variables of this process for as long as it starts another, which inherits them.

    A worker has one thread, unless the user says otherwise; libraries read that when they are
    loaded.
    """
    values = {THREADS: os.environ.get(THREADS, "1"), **values}
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def later_interrupts() -> Iterator[None]:
    """Ctrl-C is heard afterwards: a process that is started inherits this one's deafness."""
    # Started on the way, it would have the signal heard again.
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
