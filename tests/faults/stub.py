"""An engine whose rows are a formula: a run of it takes milliseconds, and any wrong bit shows.

Its state is a memory that every update scrambles, so that a run that goes on with another state, at
another place, or with a part of it lost gives other rows from there on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lrbench.config.resolve import Resolved
from lrbench.engine.base import Outcome, Row, Sink, Start, State
from lrbench.errors import RecordError
from lrbench.record import files, layout
from lrbench.workflows import run as workflow
from lrbench.workflows import training

TOTAL = 12
EVERY = 3
"""Updates between two checkpoints."""

BLOCK = 2
LOOK = 5
SIZE = 320
PROMISED = (*layout.LOGS, layout.RESULT, layout.SPEC)


@dataclass(frozen=True)
class Lane:
    """As much of a lane as the workflow touches."""

    state: State | None = None


@dataclass(frozen=True)
class Plan:
    """As much of a plan as the workflow touches."""

    lanes: tuple[Lane, ...] = (Lane(),)


def scrambled(memory: bytes, step: int) -> bytes:
    """The memory after one more update."""
    return hashlib.shake_256(memory + bytes([step])).digest(SIZE)


def train(plan: Plan, sinks: Sequence[Sink]) -> list[Outcome]:
    """An engine, as far as a sink can tell."""
    (lane,), (sink,) = plan.lanes, sinks
    sink.begin(Start({"w": "0" * 64}, "1" * 64, {"w": [2]}, "2" * 64))

    def look(step: int) -> Row:
        row = (step, step / 4, _number(memory, 9), 0.5)
        sink.evals(row)
        return row

    rows: list[Row] = []

    def deliver() -> None:
        sink.steps(rows)
        sink.layers([(row[0], "w", *row[6:11]) for row in rows if int(row[0] or 0) % 4 == 0])
        for row in rows:
            if row[0] in (5, 10):
                sink.restarts((row[0], row[1], 1, "schedule", 5, 0.25, 0.5))
        rows.clear()

    if lane.state is None:
        start, memory = 0, bytes(range(256)) + bytes(SIZE - 256)
        last = look(0)
    else:
        start, memory = lane.state.step, lane.state.body
        last = tuple(lane.state.facts["last"])
    for step in range(start, TOTAL):
        memory = scrambled(memory, step)
        numbers = [_number(memory, place) for place in range(9)]
        rows.append((step, step / 4, *numbers, hashlib.sha256(memory).hexdigest()))
        done = step + 1
        is_look = done % LOOK == 0 or done == TOTAL
        is_wanted = done < TOTAL and sink.wants_state(done, is_look)
        if is_look or is_wanted or len(rows) == BLOCK:
            deliver()
        if is_look:
            last = look(done)
        if is_wanted:
            sink.save(partial(State, done, {"last": list(last)}, memory))
    return [Outcome(None, last, memory.hex()[:64], {"w": memory.hex()[64:128]})]


def _number(memory: bytes, place: int) -> float:
    return int.from_bytes(memory[4 * place : 4 * place + 4]) / 2**32


FACTS: dict[str, Any] = {
    "format_version": 1,
    "profile": {"digest": "p" * 64},
    "data": {"digest": "d" * 64, "split_digest": "s" * 64},
    "seeds": {"keys": {"order": "k"}},
    "schedule": {"digest": "f" * 64},
}


@contextmanager
def stubbed() -> Iterator[pytest.MonkeyPatch]:
    """While inside, ``workflows.run.run`` trains with this engine, and no disk is waited for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "load_data", lambda run: None)
        patch.setattr(training, "configure", lambda compute: None)
        patch.setattr(workflow, "check_device", lambda compute: None)
        patch.setattr(training, "profile", lambda *_: None)
        patch.setattr(training, "make_plan", lambda spec, data: Plan())
        patch.setattr(training, "facts_of", lambda *_: FACTS)
        patch.setitem(training.ENGINES, "loop", train)
        patch.setattr("lrbench.record.writer.environment", dict)
        patch.setattr(files.os, "fsync", lambda descriptor: None)
        yield patch


def run(resolved: Resolved, results: Path, **how: Any) -> Any:
    """``workflows.run.run``."""
    return workflow.run(resolved, results, **how)


def bytes_of(record: Path) -> dict[str, bytes]:
    """The promised files of a record."""
    return {name: (record / name).read_bytes() for name in PROMISED}


class Stopped(BaseException):
    """What a hook raises in the place of a kill; nothing may catch it."""


def stop_at(number: int) -> Callable[[files.Operation], None]:
    """A hook that lets so many operations happen, and none after them."""
    left = number

    def hook(operation: files.Operation) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Stopped

    return hook


def refused(error: BaseException) -> bool:
    """Whether it says that another process writes the record."""
    return isinstance(error, RecordError) and "another process" in str(error)
