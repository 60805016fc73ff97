"""The look that all charts share: colours, dashes and shapes of arms, sizes, the theme."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lrbench.report.escapes import printable

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#8822EE", "#EE0044")
"""Told apart with any colour vision, and seen on white and on nearly black (contrast 3 or more).

The first four are Okabe and Ito's; others of theirs are too faint on white or too dark on black.
"""

DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3))
"""Solid for the first six, then these, so that 24 series differ."""

SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")

WIDTH, HEIGHT = 720, 360
"""Of the plot itself, in pixels. A page makes a chart as wide as it has room."""

INK, FAINT, RULE, GRID = "#1F2430", "#6B7280", "#9CA3AF", "#E5E7EB"

MIDDLE = "#7A7F87"
"""Grey that is seen on white and on black, for what belongs to no arm."""

DARK = "#14161A"
"""The ground of a page in the dark."""

FONT = "Helvetica, Arial, sans-serif"


@dataclass(frozen=True)
class Look:
    """How one contender is drawn, in every chart and in every table.

    Parameters
    ----------
    label : str
        Printable.
    colour : str
        ``#RRGGBB``
    dash : tuple of int
    shape : str
        Of points; it tells apart what colour alone does not.
    """

    label: str
    colour: str
    dash: tuple[int, ...]
    shape: str


def cast(labels: Iterable[str]) -> tuple[Look, ...]:
    """A look for each of different labels, by its place: the first six have colours of their own.

    Examples
    --------
    >>> [look.colour for look in cast(["a", "b"])]
    ['#0072B2', '#D55E00']
    """
    shown = dict.fromkeys(map(printable, labels))
    return tuple(
        Look(
            label,
            COLOURS[place % len(COLOURS)],
            DASHES[place // len(COLOURS) % len(DASHES)],
            SHAPES[place % len(SHAPES)],
        )
        for place, label in enumerate(shown)
    )


def theme(*, for_page: bool = False) -> dict[str, Any]:
    """Vega-Lite's configuration; on a page the ground is the page's own."""
    return {
        "font": FONT,
        "background": "transparent" if for_page else "white",
        "padding": 4 if for_page else 16,
        "view": {"stroke": None},
        "title": {
            "anchor": "start",
            "fontSize": 16,
            "color": INK,
            "subtitleColor": FAINT,
            "subtitleFontSize": 12,
            "offset": 12,
        },
        "axis": {
            "labelColor": FAINT,
            "titleColor": INK,
            "labelFontSize": 11,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "titlePadding": 8,
            "gridColor": GRID,
            "domainColor": RULE,
            "tickColor": RULE,
        },
        "legend": {
            "labelColor": INK,
            "titleColor": INK,
            "labelFontSize": 12,
            "titleFontWeight": "normal",
            "symbolStrokeWidth": 2.5,
            "symbolSize": 160,
        },
    }
