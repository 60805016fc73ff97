"""The answer, before all else: every verdict, and what stands against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from lrbench import __version__
from lrbench.report.comparison.headline import is_open, next_step, nothing_found
from lrbench.report.comparison.sentences import p_value
from lrbench.report.comparison.values import ArmResult, Comparison, Row, Task
from lrbench.report.document.blocks import Block, Bullets, Paragraph
from lrbench.report.notices import ranges, some
from lrbench.report.numbers import format_for
from lrbench.report.restarts.measures import short
from lrbench.report.sections.facts import Facts
from lrbench.report.sections.words import sentence
from lrbench.stats.contrast import Verdict

MOST = 12
"""Comparisons that each have a sentence here; of more, those that are decided."""

_ORDER: tuple[Verdict, ...] = ("better", "worse", "equivalent", "identical", "undecided")


def answer(facts: Facts) -> Iterator[Block]:
    """Sentences on each task's contenders at their own best learning rates."""
    runs = sum(arm.n + arm.diverged for arm in facts.arms)
    arms = f"{len(facts.arms)} arm{'' if len(facts.arms) == 1 else 's'}"
    when = f", trained from {facts.origins.began} to {facts.origins.ended} UTC" if runs else ""
    yield Paragraph(
        f"{arms}, {runs} finished run{'' if runs == 1 else 's'}{when}; made by lrbench "
        f"{__version__} from the records in {facts.path}.",
        "faint",
    )
    serious = sum(flag.is_serious for flag in facts.flags)
    if facts.refusal:
        yield Paragraph(f"Nothing can be compared: {facts.refusal}", "warn")
    if serious:
        noun = "flag stands" if serious == 1 else "flags stand"
        yield Paragraph(
            f"{serious} serious {noun} against these results: see Sanity flags before anything "
            "else.",
            "warn",
        )
    for task in facts.comparison.tasks:
        yield from _of_task(task, facts)
    compared = [task.basis("own_lr") for task in facts.comparison.tasks if task.bases]
    if any(row.found.verdict == "undecided" for basis in compared for row in basis.rows):
        yield Paragraph(sentence(next_step(facts.comparison)))


def _of_task(task: Task, facts: Facts) -> Iterator[Block]:
    where = f"{task.label}: " if task.label else ""
    rows = task.basis("own_lr").rows if task.bases else ()
    if not rows:
        if not facts.refusal:
            yield Paragraph(
                f"{where}one arm, so that nothing is compared: what follows describes it.", "lead"
            )
        yield Bullets((lowest(task, facts.comparison),))
        return
    if is_open(rows):
        first = f"{sentence(nothing_found(rows)).removesuffix('.')}: "
    else:
        first = f"{_decided(rows)}: "
    counts = Counter(row.found.verdict for row in rows)
    told = ", ".join(f"{counts[v]} {v}" for v in _ORDER if counts[v])
    seeds = ranges(sorted({seed for row in rows for seed in row.seeds}))
    against = f"against {task.baseline}, " if not facts.comparison.is_all_pairs else ""
    many = "1 comparison" if len(rows) == 1 else f"{len(rows)} comparisons"
    yield Paragraph(
        f"{where}{first}{many} in {facts.metric}, {against}each at its own best learning rate, "
        f"paired over {seeds}: {told}.",
        "lead",
    )
    told_rows = [row for row in rows if len(rows) <= MOST or row.found.verdict != "undecided"]
    items = [_sentence(row) for row in told_rows]
    if left := len(rows) - len(told_rows):
        items.append(f"{left} more are undecided; all of them are in the tables below.")
    yield Bullets((*items, lowest(task, facts.comparison)))


def _decided(rows: Sequence[Row]) -> str:
    """Who is better or worse than whom, before any count."""
    links = {"better": "than", "worse": "than", "equivalent": "to", "identical": "to"}
    told = [
        f"{row.other} is {verdict} {links[verdict]} {row.baseline}"
        for verdict in _ORDER
        for row in rows
        if row.found.verdict == verdict and verdict in links
    ]
    return some(told, ", ")


def _sentence(row: Row) -> str:
    told = sentence(row.sentence, (row.other, row.baseline))
    return f"{told} {sentence(row.disagreement, (row.other,))}" if row.disagreement else told


def _survivors(arm: ArmResult) -> str:
    if not arm.diverged:
        return ""
    return f", without {arm.diverged} of {len(arm.seeds)} runs that diverged"


def lowest(task: Task, comparison: Comparison) -> str:
    """Which contender has the most favourable mean, with its interval, and what that is worth."""
    metric = comparison.metric
    own = [(one, one.own, one.reported[metric]) for one in task.contenders]
    known = [one for one in own if one[2].mean is not None]
    if not known:
        return f"No run has a last {metric}."
    sign = 1 if metric == "val_loss" else -1
    # A mean of survivors is no better for those that it leaves out.
    first, arm, estimate = min(
        known, key=lambda one: (one[1].diverged / len(one[1].seeds), sign * (one[2].mean or 0.0))
    )
    number = format_for([one[2] for one in own])
    span = (
        f"[{number(estimate.low)}, {number(estimate.high)}]"
        if estimate.low is not None
        else "no interval, of one run"
    )
    extreme = "lowest" if sign == 1 else "highest"
    told = (
        f"The {extreme} mean {metric} is that of {first.label} at learning rate {short(arm.lr)}: "
        f"{number(estimate.mean)} ({span}, n = {estimate.n}{_survivors(arm)})"
    )
    if len(own) == 1:
        return f"{told}."
    row = next(
        (
            row
            for row in (task.basis("own_lr").rows if task.bases else ())
            if first.label == row.other and row.baseline == task.baseline
        ),
        None,
    )
    if first.label == task.baseline:
        return f"{told}; it is the baseline."
    if row is None:
        return f"{told}."
    return (
        f"{told}; against {task.baseline} that is {row.found.verdict} "
        f"({p_value(row.found.p_adjusted)})."
    )
