"""What is measured at every update, and how it costs little.

All definitions hold for the whole model and for one layer alike; row t describes update t:

- ``grad_norm``: 2-norm of the gradient the update was made with;
- ``update_norm``: 2-norm of weights after minus weights before;
- ``weight_norm``: 2-norm of the weights after it;
- ``momentum_norm``: 2-norm of the momentum buffer (SGD) or first moment (Adam) after it;
- ``second_moment_mean``: mean of Adam's ``exp_avg_sq``, as the optimizer holds it, after it.

Sums of squares are taken in the weights' own type: a float32 norm below about 1e-22 reads as 0.

A measurement is a few fused operations on the device whose results stay there; they are fetched a
block at a time, so that the host never waits for a single step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lrbench.engine.base import Row
from lrbench.engine.flat import ROWS, FlatModel

BLOCK = 100
"""Updates between two fetches. Part of no result: only of when it is known."""


class Diagnostics:
    """The measurements of one block of updates.

    Parameters
    ----------
    flat : FlatModel
    layers_every : int or None
        Steps divisible by it get rows per layer as well.
    """

    def __init__(self, flat: FlatModel, layers_every: int | None) -> None:
        self._flat = flat
        self._layers_every = layers_every
        device, dtype = flat.rows.device, flat.rows.dtype
        spans = flat.layers if layers_every else []
        self._losses = torch.zeros(BLOCK, dtype=dtype, device=device)
        # The whole model is one more layer, the first.
        self._norms = torch.zeros(1 + len(spans), BLOCK, len(ROWS), dtype=dtype, device=device)
        self._moments = torch.zeros(1 + len(spans), BLOCK, dtype=dtype, device=device)
        # Squared and then summed, as torch sums in a tree; its norms add up float32 one by one and
        # are wrong in the fourth digit for a million numbers of like size.
        self._squares = torch.zeros_like(flat.rows)
        parts = [slice(None), *(slice(span.start, span.stop) for span in spans)]
        self._whole, *self._layers = [
            _Part(self._squares[:, part], flat.second_moment[part], norms, moments)
            for part, norms, moments in zip(parts, self._norms, self._moments, strict=True)
        ]
        self._loss_cells = self._losses.unbind(0)

    def before_update(self) -> None:
        """Keep the weights, to know the update from."""
        self._flat.update.copy_(self._flat.weight)

    def after_update(self, place: int, step: int, loss: Tensor, moments: set[str]) -> None:
        """Measure update ``step`` into place ``place`` of the block."""
        # The sign is turned round; no norm sees it.
        self._flat.update.sub_(self._flat.weight)
        self._loss_cells[place].copy_(loss)
        torch.mul(self._flat.rows, self._flat.rows, out=self._squares)
        has_second = "second_moment" in moments
        self._whole.measure(place, has_second)
        if self._layers_every and step % self._layers_every == 0:
            for layer in self._layers:
                layer.measure(place, has_second)

    def fetch(
        self, steps: range, heads: Sequence[Row], digests: Sequence[bytes], moments: set[str]
    ) -> tuple[list[Row], list[Row]]:
        """The block's rows for ``steps.csv`` and ``layers.csv``.

        Parameters
        ----------
        steps : range
            The updates in the block, the first at place 0.
        heads : sequence of (step, epoch, lr, momentum)
        digests : sequence of bytes
            Batch digests, of which the log gets the first 16 hexadecimal digits.
        moments : set of str
            Which moments the optimizer keeps; the others' fields stay empty.
        """
        losses = self._losses[: len(steps)].tolist()
        norms = self._norms[:, : len(steps)].tolist()
        second = self._moments[:, : len(steps)].tolist()
        sizes = [self._flat.size, *(span.size for span in self._flat.layers)]

        def measured(part: int, place: int) -> Row:
            grad, update, weight, momentum = map(math.sqrt, norms[part][place])
            return (
                grad,
                update,
                weight,
                momentum if "momentum" in moments else None,
                second[part][place] / sizes[part] if "second_moment" in moments else None,
            )

        step_rows: list[Row] = [
            (*heads[place], losses[place], *measured(0, place), digests[place][:8].hex())
            for place in range(len(steps))
        ]
        layer_rows: list[Row] = [
            (step, span.name, *measured(part, place))
            for place, step in enumerate(steps)
            if self._layers_every and step % self._layers_every == 0
            for part, span in enumerate(self._flat.layers, start=1)
        ]
        return step_rows, layer_rows


class _Part:
    """The whole model, or one layer: its columns and where their measures go."""

    def __init__(
        self, squares: Tensor, second_moment: Tensor, norms: Tensor, moments: Tensor
    ) -> None:
        self._squares = squares
        self._second_moment = second_moment
        self._norm_cells = norms.unbind(0)
        self._moment_cells = moments.unbind(0)

    def measure(self, place: int, has_second: bool) -> None:
        torch.sum(self._squares, dim=1, out=self._norm_cells[place])
        if has_second:
            torch.sum(self._second_moment, dim=0, out=self._moment_cells[place])
