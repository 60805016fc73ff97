"""Problems made of a formula and a random stream: their facts can be worked out by hand."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from lrbench import streams
from lrbench.errors import DataError
from lrbench.tasks.data.source import Source

Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]


def two_spirals(
    *, num_samples: Count = 1000, noise: NonNegative = 0.1, turns: Positive = 2.0, seed: Seed = 0
) -> Source:
    """Two arms of a spiral wound into each other: 2 features, 2 classes.

    A sample at radius ``r`` of class ``k`` lies at the angle ``2 pi r + k pi``, so the next arm is
    half a unit away. Radii are ``turns * sqrt(u)`` with uniform ``u``: even along the arm.

    Parameters
    ----------
    num_samples : int in [1, inf), default 1000
        Samples in all; the classes take turns.
    noise : float in [0, inf), default 0.1
        Standard deviation of both coordinates, in units of the gap between turns of one arm.
    turns : float in (0, inf), default 2.0
        Revolutions of an arm, and its outer radius.
    seed : int, default 0
        Root of the noise stream: other samples of the same problem.

    References
    ----------
    Lang & Witbrock 1988, Learning to tell two spirals apart.
    """
    labels = np.arange(num_samples) % 2
    draw = streams.stream(seed, "noise", "two_spirals", "radius").uniform(num_samples)
    radius = turns * np.sqrt(draw)
    angle = 2 * np.pi * radius + np.pi * labels
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    jitter = streams.stream(seed, "noise", "two_spirals", "jitter").normal(2 * num_samples)
    points += noise * jitter.reshape(num_samples, 2)
    return Source(points, labels, "classification", "features", num_classes=2)


def noisy_quadratic(
    *,
    curvature: Annotated[list[Positive], Field(min_length=1)] = [1.0],  # noqa: B006 (only read)
    noise_std: list[NonNegative] | NonNegative = 1.0,
    num_samples: Count = 16384,
) -> Source:
    """A quadratic bowl whose gradients are noisy: the loss of a sample at x is
    ``sum(curvature * x**2) / 2 + sum(xi * x)``.

    An input has shape (2, d): row 0 the curvatures, row 1 the noise ``xi`` in the gradient. All
    noisy samples train. Validation and test are one sample each without noise, so that their loss
    is ``sum(curvature * x**2) / 2`` itself. Targets are zeros, and nothing is standardised.

    Parameters
    ----------
    curvature : list of d floats in (0, inf), default [1.0]
        Second derivative of the loss along each coordinate.
    noise_std : float or list of d floats in [0, inf), default 1.0
        Standard deviation of the gradient noise, of all coordinates or of each.
    num_samples : int in [1, inf), default 16384
        Training samples: the draws of noise an epoch goes through.

    Raises
    ------
    DataError
        ``noise_std`` is a list of another length than ``curvature``.

    References
    ----------
    Schaul, Zhang & LeCun 2013, No more pesky learning rates; Zhang et al. 2019
    (arXiv:1907.04164).
    """
    dimension = len(curvature)
    if isinstance(noise_std, list) and len(noise_std) != dimension:
        raise DataError(
            f"must be one number or as many as curvature has ({dimension})",
            key="noise_std",
            got=noise_std,
        )
    draw = streams.stream(0, "noise", "noisy_quadratic").normal(num_samples * dimension)
    inputs = np.zeros((num_samples + 2, 2, dimension), dtype=np.float32)
    inputs[:, 0] = curvature
    inputs[:num_samples, 1] = np.asarray(noise_std) * draw.reshape(num_samples, dimension)
    return Source(
        inputs,
        np.zeros((len(inputs), 1), dtype=np.float32),
        "objective",
        "none",
        parts={
            "train": np.arange(num_samples),
            "val": np.array([num_samples]),
            "test": np.array([num_samples + 1]),
        },
    )
