"""√v̂, by which Adam divides: its spread over the numbers of a model."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lrbench.engine.base import Row
from lrbench.engine.flat import FlatModel
from lrbench.engine.optimizers import BoundOptimizer


@dataclass(frozen=True)
class SecondMoment:
    """√v̂ of every number, ``v̂ = v / (1 - β2^count)`` with the optimizer's own count of updates.

    Parameters
    ----------
    root : Tensor of shape (size,), float64
    eps : float or None
        None where the optimizer has none, or several.
    is_divisor : bool
        False where the optimizer divides by the largest v so far (AMSGrad).
    """

    root: Tensor
    eps: float | None
    is_divisor: bool

    @property
    def divisor(self) -> Tensor | None:
        """``√v̂ + ε``; None where the optimizer divides by something else."""
        return self.root + self.eps if self.is_divisor and self.eps is not None else None

    def percentiles(self) -> Row:
        """The 5th, 50th and 95th, and the fraction below ``10 ε``; None where not finite."""
        if not bool(self.root.isfinite().all()):
            return (None,) * 4
        # torch.quantile takes no more than 16 million numbers.
        ordered = self.root.sort().values
        below = None
        if self.eps is not None:
            below = float((self.root < 10 * self.eps).double().mean())
        return (*(_quantile(ordered, part) for part in (0.05, 0.5, 0.95)), below)


def second_moment(flat: FlatModel, optimizer: BoundOptimizer) -> SecondMoment | None:
    """As the optimizer has it now; None where it keeps none, or not as Adam does."""
    if "second_moment" not in optimizer.moments:
        return None
    groups = optimizer.optimizer.param_groups
    states = [optimizer.optimizer.state[tensor] for tensor in optimizer.tensors]
    counts = {float(state.get("step", 0)) for state in states}
    betas = {group["betas"][1] for group in groups if "betas" in group}
    eps = {group.get("eps") for group in groups}
    if len(counts) != 1 or len(betas) != 1 or counts == {0.0}:
        return None
    correction = 1 - betas.pop() ** counts.pop()
    root = (joined(flat, flat.second_moment) / correction).sqrt()
    is_divisor = not any(group.get("amsgrad") for group in groups)
    return SecondMoment(root, eps.pop() if len(eps) == 1 else None, is_divisor)


def bias_correction(optimizer: BoundOptimizer) -> float:
    """What a second moment is divided by: ``1 - β2^count``; 1 where nothing is to be corrected."""
    betas = optimizer.optimizer.param_groups[0].get("betas")
    count = float(optimizer.optimizer.state[optimizer.tensors[0]].get("step") or 0.0)
    return 1.0 if betas is None or len(betas) < 2 or count == 0 else 1.0 - float(betas[1] ** count)


def joined(flat: FlatModel, row: Tensor) -> Tensor:
    """The numbers of a row without padding, in the order of ``flat.parameters``, float64."""
    return torch.cat([view.reshape(-1) for view in flat.views(row)]).double()


def _quantile(ordered: Tensor, part: float) -> float:
    """In a straight line between the two numbers next to it, as numpy does."""
    place = part * (len(ordered) - 1)
    low = math.floor(place)
    first, second = ordered[[low, min(low + 1, len(ordered) - 1)]].tolist()
    return float(first + (place - low) * (second - first))
