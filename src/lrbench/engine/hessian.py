"""The Hessian of a model's loss, by its products with vectors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from lrbench.engine.flat import FlatModel
from lrbench.errors import RunError
from lrbench.tasks.base import Kind
from lrbench.tasks.loss import mean_loss


class Hessian:
    """Second derivatives of the mean loss of a batch, at the weights and in the mode of now.

    A product is one more backward pass (Pearlmutter 1994), exact up to the rounding of the weights'
    own type. Fused attention, which has no second derivative, is written out meanwhile.

    Parameters
    ----------
    flat : FlatModel
    kind : Kind
    inputs, targets : Tensor of shape (batch, …)

    Attributes
    ----------
    gradient : Tensor of shape (size,), float64
        Of the same loss; in the order of ``flat.parameters``, without padding.
    products : int
        Made so far.

    Raises
    ------
    RunError
        The model cannot be differentiated, or, from a product, not twice.
    """

    def __init__(self, flat: FlatModel, kind: Kind, inputs: Tensor, targets: Tensor) -> None:
        self._parameters = flat.parameters
        self._sizes = [parameter.numel() for parameter in flat.parameters]
        self._dtype = flat.weight.dtype
        self.products = 0
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
            # A copy, as a model may work in place and the data are shared with other runs.
            loss = mean_loss(kind, flat.model(inputs.clone()), targets)
            self._gradients = self._grad([loss], None)
        self.gradient = self._joined(self._gradients)

    def __call__(self, vector: Tensor) -> Tensor:
        """The Hessian times ``vector``; both of shape (size,), float64."""
        self.products += 1
        parts = vector.to(self._dtype).split(self._sizes)
        # The gradient of what the loss is linear in is a constant.
        curved = [
            (gradient, part.view(gradient.shape))
            for gradient, part in zip(self._gradients, parts, strict=True)
            if gradient.requires_grad
        ]
        if not curved:
            return torch.zeros_like(vector)
        gradients, weights = zip(*curved, strict=True)
        return self._joined(self._grad(gradients, weights))

    def _grad(
        self, outputs: list[Tensor] | tuple[Tensor, ...], weights: tuple[Tensor, ...] | None
    ) -> tuple[Tensor, ...]:
        try:
            return torch.autograd.grad(
                outputs,
                self._parameters,
                weights,
                retain_graph=True,
                create_graph=weights is None,
                materialize_grads=True,
            )
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            relation = f"needs a model whose loss can be differentiated twice ({error})"
            raise RunError(relation, key="diagnostics.curvature") from error

    def _joined(self, parts: tuple[Tensor, ...]) -> Tensor:
        return torch.cat([part.detach().reshape(-1).double() for part in parts])
