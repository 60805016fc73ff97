"""A small residual network."""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated, Literal

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from lrbench.errors import ConfigError
from lrbench.tasks.base import DataInfo
from lrbench.tasks.models.inputs import image_shape

Norm = Literal["batch", "group"]


class ResidualBlock(nn.Module):
    """``relu(shortcut(x) + norm2(conv2(relu(norm1(conv1(x))))))`` (He et al. 2016, fig. 2, eq. 2).

    The shortcut is the identity, or a strided 1 × 1 convolution where the shape changes (their
    option B). Convolutions have no bias: the norm after them has one.
    """

    residual_branch = ("conv1", "norm1", "conv2", "norm2")

    def __init__(self, depth: int, maps: int, stride: int, norm: Norm, groups: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(depth, maps, 3, stride=stride, padding=1, bias=False)
        self.norm1 = _norm(norm, maps, groups)
        self.conv2 = nn.Conv2d(maps, maps, 3, padding=1, bias=False)
        self.norm2 = _norm(norm, maps, groups)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or depth != maps:
            self.shortcut = nn.Sequential(
                OrderedDict(
                    conv=nn.Conv2d(depth, maps, 1, stride=stride, bias=False),
                    norm=_norm(norm, maps, groups),
                )
            )

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, depth, h, w) → (batch, maps, ceil(h / stride), ceil(w / stride))."""
        residual = F.relu(self.norm1(self.conv1(maps)))
        residual = self.norm2(self.conv2(residual))
        return F.relu(self.shortcut(maps) + residual)


def resnet_small(
    info: DataInfo,
    *,
    width: Annotated[int, Field(ge=1)] = 16,
    blocks: list[Annotated[int, Field(ge=1)]] = [1, 1, 1],  # noqa: B006 - only read
    norm: Norm = "batch",
    groups: Annotated[int, Field(ge=1)] = 4,
) -> nn.Module:
    """Stages of residual blocks; each later stage doubles the channels and halves the image.

    Parameters
    ----------
    info : DataInfo
        Images of shape (channels, height, width).
    width : int in [1, inf), default 16
        Channels of the first stage.
    blocks : list of int in [1, inf), default [1, 1, 1]
        Blocks in each stage; [3, 3, 3] is ResNet-20 with shortcuts of option B.
    norm : {"batch", "group"}, default "batch"
        Batch normalisation keeps running statistics, which a restart may or may not reset; group
        normalisation keeps none.
    groups : int in [1, inf), default 4
        Groups of the group normalisation; has no effect when ``norm`` is "batch".

    Returns
    -------
    Module
        (batch, channels, height, width) → (batch, num_outputs).

    Raises
    ------
    ConfigError
        The data are not images, or ``groups`` does not divide ``width``.

    References
    ----------
    He, Zhang, Ren & Sun 2016, Deep residual learning for image recognition (arXiv:1512.03385),
    section 4.2. Wu & He 2018, Group normalization (arXiv:1803.08494).
    """
    depth, _, _ = image_shape(info)
    if norm == "group" and width % groups:
        raise ConfigError(f"must divide width ({width})", key="groups", got=groups)

    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv"] = nn.Conv2d(depth, width, 3, padding=1, bias=False)
    layers["norm"] = _norm(norm, width, groups)
    layers["activation"] = nn.ReLU()
    depth = width
    for stage, count in enumerate(blocks):
        maps = width * 2**stage
        for number in range(count):
            stride = 2 if stage > 0 and number == 0 else 1
            block = ResidualBlock(depth, maps, stride, norm, groups)
            layers[f"stage{stage + 1}_block{number + 1}"] = block
            depth = maps
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["output"] = nn.Linear(depth, info.num_outputs)
    return nn.Sequential(layers)


def _norm(norm: Norm, maps: int, groups: int) -> nn.Module:
    return nn.BatchNorm2d(maps) if norm == "batch" else nn.GroupNorm(groups, maps)
