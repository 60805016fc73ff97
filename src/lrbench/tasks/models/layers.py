"""The layers of a model, as the diagnostics and the restarts speak of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from lrbench.tasks.models.transformer import PositionEmbedding, SelfAttention

LayerKind = Literal["linear", "convolution", "attention", "normalisation", "embedding", "other"]


@dataclass(frozen=True)
class Layer:
    """A module that directly owns trainable parameters.

    Parameters
    ----------
    name : str
        Dotted name of the module, or of the parameter where the model itself owns it.
    kind : LayerKind
        "attention" includes the linear maps into and out of an attention.
    depth : int
        Place among the layers, from 0, in the order of ``named_parameters()``.
    parameters : tuple of str
        Names as in ``named_parameters()``, in that order.
    is_residual : bool
        Whether it lies on a residual branch: what it makes is added to what a skip connection, an
        identity or a projection, has let pass.
    """

    name: str
    kind: LayerKind
    depth: int
    parameters: tuple[str, ...]
    is_residual: bool = False


BRANCH = "residual_branch"
"""Attribute of a block, the user's own too: names of its modules whose output joins a skip."""

_BRANCHES: tuple[tuple[type[nn.Module], tuple[str, ...]], ...] = (
    (
        nn.TransformerEncoderLayer,
        ("self_attn", "linear1", "linear2"),
    ),
    (
        nn.TransformerDecoderLayer,
        ("self_attn", "multihead_attn", "linear1", "linear2"),
    ),
)
"""The same of torch's own blocks; their norms lie on the branch only if they come first."""


def parameter_layers(model: nn.Module) -> list[Layer]:
    """The layers of ``model``; each trainable parameter is in exactly one.

    ``named_parameters()`` walks module by module and names a shared parameter once, so the
    parameters of a layer are neighbours and the layers' parameters in turn are those of the model.
    """
    owned: dict[str, list[str]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            owned.setdefault(name.rpartition(".")[0] or name, []).append(name)
    return [
        Layer(layer, _kind(model, names[0]), depth, tuple(names), _is_on_branch(model, names[0]))
        for depth, (layer, names) in enumerate(owned.items())
    ]


def _kind(model: nn.Module, parameter: str) -> LayerKind:
    path = parameter.rpartition(".")[0]
    owner = model.get_submodule(path)
    parent = model.get_submodule(path.rpartition(".")[0])
    attentions = (nn.MultiheadAttention, SelfAttention)
    if isinstance(owner, attentions) or isinstance(parent, attentions):
        return "attention"
    match owner:
        case nn.Linear() | nn.Bilinear():
            return "linear"
        case _ConvNd():
            return "convolution"
        case _NormBase() | nn.GroupNorm() | nn.LayerNorm() | nn.RMSNorm():
            return "normalisation"
        case nn.Embedding() | nn.EmbeddingBag() | PositionEmbedding():
            return "embedding"
        case _:
            return "other"


def _is_on_branch(model: nn.Module, parameter: str) -> bool:
    owner = model
    for name in parameter.split(".")[:-1]:
        if name in _branch_of(owner):
            return True
        owner = owner.get_submodule(name)
    return False


def _branch_of(block: nn.Module) -> tuple[str, ...]:
    for kind, names in _BRANCHES:
        if isinstance(block, kind):
            norms = ("norm1", "norm2", "norm3") if block.norm_first else ()
            return (*names, *norms)
    told = getattr(block, BRANCH, ())
    return tuple(told) if isinstance(told, tuple | list) else ()
