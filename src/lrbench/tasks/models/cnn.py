"""A plain convolutional network."""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated

from pydantic import Field
from torch import nn

from lrbench.errors import ConfigError
from lrbench.tasks.base import DataInfo
from lrbench.tasks.models.activation import Activation, activation_module
from lrbench.tasks.models.inputs import image_shape


def cnn(
    info: DataInfo,
    *,
    channels: list[Annotated[int, Field(ge=1)]] = [16, 32],  # noqa: B006 - only read
    kernel: Annotated[int, Field(ge=1)] = 3,
    activation: Activation = "relu",
    hidden: Annotated[int, Field(ge=0)] = 64,
) -> nn.Module:
    """Blocks of convolution, activation and 2 × 2 max pooling, then a linear head.

    Parameters
    ----------
    info : DataInfo
        Images of shape (channels, height, width).
    channels : list of int in [1, inf), default [16, 32]
        Channels of each block, first to last; each block halves height and width, rounding down.
    kernel : odd int in [1, inf), default 3
        Side of the convolutions, which are padded so as to keep the size.
    activation : {"relu", "tanh", "gelu", "silu"}, default "relu"
    hidden : int in [0, inf), default 64
        Units between the last block and the outputs; 0 for no such layer.

    Returns
    -------
    Module
        (batch, channels, height, width) → (batch, num_outputs).

    Raises
    ------
    ConfigError
        The data are not images, ``kernel`` is even, or there are more poolings than the image has
        halves.

    References
    ----------
    LeCun, Bottou, Bengio & Haffner 1998, Gradient-based learning applied to document recognition.
    """
    depth, height, width = image_shape(info)
    if kernel % 2 == 0:
        raise ConfigError("must be odd", key="kernel", got=kernel, remedy=f"kernel={kernel + 1}")
    most = min(height, width).bit_length() - 1
    if len(channels) > most:
        relation = f"must list at most {most} blocks for images of {height} × {width}"
        remedy = f"channels={channels[:most]}"
        raise ConfigError(relation, key="channels", got=channels, remedy=remedy)

    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, maps in enumerate(channels, start=1):
        layers[f"conv{number}"] = nn.Conv2d(depth, maps, kernel, padding=kernel // 2)
        layers[f"activation{number}"] = activation_module(activation)
        layers[f"pool{number}"] = nn.MaxPool2d(2)
        depth, height, width = maps, height // 2, width // 2
    layers["flatten"] = nn.Flatten()
    features = depth * height * width
    if hidden > 0:
        layers["hidden"] = nn.Linear(features, hidden)
        layers["activation"] = activation_module(activation)
        features = hidden
    layers["output"] = nn.Linear(features, info.num_outputs)
    return nn.Sequential(layers)
