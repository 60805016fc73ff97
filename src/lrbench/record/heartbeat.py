"""Signs of life of a writer, for machines that its lock does not reach.

The lock of a record tells whether it is being written as far as one kernel can see. On a file
system that several machines share it may say nothing, so a writer leaves a counter that moves while
it works. Only whether the counter moves is looked at, on the onlooker's own monotonic clock: clocks
of two machines are never compared.
"""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from lrbench.errors import LrbenchError
from lrbench.record import layout
from lrbench.record.files import read_file, replace_file
from lrbench.spec.canonical import parse

BEAT_S = 5.0
"""Seconds between two beats of a writer."""

GRACE_S = 60.0
"""Seconds without a beat after which a writer elsewhere is taken for dead."""


@dataclass(frozen=True)
class Heartbeat:
    """Who writes a record, and how often it has said so.

    Parameters
    ----------
    host, boot : str
        Its machine, and that machine's start.
    pid : int
    step : int
        Updates it had made.
    count : int
        Of its beats.
    """

    host: str
    boot: str
    pid: int
    step: int
    count: int

    @property
    def is_elsewhere(self) -> bool:
        """Whether only the counter can tell if it lives: another machine wrote it.

        A machine that was started anew since has no writers from before.
        """
        return self.boot != boot_id() and self.host != socket.gethostname()


class Pulse:
    """The beats of this process for one record."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / layout.HEARTBEAT
        self._count = 0
        self._next = 0.0

    def beat(self, step: int, now: float) -> None:
        """Beat if it is time to; ``now`` is :func:`time.monotonic`'s."""
        if now < self._next:
            return
        self._next = now + BEAT_S
        self._count += 1
        sign = Heartbeat(socket.gethostname(), boot_id(), os.getpid(), step, self._count)
        # Nobody needs it after a power failure; a disk that is full says so to the logs.
        with suppress(OSError):
            replace_file(self._path, json.dumps(asdict(sign)).encode(), durably=False)


def last_beat(folder: Path) -> Heartbeat | None:
    """The last sign of life in a record; None if there is none that can be read."""
    with suppress(LrbenchError, OSError, ValueError, TypeError):
        return Heartbeat(**parse(read_file(folder / layout.HEARTBEAT, 4096).decode()))
    return None


def is_beating(folder: Path, patience_s: float) -> bool:
    """Watch a record for ``patience_s`` seconds; True as soon as its counter moves."""
    first = last_beat(folder)
    end = time.monotonic() + patience_s
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(0.5, left))
        if last_beat(folder) != first:
            return True
    return False


@cache
def boot_id() -> str:
    """What tells this start of this machine from any other; empty where it is not known."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""
