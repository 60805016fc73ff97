"""Update rules for many runs at once: torch.optim's SGD, Adam and AdamW on rows of weights.

A rule is a pair: ``init`` gives the moments before the first update, ``update`` the weights and
moments after one. What a schedule moves, and what the count of updates decides, comes in as a few
numbers for each lane, computed on the host in float64 as torch computes them. Everything else is
elementwise, so that a lane's bits cannot depend on its neighbours.

The formulas are those of ``torch.optim`` (Sutskever et al. 2013; Kingma & Ba 2015,
arXiv:1412.6980; Loshchilov & Hutter 2019, arXiv:1711.05101), up to the rounding of fused kernels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lrbench.engine.optimizers import OPTIMIZERS
from lrbench.errors import ConfigError
from lrbench.spec.parameters import settings_of
from lrbench.spec.run import OptimizerSpec

Moments = tuple[Tensor, Tensor]
"""Momentum buffer or first moment, and second moment, of shape (lanes, columns); what a rule does
not keep stays as it is."""


class Setting(NamedTuple):
    """What an update is made with, of one lane.

    Parameters
    ----------
    lr : float
    momentum : float or None
        Or the first beta.
    weight_decay : float
    counted : int
        Updates the optimizer has counted, this one included.
    is_first : bool
        Whether there is no momentum buffer yet.
    base_lr : float
    """

    lr: float
    momentum: float | None
    weight_decay: float
    counted: int
    is_first: bool
    base_lr: float


@dataclass(frozen=True)
class UpdateRule:
    """An optimizer as functions.

    Parameters
    ----------
    init : callable, (weight) -> Moments
        Weights of shape (lanes, columns).
    update : callable, (weight, grad, moments, numbers) -> weight, Moments
        Pure; ``numbers`` has shape (numbers, lanes).
    numbers : callable, Setting -> tuple of float
        What ``update`` needs of a lane.
    keeps : tuple of str
        What torch's optimizer calls the moments that the rule keeps, momentum first.
    counts : bool
        Whether it counts updates.
    """

    init: Callable[[Tensor], Moments]
    update: Callable[[Tensor, Tensor, Moments, Tensor], tuple[Tensor, Moments]]
    numbers: Callable[[Setting], tuple[float, ...]]
    keeps: tuple[str, ...]
    counts: bool


def no_moments(weight: Tensor) -> Moments:
    """Zeros, as before the first update."""
    return torch.zeros_like(weight), torch.zeros_like(weight)


def sgd(*, has_momentum: bool, nesterov: bool, dampening: float) -> UpdateRule:
    """``b <- momentum * b + (1 - dampening) * g``, ``w <- w - lr * b``; the first update has b = g.

    Without momentum ``w <- w - lr * g``. Nesterov's form goes along ``g + momentum * b``.
    """

    def numbers(now: Setting) -> tuple[float, ...]:
        return now.lr, now.momentum or 0.0, now.weight_decay, float(now.is_first)

    def update(
        weight: Tensor, grad: Tensor, moments: Moments, numbers: Tensor
    ) -> tuple[Tensor, Moments]:
        lr, momentum, decay, is_first = numbers.unsqueeze(-1)
        grad = grad + decay * weight
        if not has_momentum:
            return weight - lr * grad, moments
        later = momentum * moments[0] + (1 - dampening) * grad
        buffer = torch.where(is_first > 0, grad, later)
        along = grad + momentum * buffer if nesterov else buffer
        return weight - lr * along, (buffer, moments[1])

    keeps = ("momentum_buffer",) if has_momentum else ()
    return UpdateRule(no_moments, update, numbers, keeps, counts=False)


def adam(*, beta2: float, eps: float, decoupled: bool, decay_follows_lr: bool) -> UpdateRule:
    """Adam; ``decoupled``: AdamW, whose weights shrink by ``lr * weight_decay`` before the update.

    With ``decay_follows_lr=False`` they shrink by the base rate times the decay at every update.
    """

    def numbers(now: Setting) -> tuple[float, ...]:
        assert now.momentum is not None
        step_size = now.lr / (1 - now.momentum**now.counted)
        root_correction = math.sqrt(1 - beta2**now.counted)
        if not decoupled:
            return step_size, 1 - now.momentum, root_correction, now.weight_decay
        shrink = 1 - (now.lr if decay_follows_lr else now.base_lr) * now.weight_decay
        return step_size, 1 - now.momentum, root_correction, shrink

    def update(
        weight: Tensor, grad: Tensor, moments: Moments, numbers: Tensor
    ) -> tuple[Tensor, Moments]:
        step_size, fresh, root_correction, decay = numbers.unsqueeze(-1)
        if decoupled:
            weight = weight * decay
        else:
            grad = grad + decay * weight
        first = moments[0] + fresh * (grad - moments[0])
        second = moments[1] * beta2 + (1 - beta2) * (grad * grad)
        divisor = second.sqrt() / root_correction + eps
        return weight - step_size * (first / divisor), (first, second)

    return UpdateRule(no_moments, update, numbers, ("exp_avg", "exp_avg_sq"), counts=True)


SHARED = {
    "sgd": ("nesterov", "dampening"),
    "adam": ("beta2", "eps"),
    "adamw": ("beta2", "eps", "decay_follows_lr"),
}
"""Settings that the lanes of a plan share; rate, momentum and decay are each lane's own."""


def rule_key(spec: OptimizerSpec) -> tuple[Any, ...]:
    """Equal for optimizers that one rule serves."""
    params = params_of(spec)
    shared = tuple(params[name] for name in SHARED[spec.name])
    return spec.name, *shared, spec.name == "sgd" and params["momentum"] == 0


def rule_of(spec: OptimizerSpec) -> UpdateRule:
    """The rule of an optimizer.

    Raises
    ------
    ConfigError
        It is not one of lrbench's own.
    """
    params = params_of(spec)
    if spec.name == "sgd":
        return sgd(
            has_momentum=params["momentum"] != 0,
            nesterov=params["nesterov"],
            dampening=params["dampening"],
        )
    return adam(
        beta2=params["beta2"],
        eps=params["eps"],
        decoupled=spec.name == "adamw",
        decay_follows_lr=params.get("decay_follows_lr", True),
    )


def params_of(spec: OptimizerSpec) -> Mapping[str, Any]:
    """All settings of an optimizer of lrbench's own, what is not said as it is by default.

    Raises
    ------
    ConfigError
        It is another one.
    """
    if spec.target is not None or spec.name not in SHARED:
        raise ConfigError(
            f"must be one of {', '.join(SHARED)} with compute.engine=lanes, which has update "
            "rules of its own for many runs at once",
            key="optimizer",
            got=spec.target or spec.name,
            remedy="compute.engine=loop",
        )
    known = settings_of(OPTIMIZERS[spec.name].builder)
    return {name: parameter.default for name, parameter in known.items()} | spec.params
