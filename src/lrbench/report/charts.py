"""Charts: one look, one way to draw a series over steps, one way to save.

A chart is an altair value until it is saved. What is saved depends on nothing but the series and
the versions of the libraries, and needs no network to be looked at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import Any

import altair as alt
import vl_convert

from lrbench.errors import ConfigError
from lrbench.report.escapes import printable

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Okabe and Ito's palette, told apart with any colour vision; its yellow is too faint for lines."""

DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3))
"""Solid for the first seven series, then these, so that 28 series differ."""

ENDINGS = (".png", ".svg", ".html")

WIDTH, HEIGHT = 720, 360
"""Of the plot itself, in pixels."""

MOST_RULES = 60
"""Marked steps that are still drawn; of more, the rules would hide the curves."""

_INK, _FAINT, _RULE, _GRID = "#1F2430", "#6B7280", "#9CA3AF", "#E5E7EB"

_LETTER = 7
"""Pixels of a letter of the legend, generously."""

_PNG_SCALE = 2.0
_LESS = "lrbench-less-than"


@dataclass(frozen=True)
class Series:
    """One curve.

    Parameters
    ----------
    label : str
        Its name in the legend; a series is told from the others by it.
    values : non-empty sequence of finite float
        At steps 0, 1, 2, …; each holds until the next step.
    marked : tuple of int
        Steps to be marked by a faint rule, such as restarts.
    """

    label: str
    values: Sequence[float]
    marked: tuple[int, ...] = ()


def step_chart(
    series: Sequence[Series], *, title: str, subtitle: str, y_title: str
) -> alt.LayerChart:
    """Series over steps as stairs, the value axis from 0, with a legend if there are several.

    A long series is drawn with the points of :func:`thin`, which look the same.

    Parameters
    ----------
    series : non-empty sequence of Series, with different labels
    title, subtitle : str
    y_title : str
        In words of lrbench's own.

    Returns
    -------
    alt.LayerChart
        To be given to :func:`save`.
    """
    # What draws the charts ends the whole process at some control characters.
    title, subtitle = printable(title), printable(subtitle)
    series = [replace(one, label=printable(one.label)) for one in series]
    total = max(len(one.values) for one in series)
    colour = _encoding(series, "colour", COLOURS, 1)
    dash = _encoding(series, "dash", DASHES, len(COLOURS))
    x = alt.X("step:Q").title("step").scale(domain=[0, total], nice=False).axis(grid=False)
    y = alt.Y("value:Q").title(y_title).scale(zero=True)
    curves = (
        alt.Chart(alt.InlineData(values=[point for one in series for point in _points(one)]))
        .mark_line(interpolate="step-after", strokeWidth=2, strokeJoin="round")
        .encode(x=x, y=y, color=colour, strokeDash=dash, detail="series:N")
    )
    layers = [curves]
    marked = sorted({step for one in series for step in one.marked})
    if 0 < len(marked) <= MOST_RULES:
        rules = alt.Chart(alt.InlineData(values=[{"step": step} for step in marked]))
        layers.insert(0, rules.mark_rule(color=_RULE, strokeDash=[2, 3]).encode(x=x))
    heading = alt.TitleParams(title, subtitle=subtitle)
    return themed(alt.LayerChart(layer=layers, width=WIDTH, height=HEIGHT, title=heading))


def themed(chart: alt.LayerChart) -> alt.LayerChart:
    """The chart in the look that all of lrbench's charts share."""
    look: alt.LayerChart = (
        chart.configure(font="Helvetica, Arial, sans-serif", background="white", padding=16)
        .configure_view(stroke=None)
        .configure_title(
            anchor="start",
            fontSize=16,
            color=_INK,
            subtitleColor=_FAINT,
            subtitleFontSize=12,
            offset=12,
        )
        .configure_axis(
            labelColor=_FAINT,
            titleColor=_INK,
            labelFontSize=11,
            titleFontSize=12,
            titleFontWeight="normal",
            titlePadding=8,
            gridColor=_GRID,
            domainColor=_RULE,
            tickColor=_RULE,
        )
        .configure_legend(labelColor=_INK, labelFontSize=12, symbolStrokeWidth=2.5, symbolSize=300)
    )
    return look


