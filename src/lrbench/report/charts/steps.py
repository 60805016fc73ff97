"""Series over steps: what ``preview --plot`` draws of schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import altair as alt

from lrbench.report.charts.look import COLOURS, DASHES, HEIGHT, RULE, WIDTH
from lrbench.report.charts.picture import Picture
from lrbench.report.charts.thinning import thin
from lrbench.report.escapes import printable

MOST_RULES = 60
"""Marked steps that are still drawn; of more, the rules would hide the curves."""

_LETTER = 7
"""Pixels of a letter of the legend, generously."""


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


def step_chart(series: Sequence[Series], *, title: str, subtitle: str, y_title: str) -> Picture:
    """Series over steps as stairs, the value axis from 0, with a legend if there are several.

    A long series is drawn with the points of :func:`~lrbench.report.charts.thinning.thin`, which
    look the same.

    Parameters
    ----------
    series : non-empty sequence of Series, with different labels
    title, subtitle : str
    y_title : str
        In words of lrbench's own.
    """
    # What draws the charts ends the whole process at some control characters.
    series = [replace(one, label=printable(one.label)) for one in series]
    total = max(len(one.values) for one in series)
    colour = _encoding(series, "colour", COLOURS, 1)
    dash = _encoding(series, "dash", DASHES, len(COLOURS))
    x = alt.X("step:Q").title("step").scale(domain=[0, total], nice=False).axis(grid=False)
    y = alt.Y("value:Q").title(y_title).scale(zero=True)
    curves = (
        alt.Chart(alt.InlineData(values=[point for one in series for point in _points(one)]))
        .mark_line(interpolate="step-after", strokeWidth=2, strokeJoin="round")
        .encode(x=x, y=y, color=colour, strokeDash=dash, detail=alt.Detail("series:N"))
    )
    layers = [curves]
    marked = sorted({step for one in series for step in one.marked})
    if 0 < len(marked) <= MOST_RULES:
        rules = alt.Chart(alt.InlineData(values=[{"step": step} for step in marked]))
        layers.insert(0, rules.mark_rule(color=RULE, strokeDash=[2, 3]).encode(x=x))
    chart = alt.LayerChart(layer=layers, width=WIDTH, height=HEIGHT)
    return Picture("steps", title, subtitle, chart)


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
        symbolSize=300,
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
