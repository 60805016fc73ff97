"""Models at the ends of cycles: alone, together, and on the way from one to the next.

A snapshot is what a cycle of a restarted run ends with (Huang et al. 2017, arXiv:1704.00109). All
of it is measured on the validation data, in evaluation mode.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lrbench.engine.base import Plan, State
from lrbench.engine.data import on_device
from lrbench.engine.device import DTYPES
from lrbench.engine.evaluation import CHUNK, evaluate
from lrbench.engine.state import restore_model
from lrbench.tasks.base import Kind
from lrbench.tasks.loss import correct, per_sample_loss

POINTS: Final = 11
"""On the way between two snapshots, its ends among them."""


@dataclass(frozen=True)
class Measured:
    """Loss and accuracy on the validation data; no accuracy where it is no classification."""

    loss: float
    accuracy: float | None


@dataclass(frozen=True)
class Between:
    """Two consecutive snapshots.

    Parameters
    ----------
    disagreement : float in [0, 1] or None
        Part of the validation samples that they classify differently.
    barrier : float in [0, inf)
        ``max V(a * this + (1 - a) * before) - max(V(this), V(before))`` over 11 values of a from 0
        to 1, with the statistics of batch normalisation estimated anew on the training data at each
        of them, ends too; about 0 in one basin (Frankle et al. 2020, arXiv:1912.05671).
    path : tuple of 11 floats
        V, from the one before to this one.
    """

    disagreement: float | None
    barrier: float
    path: tuple[float, ...]


@dataclass(frozen=True)
class Snapshots:
    """What the snapshots of a run measure.

    Parameters
    ----------
    singles : tuple of Measured
        In their order.
    ensembles : tuple of Measured
        Of the last 1, 2, … of them: of the mean of their probabilities, or of their outputs in a
        regression. Empty where outputs are losses.
    between : tuple of Between
        One less than there are snapshots.
    """

    singles: tuple[Measured, ...]
    ensembles: tuple[Measured, ...]
    between: tuple[Between, ...]


@torch.no_grad()
def measure(plan: Plan, states: Sequence[State]) -> Snapshots:
    """Look at snapshots of one run.

    Parameters
    ----------
    plan : Plan
        Of the run; its first lane.
    states : sequence of State
        In the order of their steps.

    Raises
    ------
    RecordError
        One is the state of another model.
    """
    device, dtype = torch.device(plan.compute.device), DTYPES[plan.compute.precision]
    data = on_device(plan.data, device, dtype)
    kind = plan.data.info.kind
    model = plan.build_model(plan.lanes[0].streams).to(device, dtype).eval()
    singles, outputs, weights = [], [], []
    for state in states:
        restore_model(state, model)
        loss, accuracy = evaluate(model, kind, data.val_inputs, data.val_targets)
        singles.append(Measured(loss, accuracy))
        outputs.append(_outputs(model, data.val_inputs))
        weights.append({name: p.clone() for name, p in model.named_parameters()})
    between = []
    for place in range(1, len(states)):
        path = []
        restore_model(states[place], model)
        for point in range(POINTS):
            _mix(model, weights[place - 1], weights[place], point / (POINTS - 1))
            _estimate_statistics(model, data.inputs)
            path.append(evaluate(model, kind, data.val_inputs, data.val_targets)[0])
        # A path through weights that mean nothing is as high as can be, not low.
        path = [value if math.isfinite(value) else math.inf for value in path]
        barrier = (
            max(path) - max(path[0], path[-1]) if math.isfinite(max(path[0], path[-1])) else 0.0
        )
        disagreement = _disagreement(outputs[place - 1], outputs[place], kind)
        between.append(Between(disagreement, barrier, tuple(path)))
    together = [
        _together(outputs[-count:], kind, data.val_targets)
        for count in range(1, len(outputs) + 1)
        if kind != "objective"
    ]
    return Snapshots(tuple(singles), tuple(together), tuple(between))


def _outputs(model: nn.Module, inputs: Tensor) -> Tensor:
    return torch.cat([model(x.clone()) for x in inputs.split(CHUNK)])


def _disagreement(before: Tensor, now: Tensor, kind: Kind) -> float | None:
    if kind != "classification":
        return None
    return float((before.argmax(1) != now.argmax(1)).double().mean())


def _together(outputs: Sequence[Tensor], kind: Kind, targets: Tensor) -> Measured:
    """An ensemble: the mean of probabilities, not of logits."""
    if kind != "classification":
        mean = torch.stack([one.double() for one in outputs]).mean(0)
        return Measured(float(per_sample_loss(kind, mean, targets.double()).mean()), None)
    logs = torch.stack([one.double().log_softmax(1) for one in outputs])
    mean = logs.logsumexp(0) - math.log(len(outputs))
    loss = float(per_sample_loss(kind, mean, targets).mean())
    return Measured(loss, float(correct(mean, targets).double().mean()))


def _mix(
    model: nn.Module, before: dict[str, Tensor], now: dict[str, Tensor], amount: float
) -> None:
    for name, parameter in model.named_parameters():
        # In this form both ends are themselves, to a bit.
        parameter.copy_((1 - amount) * before[name] + amount * now[name])


def _estimate_statistics(model: nn.Module, inputs: Tensor) -> None:
    """Means and variances of batch normalisation, over the training data; nothing else trains."""
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not norms:
        return
    with _averaging(norms):
        # Pieces of like size: each counts the same.
        for x in torch.tensor_split(inputs, max(1, -(-len(inputs) // CHUNK))):
            model(x.clone())


@contextmanager
def _averaging(norms: Sequence[_BatchNorm]) -> Iterator[None]:
    """Batch normalisation that gathers its statistics, as a plain mean over the batches."""
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()
