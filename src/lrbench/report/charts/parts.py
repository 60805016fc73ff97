"""What several charts are made of: channels in the looks of contenders, words for metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt

from lrbench.report.charts.look import WIDTH, Look

NAMES = {"val_loss": "validation loss", "val_accuracy": "validation accuracy"}

CHOSEN = "chosen.length === 0 || indexof(chosen, datum.arm) >= 0"
"""Whether a row's contender is one that a reader of a page has chosen, or none was."""

BEYOND = 0.3

_NARROW, _WIDE = 1.0, 2.5
"""Powers of ten on a logarithmic axis below which it has more lines, and above which fewer."""

_MOST_POWERS = 6
"""Lines at powers of ten."""

_LETTER = 7
"""Pixels of a letter of the legend, generously."""


def chosen(labels: Sequence[str] = ()) -> alt.VariableParameter:
    """The labels that a reader has chosen."""
    return alt.VariableParameter(name="chosen", value=list(labels))


def dimmed(strong: float = 1.0) -> alt.OpacityValue:
    """Opacity: faint where others are chosen."""
    return alt.OpacityValue(min(strong, 0.1), condition={"test": CHOSEN, "value": strong})


def fixed_x(place: float | str) -> alt.XValue:
    """A place that no data decide: a pixel, or ``width``."""
    return alt.XValue(place)  # type: ignore[no-untyped-call]


def fixed_y(place: float | str) -> alt.YValue:
    """The same from the top."""
    return alt.YValue(place)  # type: ignore[no-untyped-call]


def extent(values: Sequence[float], others: Sequence[float | None], *, is_log: bool) -> list[float]:
    """From the lowest to the highest of ``values``, and somewhat beyond if ``others`` lie there.

    An interval of two seeds, or a run that diverges, would leave no room for the rest: they count
    as far as :data:`BEYOND` of the range of ``values`` to either side.
    """
    if not values:
        return [0.1, 1.0]
    low, high = min(values), max(values)
    known = [other for other in others if other is not None]
    lowest, highest = min([low, *known]), max([high, *known])
    if is_log:
        room = (high / low) ** BEYOND
        return [max(lowest, low / room), min(highest, high * room)]
    room = BEYOND * (high - low)
    return [max(lowest, low - room), min(highest, high + room)]


def value_scale(low: float, high: float, *, is_log: bool) -> alt.Scale:
    """From ``low`` to ``high`` and a little beyond, wherever 0 is."""
    if is_log:
        return alt.Scale(type="log", domain=[low / 1.1, high * 1.1], nice=False, clamp=True)
    room = (high - low) * 0.04 or abs(low) * 0.04 or 1.0
    return alt.Scale(domain=[low - room, high + room], nice=False, zero=False)


def value_axis(scale: alt.Scale, *, lines: int = 5, **settings: Any) -> alt.Axis:
    """Few lines; on a logarithmic scale at 1, 2 and 5 of each power of ten, or at these alone."""
    plain = scale.to_dict()
    if plain.get("type") != "log":
        return alt.Axis(tickCount=lines, **settings)
    low, high = plain["domain"]
    wide = math.log10(high / low)
    every = max(1, math.ceil(wide / _MOST_POWERS))
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1, every)
    factors: tuple[float, ...] = (1, 2, 5) if wide < _WIDE else (1,)
    if wide < _NARROW:
        factors = (1, 1.5, 2, 3, 5, 7)
    ticks = [float(f"{factor}e{power}") for power in powers for factor in factors]
    shown = [tick for tick in ticks if low <= tick <= high]
    chosen_values: dict[str, Any] = {"values": shown} if shown else {}
    return alt.Axis(format="~g", **chosen_values, **settings)


def colour(looks: Sequence[Look], symbol: str | None = None) -> alt.Color:
    """Of the field ``arm``, with its legend; its symbols are the shapes, where nothing is said."""
    return (
        alt.Color("arm:N")
        .scale(domain=_labels(looks), range=[look.colour for look in looks])
        .legend(_legend(looks, symbol))
    )


def dash(looks: Sequence[Look], symbol: str | None = None) -> alt.StrokeDash:
    """Of the field ``arm``; in the same legend."""
    return (
        alt.StrokeDash("arm:N")
        .scale(domain=_labels(looks), range=[list(look.dash) for look in looks])
        .legend(_legend(looks, symbol))
    )


def shape(looks: Sequence[Look]) -> alt.Shape:
    """Of the field ``arm``; in the same legend."""
    return (
        alt.Shape("arm:N")
        .scale(domain=_labels(looks), range=[look.shape for look in looks])
        .legend(_legend(looks))
    )


def _labels(looks: Sequence[Look]) -> list[str]:
    return [look.label for look in looks]


def _legend(looks: Sequence[Look], symbol: str | None = None) -> alt.Legend | None:
    if len(looks) < 2:
        return None
    longest = max(map(len, _labels(looks))) * _LETTER + 60
    symbols: dict[str, Any] = {"symbolType": symbol} if symbol else {}
    return alt.Legend(
        title=None,
        orient="top",
        symbolLimit=0,  # all of them, however many
        symbolOpacity=1,
        labelLimit=WIDTH,
        columns=max(1, WIDTH // longest),
        **symbols,
    )
