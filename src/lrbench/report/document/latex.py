"""A report as LaTeX: a document of its own, everything but the pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from lrbench.report.document.blocks import (
    Block,
    Bullets,
    Commands,
    Document,
    Heading,
    Listing,
    Paragraph,
    Shown,
)
from lrbench.report.escapes import latex, latex_line, latex_typed
from lrbench.report.tables import Column
from lrbench.report.tables import to_latex as table

_PREAMBLE = r"""\documentclass[a4paper]{article}
\usepackage[T1]{fontenc}
\usepackage[margin=2.2cm]{geometry}
\usepackage{textcomp}
\usepackage{booktabs,graphicx}
\setlength{\parindent}{0pt}
\setlength{\parskip}{0.6em}
% The words of a path are long: rather wide spaces than letters in the margin.
\emergencystretch=4em
\begin{document}"""

ROWS = 40
"""Of a table on one page."""

_SHRUNK = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%" + "\n"


def to_latex(document: Document) -> str:
    """What LaTeX makes pages of; tables are shrunk to the width of the text."""
    parts = [_PREAMBLE, rf"\section*{{{_breakable(latex(document.title))}}}"]
    parts += [part for block in document.blocks for part in _block(block)]
    return "\n\n".join([*parts, r"\end{document}"]) + "\n"


def _block(block: Block) -> Iterator[str]:
    match block:
        case Heading(name, level):
            yield rf"\{'sub' * (level - 1)}section*{{{latex(name)}}}"
        case Paragraph(said, manner):
            told = _breakable(latex(said))
            yield rf"\textbf{{{told}}}" if manner in ("lead", "warn") else told
        case Bullets(items):
            yield _items(items)
        case Commands(lines):
            told = "\\\\\n".join(_breakable(latex_typed(line)) for line in lines)
            yield rf"{{\ttfamily\small\raggedright {told}\par}}"
        case Listing(title, columns, notes):
            yield rf"\textit{{{latex(title)}}}\par\nopagebreak"
            for part in _parts(columns):
                yield f"{_SHRUNK}{table(part)}}}"
            if notes:
                yield rf"{{\small {_items(notes)}}}"
        case Shown():
            pass


def _parts(columns: Sequence[Column]) -> Iterator[list[Column]]:
    """The rows of a table, as many as a page has room for."""
    rows = len(columns[0].cells) if columns else 0
    for first in range(0, rows, ROWS):
        yield [replace(one, cells=one.cells[first : first + ROWS]) for one in columns]


def _items(items: tuple[str, ...]) -> str:
    lines = "\n".join(rf"\item {_breakable(latex_line(item))}" for item in items)
    return f"\\begin{{itemize}}\n{lines}\n\\end{{itemize}}"


def _breakable(told: str) -> str:
    """A path may be broken at a slash."""
    return told.replace("/", r"/\allowbreak{}")
