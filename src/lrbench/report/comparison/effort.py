"""What was spent on each contender, so that nobody takes more tuning for a better schedule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from lrbench.report.comparison.tables import Table, is_repeated
from lrbench.report.comparison.values import Contender, Row, Task
from lrbench.report.notices import ranges
from lrbench.report.numbers import durations
from lrbench.report.tables import Column

CLOCK = (
    "time: by the clock, over all attempts; machines differ, and on a busy one it is rough; of a "
    "lane its share, without compiling"
)


def of_cost(task: Task) -> Table:
    """Runs, updates and time of all arms tried, and the part of it that is reported."""
    contenders = task.contenders
    costs = [one.cost for one in contenders]
    own = [one.own.cost for one in contenders]
    where = f"{task.label}: " if task.label else ""
    return Table(
        f"{where}what it cost: all finished runs, at every learning rate tried",
        (
            Column("contender", tuple(one.label for one in contenders), is_label=True),
            Column("rates", tuple(str(len(one.arms)) for one in contenders)),
            Column("runs", tuple(str(cost.runs) for cost in costs)),
            Column("updates", tuple(str(cost.updates) for cost in costs)),
            Column("time", tuple(durations([cost.wall_s for cost in costs]))),
            Column("at its best: updates", tuple(str(cost.updates) for cost in own)),
            Column("time", tuple(durations([cost.wall_s for cost in own]))),
        ),
        (*_unequal(contenders), *_uncounted(contenders), CLOCK),
    )


def of_footings(task: Task) -> Iterator[str]:
    """What the other footings say, in a line each: the verdict may hang on the one chosen."""
    for basis in task.bases:
        if basis.kind == "own_lr":
            continue
        if not basis.rows:
            yield f"{basis.title}: no comparison can be made"
        elif is_repeated(basis, task):
            yield f"{basis.title}: the same rows, {_why_the_same(task)}"
        else:
            yield f"{basis.title}: {_counts(basis.rows)}"


def _why_the_same(task: Task) -> str:
    many = {len(one.arms) for one in task.contenders}
    if many == {1}:
        return "as each was run with one learning rate"
    return "as each was tried with as many learning rates"


def _counts(rows: Sequence[Row]) -> str:
    counts = Counter(row.found.verdict for row in rows)
    told = ", ".join(f"{many} {verdict}" for verdict, many in counts.most_common())
    return f"of {len(rows)} comparisons {told}"


def _unequal(contenders: Sequence[Contender]) -> Iterator[str]:
    rates = {len(one.arms) for one in contenders}
    updates = {one.cost.updates for one in contenders}
    if len(rates) == len(updates) == 1:
        many = next(iter(rates))
        tried = f"{many} learning rate{'' if many == 1 else 's'}"
        yield f"tuning cost is equal: {tried} and {next(iter(updates))} updates each"
        return
    told = [
        f"{min(amounts)} to {max(amounts)} {what}"
        for amounts, what in ((rates, "learning rates"), (updates, "updates"))
        if len(amounts) > 1
    ]
    yield (
        f"tuning cost is not equal: {' and '.join(told)}; who was given more may look better for it"
    )


def _uncounted(contenders: Sequence[Contender]) -> Iterator[str]:
    lacking = [
        f"{one.label} {ranges(sorted(seeds))}"
        for one in contenders
        if (seeds := {seed for arm in one.arms for seed in arm.unfinished})
    ]
    if lacking:
        yield f"runs that are not finished have cost too, and are not in it: {'; '.join(lacking)}"
