"""A report as Markdown: everything but the pictures."""

from __future__ import annotations

from collections.abc import Iterator

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
from lrbench.report.escapes import markdown, printable
from lrbench.report.tables import to_markdown as table


def to_markdown(document: Document) -> str:
    """The text; pictures are named, and drawn by the page alone."""
    parts = [f"# {markdown(document.title)}"]
    parts += [part for block in document.blocks for part in _block(block)]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> Iterator[str]:
    match block:
        case Heading(name, level):
            yield f"{'#' * level} {markdown(name)}"
        case Paragraph(said, manner):
            yield f"**{markdown(said)}**" if manner in ("lead", "warn") else markdown(said)
        case Bullets(items):
            yield "\n".join(f"- {markdown(item)}" for item in items)
        case Commands(lines):
            # Indented, so that no line can end it.
            yield "\n".join(f"    {printable(line)}" for line in lines)
        case Listing(title, columns, notes):
            yield f"*{markdown(title)}*"
            if columns:
                yield table(columns)
            if notes:
                yield "\n".join(f"- {markdown(note)}" for note in notes)
        case Shown(picture):
            yield f"*Picture, in the page: {markdown(picture.title)}. {markdown(picture.caption)}*"
