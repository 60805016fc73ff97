"""What is measured at every update, and how it costs little.

All definitions hold for the whole model and for one layer alike; row t describes update t:

- ``grad_norm``: 2-norm of the gradient the update was made with;
- ``update_norm``: 2-norm of weights after minus weights before;
- ``weight_norm``: 2-norm of the weights after it;
- ``momentum_norm``: 2-norm of the momentum buffer (SGD) or first moment (Adam) after it;
- ``second_moment_mean``: mean of Adam's ``exp_avg_sq``, as the optimizer holds it, after it;

and, where layers are looked at:

- ``root_second_moment_mean``: mean of the root of the second moment, its bias corrected with the
  optimizer's own count of updates, after it;
- ``momentum_cosine``: cosine between the gradient and the momentum before the update;
- ``update_cosine``: cosine between the update and the gradient turned round.

Sums of squares are taken in the weights' own type: a float32 norm below about 1e-22 reads as 0.

A measurement is a few fused operations on the device whose results stay there; they are fetched a
block at a time, so that the host never waits for a single step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lrbench.engine.base import Row
from lrbench.engine.flat import ROWS, FlatModel
from lrbench.engine.optimizers import BoundOptimizer
from lrbench.engine.second_moment import bias_correction

BLOCK = 100
"""Updates between two fetches. Part of no result: only of when it is known."""

CLOSE = ("gradient_momentum", "momentum", "gradient_update", "root_second_moment", "way")
"""What a closer look sums: three products, the roots, and the squared way from an anchor."""


Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class CloseLook:
    """An update whose layers were looked at.

    Parameters
    ----------
    step : int
    rows : tuple of Row
        ``LAYER_COLUMNS``, the whole model first, under the name "".
    ways : tuple of float
        2-norm of weights minus anchor, likewise; 0 where there is none.
    """

    step: int
    rows: tuple[Row, ...]
    ways: tuple[float, ...]


class Diagnostics:
    """The measurements of one block of updates.

    Parameters
    ----------
    flat : FlatModel
    has_layers : bool
        Whether layers are ever looked at.

    Attributes
    ----------
    anchor : Tensor of shape (columns,) or None
        Weights from which the way is measured.
    """

    def __init__(self, flat: FlatModel, *, has_layers: bool) -> None:
        self._flat = flat
        self.anchor: Tensor | None = None
        device, dtype = flat.rows.device, flat.rows.dtype
        spans = flat.layers if has_layers else []
        self._losses = torch.zeros(BLOCK, dtype=dtype, device=device)
        # The whole model is one more layer, the first.
        parts = [slice(None), *(slice(span.start, span.stop) for span in spans)]
        self._sizes = [flat.size, *(span.size for span in spans)]
        self._names = ["", *(span.name for span in spans)]
        self._norms = torch.zeros(len(parts), BLOCK, len(ROWS), dtype=dtype, device=device)
        self._moments = torch.zeros(len(parts), BLOCK, dtype=dtype, device=device)
        self._closer = torch.zeros(len(parts), BLOCK, len(CLOSE), dtype=dtype, device=device)
        # Squared and then summed, as torch sums in a tree; its norms add up float32 one by one and
        # are wrong in the fourth digit for a million numbers of like size.
        self._squares = torch.zeros_like(flat.rows)
        self._products = torch.zeros(len(CLOSE), flat.rows.shape[1], dtype=dtype, device=device)
        cells = zip(parts, self._norms, self._moments, self._closer, strict=True)
        self._whole, *self._layers = [
            _Part(self._squares[:, part], flat.second_moment[part], self._products[:, part], *cell)
            for part, *cell in cells
        ]
        self._loss_cells = self._losses.unbind(0)
        self._corrections: dict[int, float] = {}

    def before_update(self, is_close: bool) -> None:
        """Keep the weights, to know the update from; ``is_close``: the momentum as well."""
        flat = self._flat
        flat.update.copy_(flat.weight)
        if is_close:
            torch.mul(flat.grad, flat.momentum, out=self._products[0])
            torch.mul(flat.momentum, flat.momentum, out=self._products[1])

    def after_update(
        self, place: int, loss: Tensor, optimizer: BoundOptimizer, is_close: bool
    ) -> None:
        """Measure an update into place ``place`` of the block, with its layers if ``is_close``."""
        flat = self._flat
        # The sign is turned round; no norm sees it.
        flat.update.sub_(flat.weight)
        self._loss_cells[place].copy_(loss)
        torch.mul(flat.rows, flat.rows, out=self._squares)
        has_second = "second_moment" in optimizer.moments
        self._whole.measure(place, has_second)
        if not is_close:
            return
        products = self._products
        torch.mul(flat.grad, flat.update, out=products[2])
        if has_second:
            torch.sqrt(flat.second_moment, out=products[3])
            self._corrections[place] = bias_correction(optimizer)
        if self.anchor is not None:
            torch.sub(flat.weight, self.anchor, out=products[4])
            products[4].square_()
        self._whole.look(place)
        for layer in self._layers:
            layer.measure(place, has_second)
            layer.look(place)

    def fetch(
        self,
        heads: Sequence[Row],
        digests: Sequence[bytes],
        close: Sequence[int],
        moments: set[str],
    ) -> tuple[list[Row], list[CloseLook]]:
        """The block's rows for ``steps.csv``, and its closer looks, as :func:`told` has them."""
        count, places = len(heads), list(close)
        every = torch.cat([self._norms[0, :count], self._moments[0, :count, None]], dim=1)
        at = [self._norms[:, places], self._moments[:, places, None], self._closer[:, places]]
        looks = torch.cat(at, dim=2).transpose(0, 1)
        block = Block(
            on_host(self._losses[:count]), on_host(every), on_host(looks), self._corrections
        )
        rows = told(block, heads, digests, close, self._names, self._sizes, moments)
        self._corrections = {}
        return rows


