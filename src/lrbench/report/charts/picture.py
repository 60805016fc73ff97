"""A picture: a chart with its heading, its caption and its legend, before it becomes a file."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import altair as alt
from altair.utils.schemapi import debug_mode

from lrbench.report.charts.look import WIDTH, Look, theme
from lrbench.report.escapes import printable

_LETTERS_A_LINE = WIDTH // 6
"""Letters of a caption side by side, roughly."""


@dataclass(frozen=True)
class Picture:
    """What is shown to a reader, in whatever format.

    Parameters
    ----------
    name : str
        Short and of letters, digits and dashes: its place on a page.
    title : str
    caption : str
        What is drawn, of how many, thinned how.
    chart : alt.TopLevelMixin
        Without a title and without a configuration of its own.
    data : mapping of str to sequence of rows
        What the chart's named data are. They are not given to altair, which would look at each
        value to see whether it is one.
    looks : tuple of Look
        What a page has buttons for. The chart then has the parameter ``chosen``, a list of labels.
    rates : tuple of float
        Learning rates that a page offers, where the chart has the parameter ``rate``.
    panel : int in [1, inf)
        Width of a panel, in pixels; the views with exactly this width are made to fit a page.
    columns : int in [1, inf)
        Panels side by side, where there is room.
    hint : str
        What can be done with it on a page, in a sentence.
    """

    name: str
    title: str
    caption: str
    chart: Any
    data: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    looks: tuple[Look, ...] = ()
    rates: tuple[float, ...] = ()
    panel: int = WIDTH
    columns: int = 1
    hint: str = ""

    def static(self) -> dict[str, Any]:
        """The Vega-Lite specification of the picture on its own: heading and legend are in it."""
        # What draws the charts ends the whole process at some control characters.
        caption = textwrap.wrap(printable(self.caption), _LETTERS_A_LINE)
        title = alt.TitleParams(printable(self.title), subtitle=caption)
        return _without_invisible(self._spec(theme())) | {"title": title.to_dict()}

    def for_page(self) -> dict[str, Any]:
        """The same for a page, which has heading, caption and legend around it."""
        spec = self._spec(theme(for_page=True))
        del spec["$schema"]
        return _without_legends(spec) if self.looks else spec

    def _spec(self, config: dict[str, Any]) -> dict[str, Any]:
        spec = dict(self.chart.to_dict(validate=False)) | {"config": config}
        spec |= {"datasets": spec.get("datasets", {}) | dict(self.data)}
        for parameter in spec.get("params", []):
            if "views" in parameter:
                # altair gives views other names than they were given.
                parameter["views"] = _views(spec, tuple(parameter["views"]))
        return spec


@contextmanager
def drawing_many() -> Iterator[None]:
    """Without a check of every part of a chart against Vega-Lite's schema, which tests make: it
    takes as long as everything else that is done to a chart.
    """
    with debug_mode(False):
        yield


def _views(spec: dict[str, Any], prefixes: tuple[str, ...]) -> list[str]:
    parts = [part for key in ("vconcat", "concat", "layer") for part in spec.get(key, [])]
    names = [str(part["name"]) for part in parts if "layer" not in part and "name" in part]
    inner = [name for part in parts for name in _views(part, prefixes)]
    return [name for name in names if name.startswith(prefixes)] + inner


def _without_legends(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_legends(item) for item in value]
    if not isinstance(value, dict):
        return value
    rest = {
        key: item if key == "datasets" else _without_legends(item) for key, item in value.items()
    }
    return rest | {"legend": None} if "legend" in value and "field" in value else rest


def _without_invisible(spec: dict[str, Any]) -> dict[str, Any]:
    """The specification without layers that are there for the pointer alone."""
    for key in ("vconcat", "hconcat", "concat"):
        if key in spec:
            return spec | {key: [_without_invisible(part) for part in spec[key]]}
    if "layer" not in spec:
        return spec
    layers = [layer for layer in spec["layer"] if layer["mark"].get("opacity") != 0]
    return spec | {"layer": layers}
