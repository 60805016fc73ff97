"""The gradient noise scale: how much of a batch's gradient is noise.

Over random batches of size n the squared norm of the gradient has the mean ``|G|² + tr(Σ) / n``,
where G is the gradient of all data and Σ the covariance of a single sample's. Batches of two sizes
therefore tell both apart (McCandlish et al. 2018, arXiv:1812.06162, appendix A.1):

    |G|²  ~  (B |g_B|² - b |g_b|²) / (B - b)
    tr(Σ) ~  (|g_b|² - |g_B|²) / (1/b - 1/B)

Both estimates are unbiased, so the first may be negative. The noise scale ``tr(Σ) / |G|²`` is a
batch size; where many estimates are to be had, it is the ratio of their averages, never the average
of their ratios.

A batch norm in training mode makes a sample's gradient depend on the others of its batch; what is
estimated is then no longer quite the covariance of a sample.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lrbench.engine.undisturbed import undisturbed
from lrbench.tasks.base import Kind
from lrbench.tasks.loss import mean_loss
from lrbench.tasks.models.build import normalises_over_batch


def noise_of(
    model: nn.Module, kind: Kind, inputs: Tensor, targets: Tensor, *, seed: int, parts: int = 2
) -> tuple[float, float] | None:
    """``|G|²`` and ``tr(Σ)``, from a batch and from equal parts of it.

    The model is taken in the mode it is in, and nothing of it, of its gradients or of the random
    generators changes. It costs about two passes over the batch, forward and backward.

    Parameters
    ----------
    model : nn.Module
    kind : Kind
    inputs, targets : Tensor of shape (batch, …)
        In random order.
    seed : int in [0, 2**32)
        Of what dropout draws.
    parts : int in [2, inf)
        Parts of ``batch // parts`` samples, whose squared norms are averaged; the samples left over
        count in the whole batch only. More parts make ``tr(Σ)`` surer.

    Returns
    -------
    gradient_square, gradient_trace : float, float; or None
        None for a batch of one sample, for parts of one sample where a batch norm needs two, and
        where a gradient is not finite.
    """
    whole = len(inputs)
    part = whole // min(parts, whole)
    if part == whole or (part == 1 and _needs_two(model)):
        return None
    with undisturbed(model, seed):
        of_whole = _squared_gradient(model, kind, inputs, targets)
        squares = [
            _squared_gradient(model, kind, x, y)
            for x, y in zip(inputs.split(part), targets.split(part), strict=True)
            if len(x) == part
        ]
        of_both = torch.stack([of_whole, torch.stack(squares).mean()])
    if not of_both.isfinite().all():
        return None
    in_whole, in_part = of_both.tolist()
    return two_batch(in_whole, in_part, whole, part)


def two_batch(of_whole: float, of_part: float, whole: int, part: int) -> tuple[float, float]:
    """``|G|²`` and ``tr(Σ)`` from squared gradient norms of batches of two sizes.

    Parameters
    ----------
    of_whole, of_part : float
        Squared norms, of one batch or averaged over several.
    whole, part : int
        Sizes of the batches; ``whole > part``.
    """
    gradient_square = (whole * of_whole - part * of_part) / (whole - part)
    gradient_trace = (of_part - of_whole) / (1 / part - 1 / whole)
    return gradient_square, gradient_trace


def _squared_gradient(model: nn.Module, kind: Kind, inputs: Tensor, targets: Tensor) -> Tensor:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with torch.enable_grad():
        loss = mean_loss(kind, model(inputs.clone()), targets)
        gradients = torch.autograd.grad(loss, parameters, materialize_grads=True)
    return torch.stack([gradient.double().square().sum() for gradient in gradients]).sum()


def _needs_two(model: nn.Module) -> bool:
    return model.training and normalises_over_batch(model)
