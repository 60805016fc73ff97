"""The noisy quadratic: a model whose whole training can be written down in closed form."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lrbench.tasks.base import DataInfo
from lrbench.tasks.models.inputs import objective_dimension


class Quadratic(nn.Module):
    """``loss(x) = sum(λ x²) / 2 + sum(ξ x)`` for a sample of curvatures λ and noise ξ."""

    def __init__(self, dimension: int, start: float) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.full((dimension,), float(start)))

    def forward(self, samples: Tensor) -> Tensor:
        """(batch, 2, d), rows λ and ξ, → (batch, 1), the loss of each sample."""
        curvature, noise = samples.unbind(1)
        return (curvature * self.x**2 / 2 + noise * self.x).sum(1, keepdim=True)


def quadratic(
    info: DataInfo,
    *,
    start: float = 5.0,
) -> nn.Module:
    """One parameter ``x`` of shape (d,), whose gradient over a batch is ``λ x + mean(ξ)``.

    Parameters
    ----------
    info : DataInfo
        An objective with inputs of shape (2, d): row 0 curvatures λ, row 1 noise ξ.
    start : float, default 5.0
        First value of every coordinate, whatever the seed.

    Returns
    -------
    Module
        (batch, 2, d) → (batch, 1).

    Raises
    ------
    ConfigError
        The data are anything else.

    References
    ----------
    Zhang et al. 2019, Which algorithmic choices matter at which batch sizes? Insights from a noisy
    quadratic model (arXiv:1907.04164), section 3.
    """
    return Quadratic(objective_dimension(info), start)
