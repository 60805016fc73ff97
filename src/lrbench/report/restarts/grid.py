"""Lines of text in columns, as many side by side as there is room for."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

GAP = 2
"""Blanks between two columns."""


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
    """A column of a plain table under up to two lines of heading."""

    head: tuple[str, str]
    cells: tuple[str, ...]
    is_text: bool = False


def plain_table(columns: Sequence[Column], width: int) -> Iterator[str]:
    """Columns side by side; the widest one of text is folded where they are too wide together."""
    widths = [max(map(len, (*column.head, *column.cells))) for column in columns]
    excess = sum(widths) + GAP * (len(widths) - 1) - width
    if excess > 0:
        texts = [i for i, column in enumerate(columns) if column.is_text]
        widest = max(texts, key=lambda i: widths[i])
        widths[widest] = max(8, widths[widest] - excess)
    for index in (0, 1):
        yield _row([(column.head[index], column) for column in columns], widths)
    for row in range(len(columns[0].cells)):
        parts = [
            folded(column.cells[row], w) if column.is_text else [column.cells[row]]
            for column, w in zip(columns, widths, strict=True)
        ]
        for line in range(max(map(len, parts))):
            cells = [part[line] if line < len(part) else "" for part in parts]
            yield _row(list(zip(cells, columns, strict=True)), widths)


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
    """A name in lines of at most ``width``, broken after its dots where that is possible."""
    lines = []
    while len(name) > width:
        cut = name.rfind(".", 0, width) + 1 or width
        lines.append(name[:cut])
        name = name[cut:]
    return [*lines, name]
