"""Optimizers by name: torch's own, given all weights as one tensor where that changes no result."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from lrbench.engine.flat import FlatModel
from lrbench.errors import ConfigError, RunError
from lrbench.spec.parameters import unknown_key
from lrbench.spec.run import OptimizerSpec

Fraction = Annotated[float, Field(ge=0, lt=1)]
NotNegative = Annotated[float, Field(ge=0)]
# Below it, float32 has 0, and a weight without gradient would become 0/0.
Epsilon = Annotated[float, Field(ge=1e-30)]
Builder = Callable[..., torch.optim.Optimizer]


class _Untraced(torch.optim.Optimizer):
    """An optimizer of torch's, its methods without what keeps dynamo from tracing them: they would
    import dynamo to tell it so, which takes as long as a thousand updates of a small model.
    """

    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)


class SGD(_Untraced, torch.optim.SGD):
    """torch's, to the bit."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.SGD.step))


class Adam(_Untraced, torch.optim.Adam):
    """torch's, to the bit."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))


class AdamW(_Untraced, torch.optim.AdamW):
    """torch's, to the bit."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


def sgd(
    parameters: list[Tensor],
    lr: float,
    *,
    momentum: Fraction = 0.9,
    nesterov: bool = False,
    dampening: Annotated[float, Field(ge=0, le=1)] = 0.0,
    weight_decay: NotNegative = 0.0,
) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum, as torch defines it.

    ``b <- momentum * b + (1 - dampening) * g``, then ``w <- w - lr * b``; the first step has
    ``b = g``. Sutskever et al. 2013 for Nesterov's form.
    """
    if nesterov and (momentum == 0 or dampening != 0):
        relation = "needs optimizer.momentum above 0 and optimizer.dampening=0"
        raise ConfigError(relation, key="nesterov", got=nesterov)
    return SGD(
        parameters,
        lr=lr,
        momentum=momentum,
        nesterov=nesterov,
        dampening=dampening,
        weight_decay=weight_decay,
        foreach=False,
    )


def adam(
    parameters: list[Tensor],
    lr: float,
    *,
    beta1: Fraction = 0.9,
    beta2: Fraction = 0.999,
    eps: Epsilon = 1e-8,
    weight_decay: NotNegative = 0.0,
) -> torch.optim.Optimizer:
    """Adam (Kingma & Ba 2015, arXiv:1412.6980); weight decay is added to the gradient."""
    return Adam(
        parameters,
        lr=lr,
        betas=(beta1, beta2),
        eps=eps,
        weight_decay=weight_decay,
        foreach=False,
    )


def adamw(
    parameters: list[Tensor],
    lr: float,
    *,
    beta1: Fraction = 0.9,
    beta2: Fraction = 0.999,
    eps: Epsilon = 1e-8,
    weight_decay: NotNegative = 0.01,
    decay_follows_lr: bool = True,
) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101).

    As in torch, weights shrink by ``lr(t) * weight_decay`` a step, so the schedule schedules the
    decay as well; with ``decay_follows_lr=False`` they shrink by ``lr * weight_decay`` with the
    base learning rate at every step, whatever the schedule does.
    """
    kind = AdamW if decay_follows_lr else IndependentAdamW
    return kind(
        parameters,
        lr=lr,
        betas=(beta1, beta2),
        eps=eps,
        weight_decay=weight_decay,
        foreach=False,
    )


class IndependentAdamW(AdamW):
    """AdamW whose decay does not follow the learning rate: weights shrink by the base learning
    rate times ``weight_decay``, before the step, where torch shrinks them by the current one.
    """

    def __init__(self, parameters: list[Tensor], lr: float, **settings: Any) -> None:
        super().__init__(parameters, lr=lr, **settings)
        self._base_lr = lr

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        decays = [group["weight_decay"] for group in self.param_groups]
        for group, decay in zip(self.param_groups, decays, strict=True):
            for weight in group["params"]:
                if weight.grad is not None:
                    weight.mul_(1 - self._base_lr * decay)
            group["weight_decay"] = 0.0
        loss = super().step(closure)
        for group, decay in zip(self.param_groups, decays, strict=True):
            group["weight_decay"] = decay
        return loss


