"""The multilayer perceptron."""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated

from pydantic import Field
from torch import nn

from lrbench.tasks.base import DataInfo
from lrbench.tasks.models.activation import Activation, activation_module
from lrbench.tasks.models.inputs import flat_features


def mlp(
    info: DataInfo,
    *,
    hidden: list[Annotated[int, Field(ge=1)]] = [128, 128],  # noqa: B006 - only read
    activation: Activation = "relu",
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
) -> nn.Module:
    """Hidden layers of units, each followed by its activation, and a linear output.

    Parameters
    ----------
    info : DataInfo
        Real inputs of any shape; they are flattened.
    hidden : list of int in [1, inf), default [128, 128]
        Units of each hidden layer, first to last; empty for a linear model.
    activation : {"relu", "tanh", "gelu", "silu"}, default "relu"
        Has no effect when there is no hidden layer.
    dropout : float in [0, 1), default 0.0
        Fraction of each hidden layer's outputs set to zero in training.

    Returns
    -------
    Module
        (batch, *input_shape) → (batch, num_outputs).

    Raises
    ------
    ConfigError
        The data are tokens or an objective.

    References
    ----------
    Rumelhart, Hinton & Williams 1986, Learning representations by back-propagating errors.
    Srivastava et al. 2014, Dropout.
    """
    # Layers have names, not positions: an arm with dropout starts from the weights of one without.
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    width = flat_features(info)
    for number, units in enumerate(hidden, start=1):
        layers[f"hidden{number}"] = nn.Linear(width, units)
        layers[f"activation{number}"] = activation_module(activation)
        if dropout > 0:
            layers[f"dropout{number}"] = nn.Dropout(dropout)
        width = units
    layers["output"] = nn.Linear(width, info.num_outputs)
    return nn.Sequential(layers)
