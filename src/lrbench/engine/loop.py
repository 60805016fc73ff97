"""The loop engine: any model, any torch optimizer, one run after the other, step by step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lrbench.engine.base import Lane, Outcome, Plan, Row, Sink, Start, State
from lrbench.engine.curvature import Curvature
from lrbench.engine.cycles import Cycles, has_cycles, layer_facts
from lrbench.engine.data import on_device
from lrbench.engine.device import DTYPES
from lrbench.engine.diagnostics import BLOCK, Diagnostics
from lrbench.engine.evaluation import evaluate
from lrbench.engine.fingerprint import tensor_digests, whole_digest
from lrbench.engine.flat import FlatModel
from lrbench.engine.noise import noise_of
from lrbench.engine.optimizers import OPTIMIZERS, BoundOptimizer
from lrbench.engine.order import BatchOrder
from lrbench.engine.state import capture, more_of, restore, structure_of
from lrbench.errors import RecordError, RunError
from lrbench.record.layout import CURVATURE_COLUMNS, EVAL_COLUMNS, STEP_COLUMNS
from lrbench.spec.imports import resolve_import
from lrbench.spec.run import ComputeSpec, OptimizerSpec
from lrbench.tasks.loss import mean_loss
from lrbench.tasks.models.build import draws_randomness

TRAIN_LOSS = STEP_COLUMNS.index("train_loss")
VAL_LOSS = EVAL_COLUMNS.index("val_loss")
LAMBDA_MAX = CURVATURE_COLUMNS.index("lambda_max") - 2
"""In a row that begins after step and epoch."""


def train(plan: Plan, sinks: Sequence[Sink]) -> list[Outcome]:
    """Train every lane of ``plan``; the contract is :class:`lrbench.engine.base.Train`."""
    return [
        _train_lane(plan, lane, index, sink)
        for index, (lane, sink) in enumerate(zip(plan.lanes, sinks, strict=True))
    ]


def _train_lane(plan: Plan, lane: Lane, index: int, sink: Sink) -> Outcome:
    begun = time.perf_counter()
    rates = plan.rates[:, index].tolist()
    momenta = _column(plan.momenta, index)
    weight_decays = _column(plan.weight_decays, index)
    device = torch.device(plan.compute.device)
    dtype = DTYPES[plan.compute.precision]
    data = on_device(plan.data, device, dtype)
    kind = plan.data.info.kind
    model = plan.build_model(lane.streams).to(device, dtype)
    order = BatchOrder(lane.streams, plan.data.sample_digests, plan.batch_size, device)
    sink.begin(_start(model, order))

    flat = FlatModel(model)
    optimizer = _bind(lane.optimizer, flat)
    cycles = None
    if has_cycles(lane):
        per_epoch = order.steps_per_epoch
        cycles = Cycles(plan, lane, rates, momenta, model, flat, optimizer, sink, per_epoch)
    diagnostics = Diagnostics(flat, has_layers=bool(plan.layers_every or cycles))
    if cycles:
        diagnostics.anchor = cycles.movement.anchor
    is_close = cycles.is_close if cycles else _every(plan.layers_every)
    curvature = None
    if plan.curvature:
        curvature = Curvature(plan.curvature, flat, data, kind, lane.streams)
    structure = structure_of(model, optimizer)
    autocast = _autocast(plan, device)
    total = plan.total_steps

    def look(step: int) -> Row:
        """Evaluate after ``step`` updates, and deliver the row."""
        with autocast():
            loss, accuracy = evaluate(model, kind, data.val_inputs, data.val_targets)
        row = (step, step / order.steps_per_epoch, loss, accuracy)
        sink.evals(row)
        if cycles:
            cycles.look(step, loss)
        return row

    def deliver(steps: range) -> int | None:
        """Deliver the block's rows, up to the first non-finite loss, whose step is returned."""
        if not flat.is_intact():
            raise RunError("must change weights and gradients in place", key="optimizer")
        rows, looks = diagnostics.fetch(heads, digests, close, optimizer.moments)
        diverged = next(
            (s for s, row in zip(steps, rows, strict=True) if _is_lost(row[TRAIN_LOSS])), None
        )
        if diverged is not None:
            rows = rows[: diverged - steps.start + 1]
            looks = [look for look in looks if look.step <= diverged]
        sink.steps(rows)
        if cycles:
            sink.layers(cycles.updates(rows, looks))
        else:
            sink.layers([row for look in looks for row in look.rows[1:]])
        order.seal(digests[: len(rows)])
        heads.clear()
        digests.clear()
        close.clear()
        return diverged

    def look_closely(done: int) -> None:
        """Look at the curvature after ``done`` updates, if it is time to."""
        assert curvature is not None
        assert plan.curvature is not None
        occasion = cycles.occasion(done) if cycles else None
        if done == 0:
            occasion = "start"
        elif done == total and occasion != "before_restart":
            # A twin ends where its parent restarts, and is to have the row that its parent has.
            occasion = "end"
        elif done % plan.curvature.every == 0:
            occasion = occasion or "interval"
        if occasion is None:
            return
        # The rate and momentum of the update it was made by, or of the first.
        at = max(done - 1, 0)
        momentum = momenta[at] if momenta else None
        row = curvature.look(done, occasion, rates[at], momentum, optimizer)
        sink.curvature((done, done / order.steps_per_epoch, *row))
        if cycles:
            cycles.curvature(done, cast("float | None", row[LAMBDA_MAX]))

    def noise() -> tuple[float, float] | None:
        """Of the last batch: the squared norm of the gradient, and the trace of its covariance."""
        inputs = data.inputs.index_select(0, indices)
        targets = data.targets.index_select(0, indices)
        seed = lane.streams("noise", "batch", step).torch_seed
        return noise_of(model, kind, inputs, targets, seed=seed)

    def captured(done: int) -> State:
        """The state after ``done`` updates, all of whose rows are delivered."""
        last_batch = order.batch(done - 1)[1].hex()
        facts = {"chain": order.chain, "last_batch": last_batch, "last_look": last}
        more = {
            "cycles": cycles.state() if cycles else None,
            "curvature": curvature.state() if curvature else None,
        }
        return capture(done, model, optimizer, facts, structure, more)

    def ended(diverged_at: int | None) -> Outcome:
        is_lost = diverged_at is not None
        if cycles:
            cycles.end(total if diverged_at is None else diverged_at, is_lost=is_lost)
        weights = None if is_lost else tensor_digests(model)
        events = cycles.events if cycles else None
        talk = (curvature.cost(time.perf_counter() - begun),) if curvature else ()
        return Outcome(diverged_at, last, order.chain, weights, events, talk)

    heads: list[Row] = []
    digests: list[bytes] = []
    close: list[int] = []
    model.train()
    with _stream_of_dropout(lane, model, plan.compute) as reseed:
        if lane.state is None:
            block_start = 0
            reseed(0)
            last = look(0)
            if _is_lost(last[VAL_LOSS]):
                return ended(0)
            if curvature:
                look_closely(0)
        else:
            block_start = lane.state.step
            last = _go_on(lane.state, model, optimizer, order)
            more = more_of(lane.state)
            if cycles:
                cycles.restore(more["cycles"])
            if curvature:
                curvature.restore(more["curvature"])

        for step in range(block_start, total):
            if cycles:
                cycles.begin(step, partial(captured, step))
            indices, digest = order.batch(step)
            reseed(step)

            flat.grad.zero_()
            with autocast():
                outputs = model(data.inputs.index_select(0, indices))
                loss = mean_loss(kind, outputs, data.targets.index_select(0, indices))
            loss.backward()

            is_near = is_close(step)
            diagnostics.before_update(is_near)
            lr, momentum, weight_decay = optimizer.update(
                rates[step],
                momentum=momenta[step] if momenta else None,
                weight_decay=weight_decays[step] if weight_decays else None,
            )
            place = step - block_start
            diagnostics.after_update(place, loss.detach(), optimizer, is_near)
            if is_near:
                close.append(place)
            heads.append((step, step / order.steps_per_epoch, lr, momentum, weight_decay))
            digests.append(digest)

            done = step + 1
            is_regular = done % plan.eval_every == 0
            is_look = is_regular or done == total or (cycles is not None and cycles.is_look(done))
            is_wanted = done < total and sink.wants_state(done, is_look)
            is_watched = cycles is not None and done < total and cycles.is_watched(done)
            if is_look or is_wanted or is_watched or done - block_start == BLOCK:
                diverged = deliver(range(block_start, done))
                if diverged is not None:
                    return ended(diverged)
                block_start = done
            if is_look:
                last = look(done)
                if _is_lost(last[VAL_LOSS]):
                    return ended(done)
            if cycles and is_watched:
                val_loss = cast(float, last[VAL_LOSS]) if is_regular else None
                event = cycles.decide(done, val_loss, noise)
                if event and event.action != "decay" and not is_look:
                    last = look(done)
                    if _is_lost(last[VAL_LOSS]):
                        return ended(done)
            if curvature:
                look_closely(done)
            if is_wanted:
                sink.save(partial(captured, done))
        if cycles:
            sink.keep(total, partial(captured, total))
    return ended(None)


