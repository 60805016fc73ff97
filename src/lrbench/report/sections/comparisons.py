"""The paired comparisons: every table of ``lrbench compare``, and its pictures."""

from __future__ import annotations

from collections.abc import Iterator

from lrbench.report.comparison.tables import Table, of_across, of_contenders, of_task
from lrbench.report.document.blocks import Block, Heading, Listing, Paragraph, Shown
from lrbench.report.sections.facts import Facts

SHORT = 24
"""Rows of a table that a page shows unasked."""


def comparisons(facts: Facts) -> Iterator[Block]:
    """Task by task; over the tasks where there are several."""
    found = facts.comparison
    if not any(task.bases for task in found.tasks):
        if any(label in facts.sensitivities for label in _labels(facts)):
            yield Heading("Sensitivity")
            for label in _labels(facts):
                if label in facts.sensitivities:
                    yield Shown(facts.sensitivities[label])
        return
    yield Heading("Paired comparisons")
    yield Paragraph(
        "Better by: the difference to the baseline, seed by seed; of a loss as of an accuracy it "
        "is positive where the contender did better. The intervals are of single comparisons; "
        "Holm p and the verdicts hold for all of a table together.",
        "faint",
    )
    for task in found.tasks:
        if task.label:
            yield Heading(task.label, 3)
        tables = list(of_task(task, found))
        means = of_contenders(task, found)
        if task.label in facts.differences:
            yield Shown(facts.differences[task.label])
        for table in tables:
            # The sentences stand in the answer, how many diverged with what succeeded.
            told = {row.sentence for basis in task.bases for row in basis.rows}
            notes = () if table.title == means.title else table.notes
            yield _listing(table, tuple(note for note in notes if note not in told))
        if task.label in facts.sensitivities:
            yield Shown(facts.sensitivities[task.label])
    if found.across:
        yield Heading("Over the tasks", 3)
        table = of_across(found.across, found.metric)
        yield _listing(table, table.notes)


def _labels(facts: Facts) -> list[str]:
    return [task.label for task in facts.comparison.tasks]


def _listing(table: Table, notes: tuple[str, ...]) -> Listing:
    rows = len(table.columns[0].cells) if table.columns else 0
    return Listing(table.title, tuple(table.columns), notes, is_long=rows > SHORT)
