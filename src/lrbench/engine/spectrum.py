"""The largest eigenvalue and the trace of a symmetric matrix that is known by its products only.

Largest means algebraically largest: of -5, 0 and 3 it is 3. All vectors here are float64, whatever
the products are computed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lrbench.streams import Stream

Product = Callable[[Tensor], Tensor]
"""A vector of shape (size,), float64, to the matrix times it."""

PARALLEL = 1e-3
"""Two unit vectors whose difference is smaller span no plane that rounding leaves standing."""


@dataclass(frozen=True)
class Top:
    """The largest eigenvalue, as well as it was found.

    Parameters
    ----------
    value : float
    vector : Tensor of shape (size,), float64
        Of norm 1.
    residual : float in [0, 1]
        ``|A v - value v|`` over the norm of A as far as it was seen; an eigenvalue lies within
        that, times the norm, of ``value``, and the error of a converged one is of its square.
    """

    value: float
    vector: Tensor
    residual: float


def lanczos(product: Product, start: Tensor, iterations: int, tolerance: float) -> Top | None:
    """By the method of Lanczos (1950), every vector being made orthogonal to all before it.

    After k products the value is the largest that any vector of the k-dimensional Krylov space has.

    Parameters
    ----------
    product : callable
    start : Tensor of shape (size,), float64
        Not zero, and with a part along every eigenvector: a random one.
    iterations : int in [1, inf)
        Products, at most; ``size`` of them are always enough. As many vectors are kept.
    tolerance : float in [0, 1)
        The residual that is small enough.

    Returns
    -------
    Top or None
        None where a product is not finite.

    References
    ----------
    Parlett 1998, The symmetric eigenvalue problem, chapter 13; orthogonalising twice is enough
    (section 6.9).
    """
    steps = min(iterations, len(start))
    basis = start.new_empty(steps, len(start))
    diagonal: list[float] = []
    beside: list[float] = []
    vector = start / start.norm()
    for done in range(1, steps + 1):
        basis[done - 1] = vector
        image = product(vector)
        diagonal.append(float(vector @ image))
        for _ in range(2):
            image = image - basis[:done].T @ (basis[:done] @ image)
        rest = float(image.norm())
        if not math.isfinite(rest + diagonal[-1]):
            return None
        small = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
        values, vectors = np.linalg.eigh(small)
        residual = _relative(rest * abs(vectors[-1, -1]), np.abs(values).max())
        if residual <= tolerance or done == steps:
            break
        beside.append(rest)
        vector = image / rest
    top = basis[:done].T @ torch.from_numpy(vectors[:, -1]).to(basis.device)
    return Top(float(values[-1]), top / top.norm(), residual)


def power(
    product: Product, start: Tensor, iterations: int, tolerance: float, other: Tensor
) -> Top | None:
    """By power iteration on the matrix shifted by its lowest eigenvalue, as far as it is known.

    Unshifted it would go to the eigenvalue of largest size, which may be a negative one. Two
    iterates in turn span a plane whose lowest value costs no further product; as long as it is not
    negative there is no shift, and it goes as fast as it can.

    Parameters
    ----------
    product, start, iterations, tolerance
        As in :func:`lanczos`.
    other : Tensor of shape (size,), float64
        Where to start anew, once, from an eigenvector that is the lowest known: another random one.

    Returns
    -------
    Top or None
        None where a product is not finite.
    """
    vector = start / start.norm()
    before: tuple[Tensor, Tensor] | None = None
    scale = lowest = 0.0
    is_anew = False
    for _ in range(iterations):
        image = product(vector)
        value, norm = float(vector @ image), float(image.norm())
        if not math.isfinite(norm):
            return None
        scale = max(scale, norm)
        lowest = min(lowest, value, _lowest_of_plane(before, vector, image))
        found = Top(value, vector, _relative(float((image - value * vector).norm()), scale))
        if found.residual <= tolerance:
            if is_anew or value - lowest > tolerance * scale or value >= 0:
                return found
            is_anew, before, vector = True, None, other / other.norm()
            continue
        before = vector, image
        ahead = image - lowest * vector
        vector = ahead / ahead.norm()
    return found


def trace_samples(
    product: Product, size: int, probes: int, stream: Stream, device: torch.device
) -> NDArray[np.float64]:
    """``z' A z`` for random vectors z of signs; the mean of each is the trace of A.

    Their variance is ``2 (sum of all squared entries - sum of the diagonal's)``, the smallest that
    independent entries can have (Hutchinson 1990).

    Parameters
    ----------
    product : callable
    size : int in [1, inf)
    probes : int in [1, inf)
        Products, each with signs of its own.
    stream : Stream
        Of the signs.
    device : torch.device

    Returns
    -------
    ndarray of shape (probes,)
    """
    raw = stream.raw(-(-size * probes // 64)).astype("<u8").view(np.uint8)
    bits = np.unpackbits(raw, count=size * probes).reshape(probes, size)
    signs = torch.from_numpy(bits.astype(np.float64) * 2 - 1).to(device)
    return np.array([float(probe @ product(probe)) for probe in signs])


def _relative(residual: float, scale: float) -> float:
    return float(residual / scale) if scale > 0 else 0.0


def _lowest_of_plane(before: tuple[Tensor, Tensor] | None, vector: Tensor, image: Tensor) -> float:
    """The lowest value of the matrix on the plane of two vectors whose images are known."""
    if before is None:
        return math.inf
    first, first_image = before
    along = float(first @ vector)
    second = vector - along * first
    length = float(second.norm())
    if length < PARALLEL:
        return math.inf
    second_image = (image - along * first_image) / length
    a, b = float(first @ first_image), float(first @ second_image)
    d = float(second @ second_image) / length
    return (a + d) / 2 - math.hypot((a - d) / 2, b)