@dataclass(frozen=True)
class OptimizerEntry:
    """An optimizer of lrbench: treats every number alike, so it gets them as one tensor."""

    name: str
    builder: Builder

    @property
    def summary(self) -> str:
        """The first line of its documentation."""
        return (inspect.getdoc(self.builder) or "").partition("\n")[0]


OPTIMIZERS: dict[str, OptimizerEntry] = {
    builder.__name__: OptimizerEntry(builder.__name__, builder) for builder in (sgd, adam, adamw)
}


def base_settings(spec: OptimizerSpec, target: Callable[..., Any] | None) -> dict[str, float]:
    """The momentum (or first beta) and the weight decay an optimizer has without a schedule.

    It is built on two small parameters, a matrix and a vector, and its groups are read.
    """
    builder = target or OPTIMIZERS[spec.name].builder
    weights = [torch.nn.Parameter(torch.zeros(shape)) for shape in ((2, 2), (2,))]
    return base_of(builder(weights, lr=spec.lr, **spec.params))


def base_of(optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """The momentum (or first beta) and the weight decay of all parameter groups.

    What a group lacks, or groups have different values of, is left out: one schedule cannot move
    it.
    """
    groups = optimizer.param_groups
    found = {
        "momentum": [group.get("momentum", group.get("betas", (None,))[0]) for group in groups],
        "weight_decay": [group.get("weight_decay") for group in groups],
    }
    return {
        name: float(values[0])
        for name, values in found.items()
        if isinstance(values[0], float | int) and all(value == values[0] for value in values)
    }


def check_own(target: Callable[..., Any], settings: Mapping[str, Any]) -> None:
    """Refuse settings that a user's optimizer does not take, and optimizers that need a closure.

    Raises
    ------
    ConfigError
        The keys are those of the ``optimizer`` group.
    """
    step = getattr(target, "step", None)
    closure = inspect.signature(step).parameters.get("closure") if step else None
    if step is None or (closure and closure.default is inspect.Parameter.empty):
        relation = "must lead to an optimizer whose step() can be called without a closure"
        raise ConfigError(
            relation, key="_target_", got=f"{target.__module__}:{target.__qualname__}"
        )
    known = inspect.signature(target).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in known.values()):
        return
    unknown = [
        unknown_key(name, known, value) for name, value in settings.items() if name not in known
    ]
    if unknown:
        raise ConfigError(unknown)


def _set_momentum(group: dict[str, Any], momentum: float) -> None:
    if "momentum" in group:
        group["momentum"] = momentum
    else:
        group["betas"] = (momentum, *group["betas"][1:])


MOMENTS = {"momentum": ("momentum_buffer", "exp_avg"), "second_moment": ("exp_avg_sq",)}
"""Rows of the flat model, and the names optimizers give what belongs there."""


