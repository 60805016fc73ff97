"""What speaks against believing it: the flags, and what these results do not show."""

from __future__ import annotations

from collections.abc import Iterator

from lrbench.report.comparison.values import Comparison, Task
from lrbench.report.document.blocks import Block, Bullets, Heading, Paragraph
from lrbench.report.escapes import printable
from lrbench.report.notices import some
from lrbench.report.restarts.measures import short, three
from lrbench.report.sections.facts import Facts
from lrbench.report.sections.words import sentence
from lrbench.report.settings import show

NAMED = 4
"""Runs named with a flag; the others are counted."""


def flags(facts: Facts) -> Iterator[Block]:
    """Serious ones, cautions, or that there are none."""
    yield Heading("Sanity flags")
    for is_serious, title in ((True, "Serious"), (False, "Cautions")):
        found = [flag for flag in facts.flags if flag.is_serious is is_serious]
        if not found:
            continue
        yield Heading(title, 3)
        yield Bullets(
            tuple(
                f"{flag.code}: {sentence(flag.sentence, [flag.sentence])}{_runs(flag.runs)}"
                for flag in found
            )
        )
    if not facts.flags:
        yield Paragraph("None stands.")
    if facts.flag_notices:
        yield Bullets(tuple(facts.flag_notices))


def limitations(facts: Facts) -> Iterator[Block]:
    """Sentences made from the numbers of the tables."""
    yield Heading("Limitations")
    yield Bullets(tuple(dict.fromkeys(_limitations(facts))))


def _limitations(facts: Facts) -> Iterator[str]:
    found = facts.comparison
    for task in found.tasks:
        where = f"{task.label}: " if task.label else ""
        for said in (*_of_power(task, found), *task.notes):
            yield f"{where}{sentence(said, [one.label for one in task.contenders])}"
    yield from _of_scope(facts)
    cautions = [flag.code for flag in facts.flags if not flag.is_serious]
    serious = [flag.code for flag in facts.flags if flag.is_serious]
    if serious:
        yield f"Serious flags stand: {', '.join(dict.fromkeys(serious))}."
    if cautions:
        yield f"Cautions stand: {', '.join(dict.fromkeys(cautions))}."
    diverged = sum(arm.diverged for arm in facts.arms)
    if diverged:
        runs = "run is" if diverged == 1 else "runs are"
        yield (
            f"{diverged} diverged {runs} in no mean. In comparisons they rank as worst, and where "
            "there is one, no mean difference is given."
        )
    if any(arm.restarts for arm in facts.ledgers):
        yield (
            "That a loss fell after a restart does not say that the restart helped: no control "
            "without it is part of this report."
        )
    if len(facts.origins.environments) > 1:
        yield (
            f"The runs were made in {len(facts.origins.environments)} different environments, "
            "listed below."
        )
    unfinished = sum(arm.failed + arm.unfinished for arm in facts.arms)
    if unfinished:
        runs = "run that is" if unfinished == 1 else "runs that are"
        yield f"{unfinished} {runs} not finished: the figures may change."


def _of_power(task: Task, found: Comparison) -> Iterator[str]:
    """How many seeds, and what they could have shown; the numbers are those of the rows."""
    rows = task.basis("own_lr").rows if task.bases else ()
    if not rows:
        alone = sorted(
            {estimate.n for one in task.contenders for estimate in one.reported.values()}
        )
        if alone[:1] == [1]:
            yield "one run says nothing of how much runs differ: add seeds"
        return
    counts = sorted({row.found.n for row in rows})
    seeds = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    yield f"every comparison rests on {seeds} paired seed{'' if counts == [1] else 's'}"
    needed = max(row.found.permutation.seeds_needed for row in rows)
    if counts[0] < needed:
        yield (
            f"with fewer than {needed} seeds no permutation test can reach the level of these "
            "comparisons: the verdicts rest on the assumption that differences are normal"
        )
    effects = sorted(row.found.least_effect for row in rows if row.found.least_effect is not None)
    if effects:
        span = three(effects[0])
        if three(effects[-1]) != span:
            span += f" to {three(effects[-1])}"
        yield (
            f"true differences in {found.metric} below {span} (minimum detectable effect) would be "
            "missed in at least one of five such experiments"
        )
    undecided = [row.other for row in rows if row.found.verdict == "undecided"]
    if undecided:
        if found.margin is None:
            yield (
                f"undecided ({some(undecided, ', ')}) does not mean equal: no margin was given "
                "within which arms would count as equivalent"
            )
        else:
            yield (
                f"undecided ({some(undecided, ', ')}): neither shown to differ nor shown to differ "
                f"by less than {short(found.margin)}"
            )


def _of_scope(facts: Facts) -> Iterator[str]:
    places = {"dataset": "dataset", "model": "model", "optimizer": "optimizer"}
    one = [
        f"one {name} ({show(key, facts.equal[key])})"
        for key, name in places.items()
        if key in facts.equal
    ]
    if one:
        yield f"All of this is of {', '.join(one)}; nothing is said of others."
    lengths = sorted(
        {arm.steps for t in facts.comparison.tasks for c in t.contenders for arm in c.arms}
    )
    if len(lengths) == 1:
        yield (
            f"All runs have {lengths[0]} updates. Schedules that anneal are made for that length, "
            "and with another one the order may be another."
        )
    elif lengths:
        yield f"Runs have different lengths ({some(list(map(str, lengths)), ', ')} updates)."
    if facts.equal.get("streams.split") is not None:
        yield (
            "All seeds share one split of the data, so that the spread over seeds has nothing of "
            "the spread over splits, and intervals are rather too narrow for other data."
        )
    yield (
        "All figures are of validation data, by which schedules and learning rates are chosen too: "
        "only test data would say how much of a difference is left elsewhere."
    )


def _runs(runs: tuple[str, ...]) -> str:
    if not runs:
        return ""
    rest = len(runs) - NAMED
    more = f" and {rest} more" if rest > 0 else ""
    return f" Runs: {', '.join(map(printable, runs[:NAMED]))}{more}."
