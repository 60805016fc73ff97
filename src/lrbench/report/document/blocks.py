"""What a report is made of, before it has a format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from lrbench.report.charts.look import Look
from lrbench.report.charts.picture import Picture
from lrbench.report.tables import Column


@dataclass(frozen=True)
class Heading:
    """Of a section (level 2) or of a part of one (level 3)."""

    text: str
    level: Literal[2, 3] = 2


@dataclass(frozen=True)
class Paragraph:
    """One or more sentences; ``manner`` says how much they weigh."""

    text: str
    manner: Literal["plain", "lead", "faint", "warn"] = "plain"


@dataclass(frozen=True)
class Bullets:
    """Sentences of equal weight."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Listing:
    """A table with a caption above and sentences below; ``is_long``: a page may fold it up."""

    title: str
    columns: tuple[Column, ...]
    notes: tuple[str, ...] = ()
    is_long: bool = False


@dataclass(frozen=True)
class Shown:
    """A picture with its title as heading of level 3."""

    picture: Picture


@dataclass(frozen=True)
class Commands:
    """Lines for a shell."""

    lines: tuple[str, ...]


Block = Heading | Paragraph | Bullets | Listing | Shown | Commands


@dataclass(frozen=True)
class Document:
    """A report.

    Parameters
    ----------
    title : str
    blocks : sequence of Block
    looks : tuple of Look
        Of the contenders: their names in tables get them.
    """

    title: str
    blocks: Sequence[Block]
    looks: tuple[Look, ...] = field(default=())

    @property
    def pictures(self) -> list[Picture]:
        """All of them, in order."""
        return [block.picture for block in self.blocks if isinstance(block, Shown)]
