"""One linear layer: logistic regression, or least squares."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from lrbench.tasks.base import DataInfo
from lrbench.tasks.models.inputs import flat_features


def linear(info: DataInfo) -> nn.Module:
    """``outputs = W flatten(input) + b``, convex in its parameters under either loss.

    Parameters
    ----------
    info : DataInfo
        Real inputs of any shape.

    Returns
    -------
    Module
        (batch, *input_shape) → (batch, num_outputs).

    Raises
    ------
    ConfigError
        The data are tokens or an objective.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["flatten"] = nn.Flatten()
    layers["output"] = nn.Linear(flat_features(info), info.num_outputs)
    return nn.Sequential(layers)
