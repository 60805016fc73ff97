"""The vectorised programs of a plan: gradients of all lanes, their update, and a closer look at it.

All are functions of tensors whose first dimension is the lane, pure apart from the numbers that
they write in place. The same functions run as they are, operation by operation, or compiled;
compiled code rounds otherwise, so which of both is part of a run's identity.

Gradients stay where the backward pass has left them, parameter by parameter, and the update is a
program of its own: within one with the passes before it, a compiler would write new weights beside
the old ones first, for the sake of operations that still read those. Each copy of all numbers
would take a tenth of a small model's update.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from lrbench.engine.compiled import Compiled, prepare
from lrbench.engine.flat import Layout, layout_of
from lrbench.engine.lanes.convolution import convolution_rules
from lrbench.engine.lanes.pooling import pooling_rules
from lrbench.engine.lanes.template import Template, refused
from lrbench.engine.surroundings import surroundings
from lrbench.engine.update_rules import UpdateRule
from lrbench.tasks.base import Kind
from lrbench.tasks.loss import mean_loss

T = TypeVar("T")

Tensors = dict[str, Tensor]

LOOKED = 10
"""Sums of a closer look at a part of the model: those of ``diagnostics.Block.looks``."""


@dataclass(frozen=True)
class Program:
    """The functions of a plan.

    Parameters
    ----------
    template : Template
    gradient : callable
        ``(weights, others, masks, inputs, targets, indices) -> losses, *gradients``; it writes the
        changing buffers among ``others``. ``weights`` is a dict of every trained parameter,
        (lanes, …); ``indices`` has the shape (lanes, batch), losses (lanes,).
    update : callable
        ``(weights, gradients, momenta, seconds, numbers) -> sums`` of shape (lanes, 5), as
        ``diagnostics.Block.whole`` has them; it writes weights and moments. Of every parameter the
        dicts have (lanes, numbers).
    look : callable
        ``(weights, gradients, momenta, seconds, anchors, numbers) -> sums`` of shape
        (lanes, parts, 10): a closer look at the whole model and at its layers, from the gradients
        of an update and the other numbers as they were before it. It writes nothing: a lane's
        numbers must not depend on which of the others are looked at.
    """

    template: Template
    gradient: Callable[..., tuple[Tensor, ...]]
    update: Callable[..., Tensor]
    look: Callable[..., Tensor]

    def prepare(self, *given: tuple[Any, ...]) -> None:
        """Compile what is to be compiled, for arguments of this form of the three functions;
        nothing of them changes.
        """
        asked = zip((self.gradient, self.update, self.look), given, strict=True)
        prepare([(one, arguments) for one, arguments in asked if isinstance(one, Compiled)])


_PROGRAMS: dict[Hashable, Program] = {}
"""The latest of this process: making one anew would trace it again."""

MOST_PROGRAMS = 16


def program_of(
    key: Hashable | None,
    template: Callable[[], Template],
    model: nn.Module,
    rule: UpdateRule,
    kind: Kind,
    autocast: Callable[[], AbstractContextManager[object]],
    *,
    lanes: int,
    is_compiled: bool,
) -> Program:
    """The program for plans with this key, made where there is none in this process; None as key:
    of a plan that is like no other.

    Raises
    ------
    ConfigError
        It is to be compiled, and there is no compiler.
    """
    # Made under other switches, a compiled program would be another one.
    whole = (key, surroundings()) if is_compiled else key
    found = _PROGRAMS.pop(whole, None) if key is not None else None
    if found is None:
        made = template()
        layout = layout_of(model)
        gradient, update = gradient_of(made, kind, autocast), _update(rule)
        look = _look(rule, layout)
        if is_compiled:
            rules = {**convolution_rules(lanes), **pooling_rules(lanes)}
            found = Program(made, Compiled(gradient, rules), Compiled(update), Compiled(look))
        else:
            found = Program(made, gradient, update, look)
    if key is not None:
        _PROGRAMS[whole] = found
        while len(_PROGRAMS) > MOST_PROGRAMS:
            _PROGRAMS.pop(next(iter(_PROGRAMS)))
    return found


def gradient_of(
    template: Template,
    kind: Kind,
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Callable[..., tuple[Tensor, ...]]:
    """The gradients of a batch of each lane; see :class:`Program`."""
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

    def gradient(
        weights: Tensors,
        others: Tensors,
        masks: Tensors,
        inputs: Tensor,
        targets: Tensor,
        indices: Tensor,
    ) -> tuple[Tensor, ...]:
        grads, (losses, fresh) = of_each(weights, others, masks, inputs[indices], targets[indices])
        for name in changing:
            others[name].copy_(fresh[name])
        lanes = len(losses)
        return losses, *(grads[name].reshape(lanes, -1).contiguous() for name in weights)

    return gradient


def _update(rule: UpdateRule) -> Callable[..., Tensor]:
    def update(
        weights: Tensors, gradients: Tensors, momenta: Tensors, seconds: Tensors, numbers: Tensor
    ) -> Tensor:
        sums = []
        for name in weights:
            given = (weights, gradients, momenta, seconds)
            weight, grad, momentum, second = (one[name] for one in given)
            after, moments = rule.update(weight, grad, (momentum, second), numbers)
            sums.append(_sums(rule, grad, weight - after, after, moments))
            weight.copy_(after)
            for _, row, moment in zip(rule.keeps, (momentum, second), moments, strict=False):
                row.copy_(moment)
        return _added(sums)

    return update


def _look(rule: UpdateRule, layout: Layout) -> Callable[..., Tensor]:
    layers = [
        [name for name, place in layout.places.items() if span.start <= place < span.stop]
        for span in layout.layers
    ]

    def look(
        weights: Tensors,
        gradients: Tensors,
        momenta: Tensors,
        seconds: Tensors,
        anchors: Tensors,
        numbers: Tensor,
    ) -> Tensor:
        def looked(name: str) -> list[Tensor]:
            given = (weights, gradients, momenta, seconds, anchors)
            weight, grad, momentum, second, anchor = (one[name] for one in given)
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
            sums = _sums(rule, grad, way, after, moments)
            return [*sums, *(product.sum(1) for product in products)]

        parts = [_added([looked(name) for name in names]) for names in layers]
        return torch.stack([reduce(add, parts), *parts], dim=1)

    return look


def _sums(
    rule: UpdateRule, grad: Tensor, way: Tensor, weight: Tensor, moments: tuple[Tensor, Tensor]
) -> list[Tensor]:
    """Of a parameter, for each lane; what the rule does not keep is not read."""
    sums = [(row * row).sum(1) for row in (grad, way, weight)]
    nothing = torch.zeros_like(sums[0])
    kept = len(rule.keeps)
    sums.append((moments[0] * moments[0]).sum(1) if kept > 0 else nothing)
    sums.append(moments[1].sum(1) if kept > 1 else nothing)
    return sums


def _added(parameters: Sequence[Sequence[Tensor]]) -> Tensor:
    """The sums of several parameters together: (lanes, sums)."""
    return torch.stack([reduce(add, same) for same in zip(*parameters, strict=True)], dim=1)


def run_eagerly(function: Callable[..., T], arguments: Sequence[Any]) -> T:
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
