"""Being asked to stop: the first time at a good place, the second time at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a cluster's or a parent's request, a closed terminal."""


@dataclass
class Stop:
    """Whether somebody has asked the run to stop."""

    is_asked: bool = False


@contextmanager
def gentle_stop(on_asked: Callable[[], None] = lambda: None) -> Iterator[Stop]:
    """While inside, the first signal only sets the flag; the second one is a KeyboardInterrupt.

    Signals that are ignored stay ignored (``nohup``; Ctrl-C in a worker, whose parent sees to it).
    Outside of the main thread, where signals do not arrive, nothing changes.
    """
    stop = Stop()

    def hear(number: int, frame: FrameType | None) -> None:
        if stop.is_asked:
            raise KeyboardInterrupt
        stop.is_asked = True
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
