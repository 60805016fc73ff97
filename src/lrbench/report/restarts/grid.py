"""Lines of text in columns, as many side by side as there is room for."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

GAP = 2
"""Blanks between two columns."""

FOLDED = 7
"""Characters that a column of text is not folded below."""


@dataclass(frozen=True)
class Line:
    """A label and a cell for each column; no cells: a heading."""

    label: str
    cells: tuple[str, ...] = ()


def side_by_side(heads: Sequence[str], lines: Sequence[Line], width: int) -> Iterator[str]:
    """A column for each of ``heads``; those without room stand in a table of their own below."""
    first = max(len(line.label) for line in lines if line.cells)
    with_cells = [line.cells for line in lines if line.cells]
    widths = [
        max(len(head), *(len(cells[i]) for cells in with_cells)) for i, head in enumerate(heads)
    ]
    for chosen in _parts(widths, width - first):
        if chosen[0] > 0:
            yield ""
        yield _joined("", [heads[i] for i in chosen], [first, *(widths[i] for i in chosen)])
        for line in lines:
            cells = [line.cells[i] for i in chosen] if line.cells else []
            yield _joined(line.label, cells, [first, *(widths[i] for i in chosen)])


def _parts(widths: Sequence[int], room: int) -> list[list[int]]:
    """Neighbouring columns that fit side by side."""
    parts: list[list[int]] = [[]]
    for index, width in enumerate(widths):
        if parts[-1] and sum(widths[i] + GAP for i in parts[-1]) + width + GAP > room:
            parts.append([])
        parts[-1].append(index)
    return parts


def _joined(label: str, cells: Sequence[str], widths: Sequence[int]) -> str:
    if not cells:
        return label
    numbers = (f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True))
    return (" " * GAP).join([f"{label:<{widths[0]}}", *numbers])


@dataclass(frozen=True)
class Column:
    """A column of a plain table under up to two lines of heading.

    ``cells_of`` is the column of a log that its cells are from, where there is one.
    """

    head: tuple[str, str]
    cells: tuple[str, ...]
    is_text: bool = False
    cells_of: str = ""


def plain_table(columns: Sequence[Column], width: int) -> Iterator[str]:
    """Columns side by side; the widest ones of text are folded where they are too wide together."""
    widths = _widths(columns)
    texts = [i for i, column in enumerate(columns) if column.is_text]
    for _ in range(max(0, excess_width(columns, width))):
        widest = max(texts, key=lambda i: widths[i])
        widths[widest] = max(FOLDED, widths[widest] - 1)
    for index in (0, 1):
        if any(column.head[index] for column in columns):
            yield _row([(column.head[index], column) for column in columns], widths)
    for row in range(len(columns[0].cells)):
        parts = [
            folded(column.cells[row], w) if column.is_text else [column.cells[row]]
            for column, w in zip(columns, widths, strict=True)
        ]
        for line in range(max(map(len, parts))):
            cells = [part[line] if line < len(part) else "" for part in parts]
            yield _row(list(zip(cells, columns, strict=True)), widths)


def excess_width(columns: Sequence[Column], width: int) -> int:
    """By how many characters columns side by side are too wide; 0 or less: they fit."""
    return sum(_widths(columns)) + GAP * (len(columns) - 1) - width


def _widths(columns: Sequence[Column]) -> list[int]:
    return [max(map(len, (*column.head, *column.cells))) for column in columns]


def _row(cells: Sequence[tuple[str, Column]], widths: Sequence[int]) -> str:
    parts = [
        f"{cell:<{w}}" if column.is_text else f"{cell:>{w}}"
        for (cell, column), w in zip(cells, widths, strict=True)
    ]
    return (" " * GAP).join(parts).rstrip()


def fill(text: str, width: int, indent: str = "") -> list[str]:
    """A paragraph; a word that is too long for a line is left whole."""
    return textwrap.wrap(
        text, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def folded(name: str, width: int) -> list[str]:
    """A name in lines of at most ``width``, broken at blanks or dots where that is possible."""
    lines = []
    while len(name) > width:
        cut = (name.rfind(" ", 0, width) + 1) or (name.rfind(".", 0, width) + 1) or width
        lines.append(name[:cut].rstrip())
        name = name[cut:]
    return [*lines, name]
