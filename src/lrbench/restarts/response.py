"""How gradients, moments and updates respond to a restart, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter

import numpy as np

from lrbench.restarts.metrics import (
    COSINE_UPDATES,
    Floats,
    carry_peak,
    effective_step,
    finite,
    ratio,
)

Value = float | int | str | None
Row = Sequence[Value]

NORMS = ("grad_norm", "root_second_moment_mean")
COSINES = ("update_cosine", "momentum_cosine")
PEAKS = ("gradient", "second_moment")
"""What their responses are called in the ledger."""


class Response:
    """The running measurements of one cycle, of the whole model (part 0) and of its layers.

    Only what a cycle's end asks for is kept: the last logged update, and sums and peaks since the
    restart. Its size does not grow with the cycle.

    Parameters
    ----------
    sizes : sequence of int
        Numbers in each part.
    layer_columns : sequence of str
        What the places of a row per layer are called.
    """

    def __init__(self, sizes: Sequence[int], layer_columns: Sequence[str]) -> None:
        places = [layer_columns.index(name) for name in (*NORMS, "update_norm", *COSINES)]
        self._step = layer_columns.index("step")
        self._cells = itemgetter(*places)
        self._sizes = np.array(sizes, dtype=np.float64)
        self._last_step = -1
        self._last = self._blank(3)
        self._begin()

    def _blank(self, width: int) -> Floats:
        return np.full((len(self._sizes), width), np.nan)

    def _begin(self) -> None:
        self._before = self._blank(3)
        self._step_after = self._blank(1)
        self._peak = self._blank(2)
        self._peak.fill(-np.inf)
        self._peak_at = self._blank(2)
        self._cosine_sums = np.zeros_like(self._peak)
        self._cosine_counts = np.zeros_like(self._peak)

    def open(self, step: int) -> None:
        """A cycle begins with update ``step``; what was logged of the one before it is the base."""
        self._begin()
        if self._last_step == step - 1:
            self._before = self._last

    def add(
        self,
        rates: Mapping[Value, Value],
        layers: Sequence[Row],
        whole: Sequence[Row],
        start: int | None,
    ) -> None:
        """More logged updates, in order.

        Parameters
        ----------
        rates : mapping
            Learning rate of each of these updates, by its step.
        layers, whole : sequences of rows
            A row of ``whole`` an update, and as many of ``layers`` as there are, in their order.
        start : int or None
            First update of the cycle that is open; None outside of any.
        """
        if not whole:
            return
        logged = np.array([row[self._step] for row in whole], dtype=np.int64)
        lr = np.array([rates[step] for step in logged.tolist()], dtype=np.float64)
        parts = [
            np.array([self._cells(row) for row in rows], dtype=np.float64).reshape(
                len(whole), -1, 5
            )
            for rows in (whole, layers)
        ]
        values = np.concatenate(parts, axis=1)
        effective = effective_step(values[:, :, 2], lr[:, None], self._sizes)
        self._last_step = int(logged[-1])
        self._last = np.column_stack([values[-1, :, :2], effective[-1]])
        if start is None:
            return
        since = (logged - start).astype(np.float64)
        self._peak, self._peak_at = carry_peak(self._peak, self._peak_at, values[:, :, :2], since)
        if since[0] == 0:
            self._step_after = effective[:1].T
        # One by one, so that the sum does not depend on where a block ends.
        for cosines in values[since < COSINE_UPDATES, :, 3:]:
            is_known = np.isfinite(cosines)
            self._cosine_sums += np.where(is_known, cosines, 0)
            self._cosine_counts += is_known

    def cells(self, part: int) -> dict[str, Value]:
        """What a ledger row of this part says of its responses."""
        cells: dict[str, Value] = {
            "effective_step_before": finite(self._before[part, 2]),
            "effective_step_after": finite(self._step_after[part, 0]),
        }
        for place, name in enumerate(PEAKS):
            peak = ratio(finite(self._peak[part, place]), finite(self._before[part, place]))
            cells[f"{name}_peak"] = peak
            cells[f"{name}_peak_at"] = None if peak is None else int(self._peak_at[part, place])
        for place, name in enumerate(COSINES):
            count = self._cosine_counts[part, place]
            cells[name] = finite(self._cosine_sums[part, place] / count) if count else None
        return cells

    def state(self) -> tuple[int, dict[str, Floats]]:
        """Step of the last logged update, and the arrays."""
        arrays = {
            "last": self._last,
            "before": self._before,
            "step_after": self._step_after,
            "peak": self._peak,
            "peak_at": self._peak_at,
            "cosine_sums": self._cosine_sums,
            "cosine_counts": self._cosine_counts,
        }
        # Copies: two of them are one array while a cycle has no logged update yet.
        return self._last_step, {name: values.copy() for name, values in arrays.items()}

    def restore(self, last_step: int, arrays: dict[str, Floats]) -> None:
        """Be as :meth:`state` said."""
        self._last_step = last_step
        self._last = arrays["last"]
        self._before = arrays["before"]
        self._step_after = arrays["step_after"]
        self._peak = arrays["peak"]
        self._peak_at = arrays["peak_at"]
        self._cosine_sums = arrays["cosine_sums"].copy()
        self._cosine_counts = arrays["cosine_counts"].copy()
