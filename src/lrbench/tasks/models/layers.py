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
    """

    name: str
    kind: LayerKind
    depth: int
    parameters: tuple[str, ...]
    is_residual: bool = False


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
        Layer(layer, _kind(model, names[0]), depth, tuple(names))
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
