"""Convolutions of all lanes as one matrix product a lane, for a compiled program.

Lanes come to torch as groups of one convolution. Without oneDNN it goes through them group by group
and sample by sample, with a product and a copy of its own for each, some microseconds' work. Here
samples stand innermost, (groups, maps, …, samples): what a kernel sees lies in long rows whose
copying takes whole vectors, however small the images are; all samples of a group are one product;
and nothing is turned round between layers, because the operations between them follow.

With oneDNN torch's way is level or faster, and stays. So it does where columns of a lane outgrow
the caches, and for what is not covered here: transposed convolutions, half precision, cards.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lrbench.engine.operations import Rules

MOST_BYTES = 4 * 2**20
"""Of a lane's columns; those of 16 lanes come from memory beyond, at a loss from 7 MiB on."""

MOST_TAPS = 49
"""Of a kernel: each is a term in the program."""

Sizes = Sequence[int]


def convolution_rules(lanes: int) -> Rules:
    """How convolutions and their gradients are written in a program of so many lanes."""

    def is_covered(
        x: Tensor, weight: Tensor, geometry: tuple[Sizes, Sizes, Sizes], *, transposed: bool
    ) -> bool:
        kernel = weight.shape[2:]
        if (
            transposed
            or (torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled)
            or x.device.type != "cpu"
            or x.dtype not in (torch.float32, torch.float64)
            or not kernel
            or not x.numel()
            or math.prod(kernel) > MOST_TAPS
        ):
            return False
        places = math.prod(_places(x.shape[2:], kernel, *geometry))
        columns = x.shape[1] * math.prod(kernel) * places * x.shape[0]
        return columns * x.element_size() <= MOST_BYTES * lanes

    def forward(
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: Sizes,
        padding: Sizes,
        dilation: Sizes,
        transposed: bool,
        output_padding: Sizes,
        groups: int,
    ) -> Any:
        geometry = stride, padding, dilation
        if not is_covered(x, weight, geometry, transposed=transposed):
            return NotImplemented
        return convolve(x, weight, bias, *geometry, groups)

    def backward(
        grad: Tensor,
        x: Tensor,
        weight: Tensor,
        bias_sizes: Sizes | None,
        stride: Sizes,
        padding: Sizes,
        dilation: Sizes,
        transposed: bool,
        output_padding: Sizes,
        groups: int,
        wanted: Sequence[bool],
    ) -> Any:
        geometry = stride, padding, dilation
        if not is_covered(x, weight, geometry, transposed=transposed):
            return NotImplemented
        return gradients(grad, x, weight, *geometry, groups, wanted)

    aten = torch.ops.aten
    return {aten.convolution.default: forward, aten.convolution_backward.default: backward}


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    groups: int,
) -> Tensor:
    """``torch.conv1d`` and its like, with any number of dimensions.

    Parameters
    ----------
    x : Tensor of shape (samples, groups * maps, …)
    weight : Tensor of shape (groups * outputs, maps, …)
    bias : Tensor of shape (groups * outputs,) or None
    stride, padding, dilation : list of int
        One number a dimension.
    groups : int

    Returns
    -------
    Tensor of shape (samples, groups * outputs, …)
    """
    kernel = weight.shape[2:]
    columns = _columns(_grouped(x, groups), kernel, stride, padding, dilation)
    out = torch.bmm(weight.reshape(groups, -1, columns.shape[1]), columns)
    places = _places(x.shape[2:], kernel, stride, padding, dilation)
    out = _ungrouped(out.unflatten(2, (*places, x.shape[0])))
    return out if bias is None else out + bias.view(-1, *(1 for _ in kernel))


def gradients(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    groups: int,
    wanted: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """What :func:`convolve` hands back to input, weight and bias.

    Parameters
    ----------
    grad : Tensor of shape (samples, groups * outputs, …)
    wanted : list of bool
        Which of the three.
    """
    kernel = weight.shape[2:]
    grouped = _grouped(grad, groups)
    rows = grouped.reshape(groups, grouped.shape[1], -1)
    to_input = to_weight = to_bias = None
    if wanted[0]:
        spread = torch.bmm(weight.reshape(groups, rows.shape[1], -1).mT, rows)
        spread = spread.view(groups, -1, *kernel, *grad.shape[2:], x.shape[0])
        to_input = _ungrouped(_gathered(spread, x.shape[2:], stride, padding, dilation))
    if wanted[1]:
        columns = _columns(_grouped(x, groups), kernel, stride, padding, dilation)
        to_weight = torch.bmm(rows, columns.mT).view(weight.shape)
    if wanted[2]:
        to_bias = grad.sum([0, *range(2, grad.dim())])
    return to_input, to_weight, to_bias


def _places(space: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes) -> Sizes:
    """How many places of an input of this size a kernel is laid on, in each dimension."""
    geometry = zip(space, kernel, stride, padding, dilation, strict=True)
    return [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in geometry]


def _grouped(x: Tensor, groups: int) -> Tensor:
    """(samples, groups * maps, …) as (groups, maps, …, samples)."""
    grouped: Tensor = x.unflatten(1, (groups, -1))
    return grouped.movedim(0, -1)


def _ungrouped(x: Tensor) -> Tensor:
    return x.movedim(-1, 0).flatten(1, 2)


def _columns(x: Tensor, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes) -> Tensor:
    """What each tap of a kernel sees: (groups, maps * taps, places * samples)."""
    rank = len(kernel)
    if any(padding):
        x = F.pad(x, [0, 0, *(side for pad in reversed(padding) for side in (pad, pad))])
    for dim, (k, s, d) in enumerate(zip(kernel, stride, dilation, strict=True), start=2):
        # The window becomes the last dimension.
        x = x.unfold(dim, d * (k - 1) + 1, s)[..., ::d]
    samples = 2 + rank
    taps = range(samples + 1, samples + 1 + rank)
    x = x.permute(0, 1, *taps, *range(2, samples), samples)
    return x.reshape(x.shape[0], math.prod(x.shape[1:samples]), -1)


def _gathered(x: Tensor, space: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes) -> Tensor:
    """The sum of what the taps hand back to each place of the input.

    Every place collects it, in the order of the taps, from (groups, maps, taps…, places…, samples):
    were it handed out, a program could not make the places in any order.
    """
    total: Tensor | None = None
    kernel = x.shape[2 : 2 + len(space)]
    for taps in product(*(range(k) for k in kernel)):
        part = x
        for tap in taps:
            part = part.select(2, tap)
        for dim, tap in enumerate(taps):
            start = tap * dilation[dim] - padding[dim]
            part = _spread(part, 2 + dim, start, stride[dim], space[dim])
        total = part if total is None else total + part
    assert total is not None
    return total


def _spread(x: Tensor, dim: int, start: int, stride: int, size: int) -> Tensor:
    """Zeros of this size along a dimension, and ``x`` every ``stride`` places from ``start`` on."""
    later = [0, 0] * (x.dim() - 1 - dim)
    if stride > 1:
        x = F.pad(x.unsqueeze(dim + 1), [*later, 0, stride - 1]).flatten(dim, dim + 1)
    # What lies outside is cut off.
    first, end = max(0, -start), min(x.shape[dim], size - start)
    x = x.narrow(dim, min(first, x.shape[dim]), max(0, end - first))
    before = min(max(0, start), size)
    return F.pad(x, [*later, before, size - before - x.shape[dim]])
