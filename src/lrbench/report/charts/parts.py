"""What several charts are made of: channels in the looks of contenders, words for metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from lrbench.report.charts.look import WIDTH, Look

NAMES = {"val_loss": "validation loss", "val_accuracy": "validation accuracy"}

CHOSEN = "chosen.length === 0 || indexof(chosen, datum.arm) >= 0"
"""Whether a row's contender is one that a reader of a page has chosen, or none was."""

_LETTER = 7
"""Pixels of a letter of the legend, generously."""


def chosen(labels: Sequence[str] = ()) -> alt.VariableParameter:
    """The labels that a reader has chosen."""
    return alt.VariableParameter(name="chosen", value=list(labels))


def dimmed(strong: float = 1.0) -> Any:
    """Opacity: faint where others are chosen."""
    return alt.condition(CHOSEN, alt.value(strong), alt.value(min(strong, 0.1)))


def colour(looks: Sequence[Look]) -> alt.Color:
    """Of the field ``arm``, with its legend."""
    return (
        alt.Color("arm:N")
        .scale(domain=_labels(looks), range=[look.colour for look in looks])
        .legend(_legend(looks))
    )


def dash(looks: Sequence[Look]) -> alt.StrokeDash:
    """Of the field ``arm``; in the same legend."""
    return (
        alt.StrokeDash("arm:N")
        .scale(domain=_labels(looks), range=[list(look.dash) for look in looks])
        .legend(_legend(looks))
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


def _legend(looks: Sequence[Look]) -> alt.Legend | None:
    if len(looks) < 2:
        return None
    longest = max(map(len, _labels(looks))) * _LETTER + 60
    return alt.Legend(
        title=None,
        orient="top",
        symbolLimit=0,  # all of them, however many
        symbolOpacity=1,
        labelLimit=WIDTH,
        columns=max(1, WIDTH // longest),
    )
