"""What the inputs look like to a model, and the refusals of the inputs it was not made for.

The errors name no key of their own: ``error.under("model")`` says where the model was chosen.
"""

from __future__ import annotations

import math
from typing import NoReturn

from lrbench.errors import ConfigError
from lrbench.tasks.base import DataInfo


def flat_features(info: DataInfo) -> int:
    """Features of one flattened input of real numbers."""
    _refuse_objective(info)
    if info.vocab_size is not None:
        _refuse("takes real inputs, not tokens", "model=transformer_small", info)
    return math.prod(info.input_shape)


def image_shape(info: DataInfo) -> tuple[int, int, int]:
    """(channels, height, width) of one input."""
    _refuse_objective(info)
    if info.vocab_size is not None:
        _refuse("takes images, not tokens", "model=transformer_small", info)
    if len(info.input_shape) != 3:
        _refuse("takes images of shape (channels, height, width)", "model=mlp", info)
    channels, height, width = info.input_shape
    return channels, height, width


def token_length(info: DataInfo) -> int:
    """Length of one input of tokens; only asked where ``vocab_size`` is given."""
    _refuse_objective(info)
    if len(info.input_shape) != 1:
        _refuse("takes tokens of shape (length,)", "model=transformer_small", info)
    return info.input_shape[0]


def objective_dimension(info: DataInfo) -> int:
    """The number d of parameters of an objective whose inputs have shape (2, d)."""
    if info.kind != "objective" or len(info.input_shape) != 2 or info.input_shape[0] != 2:
        relation = "takes an objective of shape (2, d): curvatures and noise"
        _refuse(f"{relation}; the data are a {info.kind}", "dataset=noisy_quadratic", info)
    return info.input_shape[1]


def _refuse_objective(info: DataInfo) -> None:
    if info.kind == "objective":
        _refuse(
            "has outputs to compare with targets; an objective has none", "model=quadratic", info
        )


def _refuse(relation: str, remedy: str, info: DataInfo) -> NoReturn:
    raise ConfigError(relation, got=info.input_shape, remedy=remedy)
