"""Curves in the terminal: a chart over steps, and a sparkline. Characters only."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

BLOCKS = "▁▂▃▄▅▆▇█"
MARKS = "ox+*#%@&"
"""What tells curves apart; curves beyond the eighth repeat them."""

_BRAILLE = 0x2800
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Bits of a braille character: left and right column, from the top."""

_LEAST_COLUMNS = 8
_TICK_EVERY = 12
"""Characters from one label of the step axis to the next, at least."""


@dataclass(frozen=True)
class Glyphs:
    """The characters of the axes; ``has_braille`` says whether one curve is drawn in dots."""

    side: str
    corner: str
    floor: str
    tick: str
    has_braille: bool


UNICODE = Glyphs("┤", "└", "─", "┴", has_braille=True)
ASCII = Glyphs("|", "+", "-", "+", has_braille=False)


def mark(index: int) -> str:
    """The character that stands for curve ``index`` where there are several."""
    return MARKS[index % len(MARKS)]


def chart(
    curves: Sequence[Sequence[float]],
    *,
    width: int,
    height: int = 13,
    glyphs: Glyphs = UNICODE,
) -> list[str]:
    """Curves over their steps, with both axes, as lines of at most ``width`` characters.

    Every column shows the lowest and the highest value of its steps and all between, joined to the
    value before, so no peak is lost. The value axis begins at 0, or at the lowest value if that is
    negative. One curve is drawn in braille dots, several with the characters of :func:`mark`; where
    they share a character's place they take turns.

    Parameters
    ----------
    curves : non-empty sequence of non-empty sequences of finite float
        Values at steps 0, 1, 2, …; shorter curves end earlier.
    width, height : int in [1, inf), in characters
        Of the whole chart, and of the drawing without the step axis.
    glyphs : Glyphs
        :data:`ASCII` where the output cannot take the others.

    Returns
    -------
    list of str
        ``height + 2`` lines without blanks at their ends.
    """
    low = min(0.0, *map(min, curves))
    high = max(map(max, curves))
    if high == low:
        high = low + 1.0
    labels = _labels(low, high, height)
    gutter = max(map(len, labels))
    columns = max(_LEAST_COLUMNS, width - gutter - 2)
    total = max(map(len, curves))
    draw = _dots if glyphs.has_braille and len(curves) == 1 else _marks
    rows = draw(curves, total, columns, height, low, high)
    lines = [
        f"{label:>{gutter}} {glyphs.side if label else ' '}{row}"
        for label, row in zip(labels, rows, strict=True)
    ]
    return [line.rstrip() for line in (*lines, *_step_axis(total, columns, gutter, glyphs))]


def sparkline(values: Sequence[float], width: int) -> str:
    """A curve in one line of ``width`` blocks, from 0 (the lowest) to its largest value.

    Each block stands for the mean of its part of the values; of fewer values than blocks, some
    take several blocks.

    Parameters
    ----------
    values : sequence of finite float in [0, inf)
    width : int in [0, inf), in characters

    Examples
    --------
    >>> sparkline([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 4)
    '▁▃▆█'
    """
    if not values:
        return ""
    means = [math.fsum(values[a:b]) / (b - a) for a, b in _buckets(len(values), width)]
    top = max(means, default=0.0)
    last = len(BLOCKS) - 1
    return "".join(BLOCKS[round(last * mean / top) if top > 0 else 0] for mean in means)


def _buckets(total: int, columns: int) -> Iterator[tuple[int, int]]:
    """The steps ``[first, end)`` of each column, at least one, all of them together."""
    for column in range(columns):
        first = column * total // columns
        yield first, max(first + 1, (column + 1) * total // columns)


def _spans(values: Sequence[float], total: int, columns: int) -> Iterator[tuple[float, float]]:
    """Lowest and highest value of each column that the curve reaches.

    The first column of a step also has the value before, so that the curve hangs together.
    """
    shown = 0
    for first, end in _buckets(total, columns):
        if first >= len(values):
            return
        within = values[max(0, min(first, shown - 1)) : end]
        shown = end
        yield min(within), max(within)


def _row(value: float, rows: int, low: float, high: float) -> int:
    """The row of a value, from the top: the lowest in the middle of the last one."""
    return round((high - value) / (high - low) * (rows - 1))


def _dots(
    curves: Sequence[Sequence[float]],
    total: int,
    columns: int,
    height: int,
    low: float,
    high: float,
) -> list[str]:
    cells = [[_BRAILLE] * columns for _ in range(height)]
    for x, (least, most) in enumerate(_spans(curves[0], total, columns * 2)):
        for y in range(_row(most, height * 4, low, high), _row(least, height * 4, low, high) + 1):
            cells[y // 4][x // 2] |= _DOTS[x % 2][y % 4]
    return ["".join(" " if code == _BRAILLE else chr(code) for code in row) for row in cells]


def _marks(
    curves: Sequence[Sequence[float]],
    total: int,
    columns: int,
    height: int,
    low: float,
    high: float,
) -> list[str]:
    present: list[list[list[str]]] = [[[] for _ in range(columns)] for _ in range(height)]
    for index, values in enumerate(curves):
        for x, (least, most) in enumerate(_spans(values, total, columns)):
            for y in range(_row(most, height, low, high), _row(least, height, low, high) + 1):
                present[y][x].append(mark(index))
    return [
        "".join(marks[x % len(marks)] if marks else " " for x, marks in enumerate(row))
        for row in present
    ]


def _labels(low: float, high: float, height: int) -> list[str]:
    """A label for the first, the middle and the last row; none for the others."""
    labels = [""] * height
    for row in {0, (height - 1) // 2, height - 1}:
        part = row / (height - 1) if height > 1 else 0.0
        labels[row] = f"{high + (low - high) * part:.3g}"
    return labels


def _step_axis(total: int, columns: int, gutter: int, glyphs: Glyphs) -> tuple[str, str]:
    """The axis line with its ticks, and their labels below; a tick stands above its first digit."""
    every = _round_up(total * _TICK_EVERY / columns)
    title = " step"
    line = [glyphs.floor] * columns
    labels = ""
    for step in range(0, total, every):
        column = step * columns // total
        text = str(step)
        if column + len(text) <= columns - len(title):
            line[column] = glyphs.tick
            labels = f"{labels:<{column}}{text}"
    indent = " " * (gutter + 1)
    return (
        f"{indent}{glyphs.corner}{''.join(line)}",
        f"{indent} {labels:<{columns - len(title)}}{title}",
    )


def _round_up(value: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, … that is not smaller."""
    scale = 1
    while True:
        for factor in (1, 2, 5):
            if factor * scale >= value:
                return factor * scale
        scale *= 10
