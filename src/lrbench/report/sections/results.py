"""Every arm, every seed, and what they cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lrbench.report.charts.picture import Picture
from lrbench.report.comparison.effort import of_cost
from lrbench.report.document.blocks import Block, Bullets, Heading, Listing, Paragraph, Shown
from lrbench.report.escapes import printable
from lrbench.report.notices import some
from lrbench.report.sections.facts import Facts
from lrbench.report.sections.words import sentence
from lrbench.report.tables import columns

SHORT = 30
"""Rows of a table that a page shows unasked."""

_LEFT_OUT = ("best", "variance")
"""Columns of ``lrbench summarize`` that a report does without: best evaluations of runs look better
than a run that ends there, and a variance is a standard deviation squared."""


def results(facts: Facts) -> Iterator[Block]:
    """A row an arm for each metric, pictures of the seeds and of the way there."""
    yield Heading("Results")
    for metric in facts.metrics:
        chosen = columns(facts.arms, metric, facts.level, has_target=False)
        yield Listing(
            f"{metric}, last evaluation of each run, all arms",
            tuple(column for column in chosen if not column.header.startswith(_LEFT_OUT)),
            is_long=len(facts.arms) > SHORT,
        )
    for task in facts.comparison.tasks:
        yield from _shown(facts.seeds.get(task.label))
        yield from _shown(facts.curves.get(task.label))
    yield from _costs(facts)


def outcomes(facts: Facts) -> Iterator[Block]:
    """What succeeded and what did not: runs by what became of them, and why."""
    yield Heading("What succeeded and what did not")
    counts = Counter(one.status for one in facts.skipped)
    complete = sum(arm.n for arm in facts.arms)
    diverged = sum(arm.diverged for arm in facts.arms)
    told = [f"{complete} runs complete", f"{diverged or 'none'} diverged"]
    told += [f"{count} {status}" for status, count in sorted(counts.items())]
    yield Paragraph(f"{', '.join(told)}.")
    items = [sentence(said) for task in facts.comparison.tasks for said in task.divergence]
    reasons: dict[tuple[str, str], list[str]] = {}
    for one in facts.skipped:
        reasons.setdefault((one.status, one.reason), []).append(printable(one.name))
    items += [
        f"{status}{f' ({printable(why)})' if why else ''}: {some(names, ', ')}."
        for (status, why), names in sorted(reasons.items())
    ]
    items += [sentence(said) for said in facts.notices if not _is_told(said, reasons)]
    if items:
        yield Bullets(tuple(dict.fromkeys(items)))


def _is_told(notice: str, reasons: dict[tuple[str, str], list[str]]) -> bool:
    return bool(reasons) and notice.startswith("not in the figures")


def _costs(facts: Facts) -> Iterator[Block]:
    for task in facts.comparison.tasks:
        table = of_cost(task)
        yield Listing(table.title, table.columns, table.notes)


def _shown(picture: Picture | None) -> Iterator[Block]:
    if picture:
        yield Shown(picture)
