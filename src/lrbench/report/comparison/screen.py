"""A comparison as it is read: the answer, the pairs, what supports it; with ``--full`` all else."""

from __future__ import annotations

from collections.abc import Iterator

from lrbench.report.comparison import tables
from lrbench.report.comparison.effort import of_cost, of_footings
from lrbench.report.comparison.headline import headlines
from lrbench.report.comparison.tables import Table
from lrbench.report.comparison.values import Comparison, Task

MORE = (
    "--full adds: ratios, effect sizes, sign-flip tests, the other metric's verdicts, rows at "
    "equal learning rate and tuning cost, the mean at each learning rate, the expected best of "
    "k, and the way there (anytime area, phases, crossings)"
)


def parts(found: Comparison, *, is_full: bool) -> Iterator[list[str] | Table]:
    """Paragraphs of lines, and tables, in the order in which they are read."""
    yield answer(found)
    if is_full:
        yield list(tables.heading(found))
    for task in found.tasks:
        if is_full:
            yield list(tables.task_heading(task))
        yield from shown(task, found, is_full=is_full)
    if found.across:
        yield tables.of_across(found.across, found.metric)
    if not is_full:
        yield [
            *tables.heading(found),
            *(line for task in found.tasks for line in support(task, found)),
            MORE,
        ]


def answer(found: Comparison) -> list[str]:
    """The first lines: of every task the verdicts, with interval, n, level and correction."""
    return list(headlines(found))


def shown(task: Task, found: Comparison, *, is_full: bool) -> Iterator[Table]:
    """The tables of a task: all, or those that the answer rests on."""
    if is_full:
        yield from tables.of_task(task, found)
        yield of_cost(task)
        return
    yield _pairs(task, found)
    if len(found.tasks) == 1:
        yield tables.of_contenders(task, found)
    if found.target is not None:
        yield tables.of_target(task, found)
    yield of_cost(task)


def support(task: Task, found: Comparison) -> Iterator[str]:
    """What must be known of the tables of a task, and is in tables of its own with ``--full``."""
    yield from tables.task_heading(task)
    yield from of_footings(task)
    if len(found.tasks) > 1:
        yield from task.divergence


def _pairs(task: Task, found: Comparison) -> Table:
    """The table of the verdicts; the answer has their sentences already."""
    basis = task.basis("own_lr")
    first = next(tables.of_basis(basis, task, found))
    told = {row.sentence for row in basis.rows}
    notes = tuple(note for note in first.notes if note not in told)
    if not basis.rows:
        return first
    name = f"{task.label}: {first.title}" if task.label else first.title
    limit = tables.least_effects([row.found for row in basis.rows])
    return Table(name, (*first.columns, limit), (*notes, tables.OF_LIMITS))
