"""Max pooling of all lanes with samples innermost, for a compiled program.

Inductor's own goes through windows number by number, which takes as long as the convolutions of a
small network. Windows that do not overlap are compared here member by member over long rows of
samples (see :mod:`lrbench.engine.lanes.convolution`), and the gradient finds the greatest anew:
that is cheaper than to keep places. Others stay as torch does them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lrbench.engine.operations import Rules

MOST_MEMBERS = 25
"""Of a window: each is a term in the program."""

Sizes = Sequence[int]


def pooling_rules(lanes: int) -> Rules:
    """How max pooling and its gradient are written in a program of so many lanes."""

    def is_covered(
        x: Tensor, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, *, ceil_mode: bool
    ) -> bool:
        return (
            x.dim() == 4
            and x.device.type == "cpu"
            and x.is_floating_point()
            and x.shape[0] % lanes == 0
            and len(kernel) == 2
            and list(stride or kernel) == list(kernel)
            and not any(padding)
            and all(d == 1 for d in dilation)
            and not ceil_mode
            and math.prod(kernel) <= MOST_MEMBERS
        )

    def forward(
        x: Tensor,
        kernel: Sizes,
        stride: Sizes = (),
        padding: Sizes = (0, 0),
        dilation: Sizes = (1, 1),
        ceil_mode: bool = False,
    ) -> Any:
        if not is_covered(x, kernel, stride, padding, dilation, ceil_mode=ceil_mode):
            return NotImplemented
        return pool(x, kernel, lanes)

    def backward(
        grad: Tensor,
        x: Tensor,
        kernel: Sizes,
        stride: Sizes,
        padding: Sizes,
        dilation: Sizes,
        ceil_mode: bool,
        indices: Tensor,
    ) -> Any:
        if not is_covered(x, kernel, stride, padding, dilation, ceil_mode=ceil_mode):
            return NotImplemented
        return gradient(grad, x, kernel, lanes)

    aten = torch.ops.aten
    return {
        aten.max_pool2d_with_indices.default: forward,
        aten.max_pool2d_with_indices_backward.default: backward,
    }


def pool(x: Tensor, kernel: Sizes, lanes: int) -> tuple[Tensor, Tensor]:
    """The greatest of each window, and where it lies.

    Parameters
    ----------
    x : Tensor of shape (lanes * samples, maps, height, width)
    kernel : list of two int
        The size of a window, and from one to the next.
    lanes : int
    """
    greatest, member = _greatest(_laid(x, lanes), kernel)
    greatest, member = _unlaid(greatest), _unlaid(member).to(torch.int64)
    down = torch.arange(member.shape[2], device=x.device).view(-1, 1) * kernel[0]
    right = torch.arange(member.shape[3], device=x.device) * kernel[1]
    place = (down + member // kernel[1]) * x.shape[3] + right + member % kernel[1]
    return greatest, place


def gradient(grad: Tensor, x: Tensor, kernel: Sizes, lanes: int) -> Tensor:
    """What :func:`pool` hands back: to the greatest of each window, and nothing to the others."""
    _, member = _greatest(_laid(x, lanes), kernel)
    high, wide = kernel
    number = torch.arange(high * wide, device=x.device, dtype=member.dtype)
    is_it = member[:, :, :, None, :, None] == number.view(high, 1, wide, 1)
    spread = torch.where(is_it, _laid(grad, lanes)[:, :, :, None, :, None], 0.0)
    spread = spread.flatten(4, 5).flatten(2, 3)
    down, right = x.shape[2] - spread.shape[2], x.shape[3] - spread.shape[3]
    if down or right:
        spread = F.pad(spread, [0, 0, 0, right, 0, down])
    return _unlaid(spread)


def _greatest(x: Tensor, kernel: Sizes) -> tuple[Tensor, Tensor]:
    """The greatest of each window, and its number among them. As torch has it: of equals the first,
    and a nan is greater than all.
    """
    high, wide = kernel
    x = x[:, :, : x.shape[2] // high * high, : x.shape[3] // wide * wide]
    greatest = x[:, :, ::high, ::wide]
    # In the type of the numbers, so that one vector has as many of these.
    member = torch.zeros_like(greatest)
    for number in range(1, high * wide):
        one = x[:, :, number // wide :: high, number % wide :: wide]
        is_greater = (one > greatest) | (one != one)
        greatest = torch.where(is_greater, one, greatest)
        member = torch.where(is_greater, float(number), member)
    return greatest, member


def _laid(x: Tensor, lanes: int) -> Tensor:
    """(lanes * samples, maps, …) as (lanes, maps, …, samples)."""
    laid: Tensor = x.unflatten(0, (lanes, -1))
    return laid.movedim(1, -1)


def _unlaid(x: Tensor) -> Tensor:
    return x.movedim(-1, 1).flatten(0, 1)