def require_ending(path: Path, key: str) -> None:
    """A chart can be written to ``path``, as far as its name and its folder tell.

    Raises
    ------
    ConfigError
        About ``key``: the ending is none of :data:`ENDINGS`, or there is no such folder.
    """
    if path.suffix.lower() not in ENDINGS:
        relation = f"must end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
        remedy = f"{key} {quote(str(path.with_suffix('.png')))}" if path.name else None
        raise ConfigError(relation, key=key, got=str(path), remedy=remedy)
    if not path.parent.is_dir():
        relation = "must lie in a folder that exists"
        raise ConfigError(
            relation, key=key, got=str(path), remedy=f"mkdir -p {quote(str(path.parent))}"
        )
    if path.is_dir():
        raise ConfigError("must be a file, not a folder", key=key, got=str(path))


def save(chart: alt.LayerChart, path: Path) -> None:
    """Write a chart as the ending of ``path`` says, over what was there.

    HTML holds all it needs and asks no server.

    Raises
    ------
    ConfigError
        As :func:`require_ending` says, or the file cannot be written.
    """
    require_ending(path, key="the chart's file")
    spec, version = chart.to_dict(), _vega_lite_version()
    match path.suffix.lower():
        case ".png":
            data = vl_convert.vegalite_to_png(spec, vl_version=version, scale=_PNG_SCALE)
        case ".svg":
            data = vl_convert.vegalite_to_svg(spec, vl_version=version).encode()
        case _:
            # It stands in a script as it is, which a "</script>" in some label would end.
            text = json.dumps(spec).replace("<", _LESS)
            page = vl_convert.vegalite_to_html(text, vl_version=version, bundle=True)
            data = page.replace(_LESS, "\\u003c").encode()
    try:
        path.write_bytes(data)
    except OSError as error:
        relation = f"must be a file that can be written ({error.strerror})"
        raise ConfigError(relation, key="the chart's file", got=str(path)) from None


def thin(values: Sequence[float], buckets: int) -> list[int]:
    """Steps with which a long series looks the same as with all.

    Of each of ``buckets`` equal parts these are the first and the last step and the first ones with
    the smallest and the largest value: a peak of a single step is kept, and so is a jump.

    Parameters
    ----------
    values : sequence of float
    buckets : int in [1, inf)
        As many as there are pixels.

    Returns
    -------
    list of int
        Increasing; all steps if there are at most four a bucket.

    Examples
    --------
    >>> thin([0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 0.0, 0.0], 1)
    [0, 3, 8]
    """
    total = len(values)
    if total <= 4 * buckets:
        return list(range(total))
    kept: list[int] = []
    for bucket in range(buckets):
        steps = range(bucket * total // buckets, (bucket + 1) * total // buckets)
        extremes = (min(steps, key=values.__getitem__), max(steps, key=values.__getitem__))
        kept += sorted({steps[0], *extremes, steps[-1]})
    return kept


def _points(series: Series) -> list[Mapping[str, Any]]:
    steps = thin(series.values, WIDTH)
    points = [{"series": series.label, "step": t, "value": series.values[t]} for t in steps]
    # The last value holds for its own step too.
    return [*points, points[-1] | {"step": len(series.values)}]


def _encoding(series: Sequence[Series], kind: str, choices: Sequence[Any], repeat: int) -> Any:
    """A channel that gives each series its own of ``choices``, going on after ``repeat`` series."""
    labels = [one.label for one in series]
    chosen = [choices[index // repeat % len(choices)] for index in range(len(labels))]
    longest = max(map(len, labels)) * _LETTER + 60
    legend = alt.Legend(
        symbolLimit=0,  # all of them, however many
        title=None,
        orient="bottom",
        columns=max(1, WIDTH // longest),
        labelLimit=WIDTH,
        offset=16,
    )
    channel = alt.Color if kind == "colour" else alt.StrokeDash
    return (
        channel("series:N")
        .scale(domain=labels, range=list(chosen))
        .legend(legend if len(labels) > 1 else None)
    )


def _vega_lite_version() -> str:
    """The one altair writes for, as ``6.1``."""
    return ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
