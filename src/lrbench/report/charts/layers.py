"""Layers around restarts: a heat map of depth by updates, for each measure and restart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import altair as alt
import numpy as np

from lrbench.report.charts.look import WIDTH
from lrbench.report.charts.picture import Picture
from lrbench.report.charts.thinning import rounded
from lrbench.report.escapes import printable
from lrbench.report.traces.layers import MEASURES, LayersAtRestart

MOST = 3
"""Restarts side by side; later ones are in the ledger."""

SCHEME: Final = "viridis"
"""Light is large; told apart with any colour vision, and without colour."""

_HIGHEST = 340
_SIDES = 110
"""Room for a panel's names of layers and for the scale of colours."""


def layers(
    found: Sequence[LayersAtRestart], arm: str, *, total: int, name: str = "layers"
) -> Picture | None:
    """Every measure in a row, restarts side by side; the darkest is the smallest of its row.

    Parameters
    ----------
    found : sequence of LayersAtRestart
    arm : str
        Whose they are, for the title.
    total : int
        Restarts that the arm has.
    """
    if not found:
        return None
    restarts = sorted({one.restart for one in found})
    measures = [measure for measure in MEASURES if any(one.measure == measure for one in found)]
    columns = len(restarts)
    panel = WIDTH // columns - _SIDES * (columns - 1) // columns
    names = [printable(layer) for layer in found[0].layers]
    chart = alt.ConcatChart(
        concat=[
            _panel(
                one, names, panel, _extent(found, one.measure), is_last=one.restart == restarts[-1]
            )
            for measure in measures
            for one in found
            if one.measure == measure
        ],
        columns=columns,
        spacing=14,
        resolve=alt.Resolve(scale=alt.ScaleResolveMap(color="independent")),
    )
    return Picture(
        name=name,
        title=f"Layers around the restarts of {arm}",
        caption=" ".join(_caption(found, measures, total, len(restarts))),
        chart=chart,
        data={_name(one): list(_cells(one, names)) for one in found} | {"zero": [{}]},
        panel=panel,
        columns=columns,
        hint="",
    )


def _name(one: LayersAtRestart) -> str:
    return f"layers {list(MEASURES).index(one.measure)} {one.restart}"


def _panel(
    one: LayersAtRestart,
    names: Sequence[str],
    width: int,
    extent: tuple[float, float],
    *,
    is_last: bool,
) -> alt.LayerChart:
    rows = max(5, min(18, _HIGHEST // len(names)))
    x = (
        alt.X("offset:Q")
        .title("updates since the restart")
        .scale(domain=[int(one.offsets[0]), int(one.offsets[-1]) + 1], nice=False)
        .axis(grid=False, tickCount=6)
    )
    y = (
        alt.Y("layer:N")
        .title(None)
        .scale(domain=names, padding=0)
        .axis(ticks=False, domain=False, grid=False, labelLimit=130, labelOverlap=True)
    )
    legend = alt.Legend(
        values=[float(f"{value:.2g}") for value in np.geomspace(*extent, 3)],
        format=".2~g",
        gradientLength=max(50, min(110, rows * len(names))),
        gradientThickness=8,
    )
    colour = (
        alt.Color("value:Q")
        .title(None)
        .scale(alt.Scale(type="log", domain=list(extent), scheme=SCHEME, clamp=True))
        .legend(legend if is_last else None)
    )
    heat = (
        alt.Chart(alt.NamedData(_name(one)))
        .transform_calculate(end="datum.offset + 1")
        .mark_rect()
        .encode(
            x=x,
            x2=alt.X2("end:Q"),
            y=y,
            color=colour,
            tooltip=[
                alt.Tooltip("layer:N", title="layer"),
                alt.Tooltip("offset:Q", title="updates since the restart"),
                alt.Tooltip("value:Q", title=one.measure),
                alt.Tooltip("ratio:Q", title="over the last update before", format=".3~g"),
            ],
        )
    )
    rule = alt.Chart(alt.NamedData("zero")).mark_rule(color="white", strokeDash=[3, 2])
    return alt.LayerChart(
        layer=[heat, rule.encode(x=alt.XDatum(0))],
        width=width,
        height=rows * len(names),
        title=alt.TitleParams(
            f"{one.measure}, restart {one.restart}", fontSize=12, fontWeight="normal", offset=6
        ),
    )


def _extent(found: Sequence[LayersAtRestart], measure: str) -> tuple[float, float]:
    """One scale of colours for a measure, whichever restart."""
    every = np.concatenate([one.values.ravel() for one in found if one.measure == measure])
    known = every[np.isfinite(every) & (every > 0)]
    if not len(known):
        return 0.1, 1.0
    low, high = (float(q) for q in np.quantile(known, [0.01, 0.99]))
    return (low, high) if high > low else (low / 2, high * 2)


def _cells(one: LayersAtRestart, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    before = one.values[:, one.offsets == -1]
    for layer, values, reference in zip(names, one.values, before, strict=True):
        for offset, value in zip(one.offsets.tolist(), values.tolist(), strict=True):
            if value == value and value > 0:
                known = len(reference) and reference[0] > 0
                ratio = rounded(value / float(reference[0]), 3) if known else None
                shown = {"layer": layer, "offset": offset, "value": rounded(value, 4)}
                yield shown | {"ratio": ratio}


def _caption(
    found: Sequence[LayersAtRestart], measures: Sequence[str], total: int, shown: int
) -> Iterator[str]:
    runs = sorted({one.n for one in found})
    counted = f"{runs[0]}" if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
    yield (
        f"Medians over {counted} run{'' if runs == [1] else 's'}, layers from input (top) to "
        "output; the dashed line is the restart. Colours are logarithmic, light is large; the "
        "lightest and darkest 1 % are cut."
    )
    missing = [measure for measure in MEASURES if measure not in measures]
    if missing:
        yield f"This optimizer has no {', '.join(missing)}."
    if total > shown:
        yield f"Shown are the first {shown} of {total} restarts; the others are in the ledger."
