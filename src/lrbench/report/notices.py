"""What a reader of the table must know besides it, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from lrbench.record.pairing import Mismatch
from lrbench.report.escapes import printable
from lrbench.report.frames import Arm
from lrbench.report.plans import Progress
from lrbench.report.runs import Skipped
from lrbench.report.settings import label

SHOWN = 8
"""Names in one notice; the rest is counted, and listed by ``--json``."""


def of_plans(plans: Sequence[Progress]) -> Iterator[str]:
    """A sentence for each sweep with runs that are not finished."""
    for plan in plans:
        if plan.unfinished:
            done = f"{plan.finished} of {plan.planned} runs finished"
            others = [f"{count} {status}" for status, count in sorted(plan.unfinished.items())]
            yield f"sweep {printable(plan.sweep_id)}: {'; '.join([done, *others])}"


def of_mismatches(mismatches: Sequence[Mismatch]) -> Iterator[str]:
    """A sentence on runs of a seed that do not share what they claim to."""
    if mismatches:
        told = some([printable(str(one)) for one in mismatches], "; ")
        yield f"not comparable, the inputs of runs with one seed differ: {told}"


def of_skipped(skipped: Sequence[Skipped]) -> Iterator[str]:
    """A sentence for each kind of thing that is in no figure, naming it."""
    by_status = sorted(skipped, key=lambda one: (one.status, one.name))
    for status, group in groupby(by_status, key=lambda one: one.status):
        ones = list(group)
        names = [f"{one.name} ({one.reason})" if one.reason else one.name for one in ones]
        yield f"not in the figures, {len(ones)} {status}: {some(map(printable, names), '; ')}"


def of_arms(arms: Sequence[Arm]) -> Iterator[str]:
    """Sentences on seeds that not every arm has, on diverged runs and on single runs."""
    every = {seed for arm in arms for seed in arm.seeds}
    lacking = [
        f"{label(arm.settings)} lacks {ranges(missing)}"
        for arm in arms
        if (missing := sorted(every.difference(arm.seeds)))
    ]
    if lacking:
        yield (
            f"arms do not have the same seeds, so their means are not paired "
            f"(all together: {ranges(sorted(every))}): {some(lacking, '; ')}"
        )
    twice = [arm for arm in arms if len(set(arm.seeds)) < len(arm.seeds)]
    if twice:
        names = some([label(arm.settings) for arm in twice], "; ")
        yield f"a seed stands more than once (its data changed between the runs): {names}"
    if any(arm.diverged for arm in arms):
        yield (
            "diverged runs are in no mean, which looks better for it: they are counted in their "
            "own column, and the more of an arm diverged the lower it stands, whatever its mean"
        )
    if any(arm.n == 1 for arm in arms):
        yield "one run has no variance and no interval: add seeds to the arms with n = 1"


def of_mixed(keys: Sequence[str]) -> Iterator[str]:
    """A sentence on rows whose runs differ in more than the seed."""
    if keys:
        told = some(map(printable, keys), ", ")
        yield (
            f"rows mix runs that differ in {told}: n counts runs, not seeds, and the "
            "interval takes them as independent, which runs of one seed are not"
        )


def of_datasets(differing: Sequence[str]) -> Iterator[str]:
    """Rows that no order makes comparable."""
    if "dataset" in differing:
        yield "the rows are of different datasets: compare only those of one"


def some(items: Sequence[str] | Iterator[str], between: str) -> str:
    """The first few items, and the number of the others."""
    items = list(items)
    rest = [f"and {len(items) - SHOWN} more"] if len(items) > SHOWN else []
    return between.join([*items[:SHOWN], *rest])


def ranges(seeds: Sequence[int]) -> str:
    """Ascending integers in short: ``seeds 0-4, 7``."""
    # Neighbours have the same distance from their place in the list.
    spans = [
        [seed for _, seed in group]
        for _, group in groupby(enumerate(seeds), key=lambda pair: pair[1] - pair[0])
    ]
    texts = [f"{span[0]}-{span[-1]}" if len(span) > 1 else f"{span[0]}" for span in spans]
    return f"seed{'s' if len(seeds) > 1 else ''} {some(texts, ', ')}"
