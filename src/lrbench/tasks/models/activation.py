"""The activations a model can be built with, by name."""

from __future__ import annotations

from typing import Literal

from torch import nn

Activation = Literal["relu", "tanh", "gelu", "silu"]

_MODULES: dict[Activation, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


def activation_module(name: Activation) -> nn.Module:
    """A new module that applies the activation elementwise."""
    return _MODULES[name]()