def _every(interval: int | None) -> Callable[[int], bool]:
    return lambda step: bool(interval) and step % (interval or 1) == 0


def _go_on(state: State, model: nn.Module, optimizer: BoundOptimizer, order: BatchOrder) -> Row:
    """Put everything into ``state``; returns the last look before it.

    Raises
    ------
    RecordError
        The state is of another model, optimizer, or order of batches.
    """
    restore(state, model, optimizer)
    _, digest = order.batch(state.step - 1)
    if digest.hex() != state.facts["last_batch"]:
        relation = f"must have been trained on the batch of step {state.step - 1} as it is now"
        raise RecordError(relation, key="checkpoint")
    order.go_on(state.facts["chain"])
    return tuple(state.facts["last_look"])


def _column(table: NDArray[np.float64] | None, lane: int) -> list[float] | None:
    return None if table is None else table[:, lane].tolist()


def _start(model: nn.Module, order: BatchOrder) -> Start:
    digests = tensor_digests(model)
    shapes = {name: list(p.shape) for name, p in model.named_parameters() if p.requires_grad}
    _, first_batch = order.batch(0)
    return Start(digests, whole_digest(digests), shapes, first_batch.hex(), layer_facts(model))


def _bind(spec: OptimizerSpec, flat: FlatModel) -> BoundOptimizer:
    if spec.target is not None:
        builder = resolve_import(spec.target, key="optimizer._target_")
        return BoundOptimizer(flat, builder, spec.lr, spec.params, own=True)
    return BoundOptimizer(flat, OPTIMIZERS[spec.name].builder, spec.lr, spec.params, own=False)


def _is_lost(loss: float | int | str | None) -> bool:
    return not isinstance(loss, float) or not math.isfinite(loss)


def _autocast(plan: Plan, device: torch.device) -> Callable[[], AbstractContextManager[object]]:
    if plan.compute.precision != "bf16":
        return nullcontext
    return partial(torch.autocast, device.type, dtype=torch.bfloat16)


@contextmanager
def _stream_of_dropout(
    lane: Lane, model: nn.Module, compute: ComputeSpec
) -> Iterator[Callable[[int], object]]:
    """How to make step t draw from the dropout stream; a no-op where nothing is drawn.

    Dropout knows only torch's global generators. They are borrowed and put back as they were.
    """
    # Lrbench's own optimizers draw nothing; of a user's it cannot be known.
    if lane.optimizer.target is None and not draws_randomness(model):
        yield lambda step: None
        return
    # Named, because looking for cards would start a CUDA context in a run that needs none.
    card = torch.device(compute.device)
    with torch.random.fork_rng(devices=[card] if card.type == "cuda" else []):
        yield lambda step: torch.manual_seed(lane.streams("dropout", step).torch_seed)
