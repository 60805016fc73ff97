"""What reproducibility costs: the share of a run that goes into digests and into checkpoints.

The run is that of ``bench_loop.py`` with the default rows per layer, and everything at its default:
a digest of every batch and of every log, a checkpoint about every second of work at evaluations.
Two figures each, in one run. *Share*: the calls themselves are timed and their time is divided by
the whole training's; the clock's own cost counts against us. *Ratio*: the same run with the calls
and without, in turn, round by round.

    python scripts/bench_promises.py [--rounds 9] [--steps 6000]
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from lrbench.config.resolve import Resolved
from lrbench.engine import order
from lrbench.record import files
from lrbench.workflows.recording import Recording
from lrbench.workflows.run import resolve_overrides, run


class NoDigest:
    """In place of sha256 where it is to cost nothing."""

    def update(self, data: object) -> None:
        """Nothing."""

    def digest(self) -> bytes:
        """As long as a real one."""
        return bytes(32)

    def hexdigest(self) -> str:
        """As long as a real one."""
        return "0" * 64


class Hashes:
    """``hashlib`` with a sha256 of our choice."""

    file_digest = staticmethod(hashlib.file_digest)

    def __init__(self, sha256: Callable[..., Any]) -> None:
        self.sha256 = sha256


class Clock:
    """Seconds spent in calls."""

    def __init__(self) -> None:
        self.spent = 0.0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """``call``, timed."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                self.spent += time.perf_counter() - started

        return timed


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Another attribute for a while."""
    usual = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, usual)


def seconds(resolved: Resolved) -> float:
    """Seconds of one run with its record."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        run(resolved, Path(folder))
        return time.perf_counter() - started


def share_of_digests(resolved: Resolved) -> float:
    """Seconds in the digests of batches and logs, over those of the run."""
    clock = Clock()

    class Timed:
        def __init__(self, data: bytes = b"") -> None:
            started = time.perf_counter()
            self._inner = hashlib.sha256(data)
            clock.spent += time.perf_counter() - started
            self.update = clock.around(self._inner.update)
            self.digest = clock.around(self._inner.digest)
            self.hexdigest = clock.around(self._inner.hexdigest)

    with replaced(order, "hashlib", Hashes(Timed)), replaced(files, "hashlib", Hashes(Timed)):
        return _share(clock, resolved)


def _share(clock: Clock, resolved: Resolved) -> float:
    clock.spent = 0.0
    whole = seconds(resolved)
    return clock.spent / whole


def share_of_checkpoints(resolved: Resolved) -> float:
    """Seconds in asking for and writing checkpoints, over those of the run."""
    clock = Clock()
    with (
        replaced(Recording, "save", clock.around(Recording.save)),
        replaced(Recording, "wants_state", clock.around(Recording.wants_state)),
    ):
        return _share(clock, resolved)


def without_digests(resolved: Resolved) -> float:
    """Seconds of the run with digests of nothing."""
    nothing = Hashes(lambda data=b"": NoDigest())
    with replaced(order, "hashlib", nothing), replaced(files, "hashlib", nothing):
        return seconds(resolved)


def without_checkpoints(resolved: Resolved) -> float:
    """Seconds of the run without checkpoints, and without asking for them."""
    with replaced(Recording, "wants_state", lambda sink, done, is_look: False):
        return seconds(resolved)


def main() -> None:
    """Print shares and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=6000)
    asked = parser.parse_args()
    resolved = resolve_overrides([f"train.steps={asked.steps}", "optimizer.lr=0.05"])
    seconds(resolved)

    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread")
    print(f"digits, MLP, batch 64, {asked.steps} updates; median of {asked.rounds} rounds")
    for name, share, without in (
        ("digests", share_of_digests, without_digests),
        ("checkpoints", share_of_checkpoints, without_checkpoints),
    ):
        shares = [share(resolved) for _ in range(asked.rounds)]
        ratios = []
        for _ in range(asked.rounds):
            before, bare, after = seconds(resolved), without(resolved), seconds(resolved)
            ratios.append((before + after) / 2 / bare)
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(
            f"  {name:<12} share of a run {100 * statistics.median(shares):.2f} %"
            f"   with against without x{middle:.3f} ({low:.3f} to {high:.3f})"
        )


if __name__ == "__main__":
    main()
