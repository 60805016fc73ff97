"""How far the weights go in a cycle, and in which direction, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lrbench.engine.flat import FlatModel
from lrbench.restarts.facts import Moved


class Movement:
    """The way from one cycle's end to the next.

    The weights before the first update count as the end of a cycle.

    Parameters
    ----------
    flat : FlatModel

    Attributes
    ----------
    anchor : Tensor of shape (columns,)
        The weights at the last end.
    """

    def __init__(self, flat: FlatModel) -> None:
        self._flat = flat
        self.anchor = flat.weight.clone()
        self._way: Tensor | None = None
        parts = [slice(None), *(slice(span.start, span.stop) for span in flat.layers)]
        self._parts = parts
        self._excursions = [0.0] * len(parts)

    def saw(self, ways: Sequence[float]) -> None:
        """An update was looked at: how far from the anchor the model and its layers were."""
        self._excursions = [max(pair) for pair in zip(self._excursions, ways, strict=True)]

    def close(self) -> tuple[Moved, ...]:
        """A cycle ends with the weights as they are: the whole model first, then its layers."""
        way = self._flat.weight - self.anchor
        moved = tuple(
            self._moved(part, way[part], excursion)
            for part, excursion in zip(self._parts, self._excursions, strict=True)
        )
        self.anchor.copy_(self._flat.weight)
        self._way = way
        self._excursions = [0.0] * len(self._parts)
        return moved

    def _moved(self, part: slice, way: Tensor, excursion: float) -> Moved:
        length, start = _norm(way), _norm(self.anchor[part])
        before = None if self._way is None else self._way[part]
        scale = 0.0 if before is None else length * _norm(before)
        cosine = None
        if before is not None and scale > 0:
            cosine = float(torch.sum(way.double() * before.double())) / scale
        farthest = max(excursion, length)
        return Moved(
            length / start if start > 0 else None,
            farthest / start if start > 0 else None,
            cosine,
        )

    def state(self) -> dict[str, Any]:
        """What the rest of a run depends on."""
        return {"anchor": self.anchor, "way": self._way, "excursions": self._excursions}

    def restore(self, facts: Mapping[str, Any]) -> None:
        """Go on as :meth:`state` was."""
        self.anchor.copy_(facts["anchor"])
        self._way, self._excursions = facts["way"], list(facts["excursions"])


def _norm(values: Tensor) -> float:
    return math.sqrt(float(torch.sum(values.double().square())))
