"""What a restart did to the layers of a model: one by one, in bands of depth, by kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from lrbench.report.escapes import printable
from lrbench.report.restarts.grid import Column, plain_table
from lrbench.report.restarts.ledger import Row
from lrbench.report.restarts.measures import Show, share, shown, signed_three, three, times, whole

WHOLE = 16
"""Layers that are shown one by one; more are shown in bands."""

BANDS = 8

SHOWN: tuple[tuple[str, tuple[str, str], Show], ...] = (
    ("gradient_peak", ("gradient", "peak"), times),
    ("gradient_peak_at", ("", "at"), lambda at: f"+{whole(at)}"),
    ("second_moment_peak", ("root v", "peak"), times),
    ("second_moment_peak_at", ("", "at"), lambda at: f"+{whole(at)}"),
    ("distance", ("", "moved"), share),
    ("effective_step_before", ("update/rate", "before"), three),
    ("effective_step_after", ("", "after"), three),
)
"""Columns of ``restart_layers.csv`` in the table, with their two lines of heading."""

_TOLD = {
    "gradient_peak": "gradient: largest norm after the restart, as a multiple of the one just "
    "before, and how many updates on",
    "second_moment_peak": "root v: the same of the mean root second moment",
    "distance": "moved: from cycle end to cycle end, in % of the norm of the weights",
}
TRENDS = {
    "gradient_depth_trend": "gradient's",
    "second_moment_depth_trend": "second moment's",
}
RESIDUAL, MAIN = "on a residual branch", "not on one"


def one_by_one(layers: Sequence[Row]) -> list[Column]:
    """A row a layer, from input to output; ``*`` where it is on a residual branch."""
    layers = sorted(layers, key=lambda layer: layer["depth"])
    return [
        Column(("", "depth"), tuple(whole(layer["depth"]) for layer in layers)),
        Column(("", "layer"), tuple(printable(layer["layer"]) for layer in layers), is_text=True),
        Column(("", "kind"), tuple(map(_kind, layers)), is_text=True),
        *_numbers(layers),
    ]


def banded(layers: Sequence[Row]) -> list[Column]:
    """A row for each of :data:`BANDS` stretches of depth: medians over its layers."""
    layers = sorted(layers, key=lambda layer: layer["depth"])
    edges = [round(band * len(layers) / BANDS) for band in range(BANDS + 1)]
    bands = [layers[low:high] for low, high in pairwise(edges) if low < high]
    depths = tuple(f"{whole(b[0]['depth'])}-{whole(b[-1]['depth'])}" for b in bands)
    return [
        Column(("", "depths"), depths, is_text=True),
        Column(("", "layers"), tuple(str(len(band)) for band in bands)),
        *_numbers([medians(band) for band in bands]),
    ]


def by_kind(layers: Sequence[Row]) -> dict[str, list[Row]]:
    """The layers of each kind, and those on residual branches and not, where there are both."""
    groups: dict[str, list[Row]] = {}
    for layer in layers:
        groups.setdefault(layer["kind"] or "other", []).append(layer)
    on_branches = [layer for layer in layers if layer["residual"]]
    if 0 < len(on_branches) < len(layers):
        groups |= {RESIDUAL: on_branches, MAIN: [x for x in layers if not x["residual"]]}
    return groups


def medians(layers: Sequence[Mapping[str, Any]]) -> Row:
    """The median layer in each of the columns that are shown; None of no values."""
    return {column: _median(layer[column] for layer in layers) for column, _, _ in SHOWN}


def tell(row: Row, width: int, *, whole_model: bool | None) -> Iterator[str]:
    """Lines on the layers of one restart.

    ``whole_model``: every layer (True), none (False), or as many as can be overlooked (None).
    """
    layers = row["layers"]
    if whole_model or (whole_model is None and len(layers) <= WHOLE):
        yield from plain_table(one_by_one(layers), width)
    elif whole_model is None:
        yield from plain_table(banded(layers), width)
    groups = by_kind(layers)
    if len(groups) > 1:
        kinds = Column(("", "kind"), tuple(map(printable, groups)), is_text=True)
        counts = Column(("", "layers"), tuple(str(len(group)) for group in groups.values()))
        numbers = _numbers([medians(group) for group in groups.values()])
        yield from plain_table([kinds, counts, *numbers], width)


def trends(row: Mapping[str, Any]) -> Iterator[str]:
    """A sentence on each slope of the logarithm of the layers' peaks over their depth."""
    for column, whose in TRENDS.items():
        slope = row.get(column)
        if slope is not None:
            trend = f"{grows(slope, slope)}: ln(peak) {signed_three(slope)} a layer"
            yield f"The {whose} response {trend}."


def grows(least: float, most: float) -> str:
    """Where to, if all slopes between two numbers agree in it."""
    if least > 0:
        return "grows towards the output"
    if most < 0:
        return "grows towards the input"
    return "has no trend over depth"


def legend(layers: Iterable[Row]) -> Iterator[str]:
    """What the headings mean, of the columns that are there."""
    layers = list(layers)
    yield from (told for column, told in _TOLD.items() if _is_there(layers, column))
    if any(layer["residual"] for layer in layers):
        yield "*: on a residual branch"
    if len({layer["kind"] for layer in layers}) > 1 or len({x["depth"] for x in layers}) > WHOLE:
        yield "several layers in a line: their medians"


def _numbers(rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    return [
        Column(head, tuple(shown(row[column], show) for row in rows))
        for column, head, show in SHOWN
        if _is_there(rows, column)
    ]


def _is_there(rows: Iterable[Mapping[str, Any]], column: str) -> bool:
    return any(row[column] is not None for row in rows)


def _kind(layer: Row) -> str:
    return printable(layer["kind"] or "other") + ("*" if layer["residual"] else "")


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
