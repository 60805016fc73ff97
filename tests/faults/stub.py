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
from lrbench.record.logs import TEXT_COLUMNS
from lrbench.workflows import run as workflow
from lrbench.workflows import training
from promised import bytes_of

__all__ = ["bytes_of", "run", "stubbed"]

TOTAL = 12
EVERY = 3
"""Updates between two checkpoints."""

BLOCK = 2
LOOK = 5
SIZE = 320
RESTARTS = (6, 10)
"""Updates that restarts come before; the first with a checkpoint, the second at a look."""

CURVATURE = 4
"""Updates between two looks at the curvature."""


@dataclass(frozen=True)
class Lane:
    """As much of a lane as the workflow touches."""

    restarts: tuple[int, ...] = RESTARTS
    adaptive: None = None
    state: State | None = None


@dataclass(frozen=True)
class Plan:
    """As much of a plan as the workflow touches."""

    lanes: tuple[Lane, ...] = (Lane(),)
    curvature: int = CURVATURE


def scrambled(memory: bytes, step: int) -> bytes:
    """The memory after one more update."""
    return hashlib.shake_256(memory + bytes([step])).digest(SIZE)


def train(plan: Plan, sinks: Sequence[Sink]) -> list[Outcome]:
    """An engine, as far as a sink can tell."""
    (lane,), (sink,) = plan.lanes, sinks
    sink.begin(Start({"w": "0" * 64}, "1" * 64, {"w": [2]}, "2" * 64, ()))

    def look(step: int) -> Row:
        row = (step, step / 4, _number(memory, 9), 0.5)
        sink.evals(row)
        return row

    rows: list[Row] = []
    layers: list[Row] = []

    def deliver() -> None:
        sink.steps(rows)
        sink.layers(layers)
        rows.clear()
        layers.clear()

    def close(done: int) -> None:
        """The rows of the cycle that ends, if it began with a restart."""
        if begun := [step for step in RESTARTS if step < done]:
            step = begun[-1]
            sink.restarts(_filled(layout.RESTART_COLUMNS, memory, step=step))
            sink.restart_layers(
                [_filled(layout.RESTART_LAYER_COLUMNS, memory, step=step, layer="w")]
            )

    def look_closely(done: int) -> None:
        if done % CURVATURE == 0:
            sink.curvature(_filled(layout.CURVATURE_COLUMNS, memory, step=done))

    def captured(done: int) -> State:
        return State(done, {"last": list(last)}, memory)

    if lane.state is None:
        start, memory = 0, bytes(range(256)) + bytes(SIZE - 256)
        last = look(0)
        look_closely(0)
    else:
        start, memory = lane.state.step, lane.state.body
        last = tuple(lane.state.facts["last"])
    for step in range(start, TOTAL):
        if step in RESTARTS:
            sink.keep(step, partial(captured, step))
            close(step)
        memory = scrambled(memory, step)
        digest = hashlib.sha256(memory).hexdigest()
        rows.append(_filled(layout.STEP_COLUMNS, memory, step=step, batch_digest=digest))
        if step % 4 == 0:
            layers.append(_filled(layout.LAYER_COLUMNS, memory, step=step, layer="w"))
        done = step + 1
        is_look = done % LOOK == 0 or done == TOTAL or done in RESTARTS
        is_wanted = done < TOTAL and sink.wants_state(done, is_look)
        if is_look or is_wanted or len(rows) == BLOCK:
            deliver()
        if is_look:
            last = look(done)
        look_closely(done)
        if is_wanted:
            sink.save(partial(captured, done))
    sink.keep(TOTAL, partial(captured, TOTAL))
    close(TOTAL)
    return [Outcome(None, last, memory.hex()[:64], {"w": memory.hex()[64:128]})]


def _filled(columns: Sequence[str], memory: bytes, **known: int | str) -> Row:
    """A row whose other numbers are of the memory."""
    return tuple(
        known.get(name, "schedule" if name in TEXT_COLUMNS else _number(memory, place))
        for place, name in enumerate(columns)
    )


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


def stop_after_saves(number: int) -> Callable[[files.Operation], None]:
    """A hook that lets nothing happen once so many checkpoints are saved and rows follow."""
    saved = 0

    def hook(operation: files.Operation) -> None:
        nonlocal saved
        is_new = operation.source is not None and operation.source.name.endswith(".tmp")
        saved += is_new and operation.path.name == layout.CHECKPOINT
        if saved == number and (operation.kind, operation.path.name) == ("write", "steps.csv"):
            raise Stopped

    return hook


def refused(error: BaseException) -> bool:
    """Whether it says that another process writes the record."""
    return isinstance(error, RecordError) and "another process" in str(error)
