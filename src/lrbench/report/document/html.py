"""A report as one page that works without a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lrbench.report.charts.look import Look
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
from lrbench.report.page.frame import figure, page, swatch, text
from lrbench.report.tables import Column

LONG = 40
"""Letters of a cell from which on it is broken into lines."""


def to_html(document: Document) -> str:
    """The whole page; the sections can be jumped to from its top."""
    sections = [
        block.text for block in document.blocks if isinstance(block, Heading) and block.level == 2
    ]
    looks = {look.label: look for look in document.looks}
    body = ["<main>", f"<h1>{text(document.title)}</h1>"]
    is_before = True
    for block in document.blocks:
        if is_before and isinstance(block, Heading):
            is_before = False
            links = (f'<a href="#{anchor(name)}">{text(name)}</a>' for name in sections)
            body.append(f"<nav>{' '.join(links)}</nav>")
        body += _block(block, looks)
    return page(document.title, "\n".join([*body, "</main>"]), document.pictures)


def anchor(heading: str) -> str:
    """Where a section is, in an address."""
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in heading.lower())


def _block(block: Block, looks: Mapping[str, Look]) -> Iterator[str]:
    match block:
        case Heading(name, 2):
            yield f'<h2 id="{anchor(name)}">{text(name)}</h2>'
        case Heading(name):
            yield f"<h3>{text(name)}</h3>"
        case Paragraph(said, manner):
            kind = "" if manner == "plain" else f' class="{manner}"'
            yield f"<p{kind}>{text(said)}</p>"
        case Bullets(items):
            yield f"<ul>{''.join(f'<li>{text(item)}</li>' for item in items)}</ul>"
        case Commands(lines):
            yield f"<pre>{text_of_lines(lines)}</pre>"
        case Shown(picture):
            yield f"<h3>{text(picture.title)}</h3>"
            yield figure(picture)
        case Listing():
            yield from _listing(block, looks)


def text_of_lines(lines: Sequence[str]) -> str:
    """Each inert, one below the other."""
    return "\n".join(map(text, lines))


def _listing(block: Listing, looks: Mapping[str, Look]) -> Iterator[str]:
    rows = len(block.columns[0].cells) if block.columns else 0
    if block.is_long:
        yield f"<details><summary>{text(block.title)} ({rows} rows)</summary>"
    else:
        yield f'<p class="faint title">{text(block.title)}</p>'
    if block.columns:
        yield f'<div class="scroll" tabindex="0"><table aria-label="{text(block.title)}">'
        head = (f"<th{_kind(c)}>{text(c.header)}</th>" for c in block.columns)
        yield f"<thead><tr>{''.join(head)}</tr></thead><tbody>"
        for cells in zip(*(column.cells for column in block.columns), strict=True):
            pairs = zip(block.columns, cells, strict=True)
            yield f"<tr>{''.join(_cell(column, cell, looks) for column, cell in pairs)}</tr>"
        yield "</tbody></table></div>"
    if block.is_long:
        yield "</details>"
    if block.notes:
        notes = "".join(f"<li>{text(note)}</li>" for note in block.notes)
        yield f'<ul class="faint notes">{notes}</ul>'


def _kind(column: Column, cell: str = "") -> str:
    if not column.is_label:
        return ""
    return ' class="words long"' if len(cell) > LONG else ' class="words"'


def _cell(column: Column, cell: str, looks: Mapping[str, Look]) -> str:
    look = _look_of(cell, looks) if column.is_label else None
    return f"<td{_kind(column, cell)}>{swatch(look) if look else ''}{text(cell)}</td>"


def _look_of(cell: str, looks: Mapping[str, Look]) -> Look | None:
    """Of a contender, or of an arm of it: ``sgdr lr=0.1``."""
    if cell in looks:
        return looks[cell]
    fitting = [label for label in looks if cell.startswith(f"{label} ")]
    return looks[max(fitting, key=len)] if fitting else None
