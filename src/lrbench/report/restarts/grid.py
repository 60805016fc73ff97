"""Lines of text in columns, as many side by side as there is room for."""

from __future__ import annotations

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
    label = max(len(line.label) for line in lines if line.cells)
    columns = range(len(heads))
    widest = max(len(cell) for line in lines for cell in (*heads, *line.cells))
    fitting = max(1, (width - label) // (widest + GAP))
    for start in range(0, len(heads), fitting):
        chosen = columns[start : start + fitting]
        if start:
            yield ""
        yield _joined("", [heads[i] for i in chosen], label, widest)
        for line in lines:
            cells = [line.cells[i] for i in chosen] if line.cells else []
            yield _joined(line.label, cells, label, widest)


def _joined(label: str, cells: Sequence[str], label_width: int, cell_width: int) -> str:
    if not cells:
        return label
    parts = [f"{label:<{label_width}}", *(f"{cell:>{cell_width}}" for cell in cells)]
    return (" " * GAP).join(parts)


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


def folded(name: str, width: int) -> list[str]:
    """A name in lines of at most ``width``, broken after its dots where that is possible."""
    lines = []
    while len(name) > width:
        cut = name.rfind(".", 0, width) + 1 or width
        lines.append(name[:cut])
        name = name[cut:]
    return [*lines, name]
