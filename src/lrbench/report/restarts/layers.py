"""What a restart did to the layers of a model: one by one, in bands of depth, by kind."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from lrbench.report.escapes import printable
from lrbench.report.restarts.grid import Column, excess_width, plain_table
from lrbench.report.restarts.ledger import Row
from lrbench.report.restarts.measures import (
    Show,
    cosine,
    share,
    shown,
    signed_three,
    three,
    times,
    whole,
)

WHOLE = 12
"""Layers that are shown one by one; more are shown in bands."""

BANDS = 8

NAME = 16
"""Characters of a layer's name that are not folded for the sake of one more column."""

SHOWN: tuple[tuple[str, tuple[str, str], Show], ...] = (
    ("gradient_peak", ("gradient", "peak"), times),
    ("gradient_peak_at", ("", "at"), lambda at: f"+{whole(at)}"),
    ("second_moment_peak", ("root v", "peak"), times),
    ("second_moment_peak_at", ("", "at"), lambda at: f"+{whole(at)}"),
    ("distance", ("", "moved"), share),
    ("effective_step_before", ("upd./rate", "before"), three),
    ("effective_step_after", ("upd./rate", "after"), three),
)
"""Columns of ``restart_layers.csv`` in the table, with their two lines of heading."""

EFFECTIVE = ("effective_step_before", "effective_step_after")

STATE: tuple[tuple[str, tuple[str, str], Show], ...] = (
    ("momentum_norm_before", ("momentum", "before"), three),
    ("momentum_norm_after", ("", "after"), three),
    ("root_second_moment_before", ("root v", "before"), three),
    ("root_second_moment_after", ("", "after"), three),
    ("counter_before", ("count", "before"), whole),
    ("counter_after", ("", "after"), whole),
)
WAY: tuple[tuple[str, tuple[str, str], Show], ...] = (
    ("distance", ("", "moved"), share),
    ("excursion", ("", "farthest"), share),
    ("direction_cosine", ("cos with", "way before"), cosine),
    ("momentum_cosine", ("cos", "(m, g)"), cosine),
    ("update_cosine", ("cos", "(u, -g)"), cosine),
    ("effective_step_before", ("step", "before"), three),
    ("effective_step_after", ("", "after"), three),
)
MORE = (STATE, WAY)
"""What every layer is asked for besides; see ``restart_layers.csv``."""

SLIGHT = 0.05
"""A trend that comes to less from one end of the model to the other is none."""

EVEN = "is much the same at every depth"

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

    ``whole_model``: every layer with all that is known of it (True), none (False), or as many as
    can be overlooked (None).
    """
    layers = row["layers"]
    if whole_model or (whole_model is None and len(layers) <= WHOLE):
        yield from _fitting(one_by_one(layers), width, is_short=bool(whole_model))
    elif whole_model is None:
        yield from _fitting(banded(layers), width)
    groups = by_kind(layers)
    if len(groups) > 1 and len(layers) > 2 * len(groups):
        kinds = Column(("", "kind"), tuple(map(printable, groups)), is_text=True)
        counts = Column(("", "layers"), tuple(str(len(group)) for group in groups.values()))
        numbers = _numbers([medians(group) for group in groups.values()])
        yield from _fitting([kinds, counts, *numbers], width)
    if whole_model:
        for more in MORE:
            yield from _further(layers, more, width)


def _further(
    layers: Sequence[Row], columns: Sequence[tuple[str, tuple[str, str], Show]], width: int
) -> Iterator[str]:
    """What else is known of every layer."""
    layers = sorted(layers, key=lambda layer: layer["depth"])
    names = Column(
        ("", "layer"), tuple(printable(layer["layer"]) for layer in layers), is_text=True
    )
    narrow = Column(("", "layer"), tuple(cell[:NAME] for cell in names.cells), is_text=True)
    parts: list[list[Column]] = [[]]
    for column in _numbers(layers, columns):
        if parts[-1] and excess_width([narrow, *parts[-1], column], width) > 0:
            parts.append([])
        parts[-1].append(column)
    for part in filter(None, parts):
        yield ""
        yield from plain_table([names, *part], width)


def _fitting(columns: Sequence[Column], width: int, *, is_short: bool = False) -> Iterator[str]:
    """The table, without the steps' sizes where names would have to be folded for them."""
    if is_short or excess_width(columns, width) > 0:
        columns = [column for column in columns if column.cells_of not in EFFECTIVE]
    return plain_table(columns, width)


def trends(row: Mapping[str, Any]) -> Iterator[str]:
    """A sentence on each slope of the logarithm of the layers' peaks over their depth."""
    depths = [layer["depth"] for layer in row.get("layers", ())]
    span = max(depths) - min(depths) if depths else 1
    for column, whose in TRENDS.items():
        slope = row.get(column)
        if slope is not None:
            told = grows(slope, slope, span)
            yield f"The {whose} response {told or EVEN}{of_slope(slope) if told else ''}."


def of_slope(slope: float) -> str:
    """A slope of ln(peak) as the factor from one layer to the next."""
    return f": {times(math.exp(slope))} from one layer to the next (ln {signed_three(slope)})"


def grows(least: float, most: float, span: int = 1) -> str:
    """Where to, if all slopes between two numbers agree in it; empty if they come to nothing.

    ``span`` is the depth of the model, over which a slope has to come to :data:`SLIGHT`.
    """
    if max(abs(least), abs(most)) * span < math.log1p(SLIGHT):
        return ""
    if least > 0:
        return "grows towards the output"
    if most < 0:
        return "grows towards the input"
    return "has no trend over depth"


def legend(layers: Iterable[Row], *, whole_model: bool | None = None) -> Iterator[str]:
    """What the headings mean, of the columns that are there."""
    layers = list(layers)
    if whole_model:
        yield "momentum: its norm; root v: mean root second moment; count: of Adam's updates"
        yield "farthest: of all updates that have rows per layer; way before: of the cycle before"
        yield "m, g, u: momentum, gradient, update; step: update/rate, as in the table above"
    yield from (told for column, told in _TOLD.items() if _is_there(layers, column))
    if any(layer["residual"] for layer in layers):
        yield "*: on a residual branch"
    if len({layer["kind"] for layer in layers}) > 1 or len({x["depth"] for x in layers}) > WHOLE:
        yield "several layers in a line: their medians"


def _numbers(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[tuple[str, tuple[str, str], Show]] = SHOWN,
) -> list[Column]:
    return [
        Column(head, tuple(shown(row[column], show) for row in rows), cells_of=column)
        for column, head, show in columns
        if _is_there(rows, column)
    ]


def _is_there(rows: Iterable[Mapping[str, Any]], column: str) -> bool:
    return any(row[column] is not None for row in rows)


def _kind(layer: Row) -> str:
    return printable(layer["kind"] or "other") + ("*" if layer["residual"] else "")


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
