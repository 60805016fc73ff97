"""The answer first: the verdicts of a task in a sentence or two, from the rows of its table."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from lrbench.report.comparison.sentences import (
    beside_interval,
    counted,
    how,
    least,
    lost_in,
    side,
    size,
    won_on,
)
from lrbench.report.comparison.values import Comparison, Row, Task
from lrbench.report.restarts.measures import short

NAMED = 3
"""Comparisons with their numbers in the headline; the others are counted."""

_ORDER = ("better", "worse", "equivalent", "identical", "undecided")


def headlines(found: Comparison) -> Iterator[str]:
    """The verdicts task by task, what they rest on (once where it is the same), what to do next."""
    yield from (headline(task, found) for task in found.tasks)
    rests = {task.label: rests_on(task, found) for task in found.tasks}
    if len(set(rests.values())) == 1:
        yield next(iter(rests.values()))
    else:
        yield from (f"{label}: {told}" for label, told in rests.items())
    yield next_step(found)


def is_open(rows: Iterable[Row]) -> bool:
    """Whether nothing at all was decided."""
    return all(row.found.verdict == "undecided" for row in rows)


def nothing_found(rows: Sequence[Row]) -> str:
    """What is said first where nothing was decided."""
    most = max(row.found.n for row in rows)
    return f"no difference was found that {counted(most)} can be sure of"


def next_step(found: Comparison) -> str:
    """A command: how many seeds it takes where something is undecided, else the report of it."""
    rows = [row for task in found.tasks for row in task.basis("own_lr").rows]
    if not any(row.found.verdict == "undecided" for row in rows):
        return f"next: {shlex.join(['lrbench', 'report', str(found.path)])}"
    words = ["lrbench", "plan", "--from", str(found.path)]
    words += [] if found.metric == "val_loss" else ["--metric", found.metric]
    words += [] if found.by == ("schedule",) else ["--by", ",".join(found.by)]
    return (
        f"next: {shlex.join(words)} --effect ... (the smallest difference that matters to you) "
        "says how many seeds would show it"
    )


def headline(task: Task, found: Comparison) -> str:
    """The verdicts on a task, each at its own best learning rate, decided ones first."""
    rows = sorted(task.basis("own_lr").rows, key=lambda row: _ORDER.index(row.found.verdict))
    where = f"{task.label}: " if task.label else ""
    if not rows:
        return f"{where}undecided: no two contenders have a seed in common"
    against = {row.baseline for row in rows}
    versus = f" against {rows[0].baseline}" if len(against) == 1 else ""
    told = [_told(row, found.metric, with_baseline=not versus) for row in rows[:NAMED]]
    if more := Counter(row.found.verdict for row in rows[NAMED:]):
        told.append(" and ".join(f"{many} more {verdict}" for verdict, many in more.items()))
    tuned = any(len(one.arms) > 1 for one in task.contenders)
    at = ", each at its own best learning rate" if tuned else ""
    none = f"{nothing_found(rows)}, " if is_open(rows) else ""
    return f"{where}{none}in {found.metric}{versus}{at}: {'; '.join(told)}"


def _told(row: Row, metric: str, *, with_baseline: bool) -> str:
    found = row.found
    name = f"{row.other} against {row.baseline}" if with_baseline else row.other
    said = how(found, metric).removeprefix(f"{metric} ") if found.difference else ""
    said = said.removesuffix(" on average")
    lost = lost_in(row).removeprefix("; ")
    match found.verdict:
        case "better" | "worse":
            if not said:
                return f"{name} is {found.verdict}, {_on_seeds(row, lost)}"
            return f"{name} is {found.verdict} ({side(found, metric)}): {size(found)}"
        case "equivalent":
            assert found.equivalence is not None
            return f"{name} is equivalent within {short(found.equivalence.margin)}, {said}"
        case "identical":
            return f"{name} is identical, to the last bit"
        case _:
            parts = (said, beside_interval(found), lost, _limit(row))
            return f"{name} is undecided ({', '.join(filter(None, parts))})"


def _on_seeds(row: Row, lost: str) -> str:
    return f"{won_on(row.found)} of {counted(row.found.n)}{f' ({lost})' if lost else ''}"


def _limit(row: Row) -> str:
    """What could have been found, or why nothing could."""
    found = row.found
    if found.n < 2:
        return "one seed has no interval"
    if found.least_effect is not None:
        return least(found).replace(" at 80 % power", "")
    if found.p is None:
        return "no test"
    if found.n < found.permutation.seeds_needed:
        return f"{found.permutation.seeds_needed} seeds or more could reach the level"
    return "by signs"


def rests_on(task: Task, found: Comparison) -> str:
    """Seeds, level, tests and correction of the verdicts."""
    rows = task.basis("own_lr").rows
    if not rows:
        return "no comparison was made"
    counts = sorted({row.found.n for row in rows})
    seeds = counted(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"
    level = f"{100 * found.level:.6g} %"
    family = max(row.found.family for row in rows)
    tests = {row.found.test for row in rows if row.found.p is not None}
    if not tests:
        return f"paired over {seeds}; no comparison has a test"
    names = {"t": "paired t test", "sign": "sign test where a run diverged"}
    named = " and ".join(names[test] for test in sorted(tests, reverse=True))
    over = f", by Holm over {family} comparisons" if family > 1 else ", one comparison"
    return (
        f"paired over {seeds}; "
        f"{level} intervals, each of one comparison, positive is better; verdicts by {named} at "
        f"{100 * (1 - found.level):.3g} %{over}"
    )
