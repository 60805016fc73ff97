"""Held-out metrics: the mean loss and accuracy over a whole split."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lrbench.tasks.base import Kind
from lrbench.tasks.loss import correct, per_sample_loss

CHUNK = 2048
"""Samples evaluated at once. Kernels may round by it, so it is fixed, not a setting."""


def evaluate(
    model: nn.Module, kind: Kind, inputs: Tensor, targets: Tensor
) -> tuple[float, float | None]:
    """Mean loss of the samples, summed in float64, and accuracy for a classification.

    The model is evaluated in evaluation mode, and left in the mode it was in.
    """
    was_training = model.training
    model.eval()
    total = torch.zeros((), dtype=torch.float64, device=inputs.device)
    right = torch.zeros((), dtype=torch.int64, device=inputs.device)
    with torch.no_grad():
        for x, y in zip(inputs.split(CHUNK), targets.split(CHUNK), strict=True):
            # A copy, as a model may work in place and the data are shared with other runs.
            outputs = model(x.clone())
            total += per_sample_loss(kind, outputs, y).sum(dtype=torch.float64)
            if kind == "classification":
                right += correct(outputs, y).sum()
    model.train(was_training)
    accuracy = float(right) / len(targets) if kind == "classification" else None
    return float(total) / len(targets), accuracy
