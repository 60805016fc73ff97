"""The loop engine: any model, any torch optimizer, one run after the other, step by step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lrbench.engine.base import Lane, Outcome, Plan, Restart, Row, Sink, Start, State
from lrbench.engine.data import on_device
from lrbench.engine.device import DTYPES
from lrbench.engine.diagnostics import BLOCK, Diagnostics
from lrbench.engine.evaluation import evaluate
from lrbench.engine.fingerprint import tensor_digests, whole_digest
from lrbench.engine.flat import FlatModel
from lrbench.engine.optimizers import OPTIMIZERS, BoundOptimizer
from lrbench.engine.order import BatchOrder
from lrbench.engine.state import capture, restore, structure_of
from lrbench.errors import RecordError, RunError
from lrbench.record.layout import EVAL_COLUMNS, STEP_COLUMNS
from lrbench.spec.imports import resolve_import
from lrbench.spec.run import ComputeSpec, OptimizerSpec
from lrbench.tasks.loss import mean_loss
from lrbench.tasks.models.build import draws_randomness

TRAIN_LOSS = STEP_COLUMNS.index("train_loss")
VAL_LOSS = EVAL_COLUMNS.index("val_loss")


def train(plan: Plan, sinks: Sequence[Sink]) -> list[Outcome]:
    """Train every lane of ``plan``; the contract is :class:`lrbench.engine.base.Train`."""
    return [
        _train_lane(plan, lane, index, sink)
        for index, (lane, sink) in enumerate(zip(plan.lanes, sinks, strict=True))
    ]


def _train_lane(plan: Plan, lane: Lane, index: int, sink: Sink) -> Outcome:
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
    diagnostics = Diagnostics(flat, plan.layers_every)
    restarts = {restart.step: restart for restart in lane.restarts}
    structure = structure_of(model, optimizer)
    autocast = _autocast(plan, device)
    total = plan.total_steps

    def look(step: int) -> Row:
        """Evaluate after ``step`` updates, and deliver the row."""
        with autocast():
            loss, accuracy = evaluate(model, kind, data.val_inputs, data.val_targets)
        row = (step, step / order.steps_per_epoch, loss, accuracy)
        sink.evals(row)
        return row

    def deliver(steps: range) -> int | None:
        """Deliver the block's rows, up to the first non-finite loss, whose step is returned."""
        if not flat.is_intact():
            raise RunError("must change weights and gradients in place", key="optimizer")
        rows, layer_rows = diagnostics.fetch(steps, heads, digests, optimizer.moments)
        diverged = next(
            (s for s, row in zip(steps, rows, strict=True) if _is_lost(row[TRAIN_LOSS])), None
        )
        if diverged is not None:
            rows = rows[: diverged - steps.start + 1]
            layer_rows = [row for row in layer_rows if int(row[0] or 0) <= diverged]
        sink.steps(rows)
        sink.layers(layer_rows)
        for step in steps[: len(rows)]:
            if step in restarts:
                sink.restarts(_restart_row(restarts[step], rates, order.steps_per_epoch))
        order.seal(digests[: len(rows)])
        heads.clear()
        digests.clear()
        return diverged

    def ended(diverged_at: int | None) -> Outcome:
        weights = None if diverged_at is not None else tensor_digests(model)
        return Outcome(diverged_at, last, order.chain, weights)

    heads: list[Row] = []
    digests: list[bytes] = []
    model.train()
    with _stream_of_dropout(lane, model, plan.compute) as reseed:
        if lane.state is None:
            block_start = 0
            reseed(0)
            last = look(0)
            if _is_lost(last[VAL_LOSS]):
                return ended(0)
        else:
            block_start = lane.state.step
            last = _go_on(lane.state, model, optimizer, order)

        for step in range(block_start, total):
            indices, digest = order.batch(step)
            reseed(step)

            flat.grad.zero_()
            with autocast():
                outputs = model(data.inputs.index_select(0, indices))
                loss = mean_loss(kind, outputs, data.targets.index_select(0, indices))
            loss.backward()

            diagnostics.before_update()
            lr, momentum, weight_decay = optimizer.update(
                rates[step],
                momentum=momenta[step] if momenta else None,
                weight_decay=weight_decays[step] if weight_decays else None,
            )
            diagnostics.after_update(step - block_start, step, loss.detach(), optimizer.moments)

            heads.append((step, step / order.steps_per_epoch, lr, momentum, weight_decay))
            digests.append(digest)

            done = step + 1
            is_look = done % plan.eval_every == 0 or done == total
            is_wanted = done < total and sink.wants_state(done, is_look)
            if is_look or is_wanted or done - block_start == BLOCK:
                diverged = deliver(range(block_start, done))
                if diverged is not None:
                    return ended(diverged)
                block_start = done
            if is_look:
                last = look(done)
                if _is_lost(last[VAL_LOSS]):
                    return ended(done)
            if is_wanted:
                facts = {"chain": order.chain, "last_batch": digest.hex(), "last_look": last}
                sink.save(partial(capture, done, model, optimizer, facts, structure))
    return ended(None)


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
    return Start(digests, whole_digest(digests), shapes, first_batch.hex())


def _bind(spec: OptimizerSpec, flat: FlatModel) -> BoundOptimizer:
    if spec.target is not None:
        builder = resolve_import(spec.target, key="optimizer._target_")
        return BoundOptimizer(flat, builder, spec.lr, spec.params, own=True)
    return BoundOptimizer(flat, OPTIMIZERS[spec.name].builder, spec.lr, spec.params, own=False)


def _restart_row(restart: Restart, rates: list[float], steps_per_epoch: int) -> Row:
    step = restart.step
    return (
        step,
        step / steps_per_epoch,
        restart.cycle,
        "schedule",
        restart.planned_length,
        rates[step - 1],
        rates[step],
    )


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
