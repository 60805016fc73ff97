"""The loop engine: any model, any torch optimizer, one run after the other, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from lrbench.engine.base import Lane, Outcome, Plan, Sink
from lrbench.engine.conductor import Conductor, autocast, start_of
from lrbench.engine.data import on_device
from lrbench.engine.device import DTYPES
from lrbench.engine.diagnostics import Diagnostics
from lrbench.engine.flat import FlatModel
from lrbench.engine.optimizers import OPTIMIZERS, BoundOptimizer
from lrbench.engine.order import BatchOrder
from lrbench.errors import RunError
from lrbench.spec.imports import resolve_import
from lrbench.spec.run import ComputeSpec, OptimizerSpec
from lrbench.tasks.loss import mean_loss
from lrbench.tasks.models.build import draws_randomness


def train(plan: Plan, sinks: Sequence[Sink]) -> list[Outcome]:
    """Train every lane of ``plan``; the contract is :class:`lrbench.engine.base.Train`."""
    return [_train_lane(plan, index, sink) for index, sink in enumerate(sinks)]


def _train_lane(plan: Plan, index: int, sink: Sink) -> Outcome:
    lane = plan.lanes[index]
    device, dtype = torch.device(plan.compute.device), DTYPES[plan.compute.precision]
    data = on_device(plan.data, device, dtype)
    kind = plan.data.info.kind
    model = plan.build_model(lane.streams).to(device, dtype)
    order = BatchOrder(lane.streams, plan.data.sample_digests, plan.batch_size, device)
    sink.begin(start_of(model, order))

    flat = FlatModel(model)
    optimizer = _bind(lane.optimizer, flat)
    forward = autocast(plan)
    model.train()
    with _stream_of_dropout(lane, model, plan.compute) as reseed:
        run = Conductor(plan, index, sink, data, model, flat, optimizer, order, reseed)
        diagnostics = Diagnostics(flat, has_layers=bool(plan.layers_every or run.cycles))
        if run.cycles:
            diagnostics.anchor = run.cycles.movement.anchor
        rates, momenta, weight_decays = run.rates, run.momenta, run.weight_decays
        run.start()
        for step in range(run.step, plan.total_steps):
            if run.outcome is not None:
                break
            run.open(step)
            indices, digest = order.batch(step)
            reseed(step)

            flat.grad.zero_()
            with forward():
                outputs = model(data.inputs.index_select(0, indices))
                loss = mean_loss(kind, outputs, data.targets.index_select(0, indices))
            loss.backward()

            is_close = run.is_close(step)
            diagnostics.before_update(is_close)
            applied = optimizer.update(
                rates[step],
                momentum=momenta[step] if momenta else None,
                weight_decay=weight_decays[step] if weight_decays else None,
            )
            diagnostics.after_update(run.place, loss.detach(), optimizer, is_close)
            run.made([applied], [digest], [step] if is_close else [])

            done = step + 1
            if run.is_due(done):
                if not flat.is_intact():
                    relation = "must change weights and gradients in place"
                    raise RunError(relation, key="optimizer")
                run.deliver(
                    *diagnostics.fetch(run.heads, run.digests, run.close_places, optimizer.moments)
                )
            if run.outcome is None:
                run.close(done)
            if run.outcome is None and run.wants_saving:
                run.save(done)
        if run.outcome is None:
            run.finish()
    assert run.outcome is not None
    return run.outcome


def _bind(spec: OptimizerSpec, flat: FlatModel) -> BoundOptimizer:
    if spec.target is not None:
        builder = resolve_import(spec.target, key="optimizer._target_")
        return BoundOptimizer(flat, builder, spec.lr, spec.params, own=True)
    return BoundOptimizer(flat, OPTIMIZERS[spec.name].builder, spec.lr, spec.params, own=False)


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
