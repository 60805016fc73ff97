"""Being asked to stop: the first time at a good place, the second time at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from lrbench.launchers.local import is_orphan, is_worker

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a cluster's or a parent's request, a closed terminal."""


class Stop:
    """Whether the run is to stop: somebody has asked, or the parent of this worker is gone."""

    def __init__(self) -> None:
        self.is_heard = False

    @property
    def is_asked(self) -> bool:
        """A worker that reports seldom must not train on for nobody: asked every half second."""
        # Only a worker's own parent counts: a run under nohup outlives the shell it came from.
        return self.is_heard or is_orphan()


@contextmanager
def gentle_stop(on_asked: Callable[[], None] = lambda: None) -> Iterator[Stop]:
    """While inside, the first signal only sets the flag; the second one is a KeyboardInterrupt.

    In a worker, a first one that nobody has heeded by the end is one, too: what was inside is
    done, and nothing more of its job is to begin.
    Signals that are ignored stay ignored (``nohup``; Ctrl-C in a worker, whose parent sees to it).
    Outside of the main thread, where signals do not arrive, nothing changes.
    """
    stop = Stop()

    def hear(number: int, frame: FrameType | None) -> None:
        if stop.is_heard:
            raise KeyboardInterrupt
        stop.is_heard = True
        # A terminal that has been closed, or is just being written to, must not fail the run.
        with suppress(OSError, RuntimeError):
            on_asked()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    usual = {number: signal.getsignal(number) for number in SIGNALS}
    heard = [number for number in SIGNALS if usual[number] is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, hear)
    try:
        yield stop
    finally:
        for number in heard:
            signal.signal(number, usual[number])
    if stop.is_heard and is_worker():
        raise KeyboardInterrupt
