"""The vectorised programs of a plan: an update of all lanes, and a closer look at it.

Both are functions of tensors whose first dimension is the lane, pure apart from the rows that they
write in place. The same functions run as they are, operation by operation, or compiled; compiled
code rounds otherwise, so which of both is part of a run's identity.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from lrbench.engine.compiler import compiled
from lrbench.engine.flat import Layout, layout_of
from lrbench.engine.lanes.template import Template, refused
from lrbench.engine.update_rules import UpdateRule
from lrbench.tasks.base import Kind
from lrbench.tasks.loss import mean_loss

Tensors = dict[str, Tensor]

LOOKED = 10
"""Sums of a closer look at a part of the model: those of ``diagnostics.Block.looks``."""


@dataclass(frozen=True)
class Program:
    """The functions of a plan.

    Parameters
    ----------
    template : Template
    step : callable
        ``(weight, grad, momentum, second, others, masks, inputs, targets, indices, numbers) ->
        losses, sums``: an update. Rows have the shape (lanes, columns), ``indices`` (lanes, batch),
        losses (lanes,), sums (lanes, 5) as ``diagnostics.Block.whole`` has them; the rows and the
        changing buffers among ``others`` are written.
    look : callable
        ``(weight, grad, momentum, second, anchor, numbers) -> sums`` of shape (lanes, parts, 10):
        a closer look at the whole model and at its layers, from the gradient of an update and the
        other rows as they were before it. It writes nothing: a lane's numbers must not depend on
        which of the others are looked at.
    """

    template: Template
    step: Callable[..., tuple[Tensor, Tensor]]
    look: Callable[..., Tensor]


_PROGRAMS: dict[Hashable, Program] = {}
"""Those of this process: making one anew would trace, and compile, it again."""


def program_of(
    key: Hashable,
    template: Callable[[], Template],
    model: nn.Module,
    rule: UpdateRule,
    kind: Kind,
    autocast: Callable[[], AbstractContextManager[object]],
    *,
    is_compiled: bool,
) -> Program:
    """The program for plans with this key, made where there is none in this process.

    Raises
    ------
    ConfigError
        It is to be compiled, and there is no compiler.
    """
    if key not in _PROGRAMS:
        made = template()
        layout = layout_of(model)
        shapes = {name: p.shape for name, p in model.named_parameters() if p.requires_grad}
        step = _step(gradient_of(made, layout, shapes, kind, autocast), rule)
        look = _look(rule, layout)
        if is_compiled:
            step, look = compiled(step), compiled(look)
        _PROGRAMS[key] = Program(made, step, look)
    return _PROGRAMS[key]


def gradient_of(
    template: Template,
    layout: Layout,
    shapes: Mapping[str, torch.Size],
    kind: Kind,
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Callable[..., Tensor]:
    """``(weight, grad, others, masks, inputs, targets, indices) -> losses``, the first half of an
    update; it writes ``grad`` and the changing buffers.

    Parameters
    ----------
    shapes : mapping
        Of the trained parameters, by name.
    """
    model, changing, modules = template.model, template.changing, template.masks.modules
    masked = [model.get_submodule(path) for path in modules]

    def loss_of(
        parameters: Tensors, others: Tensors, masks: Tensors, inputs: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensors]:
        # Copies, because what is differentiated must not write to what it was given.
        fresh = {name: others[name].clone() for name in changing}
        for module in masked:
            module.calls = 0  # type: ignore[assignment]
        with autocast():
            outputs = functional_call(model, {**parameters, **others, **fresh, **masks}, (inputs,))
            loss = mean_loss(kind, outputs, targets)
        return loss, fresh

    of_each = vmap(grad_and_value(loss_of, has_aux=True))
    names = list(layout.places)
    ends = [*list(layout.places.values())[1:], layout.columns]

    def gradient(
        weight: Tensor,
        grad: Tensor,
        others: Tensors,
        masks: Tensors,
        inputs: Tensor,
        targets: Tensor,
        indices: Tensor,
    ) -> Tensor:
        lanes = len(weight)
        parameters = {
            name: weight[:, place : place + shapes[name].numel()].view(lanes, *shapes[name])
            for name, place in layout.places.items()
        }
        grads, (losses, fresh) = of_each(
            parameters, others, masks, inputs[indices], targets[indices]
        )
        parts = []
        for name, end in zip(names, ends, strict=True):
            part = grads[name].reshape(lanes, -1)
            parts.append(F.pad(part, (0, end - layout.places[name] - part.shape[1])))
        grad.copy_(torch.cat(parts, dim=1))
        for name in changing:
            others[name].copy_(fresh[name])
        told: Tensor = losses
        return told

    return gradient


def _step(
    gradient: Callable[..., Tensor], rule: UpdateRule
) -> Callable[..., tuple[Tensor, Tensor]]:
    def step(
        weight: Tensor,
        grad: Tensor,
        momentum: Tensor,
        second: Tensor,
        others: Tensors,
        masks: Tensors,
        inputs: Tensor,
        targets: Tensor,
        indices: Tensor,
        numbers: Tensor,
    ) -> tuple[Tensor, Tensor]:
        losses = gradient(weight, grad, others, masks, inputs, targets, indices)
        after, moments = rule.update(weight, grad, (momentum, second), numbers)
        sums = torch.stack(_sums(grad, weight - after, after, *moments), dim=1)
        weight.copy_(after)
        _keep(rule, momentum, second, moments)
        return losses, sums

    return step


def _look(rule: UpdateRule, layout: Layout) -> Callable[..., Tensor]:
    parts = [slice(None), *(slice(span.start, span.stop) for span in layout.layers)]

    def look(
        weight: Tensor,
        grad: Tensor,
        momentum: Tensor,
        second: Tensor,
        anchor: Tensor,
        numbers: Tensor,
    ) -> Tensor:
        after, moments = rule.update(weight, grad, (momentum, second), numbers)
        # The sign is turned round; no norm sees it, and the cosine is meant so.
        way = weight - after
        products = (
            grad * momentum,
            momentum * momentum,
            grad * way,
            moments[1].sqrt(),
            (after - anchor).square(),
        )
        sums = []
        for part in parts:
            rows = (row[:, part] for row in (grad, way, after, *moments))
            sums += [*_sums(*rows), *(product[:, part].sum(1) for product in products)]
        return torch.stack(sums, dim=1).view(len(weight), len(parts), LOOKED)

    return look


def _sums(
    grad: Tensor, way: Tensor, weight: Tensor, momentum: Tensor, second: Tensor
) -> list[Tensor]:
    squares = [(row * row).sum(1) for row in (grad, way, weight, momentum)]
    return [*squares, second.sum(1)]


def _keep(
    rule: UpdateRule, momentum: Tensor, second: Tensor, moments: tuple[Tensor, Tensor]
) -> None:
    for place, row in enumerate((momentum, second)):
        if len(rule.keeps) > place:
            row.copy_(moments[place])


def run_eagerly(function: Callable[..., Tensor], arguments: Sequence[Any]) -> Tensor:
    """Call a vectorised function; what it cannot do is told as the model's own trait.

    Raises
    ------
    ConfigError
    """
    try:
        return function(*arguments)
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        raise refused(f"cannot be done for many runs at once ({reason})") from error
