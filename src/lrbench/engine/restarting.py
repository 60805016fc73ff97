"""What a restart does to weights and optimizer, and what it remembers for that."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lrbench.engine.base import Restart
from lrbench.engine.flat import FlatModel
from lrbench.engine.optimizer_state import betas, entries, has, read_facts, state_names
from lrbench.engine.optimizers import BoundOptimizer
from lrbench.engine.reset_audit import ResetAudit, Weights, weights_of
from lrbench.errors import RecordError, RunError
from lrbench.restarts.facts import StateFacts
from lrbench.restarts.policy import mismatch, policy_name, reset_counter
from lrbench.spec.restart import RestartSpec
from lrbench.streams import Streams

REWINDS = {"rewind_best": "best", "rewind_cycle_end": "cycle_end"}
"""Weights to go back to, and what is remembered for it."""


@dataclass(frozen=True)
class Applied:
    """A policy that was carried out.

    Parameters
    ----------
    policy : str
        :func:`lrbench.restarts.policy.policy_name`.
    audit : str
        "kept"; and, behind ", but ", what multiplier of the learning rate the policy hides.
    before, after : tuple of StateFacts
        The whole model first, then its layers.
    """

    policy: str
    audit: str
    before: tuple[StateFacts, ...]
    after: tuple[StateFacts, ...]


class Restarter:
    """Carries out the state policies of a run's restarts.

    Parameters
    ----------
    model : nn.Module
    flat : FlatModel
        Of that model.
    optimizer : BoundOptimizer
        At work on it.
    streams : Streams
        ``perturb`` draws from ``streams("noise", "restart", step)``: one normal number for each
        trainable one, parameter after parameter as ``named_parameters()`` has them, cast to the
        parameters' type and then multiplied.
    policies : collection of RestartSpec
        All that can occur: only what they need is remembered.
    """

    def __init__(
        self,
        model: nn.Module,
        flat: FlatModel,
        optimizer: BoundOptimizer,
        streams: Streams,
        policies: Collection[RestartSpec],
    ) -> None:
        self._model = model
        self._flat = flat
        self._optimizer = optimizer
        self._streams = streams
        self._remembers = {REWINDS[p.weights] for p in policies if p.weights in REWINDS}
        self._remembers_max = any(policy.second_moment == "max" for policy in policies)
        self._losses: dict[str, float] = {}
        self._weights: dict[str, Weights] = {}
        self._second: dict[int, Tensor] = {}

    def look(self, val_loss: float, *, is_cycle_end: bool) -> None:
        """Remember the weights as they are if a policy may want them back.

        Called after every evaluation, before :meth:`apply`; of equal losses the first one counts.
        """
        for kind in self._remembers:
            is_due = kind == "best" or is_cycle_end
            if is_due and val_loss < self._losses.get(kind, math.inf):
                self._losses[kind] = val_loss
                self._weights[kind] = {n: t.detach().clone() for n, t in weights_of(self._model)}

    @torch.no_grad()
    def apply(self, restart: Restart) -> Applied:
        """Do what ``restart.policy`` says, and see that it was done.

        Re-warming is none of it: the rates have it.

        Raises
        ------
        RunError
            A part of the state is not as promised, or there are no weights to go back to.
        """
        policy = restart.policy
        assert policy is not None
        names = state_names(policy)
        audit = ResetAudit(self._model, self._flat, self._optimizer, restart)
        before = read_facts(self._optimizer, self._flat, names)
        rewound, noise = self._remembered(policy), self._noise(policy, restart.step)
        promise = audit.promise(rewound, noise, self._second)
        self._change_weights(policy, rewound, noise)
        self._change_state(policy)
        audit.compare(promise)
        if self._remembers_max:
            kept = enumerate(entries(self._optimizer))
            name = names["second_moment"]
            self._second = {i: e[name].clone() for i, e in kept if e.get(name) is not None}
        after = read_facts(self._optimizer, self._flat, names)
        hidden = hidden_multiplier(self._optimizer, policy)
        outcome = f"kept, but {hidden}" if hidden else "kept"
        return Applied(policy_name(policy), outcome, before, after)

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """What is remembered, for a checkpoint: losses as JSON, and tensors by name."""
        tensors = {
            f"{kind}/{name}": tensor
            for kind, weights in self._weights.items()
            for name, tensor in weights.items()
        }
        tensors |= {f"max/{place}": tensor for place, tensor in self._second.items()}
        return {"losses": dict(self._losses)}, tensors

    def restore(self, facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Remember what :meth:`state` gave.

        Raises
        ------
        RecordError
            Something is missing, or of another model.
        """
        try:
            self._losses = {kind: float(loss) for kind, loss in facts["losses"].items()}
            self._weights = {
                kind: {
                    name: _like(tensors[f"{kind}/{name}"], t) for name, t in weights_of(self._model)
                }
                for kind in self._losses
            }
            self._second = {
                place: _like(tensors[f"max/{place}"], tensor)
                for place, tensor in enumerate(self._optimizer.tensors)
                if f"max/{place}" in tensors
            }
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            relation = f"must hold what the restarts of this run remember ({error})"
            raise RecordError(relation, key="checkpoint") from error

    def _noise(self, policy: RestartSpec, step: int) -> Weights:
        """What is added to each trainable parameter."""
        if policy.weights != "shrink_perturb":
            return {}
        trained = {n: p for n, p in self._model.named_parameters() if p.requires_grad}
        sizes = [parameter.numel() for parameter in trained.values()]
        normal = self._streams("noise", "restart", step).normal(sum(sizes))
        parts = torch.from_numpy(normal).split(sizes)
        return {
            name: part.view(parameter.shape).to(parameter) * policy.perturb
            for (name, parameter), part in zip(trained.items(), parts, strict=True)
        }

    def _remembered(self, policy: RestartSpec) -> Weights:
        """What is gone back to."""
        if policy.weights not in REWINDS:
            return {}
        kind = REWINDS[policy.weights]
        if kind not in self._weights:
            relation = "needs weights of a finite validation loss to go back to; there are none yet"
            raise RunError(relation, key=f"restart.weights={policy.weights}")
        return self._weights[kind]

    def _change_weights(self, policy: RestartSpec, rewound: Weights, noise: Weights) -> None:
        for name, tensor in weights_of(self._model):
            if name in rewound:
                tensor.copy_(rewound[name])
            if name in noise:
                tensor.mul_(policy.shrink).add_(noise[name])

    def _change_state(self, policy: RestartSpec) -> None:
        names = state_names(policy)
        for place, (tensor, entry) in enumerate(
            zip(self._optimizer.tensors, entries(self._optimizer), strict=True)
        ):
            for switch in ("momentum", "first_moment", "second_moment"):
                change, moment = getattr(policy, switch), entry.get(names[switch])
                if moment is None or change in ("keep", "delete"):
                    continue
                if change == "reset":
                    moment.zero_()
                elif change == "max":
                    torch.maximum(moment, self._second.get(place, moment), out=moment)
                else:
                    moment.mul_(change)
            if reset_counter(policy) and entry.get(names["counter"]) is not None:
                _reset_counter(entry, names["counter"])
            if policy.averages == "reset" and entry.get(names["averages"]) is not None:
                entry[names["averages"]].copy_(tensor)
        if policy.momentum == "delete":
            self._optimizer.forget(names["momentum"])
        self._optimizer.copy_moments()


def hidden_multiplier(optimizer: BoundOptimizer, policy: RestartSpec) -> str | None:
    """:func:`lrbench.restarts.policy.mismatch` of an optimizer that has made an update."""
    names = state_names(policy)
    first, second, counter = (
        has(optimizer, names[switch]) for switch in ("first_moment", "second_moment", "counter")
    )
    return mismatch(policy, first, second, counter, betas(optimizer))


def _reset_counter(entry: dict[str, Any], name: str) -> None:
    counter = entry[name]
    if isinstance(counter, Tensor):
        counter.zero_()
    else:
        entry[name] = type(counter)(0)


def _like(tensor: Tensor, model: Tensor) -> Tensor:
    if tensor.shape != model.shape:
        raise ValueError(f"a tensor of shape {tuple(tensor.shape)} for {tuple(model.shape)}")
    return tensor.to(model.device, model.dtype, copy=True)
