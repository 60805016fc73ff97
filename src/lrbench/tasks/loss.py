"""The losses: which one is decided by the kind of the data."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from lrbench.tasks.base import Kind


def mean_loss(kind: Kind, outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss that is trained: the mean over the batch, a scalar.

    Parameters
    ----------
    kind : Kind
        ``classification``: cross-entropy, in nats. ``regression``: squared error, the mean over
        samples and target dimensions, without a factor 1/2. ``objective``: the outputs themselves.
    outputs : Tensor of shape (batch, num_outputs)
    targets : Tensor
        (batch,), int64, for a classification; (batch, num_outputs) for a regression; not looked at
        for an objective.
    """
    if kind == "classification":
        return F.cross_entropy(outputs, targets)
    if kind == "regression":
        return F.mse_loss(outputs, targets)
    return outputs.mean()


def per_sample_loss(kind: Kind, outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of each sample, of shape (batch,); its mean is :func:`mean_loss` up to rounding."""
    if kind == "classification":
        return F.cross_entropy(outputs, targets, reduction="none")
    if kind == "regression":
        return F.mse_loss(outputs, targets, reduction="none").mean(1)
    return outputs.squeeze(1)


def correct(outputs: Tensor, targets: Tensor) -> Tensor:
    """Whether the largest output is the target's, of shape (batch,), bool; first of equals wins."""
    return outputs.argmax(1) == targets
