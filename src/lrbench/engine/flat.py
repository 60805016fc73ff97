"""All trainable numbers of a model side by side in one tensor.

Weights, gradients, the last update and the optimizer's moments are rows of one matrix, so that a
norm of all of them, or of one layer of each, is a single operation. The model's own parameters and
their gradients become views into it; nothing else about the model changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lrbench.errors import ConfigError
from lrbench.tasks.models.layers import parameter_layers

ALIGNMENT = 64
"""Every parameter starts at a multiple of so many bytes: some kernels round by alignment, and so
the bits of one layer do not depend on the size of another."""

ROWS = ("grad", "update", "weight", "momentum")


@dataclass(frozen=True)
class LayerSpan:
    """The columns of one layer, padding included, and how many of its numbers are real."""

    name: str
    start: int
    stop: int
    size: int


@dataclass(frozen=True)
class Layout:
    """Where the trainable parameters of a model lie in a row.

    Parameters
    ----------
    places : dict of str to int
        The first column of each, in the order of the layers.
    columns : int
        Of the row, padding included.
    layers : tuple of LayerSpan
    """

    places: dict[str, int]
    columns: int
    layers: tuple[LayerSpan, ...]


def layout_of(model: nn.Module) -> Layout:
    """The layout of a model.

    Raises
    ------
    ConfigError
        Its trainable parameters are not all of one type.
    """
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    first = next(iter(named.values()))
    if len({(p.dtype, p.device) for p in named.values()}) > 1:
        types = ", ".join(sorted({str(p.dtype) for p in named.values()}))
        raise ConfigError(f"must have parameters of one type (they are {types})", key="model")
    step = ALIGNMENT // first.element_size()
    layers: list[LayerSpan] = []
    places: dict[str, int] = {}
    end = 0
    for layer in parameter_layers(model):
        start = end
        for name in layer.parameters:
            places[name] = end
            end += -(-named[name].numel() // step) * step
        size = sum(named[name].numel() for name in layer.parameters)
        layers.append(LayerSpan(layer.name, start, end, size))
    return Layout(places, end, tuple(layers))


class FlatModel:
    """A model whose trainable parameters live in one matrix.

    Parameters
    ----------
    model : nn.Module
        On its device and in its type; at least one trainable parameter, all of one type.
    home : tuple of two Tensors, of shapes (4, columns) and (columns,), optional
        Zeros that are to be its rows and second moment; default: made here.

    Attributes
    ----------
    rows : Tensor of shape (4, columns)
        Gradient, last update, weights, momentum; padding is zero and stays zero.
    second_moment : Tensor of shape (columns,)
    parameter : nn.Parameter of shape (columns,)
        All weights as one parameter, for optimizers that treat every number alike.
    size : int
        Trainable numbers, without padding.
    """

    def __init__(self, model: nn.Module, home: tuple[Tensor, Tensor] | None = None) -> None:
        self.model = model
        layout = layout_of(model)
        named = dict(model.named_parameters())
        self.layers = list(layout.layers)
        self.size = sum(layer.size for layer in self.layers)
        self.parameters = [named[name] for name in layout.places]
        self.places = list(layout.places.values())
        first = self.parameters[0]
        if home is None:
            rows = torch.zeros(len(ROWS), layout.columns, dtype=first.dtype, device=first.device)
            home = rows, torch.zeros_like(rows[0])
        self.rows, self.second_moment = home
        self.grad, self.update, self.weight, self.momentum = self.rows.unbind(0)
        for parameter, weight, grad in zip(
            self.parameters, self.views(self.weight), self.views(self.grad), strict=True
        ):
            weight.copy_(parameter.data)
            parameter.data = weight
            parameter.grad = grad
        self.parameter = nn.Parameter(self.weight)
        self.parameter.grad = self.grad

    def views(self, row: Tensor) -> Iterator[Tensor]:
        """The part of a row that belongs to each parameter, in the parameter's shape."""
        for place, parameter in zip(self.places, self.parameters, strict=True):
            yield row[place : place + parameter.numel()].view(parameter.shape)

    def is_intact(self) -> bool:
        """Whether all weights and gradients still live here and no optimizer replaced them."""
        weights, grads = self.views(self.weight), self.views(self.grad)
        return all(
            parameter.data_ptr() == weight.data_ptr()
            and parameter.grad is not None
            and parameter.grad.data_ptr() == grad.data_ptr()
            for parameter, weight, grad in zip(self.parameters, weights, grads, strict=True)
        )
