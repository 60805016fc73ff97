"""Where the results come from, and how to have them again."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote

from lrbench.report.document.blocks import Block, Bullets, Commands, Heading, Paragraph
from lrbench.report.escapes import printable
from lrbench.report.sections.facts import Facts

MOST = 8
"""Environments that are listed; the others are counted."""


def environment(facts: Facts) -> Iterator[Block]:
    """Versions and machines, with the number of their runs."""
    yield Heading("Environment")
    origins = facts.origins
    if origins.began:
        yield Paragraph(
            f"Trained from {printable(origins.began)} to {printable(origins.ended)} UTC.", "faint"
        )
    found = sorted(origins.environments.items(), key=lambda pair: -pair[1])
    items = [f"{printable(told)} ({runs} runs)." for told, runs in found[:MOST]]
    if len(found) > MOST:
        items.append(f"And {len(found) - MOST} more.")
    if items:
        yield Bullets(tuple(items))


def again(facts: Facts) -> Iterator[Block]:
    """Commands that make the runs, the checks and this report again."""
    yield Heading("How to reproduce")
    origins = facts.origins
    folder = quote(facts.path)
    if origins.commands:
        yield Paragraph("The same runs, in an empty folder or where some are missing:")
        yield Commands(origins.commands)
    if origins.unplanned:
        yield Paragraph(
            f"{origins.unplanned} runs are in no sweep's plan; lrbench replay makes each again "
            "from its record."
        )
    yield Paragraph("Whether these records are what they claim to be, and the same tables again:")
    yield Commands(
        (
            f"lrbench verify {folder}",
            f"lrbench check {folder}",
            f"lrbench compare {folder}",
            f"lrbench report {folder}",
        )
    )
