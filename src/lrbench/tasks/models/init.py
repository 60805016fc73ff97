"""The first weights: a function of the seed and of each parameter's name, and of nothing else.

Each parameter has its own stream, so another layer more or less shifts no other layer's values, and
each number is made in float64 from raw Philox output, so every machine has the same first weights.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from lrbench.streams import Stream, Streams
from lrbench.tasks.models.quadratic import Quadratic
from lrbench.tasks.models.transformer import PositionEmbedding

EMBEDDING_SD = 0.02
"""Standard deviation of first embeddings (Devlin et al. 2019, BERT, as in its published code)."""


def initialise(model: nn.Module, streams: Streams) -> None:
    """Set every parameter of a built-in model, in place.

    Weights and biases of linear and convolution layers are uniform in ±1/sqrt(fan_in), which is
    torch's default law; its variance is 1/(3 fan_in), a third of that of LeCun et al. 1998,
    Efficient BackProp. Norms start as the identity, embeddings uniform with standard deviation
    0.02, and a quadratic at its ``start``.

    Parameters
    ----------
    model : Module
        One of :data:`~lrbench.tasks.models.catalog.MODELS`, on the CPU.
    streams : Streams
        Draws from ``streams("init", name)`` with ``name`` as in ``model.named_parameters()``.

    Raises
    ------
    TypeError
        A module has parameters and no rule here covers it.
    """
    with torch.no_grad():
        for path, module in model.named_modules():
            for name, parameter in module.named_parameters(recurse=False):
                stream = streams("init", f"{path}.{name}" if path else name)
                _set(module, name, parameter, stream)


def _set(module: nn.Module, name: str, parameter: Tensor, stream: Stream) -> None:
    match module:
        case nn.Linear() | _ConvNd():
            fan_in = module.weight[0].numel()
            _uniform(parameter, 1 / math.sqrt(fan_in), stream)
        case nn.Embedding() | PositionEmbedding():
            _uniform(parameter, math.sqrt(3) * EMBEDDING_SD, stream)
        case _BatchNorm() | nn.GroupNorm() | nn.LayerNorm():
            parameter.fill_(1.0 if name == "weight" else 0.0)
        case Quadratic():
            pass
        case _:
            raise TypeError(f"no rule for the first value of {name} of {type(module).__name__}")


def _uniform(parameter: Tensor, bound: float, stream: Stream) -> None:
    """Uniform in [-bound, bound), computed in float64 and rounded once to the parameter's type."""
    values = (2.0 * stream.uniform(parameter.numel()) - 1.0) * bound
    parameter.copy_(torch.from_numpy(values).reshape(parameter.shape))
