"""What was asked, and what was held equal while it was."""

from __future__ import annotations

from collections.abc import Iterator

from lrbench.report.comparison.tables import only_differs
from lrbench.report.comparison.values import Task
from lrbench.report.document.blocks import Block, Bullets, Heading, Listing, Paragraph
from lrbench.report.escapes import printable
from lrbench.report.notices import SHOWN, some
from lrbench.report.restarts.measures import short
from lrbench.report.sections.facts import Facts
from lrbench.report.sections.words import sentence
from lrbench.report.settings import show
from lrbench.report.tables import Column

MOST = 12
"""Different notes from the launch that are shown, those of most runs; the others are counted."""


def question(facts: Facts) -> Iterator[Block]:
    """What is compared, by what, on what."""
    found = facts.comparison
    yield Heading("The question")
    for task in found.tasks:
        labels = [one.label for one in task.contenders]
        where = f"On {_place(task, facts)}: "
        if len(labels) == 1:
            yield Paragraph(f"{where}what does {labels[0]} do?")
            continue
        others = [label for label in labels if label != task.baseline]
        listed = some(others, ", ")
        if 1 < len(others) <= SHOWN:
            listed = f"{', '.join(others[:-1])} and {others[-1]}"
        does = "does" if len(others) == 1 else "do"
        yield Paragraph(
            f"{where}{does} {listed} do better than {task.baseline}, by the last "
            f"{facts.metric} of each run?"
        )
    if found.margin is not None:
        yield Paragraph(
            f"Differences smaller than {short(found.margin)} were said to be of no matter."
        )
    notes = sorted(facts.origins.notes.items(), key=lambda pair: -pair[1])
    for note, runs in notes[:MOST]:
        yield Paragraph(f"Noted at launch ({_runs(runs)}): {printable(note)}", "faint")
    if len(notes) > MOST:
        yield Paragraph(f"And {len(notes) - MOST} other notes at launch.", "faint")


def equal(facts: Facts) -> Iterator[Block]:
    """What the arms have in common, and how that is known."""
    found = facts.comparison
    yield Heading("What was held equal")
    items = [sentence(found.inputs)] if found.inputs else []
    items += [sentence(only_differs(task)) for task in found.tasks if task.bases]
    items += [
        f"{task.label or 'All'}: also differing, besides what is compared: "
        f"{', '.join(map(printable, task.beyond))}."
        for task in found.tasks
        if task.beyond
    ]
    if items:
        yield Bullets(tuple(dict.fromkeys(items)))
    keys = sorted(facts.equal)
    if keys:
        yield Listing(
            "settings that all arms share",
            (
                Column("setting", tuple(map(printable, keys)), is_label=True),
                Column("value", tuple(show(key, facts.equal[key]) for key in keys), is_label=True),
            ),
            is_long=True,
        )


def _place(task: Task, facts: Facts) -> str:
    if task.label:
        return task.label
    known = (show(key, facts.equal[key]) for key in ("dataset", "model") if key in facts.equal)
    return " with ".join(known) or facts.name


def _runs(many: int) -> str:
    return f"{many} run{'' if many == 1 else 's'}"