def on_host(measured: Tensor) -> Numbers:
    """The same numbers in float64, in which each of them is exact."""
    numbers: Numbers = measured.double().cpu().numpy()
    return numbers


@dataclass(frozen=True)
class Block:
    """What was measured at the updates of a block, as numbers of the host.

    Parameters
    ----------
    losses : ndarray of shape (updates,)
    whole : ndarray of shape (updates, 5)
        Four squared norms of the whole model, in the order of ``flat.ROWS``, and the sum of its
        second moment.
    looks : ndarray of shape (looks, parts, 10)
        Of every update that was looked at closely: the same of each part, and ``CLOSE``.
    corrections : mapping of int to float
        The bias correction of the second moment at the places that were looked at; 1 by default.
    """

    losses: Numbers
    whole: Numbers
    looks: Numbers
    corrections: Mapping[int, float]


def told(
    block: Block,
    heads: Sequence[Row],
    digests: Sequence[bytes],
    close: Sequence[int],
    names: Sequence[str],
    sizes: Sequence[int],
    moments: set[str],
) -> tuple[list[Row], list[CloseLook]]:
    """The rows of a block for ``steps.csv``, and its closer looks.

    Parameters
    ----------
    block : Block
    heads : sequence of (step, epoch, lr, momentum, weight decay)
        Of the updates in the block, the first at place 0.
    digests : sequence of bytes
        Batch digests, of which the log gets the first 16 hexadecimal digits.
    close : sequence of int
        Places that were looked at closely.
    names, sizes : sequences of str and int
        Of the parts of the model, the whole of it first.
    moments : set of str
        Which moments the optimizer keeps; the others' fields stay empty.
    """
    # Column by column: one by one, a row's numbers would cost more than the update of a lane.
    measured = _measured(block.whole, sizes[0], moments)
    tails = zip(
        block.losses.tolist(), *measured, [digest[:8].hex() for digest in digests], strict=True
    )
    rows: list[Row] = [(*head, *tail) for head, tail in zip(heads, tails, strict=True)]
    if not close:
        return rows, []
    steps = [heads[place][0] for place in close]
    corrections = np.array([block.corrections.get(place, 1.0) for place in close])
    parts = [
        list(
            zip(
                *_measured(block.looks[:, part], size, moments),
                *_looked(block.looks[:, part], size, corrections, moments),
                strict=True,
            )
        )
        for part, size in enumerate(sizes)
    ]
    ways = np.sqrt(block.looks[:, :, 9]).tolist()
    looks = []
    for at, step in enumerate(steps):
        assert isinstance(step, int)
        layers = tuple((step, name, *part[at]) for name, part in zip(names, parts, strict=True))
        looks.append(CloseLook(step, layers, tuple(ways[at])))
    return rows, looks


Column = list[float] | list[float | None] | list[None]


def _measured(sums: Numbers, size: int, moments: set[str]) -> list[Column]:
    """Columns of four norms and the mean of the second moment, from sums of shape (updates, …)."""
    grad, update, weight, momentum = np.sqrt(sums[:, :4]).T.tolist()
    absent: list[None] = [None] * len(sums)
    return [
        grad,
        update,
        weight,
        momentum if "momentum" in moments else absent,
        (sums[:, 4] / size).tolist() if "second_moment" in moments else absent,
    ]


def _looked(sums: Numbers, size: int, corrections: Numbers, moments: set[str]) -> list[Column]:
    """Columns of what only a closer look tells."""
    absent: list[None] = [None] * len(sums)
    root = (sums[:, 8] / size / np.sqrt(corrections)).tolist()
    return [
        root if "second_moment" in moments else absent,
        _cosines(sums[:, 5], sums[:, 0], sums[:, 6]),
        _cosines(sums[:, 7], sums[:, 0], sums[:, 1]),
    ]


def _cosines(products: Numbers, firsts: Numbers, seconds: Numbers) -> list[float | None]:
    """Cosines from products and two squared norms; None where there is no direction."""
    with np.errstate(invalid="ignore", over="ignore"):  # of a run that diverges
        scales = np.sqrt(firsts) * np.sqrt(seconds)
        has_direction = (scales > 0) & np.isfinite(scales)
        cosines = products / np.where(has_direction, scales, 1.0)
    return [
        cosine if there else None
        for cosine, there in zip(cosines.tolist(), has_direction.tolist(), strict=True)
    ]


class _Part:
    """The whole model, or one layer: its columns and where their measures go."""

    def __init__(
        self,
        squares: Tensor,
        second_moment: Tensor,
        products: Tensor,
        norms: Tensor,
        moments: Tensor,
        closer: Tensor,
    ) -> None:
        self._squares = squares
        self._second_moment = second_moment
        self._products = products
        self._norm_cells = norms.unbind(0)
        self._moment_cells = moments.unbind(0)
        self._closer_cells = closer.unbind(0)

    def measure(self, place: int, has_second: bool) -> None:
        torch.sum(self._squares, dim=1, out=self._norm_cells[place])
        if has_second:
            torch.sum(self._second_moment, dim=0, out=self._moment_cells[place])

    def look(self, place: int) -> None:
        torch.sum(self._products, dim=1, out=self._closer_cells[place])
