"""A small transformer encoder, over the rows of an image or over tokens."""

from __future__ import annotations

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from lrbench.errors import ConfigError
from lrbench.tasks.base import DataInfo
from lrbench.tasks.models.inputs import image_shape, token_length


class RowEmbedding(nn.Module):
    """Rows of an image as tokens: a row with all its channels, mapped linearly to ``dim``."""

    def __init__(self, channels: int, width: int, dim: int) -> None:
        super().__init__()
        self.project = nn.Linear(channels * width, dim)

    def forward(self, images: Tensor) -> Tensor:
        """(batch, channels, height, width) → (batch, height, dim)."""
        rows: Tensor = self.project(images.transpose(1, 2).flatten(2))
        return rows


class PositionEmbedding(nn.Module):
    """Adds a learned vector to each position; without it the order of tokens would not matter."""

    def __init__(self, length: int, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(length, dim))

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, length, dim) → the same shape."""
        return tokens + self.weight


class SelfAttention(nn.Module):
    """``softmax(Q Kᵀ / sqrt(d)) V`` in several heads (Vaswani et al. 2017, eq. 1).

    Written out, since torch's fused kernels have no second derivative, which sharpness needs, no
    rule for many models at once, and no promise of equal bits.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(dim, 3 * dim)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, length, dim) → the same shape."""
        split = self.project(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = split.unbind(0)
        scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        mixed = self.dropout(scores.softmax(-1)) @ value
        result: Tensor = self.output(mixed.transpose(1, 2).flatten(2))
        return result


class EncoderBlock(nn.Module):
    """Attention, then two linear layers, each normalised before and added to its own input.

    The pre-LN form (Xiong et al. 2020), which trains without warmup as well as with it: a schedule
    under study is then not confounded with the need for one.
    """

    residual_branch = ("norm1", "attention", "norm2", "expand", "contract")

    def __init__(self, dim: int, heads: int, mlp_ratio: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, heads, dropout)
        self.norm2 = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, mlp_ratio * dim)
        self.contract = nn.Linear(mlp_ratio * dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """(batch, length, dim) → the same shape."""
        tokens = tokens + self.dropout(self.attention(self.norm1(tokens)))
        inner = self.contract(F.gelu(self.expand(self.norm2(tokens))))
        result: Tensor = tokens + self.dropout(inner)
        return result


class Transformer(nn.Module):
    """Embedding, positions, blocks, norm, mean over the positions, linear output."""

    def __init__(
        self, embedding: nn.Module, length: int, dim: int, blocks: list[EncoderBlock], outputs: int
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.position = PositionEmbedding(length, dim)
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(dim)
        self.output = nn.Linear(dim, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, *input_shape) → (batch, num_outputs)."""
        tokens = self.blocks(self.position(self.embedding(inputs)))
        outputs: Tensor = self.output(self.norm(tokens).mean(1))
        return outputs


def transformer_small(
    info: DataInfo,
    *,
    dim: Annotated[int, Field(ge=1)] = 32,
    depth: Annotated[int, Field(ge=1)] = 2,
    heads: Annotated[int, Field(ge=1)] = 4,
    mlp_ratio: Annotated[int, Field(ge=1)] = 2,
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
) -> nn.Module:
    """A pre-LN encoder over integer tokens, or over the rows of an image.

    Parameters
    ----------
    info : DataInfo
        Tokens of shape (length,) where ``vocab_size`` is given, else images of shape
        (channels, height, width), which become ``height`` tokens.
    dim : int in [1, inf), default 32
        Width of a token.
    depth : int in [1, inf), default 2
        Blocks.
    heads : int in [1, inf), default 4
        Attention heads; must divide ``dim``.
    mlp_ratio : int in [1, inf), default 2
        Width of a block's inner linear layer, in multiples of ``dim``.
    dropout : float in [0, 1), default 0.0
        Fraction of attention weights and of each branch's outputs set to zero in training.

    Returns
    -------
    Module
        (batch, *input_shape) → (batch, num_outputs).

    Raises
    ------
    ConfigError
        The data are neither tokens nor images, or ``heads`` does not divide ``dim``.

    References
    ----------
    Vaswani et al. 2017 (arXiv:1706.03762). Xiong et al. 2020, On layer normalization in the
    transformer architecture (arXiv:2002.04745).
    """
    if info.vocab_size is not None:
        length = token_length(info)
        embedding: nn.Module = nn.Embedding(info.vocab_size, dim)
    else:
        channels, length, width = image_shape(info)
        embedding = RowEmbedding(channels, width, dim)
    if dim % heads:
        raise ConfigError(f"must divide dim ({dim})", key="heads", got=heads)
    blocks = [EncoderBlock(dim, heads, mlp_ratio, dropout) for _ in range(depth)]
    return Transformer(embedding, length, dim, blocks, info.num_outputs)
