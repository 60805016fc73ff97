"""What was done with the runs besides training them, for whoever doubts how they were chosen."""

from __future__ import annotations

from collections.abc import Iterator

from lrbench.record.notes import Note
from lrbench.report.document.blocks import Block, Bullets, Heading, Listing, Paragraph
from lrbench.report.escapes import printable
from lrbench.report.notices import some
from lrbench.report.numbers import ABSENT
from lrbench.report.remarks import Remarks
from lrbench.report.sections.facts import Facts
from lrbench.report.tables import Column

MOST_LOOKS = 12
"""Looks at the test split that are listed, the first ones; the others are counted."""

MOST_TAGS = 40

MOST_NOTES = 100
"""Notes in the table, the latest ones."""

LONGEST = 400
"""Characters of a note in the table."""

SHORT = 12
"""Notes that a page shows unasked."""


def remarks(facts: Facts) -> Iterator[Block]:
    """Looks at the test split, counted, then tags, then notes as they were written."""
    found = facts.remarks
    yield Heading("Test data, tags and notes")
    yield from _looks(found)
    if found.tags:
        told = [f"{printable(tag)} ({_runs(count)})" for tag, count in found.tags.items()]
        more = [f"and {len(told) - MOST_TAGS} more"] if len(told) > MOST_TAGS else []
        yield Paragraph(f"Tags: {', '.join([*told[:MOST_TAGS], *more])}.")
    else:
        yield Paragraph("No run has a tag.")
    yield from _notes(found)


def _looks(found: Remarks) -> Iterator[Block]:
    if not found.test_uses:
        yield Paragraph(
            f"By their records, the test split was never looked at with any of these "
            f"{_runs(found.runs)}."
        )
        return
    times = len(found.test_uses)
    often = "once" if times == 1 else f"on {times} occasions"
    yield Paragraph(
        f"The test split was looked at {often}, with {found.tested} of {_runs(found.runs)}.",
        "plain" if times == 1 else "warn",
    )
    items = [f"{_when(moment)} ({_runs(count)})." for moment, count in found.test_uses.items()]
    if times > MOST_LOOKS:
        items = [*items[:MOST_LOOKS], f"And {times - MOST_LOOKS} more."]
    if times > 1:
        items.append(
            "Whatever was chosen between the first look and a later one may have been chosen by "
            "test data."
        )
    if found.begun_after:
        was = "was" if found.begun_after == 1 else "were"
        items.append(
            f"{_runs(found.begun_after)} {was} begun after the first look: how they were set up "
            "may follow from it."
        )
    yield Bullets(tuple(items))


def _notes(found: Remarks) -> Iterator[Block]:
    if found.notes:
        shown = found.notes[-MOST_NOTES:]
        left = len(found.notes) - len(shown)
        yield Listing(
            f"notes written after the start of runs, {len(found.notes)} in all",
            (
                Column("written (UTC)", tuple(_when(n.written) for _, n in shown), is_label=True),
                Column("run", tuple(printable(run) for run, _ in shown), is_label=True),
                Column("note", tuple(_text(n) for _, n in shown), is_label=True),
                Column("tags", tuple(_tags(n) for _, n in shown), is_label=True),
            ),
            (f"{left} earlier ones are not shown: lrbench log RUN tells all of a run",)
            if left
            else (),
            is_long=len(shown) > SHORT,
        )
    else:
        yield Paragraph("No note was written after the start of a run.")
    if found.damaged:
        yield Bullets((f"Damaged, and not shown: {some(map(printable, found.damaged), ', ')}.",))


def _text(note: Note) -> str:
    shown = printable(" ".join(note.text.split()))
    return f"{shown[:LONGEST]} … ({len(note.text)} characters)" if len(shown) > LONGEST else shown


def _tags(note: Note) -> str:
    changes = [*(f"+{tag}" for tag in note.tags), *(f"-{tag}" for tag in note.untags)]
    return printable(" ".join(changes)) or ABSENT


def _when(moment: str) -> str:
    return printable(moment[:16].replace("T", " "))


def _runs(many: int) -> str:
    return f"{many} run{'' if many == 1 else 's'}"
