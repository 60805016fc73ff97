"""What happens to one run around its updates, whichever engine makes them.

An engine makes update after update and tells the conductor of the run; the conductor looks at the
held-out data, restarts, asks the trigger, looks at the curvature, saves, and delivers rows to the
sink, always in the same order::

    conductor.start()
    for step in range(conductor.step, total):
        conductor.open(step)                    the restart before the update
        …the update…
        conductor.made(…)
        if conductor.is_due(step + 1):          some rows must be known now
            conductor.deliver(rows, looks)
        conductor.close(step + 1)               looks, decisions, checkpoints

As soon as ``conductor.outcome`` is there the run is over.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lrbench.engine.base import Lane, Outcome, Plan, Row, Sink, Start, State
from lrbench.engine.curvature import Curvature
from lrbench.engine.cycles import Cycles, has_cycles, layer_facts
from lrbench.engine.data import DeviceData
from lrbench.engine.diagnostics import BLOCK, CloseLook
from lrbench.engine.evaluation import evaluate
from lrbench.engine.fingerprint import tensor_digests, whole_digest
from lrbench.engine.flat import FlatModel
from lrbench.engine.noise import noise_of
from lrbench.engine.optimizers import BoundOptimizer
from lrbench.engine.order import BatchChain, BatchOrder
from lrbench.engine.state import capture, more_of, restore, structure_of
from lrbench.errors import RecordError
from lrbench.record.layout import CURVATURE_COLUMNS, EVAL_COLUMNS, STEP_COLUMNS

TRAIN_LOSS = STEP_COLUMNS.index("train_loss")
VAL_LOSS = EVAL_COLUMNS.index("val_loss")
PATIENCE_S = 0.5
"""Seconds of updates after which rows are delivered, and the sink is asked, though none is due."""

LAMBDA_MAX = CURVATURE_COLUMNS.index("lambda_max") - 2
"""In a row that begins after step and epoch."""


class Conductor:
    """Leads one run of a plan.

    Parameters
    ----------
    plan : Plan
    index : int
        Which of its lanes.
    sink : Sink
    data : DeviceData
    model : nn.Module
        On its device, its first weights decided; already part of ``flat``.
    flat : FlatModel
    optimizer : BoundOptimizer
    order : BatchOrder
    reseed : callable, int -> object
        Makes update ``step`` draw from the run's own dropout stream.

    Attributes
    ----------
    step : int
        The update to be made next, or the first one after :meth:`start`.
    outcome : Outcome or None
        How the run ended, once it has.
    cycles : Cycles or None
    until : int
        The updates done after which something of this run is due; before that only updates are
        made, unless they take long.
    heads, digests, close : list
        Of the updates made since the last delivery: step, epoch, rate, momentum and weight decay;
        the batches' digests; the places of those whose layers were looked at.
    """

    def __init__(
        self,
        plan: Plan,
        index: int,
        sink: Sink,
        data: DeviceData,
        model: nn.Module,
        flat: FlatModel,
        optimizer: BoundOptimizer,
        order: BatchOrder,
        reseed: Callable[[int], object],
    ) -> None:
        self.lane: Lane = plan.lanes[index]
        self.rates: list[float] = plan.rates[:, index].tolist()
        self.momenta = _column(plan.momenta, index)
        self.weight_decays = _column(plan.weight_decays, index)
        self._begun = time.perf_counter()
        self._plan = plan
        self._sink = sink
        self._data = data
        self._model = model
        self._optimizer = optimizer
        self._order = order
        self._reseed = reseed
        self._total = plan.total_steps
        self._kind = plan.data.info.kind
        self._autocast = autocast(plan)
        self._last: Row = ()
        self.step = 0
        self.outcome: Outcome | None = None
        self.heads: list[Row] = []
        self.digests: list[bytes] = []
        self.close_places: list[int] = []
        self._chain = BatchChain()
        self._block_start = 0
        self.until = 0
        self._late = 0.0
        self._is_look = self._is_regular = self._is_wanted = self._is_watched = False
        self.cycles: Cycles | None = None
        if has_cycles(self.lane):
            self.cycles = Cycles(
                plan,
                self.lane,
                self.rates,
                self.momenta,
                model,
                flat,
                optimizer,
                sink,
                order.steps_per_epoch,
            )
        self._curvature: Curvature | None = None
        if plan.curvature:
            self._curvature = Curvature(plan.curvature, flat, data, self._kind, self.lane.streams)
        self._structure = structure_of(model, optimizer)

    def start(self) -> None:
        """The look before the first update; of a run that goes on, its state as it was.

        Raises
        ------
        RecordError
            The state is of another model, optimizer or order of batches.
        """
        state = self.lane.state
        if state is None:
            self._reseed(0)
            self._look(0)
            if _is_lost(self._last[VAL_LOSS]):
                self._end(0)
            elif self._curvature:
                self._look_closely(0)
            return
        self.step = self._block_start = state.step
        restore(state, self._model, self._optimizer)
        _, digest = self._order.batch(state.step - 1)
        if digest.hex() != state.facts["last_batch"]:
            relation = f"must have been trained on the batch of step {state.step - 1} as it is now"
            raise RecordError(relation, key="checkpoint")
        self._chain = BatchChain(state.facts["chain"])
        self._last = tuple(state.facts["last_look"])
        more = more_of(state)
        if self.cycles:
            self.cycles.restore(more["cycles"])
        if self._curvature:
            self._curvature.restore(more["curvature"])

    def open(self, step: int) -> bool:
        """What comes before update ``step``: a restart, if it is time to; whether it was."""
        self.step = step
        if step == self._block_start:
            self.until = self._due_after(step)
            self._late = time.monotonic() + PATIENCE_S
        return self.cycles is not None and self.cycles.begin(step, partial(self.captured, step))

    def _due_after(self, done: int) -> int:
        """The first number of updates beyond ``done`` at which :meth:`is_due` is sure to be true.

        The sink may want the state earlier, as time goes by; it is asked in between.
        """
        every = self._plan.eval_every
        due = [done + BLOCK, done - done % every + every, self._total]
        if (wanted := self._sink.next_state(done)) is not None:
            due.append(wanted)
        if spec := self._plan.curvature:
            due.append(done - done % spec.every + spec.every)
        if self.cycles:
            due.append(self.cycles.next_due(done))
        return min(due)

    def is_close(self, step: int) -> bool:
        """Whether the layers of update ``step`` are to be looked at."""
        if self.cycles:
            return self.cycles.is_close(step)
        every = self._plan.layers_every
        return bool(every) and step % (every or 1) == 0

    def close_between(self, start: int, stop: int) -> list[int]:
        """Those of the updates ``start`` to ``stop``, that one left out, that :meth:`is_close`."""
        every = self._plan.layers_every
        if self.cycles:
            return [step for step in range(start, stop) if self.cycles.is_close(step)]
        return list(range(start + -start % every, stop, every)) if every else []

    def settings(self, stop: int) -> tuple[list[float], list[float] | None, list[float] | None]:
        """Rates, momenta and weight decays of the updates up to ``stop``; None: as they are."""
        tables = (self.momenta, self.weight_decays)
        momenta, decays = (table[self.step : stop] if table else None for table in tables)
        return self.rates[self.step : stop], momenta, decays

    @property
    def place(self) -> int:
        """Of the update to be made, in the block."""
        return self.step - self._block_start

    def made(
        self,
        settings: Sequence[tuple[float, float | None, float | None]],
        digests: Iterable[bytes],
        close: Iterable[int],
    ) -> None:
        """So many updates were made, from :attr:`step` on.

        Parameters
        ----------
        settings : sequence of (lr, momentum, weight decay)
            Of each update.
        digests : iterable of bytes
            Of their batches.
        close : iterable of int
            Which of these updates had their layers looked at.
        """
        per_epoch, start = self._order.steps_per_epoch, self.step
        self.heads += [
            (step, step / per_epoch, *setting) for step, setting in enumerate(settings, start)
        ]
        self.digests += digests
        self.close_places += [step - self._block_start for step in close]
        self.step = start + len(settings) - 1

    def is_due(self, done: int) -> bool:
        """Whether the rows of the block must be known after ``done`` updates."""
        if done < self.until and time.monotonic() < self._late:
            self._is_look = self._is_regular = self._is_wanted = self._is_watched = False
            return False
        self.ask(done)
        return True

    def ask(self, done: int) -> None:
        """Find out what is to be done after ``done`` updates, whose rows are delivered next."""
        cycles, total = self.cycles, self._total
        self._is_regular = done % self._plan.eval_every == 0
        self._is_look = (
            self._is_regular or done == total or (cycles is not None and cycles.is_look(done))
        )
        self._is_wanted = done < total and self._sink.wants_state(done, self._is_look)
        self._is_watched = cycles is not None and done < total and cycles.is_watched(done)

    def deliver(self, rows: list[Row], looks: list[CloseLook]) -> None:
        """The block's rows, up to the first loss that is not finite, which ends the run."""
        steps = range(self._block_start, self.step + 1)
        diverged = next(
            (s for s, row in zip(steps, rows, strict=True) if _is_lost(row[TRAIN_LOSS])), None
        )
        if diverged is not None:
            rows = rows[: diverged - steps.start + 1]
            looks = [look for look in looks if look.step <= diverged]
        self._sink.steps(rows)
        if self.cycles:
            self._sink.layers(self.cycles.updates(rows, looks))
        else:
            self._sink.layers([row for look in looks for row in look.rows[1:]])
        self._chain.add(self.digests[: len(rows)])
        self.heads.clear()
        self.digests.clear()
        self.close_places.clear()
        self._block_start = steps.stop
        if diverged is not None:
            self._end(diverged)

    def close(self, done: int) -> None:
        """What comes after ``done`` updates, their rows being delivered if :meth:`is_due`."""
        if self._is_look and not self._survives_look(done):
            return
        if self.cycles and self._is_watched:
            val_loss = cast(float, self._last[VAL_LOSS]) if self._is_regular else None
            event = self.cycles.decide(done, val_loss, self._noise)
            is_new_look = event and event.action != "decay" and not self._is_look
            if is_new_look and not self._survives_look(done):
                return
        if self._curvature:
            self._look_closely(done)

    @property
    def wants_saving(self) -> bool:
        """Whether the sink wanted the state after the update just made."""
        return self._is_wanted

    def save(self, done: int) -> None:
        """Give the sink the state after ``done`` updates, all of whose rows are delivered."""
        self._sink.save(partial(self.captured, done))

    def finish(self) -> None:
        """All updates are made."""
        self._sink.keep(self._total, partial(self.captured, self._total))
        self._end(None)

    def captured(self, done: int) -> State:
        """The state after ``done`` updates, all of whose rows are delivered."""
        last_batch = self._order.batch(done - 1)[1].hex()
        facts = {"chain": str(self._chain), "last_batch": last_batch, "last_look": self._last}
        more = {
            "cycles": self.cycles.state() if self.cycles else None,
            "curvature": self._curvature.state() if self._curvature else None,
        }
        return capture(done, self._model, self._optimizer, facts, self._structure, more)

    def _survives_look(self, done: int) -> bool:
        """Look after ``done`` updates; a loss that is not finite ends the run."""
        self._look(done)
        if _is_lost(self._last[VAL_LOSS]):
            self._end(done)
        return self.outcome is None

    def _look(self, done: int) -> None:
        """Evaluate after ``done`` updates, and deliver the row."""
        data = self._data
        with self._autocast():
            loss, accuracy = evaluate(self._model, self._kind, data.val_inputs, data.val_targets)
        self._last = (done, done / self._order.steps_per_epoch, loss, accuracy)
        self._sink.evals(self._last)
        if self.cycles:
            self.cycles.look(done, loss)

    def _look_closely(self, done: int) -> None:
        """Look at the curvature after ``done`` updates, if it is time to."""
        curvature, spec = self._curvature, self._plan.curvature
        assert curvature is not None
        assert spec is not None
        occasion = self.cycles.occasion(done) if self.cycles else None
        if done == 0:
            occasion = "start"
        elif done == self._total and occasion != "before_restart":
            # A twin ends where its parent restarts, and is to have the row that its parent has.
            occasion = "end"
        elif done % spec.every == 0:
            occasion = occasion or "interval"
        if occasion is None:
            return
        # The rate and momentum of the update it was made by, or of the first.
        at = max(done - 1, 0)
        momentum = self.momenta[at] if self.momenta else None
        row = curvature.look(done, occasion, self.rates[at], momentum, self._optimizer)
        self._sink.curvature((done, done / self._order.steps_per_epoch, *row))
        if self.cycles:
            self.cycles.curvature(done, cast("float | None", row[LAMBDA_MAX]))

    def _noise(self) -> tuple[float, float] | None:
        """Of the last batch: the squared norm of the gradient, and the trace of its covariance."""
        indices, _ = self._order.batch(self.step)
        inputs = self._data.inputs.index_select(0, indices)
        targets = self._data.targets.index_select(0, indices)
        seed = self.lane.streams("noise", "batch", self.step).torch_seed
        return noise_of(self._model, self._kind, inputs, targets, seed=seed)

    def _end(self, diverged_at: int | None) -> None:
        is_lost = diverged_at is not None
        if self.cycles:
            self.cycles.end(self._total if diverged_at is None else diverged_at, is_lost=is_lost)
        weights = None if is_lost else tensor_digests(self._model)
        events = self.cycles.events if self.cycles else None
        talk: tuple[str, ...] = ()
        if self._curvature:
            talk = (self._curvature.cost(time.perf_counter() - self._begun),)
        self.outcome = Outcome(diverged_at, self._last, str(self._chain), weights, events, talk)


def start_of(model: nn.Module, order: BatchOrder) -> Start:
    """What is known of a run before its first update."""
    digests = tensor_digests(model)
    shapes = {name: list(p.shape) for name, p in model.named_parameters() if p.requires_grad}
    _, first_batch = order.batch(0)
    return Start(digests, whole_digest(digests), shapes, first_batch.hex(), layer_facts(model))


def autocast(plan: Plan) -> Callable[[], AbstractContextManager[object]]:
    """Where forward passes of the plan's precision are made."""
    if plan.compute.precision != "bf16":
        return nullcontext
    device = torch.device(plan.compute.device)
    return partial(torch.autocast, device.type, dtype=torch.bfloat16)


def _is_lost(loss: float | int | str | None) -> bool:
    return not isinstance(loss, float) or not math.isfinite(loss)


def _column(table: NDArray[np.float64] | None, lane: int) -> list[float] | None:
    return None if table is None else table[:, lane].tolist()