class BoundOptimizer:
    """An optimizer at work on a flat model, and what can be read from it.

    Parameters
    ----------
    flat : FlatModel
    builder : callable
        One of :data:`OPTIMIZERS`, or any torch optimizer class if ``own``.
    lr : float
        Base learning rate; every update brings its own.
    settings : mapping
    own : bool
        The user's own optimizer may treat tensors as wholes (norms, matrices), so it gets the
        model's parameters as they are.

    Attributes
    ----------
    tensors : list of Tensor
        What it updates.
    is_own : bool
        Whether it is the user's own.
    moments : set of str
        Which rows of ``MOMENTS`` the optimizer keeps; known after the first update.
    awaited : set of str
        Which are to be looked for after the next update.
    """

    def __init__(
        self,
        flat: FlatModel,
        builder: Builder,
        lr: float,
        settings: Mapping[str, Any],
        *,
        own: bool,
    ) -> None:
        self._flat = flat
        self.is_own = own
        self.tensors: list[Tensor] = list(flat.parameters) if own else [flat.parameter]
        self.optimizer = builder(self.tensors, lr=lr, **settings)
        self._groups = self.optimizer.param_groups
        self.moments: set[str] = set()
        self.awaited: set[str] = set(MOMENTS)
        self._copies: list[tuple[list[Tensor], str]] = []

    def update(
        self, rate: float, *, momentum: float | None = None, weight_decay: float | None = None
    ) -> tuple[float, float | None, float | None]:
        """Make one update.

        Parameters
        ----------
        rate : float
            The learning rate.
        momentum, weight_decay : float, optional
            What to set them to; default: as they are.

        Returns
        -------
        lr, momentum, weight_decay : float, float or None, float or None
            As the optimizer has them at the moment of the update (the first parameter group;
            momentum is ``momentum``, or the first of ``betas``, or absent).
        """
        self._set(rate, momentum, weight_decay)
        group = self._groups[0]
        applied = (
            group["lr"],
            self.momentum,
            group.get("weight_decay"),
        )
        self.optimizer.step()
        if any(group["lr"] != rate for group in self._groups):
            raise RunError("must leave the learning rate to the schedule", key="optimizer")
        if self.awaited:
            self.find_moments(self.awaited)
        self.copy_moments()
        lr, *others = applied
        momentum, weight_decay = (None if x is None else float(x) for x in others)
        return float(lr), momentum, weight_decay

    def _set(self, rate: float, momentum: float | None, weight_decay: float | None) -> None:
        for group in self._groups:
            group["lr"] = rate
            if momentum is not None:
                _set_momentum(group, momentum)
            if weight_decay is not None:
                group["weight_decay"] = weight_decay

    def copy_moments(self) -> None:
        """Bring the flat model's copies of the moments of a user's own optimizer up to date."""
        for views, name in self._copies:
            # Asked for every time: an optimizer may keep a new tensor at each update.
            buffers = [self.optimizer.state[tensor][name] for tensor in self.tensors]
            torch._foreach_copy_(views, buffers)

    def forget(self, name: str) -> None:
        """Let the state ``name`` be absent, as before the first update.

        Its row of the flat model is zero until it is found there again, after the next update.
        """
        state = self.optimizer.state
        popped = [state[t].pop(name, None) for t in self.tensors if t in state]
        if all(buffer is None for buffer in popped):
            return
        copied = {copied for _, copied in self._copies}
        for row, names in MOMENTS.items():
            if row in self.moments and name in names and (not self.is_own or name in copied):
                getattr(self._flat, row).zero_()
                self.moments.discard(row)
                self.awaited.add(row)
        self._copies = [copy for copy in self._copies if copy[1] != name]

    def find_moments(self, among: Collection[str]) -> None:
        """Learn where the moments are, from the state that an update or a checkpoint has left.

        Not before, as SGD treats an absent buffer unlike a zero one.

        The moments of a built-in optimizer move into the flat model, where it goes on using them;
        those of a user's own are copied there after every update.
        """
        wanted, self.awaited = set(among), set()
        for row, names in MOMENTS.items():
            if row not in wanted:
                continue
            entries = [self.optimizer.state[tensor] for tensor in self.tensors]
            name = next((name for name in names if self._all_have(entries, name)), None)
            if name is None:
                continue
            self.moments.add(row)
            target: Tensor = getattr(self._flat, row)
            if self.is_own:
                self._copies.append((list(self._flat.views(target)), name))
            else:
                target.copy_(entries[0][name])
                entries[0][name] = target

    @property
    def momentum(self) -> float | None:
        """As the next update has it, unless it brings its own; None where there is none."""
        group = self._groups[0]
        value = group.get("momentum", group.get("betas", (None,))[0])
        return None if value is None else float(value)

    def _all_have(self, entries: list[Any], name: str) -> bool:
        return all(
            isinstance(entry.get(name), Tensor) and entry[name].shape == tensor.shape
            for entry, tensor in zip(entries, self.tensors, strict=True)
        )
