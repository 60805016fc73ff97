"""The ledger of a run's restarts: rows of its logs in, a row a restart out.

It knows no engine and no file. It is told of updates, looks and restarts in the order in which they
happen, and says at the end of each cycle what the restart that began it did::

    ledger.updates(steps, layers, whole)     every update up to r, in blocks of any length
    ledger.look(r, val_loss)                 also: ledger.curvature(r, lambda_max)
    row, layer_rows = ledger.close(r, moved) if a cycle is open
    ledger.open(opened)                      the first update of the new cycle is r

How updates were divided into blocks, and whether the ledger was put away and restored in between,
changes no bit of a row.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrbench.restarts.facts import LayerFacts, Moved, Opened, StateFacts
from lrbench.restarts.metrics import (
    Floats,
    depth_trend,
    finite,
    gain,
    loss_response,
    ratio,
    smoothing_window,
)
from lrbench.restarts.response import PEAKS, Response, Row, Value

Cells = dict[str, Value]
"""A row of the ledger by the names of its columns."""

RESPONSE = "response/"


class Ledger:
    """Follows a run from restart to restart.

    It keeps the losses of the current cycle, those of the cycle before that are needed, and for
    every layer a few numbers.

    Parameters
    ----------
    layers : sequence of LayerFacts
    step_columns, layer_columns : sequence of str
        What the places of a row per update, and of one per layer, are called.
    """

    def __init__(
        self,
        layers: Sequence[LayerFacts],
        step_columns: Sequence[str],
        layer_columns: Sequence[str],
    ) -> None:
        self._layers = tuple(layers)
        self._step = step_columns.index("step")
        self._lr = step_columns.index("lr")
        self._loss = step_columns.index("train_loss")
        sizes = [layer.size for layer in layers]
        self._response = Response([sum(sizes), *sizes], layer_columns)
        self._losses = array("d")
        self._losses_before: Floats = np.zeros(0)
        self._look: tuple[int, float | None] = (-1, None)
        self._lambda_max: tuple[int, float | None] = (-1, None)
        self._start: int | None = None
        self._window = 0
        self._row: Cells = {}
        self._layer_rows: list[Cells] = []

    @property
    def is_open(self) -> bool:
        """Is a restart's cycle going on?"""
        return self._start is not None

    def updates(self, steps: Sequence[Row], layers: Sequence[Row], whole: Sequence[Row]) -> None:
        """A block of updates that were made.

        Parameters
        ----------
        steps : sequence of rows
            Every update, in order.
        layers : sequence of rows
            Of those that are logged by layer, a row a layer, in the order of the ledger's layers.
        whole : sequence of rows
            Of the same updates, a row of the same columns for the whole model.
        """
        assert len(layers) == len(whole) * len(self._layers)
        # A loss that is absent reads as NaN: it is not finite either.
        self._losses.extend(np.array([row[self._loss] for row in steps], dtype=np.float64))
        rates = {row[self._step]: row[self._lr] for row in steps} if whole else {}
        self._response.add(rates, layers, whole, self._start)

    def look(self, step: int, val_loss: float) -> None:
        """The loss on the validation data after ``step`` updates.

        One right before a restart is told of before the cycle that ends is closed.
        """
        self._look = (step, finite(val_loss))

    def curvature(self, step: int, lambda_max: float | None) -> None:
        """The sharpness after ``step`` updates; right before a restart as :meth:`look`."""
        self._lambda_max = (step, finite(lambda_max))
        if self._start is not None and 0 < step - self._start <= self._window:
            largest = (self._row["lambda_max_after"], finite(lambda_max))
            self._row["lambda_max_after"] = max(
                (value for value in largest if isinstance(value, float)), default=None
            )

    def open(self, opened: Opened) -> None:
        """A restart happened; all updates before it were told of, and none after it."""
        assert not self.is_open
        step = opened.step
        self._start = step
        self._window = smoothing_window(opened.planned_length)
        self._losses_before = np.array(self._losses[-self._window :])
        self._losses = array("d")
        self._response.open(step)
        self._row = _head(opened) | {
            "window": self._window,
            "val_loss_before": self._look[1] if self._look[0] == step else None,
            "lambda_max_before": self._lambda_max[1]
            if self._lambda_max[0] in (step - 1, step)
            else None,
            "lambda_max_after": None,
        }
        self._layer_rows = [
            {
                "step": step,
                "layer": layer.name,
                "depth": layer.depth,
                "kind": layer.kind,
                "residual": int(layer.is_residual),
                "size": layer.size,
                **_state_cells(before, after),
            }
            for layer, before, after in zip(
                self._layers, opened.before[1:], opened.after[1:], strict=True
            )
        ]

    def close(self, end: int, moved: Sequence[Moved]) -> tuple[Cells, list[Cells]]:
        """The cycle is over: at the next restart, at the end of the run, or where it diverged.

        Parameters
        ----------
        end : int
            Updates made; all were told of.
        moved : sequence of Moved
            The whole model first, then its layers.

        Returns
        -------
        dict, list of dict
            By the names of the columns: the row of the restart, and one for each layer. What does
            not apply or is not finite is None.
        """
        assert self._start is not None
        losses = loss_response(
            self._losses_before, np.array(self._losses, dtype=np.float64), self._window
        )
        val_loss_before = self._row["val_loss_before"]
        val_loss_end = self._look[1] if self._look[0] == end else None
        assert val_loss_before is None or isinstance(val_loss_before, float)
        whole, *parts = [
            _moved_cells(way) | self._response.cells(part) for part, way in enumerate(moved)
        ]
        layer_rows = [known | cells for known, cells in zip(self._layer_rows, parts, strict=True)]
        row = (
            self._row
            | whole
            | {
                "length": end - self._start,
                "loss_before": losses.level,
                "loss_sd_before": losses.sd,
                "spike": losses.height,
                "spike_relative": losses.relative,
                "spike_z": losses.z,
                "steps_to_peak": losses.steps_to_peak,
                "recovery_steps": losses.recovery_steps,
                "recovery_censored_at": losses.recovery_censored_at,
                "overshoot_area": losses.overshoot_area,
                "val_loss_end": val_loss_end,
                "gain": gain(val_loss_before, val_loss_end),
                "lambda_max_end": self._lambda_max[1] if self._lambda_max[0] == end else None,
                **dict(self._depth_trends(layer_rows)),
            }
        )
        self._start = None
        return row, layer_rows

    def _depth_trends(self, layer_rows: Sequence[Cells]) -> Iterator[tuple[str, Value]]:
        depths = [layer.depth for layer in self._layers]
        for name in PEAKS:
            peaks = [row[f"{name}_peak"] for row in layer_rows]
            numbers = [peak if isinstance(peak, float) else None for peak in peaks]
            yield f"{name}_depth_trend", depth_trend(depths, numbers)

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[np.float64]]]:
        """All that the rest depends on: JSON without loss, and arrays."""
        last_logged, arrays = self._response.state()
        facts = {
            "look": list(self._look),
            "lambda_max": list(self._lambda_max),
            "last_logged": last_logged,
            "start": self._start,
            "window": self._window,
            "row": dict(self._row),
            "layer_rows": [dict(row) for row in self._layer_rows],
        }
        return facts, {
            "losses": np.array(self._losses, dtype=np.float64),
            "losses_before": self._losses_before,
            **{f"{RESPONSE}{name}": values for name, values in arrays.items()},
        }

    def restore(self, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[np.float64]]) -> None:
        """Go on where a ledger of the same layers said this by :meth:`state`."""
        step, loss = facts["look"]
        self._look = (step, loss)
        step, lambda_max = facts["lambda_max"]
        self._lambda_max = (step, lambda_max)
        self._start = facts["start"]
        self._window = facts["window"]
        self._row = dict(facts["row"])
        self._layer_rows = [dict(row) for row in facts["layer_rows"]]
        self._losses = array("d", arrays["losses"])
        self._losses_before = arrays["losses_before"]
        responses = {
            name.removeprefix(RESPONSE): values
            for name, values in arrays.items()
            if name.startswith(RESPONSE)
        }
        self._response.restore(facts["last_logged"], responses)


