"""What an optimizer keeps of each weight, by the names that the switches of a restart have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lrbench.engine.flat import FlatModel
from lrbench.engine.optimizers import BoundOptimizer
from lrbench.restarts.facts import StateFacts
from lrbench.spec.restart import RestartSpec

KNOWN = {
    "momentum": "momentum_buffer",
    "first_moment": "exp_avg",
    "second_moment": "exp_avg_sq",
    "counter": "step",
    "averages": "ax",
}
"""Switches, and what torch's optimizers call what they are for."""


def state_names(spec: RestartSpec) -> dict[str, str]:
    """What the optimizer calls the state of each switch."""
    return {**KNOWN, **spec.state_names}


def entries(bound: BoundOptimizer) -> list[dict[str, Any]]:
    """The state of each of ``bound.tensors``; empty for one that was not updated yet."""
    # Asked with get, because the state is a defaultdict, which would grow.
    return [bound.optimizer.state.get(tensor, {}) for tensor in bound.tensors]


def has(bound: BoundOptimizer, name: str) -> bool:
    """Whether the state ``name`` of any weight is there."""
    return any(entry.get(name) is not None for entry in entries(bound))


def betas(bound: BoundOptimizer) -> tuple[float, float] | None:
    """Adam's betas as they are now (of the first parameter group); None where it has none."""
    return _betas_of(bound.optimizer.param_groups[0])


def _betas_of(group: Mapping[str, Any]) -> tuple[float, float] | None:
    found = group.get("betas")
    if not isinstance(found, tuple | list) or len(found) != 2:
        return None
    return float(found[0]), float(found[1])


def read_facts(
    bound: BoundOptimizer, flat: FlatModel, names: Mapping[str, str]
) -> tuple[StateFacts, ...]:
    """The state of the whole model, then of its layers, in the order of ``flat.layers``.

    Norms and means are taken in float64. What has other counters in one layer counts with the
    largest.
    """
    momentum = _spread(bound, flat, names["momentum"])
    if momentum is None:
        momentum = _spread(bound, flat, names["first_moment"])
    counters = _counters(bound, flat, names)
    root = _root(bound, flat, names, counters)
    weight = flat.weight.double()
    spans = [(0, weight.numel(), flat.size), *((s.start, s.stop, s.size) for s in flat.layers)]
    facts = []
    for start, stop, size in spans:
        here = [
            counter
            for place, counter in zip(flat.places, counters, strict=True)
            if start <= place < stop and counter is not None
        ]
        mean = None if root is None else float(root[start:stop].sum()) / size
        facts.append(
            StateFacts(
                None if momentum is None else float(momentum[start:stop].norm()),
                # A mean over numbers without a value (0/0) is not there.
                mean if mean is not None and mean == mean else None,
                max(here, default=None),
                float(weight[start:stop].norm()),
            )
        )
    return tuple(facts)


def _spread(bound: BoundOptimizer, flat: FlatModel, name: str) -> Tensor | None:
    """The state ``name`` as a row of the flat model in float64, zero where there is none."""
    found = [entry.get(name) for entry in entries(bound)]
    if not any(isinstance(value, Tensor) for value in found):
        return None
    row = torch.zeros_like(flat.weight, dtype=torch.float64)
    places = flat.views(row) if bound.is_own else [row]
    for place, value in zip(places, found, strict=True):
        if isinstance(value, Tensor) and value.shape == place.shape:
            place.copy_(value)
    return row


def _counters(bound: BoundOptimizer, flat: FlatModel, names: Mapping[str, str]) -> list[int | None]:
    """The counter of each parameter."""
    found = [entry.get(names["counter"]) for entry in entries(bound)]
    counters = [None if value is None else round(float(value)) for value in found]
    return counters if bound.is_own else counters * len(flat.parameters)


def _root(
    bound: BoundOptimizer,
    flat: FlatModel,
    names: Mapping[str, str],
    counters: Sequence[int | None],
) -> Tensor | None:
    """Root of the second moment; its bias is corrected where the optimizer has betas.

    Not a number where the counter is 0, whatever the moment is.
    """
    row = _spread(bound, flat, names["second_moment"])
    if row is None:
        return None
    groups = {tensor: group for group in bound.optimizer.param_groups for tensor in group["params"]}
    tensors = bound.tensors if bound.is_own else bound.tensors * len(flat.parameters)
    for view, tensor, counter in zip(flat.views(row), tensors, counters, strict=True):
        pair = _betas_of(groups[tensor])
        if pair is not None and counter is not None:
            view.mul_(1 / (1 - pair[1] ** counter) if counter else float("nan"))
    return row.sqrt()
