"""Every model that can be named in ``model=…``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from lrbench.tasks.models.cnn import cnn
from lrbench.tasks.models.linear import linear
from lrbench.tasks.models.mlp import mlp
from lrbench.tasks.models.quadratic import quadratic
from lrbench.tasks.models.resnet import resnet_small
from lrbench.tasks.models.transformer import transformer_small


@dataclass(frozen=True)
class ModelEntry:
    """A model and what a list of models says about it.

    Parameters
    ----------
    name : str
        As in ``model=NAME`` and ``conf/model/NAME.yaml``.
    builder : callable
        ``builder(info, **settings)``; the annotations of its keyword-only parameters are the schema
        of the settings.
    summary : str
    source : str
        Where the model was published.
    """

    name: str
    builder: Callable[..., nn.Module]
    summary: str
    source: str


MODELS: Mapping[str, ModelEntry] = {
    entry.name: entry
    for entry in (
        ModelEntry("linear", linear, "one linear layer; convex", "Cox 1958, logistic regression"),
        ModelEntry(
            "mlp", mlp, "fully connected hidden layers", "Rumelhart, Hinton & Williams 1986"
        ),
        ModelEntry("cnn", cnn, "convolutions and max pooling; images", "LeCun et al. 1998"),
        ModelEntry(
            "resnet_small",
            resnet_small,
            "residual blocks with batch or group norm; images",
            "He et al. 2016, arXiv:1512.03385",
        ),
        ModelEntry(
            "transformer_small",
            transformer_small,
            "pre-LN encoder; rows of images, or tokens",
            "Vaswani et al. 2017, arXiv:1706.03762; Xiong et al. 2020, arXiv:2002.04745",
        ),
        ModelEntry(
            "quadratic",
            quadratic,
            "one vector on a noisy quadratic; closed-form training",
            "Zhang et al. 2019, arXiv:1907.04164",
        ),
    )
}