def _head(opened: Opened) -> Cells:
    before, after = opened.before[0], opened.after[0]
    return {
        "step": opened.step,
        "epoch": opened.epoch,
        "cycle": opened.cycle,
        "cause": opened.cause,
        "statistic": finite(opened.statistic),
        "threshold": finite(opened.threshold),
        "planned_length": opened.planned_length,
        "lr_before": finite(opened.lr_before),
        "lr_after": finite(opened.lr_after),
        "lr_ratio": ratio(opened.lr_after, opened.lr_before),
        "momentum": finite(opened.momentum),
        "policy": opened.policy,
        "audit": opened.audit,
        **_state_cells(before, after),
        "weight_norm_before": finite(before.weight_norm),
        "weight_norm_after": finite(after.weight_norm),
    }


def _state_cells(before: StateFacts, after: StateFacts) -> Cells:
    cells: Cells = {}
    for when, facts in (("before", before), ("after", after)):
        cells[f"momentum_norm_{when}"] = finite(facts.momentum_norm)
        cells[f"root_second_moment_{when}"] = finite(facts.root_second_moment)
        cells[f"counter_{when}"] = facts.counter
    return cells


def _moved_cells(moved: Moved) -> Cells:
    return {
        "distance": finite(moved.distance),
        "excursion": finite(moved.excursion),
        "direction_cosine": finite(moved.direction_cosine),
    }
