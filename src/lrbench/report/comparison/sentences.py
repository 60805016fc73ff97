"""Verdicts in words, from the numbers that stand in the table beside them and rounded as there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from lrbench.report.comparison.values import Contender, Course, Row
from lrbench.report.notices import ranges, some
from lrbench.report.restarts.measures import short, signed_three, three
from lrbench.report.runs import BEST
from lrbench.stats.contrast import Contrast
from lrbench.stats.interval import Interval
from lrbench.stats.power import CONFIDENCE, sd_bound
from lrbench.stats.proportions import clopper_pearson

NAMES = {"val_loss": "loss", "val_accuracy": "accuracy"}

SMALLEST = 1e-4
"""A p below is told as below: its digits say nothing."""


def verdict(row: Row, metric: str) -> str:
    """What a row says: who did better, by how much, how sure; or what could have been found."""
    found = row.found
    other, baseline = _who(row.other, row.other_lr), _who(row.baseline, row.baseline_lr)
    seeds = counted(found.n)
    if row.trials:
        seeds += f" after {row.trials} trial{'' if row.trials == 1 else 's'} each"
    over = f"over {seeds}"
    tail = lost_in(row)
    match found.verdict:
        case "identical":
            return (
                f"{other} and {baseline} are identical {over}: every {metric} is the same to the "
                f"last bit{tail}"
            )
        case "better" | "worse":
            told = how(found, metric) if found.difference else won_on(found)
            told += f" {over}" if found.difference else f" of {seeds}"
            return f"{other} is {found.verdict} than {baseline}: {told} ({_test(found)}){tail}"
        case "equivalent":
            assert found.equivalence is not None
            same = found.equivalence
            # Not the interval of the row: the one that lies within the margin if and only if this
            # verdict is right for a single comparison.
            span = f"{200 * found.level - 100:.6g} % interval, "
            return (
                f"{other} and {baseline} are equivalent within {short(same.margin)}: "
                f"{how(found, metric, same.interval)} {over} ({span}two one-sided t "
                f"tests, {p_value(same.p_adjusted)}{_of(found)}){tail}"
            )
        case _:
            return f"{other} against {baseline}: undecided {over} ({_why(found, metric)}){tail}"


def disagreement(row: Row, metric: str, beside: str) -> str | None:
    """Where the two metrics rank the two differently: that; None where they agree.

    Differences of 0 agree with everything.
    """
    if row.beside is None:
        return None
    directions = [_direction(found) for found in (row.found, row.beside)]
    if directions[0] * directions[1] >= 0:
        return None
    other, baseline = _who(row.other, row.other_lr), _who(row.baseline, row.baseline_lr)
    sure = [one.verdict in ("better", "worse") for one in (row.found, row.beside)]
    told = [
        f"{name} speaks {'for' if direction > 0 else 'against'} it ({_size(one)}, {one.verdict})"
        for name, direction, one in zip(
            (metric, beside), directions, (row.found, row.beside), strict=True
        )
    ]
    weight = {
        2: "the two metrics contradict each other",
        1: "the two metrics point in different ways, of which one is sure",
        0: "the two metrics point in different ways, of which neither is sure",
    }[sum(sure)]
    return f"{other} against {baseline}: {', '.join(told)}: {weight}"


def p_value(p: float | None) -> str:
    """``p = 0.012``."""
    if p is None:
        return "no test"
    return f"p < {SMALLEST:g}" if p < SMALLEST else f"p = {p:.2g}"


def p_cell(p: float | None) -> str:
    """The same in a table."""
    return "-" if p is None else p_value(p).removeprefix("p ").removeprefix("= ").replace(" ", "")


def interval(found: Interval | None) -> str:
    """``[+0.0123, +0.0456]`` of differences."""
    if found is None or found.low is None or found.high is None:
        return "-"
    return f"[{signed_three(found.low)}, {signed_three(found.high)}]"


def of_selection(
    contenders: Sequence[Contender], metric: str, expected: float, tuned_on: Sequence[int]
) -> Iterator[str]:
    """Sentences on how the learning rates were chosen, and what that does to the figures."""
    tuned = [one for one in contenders if len(one.arms) > 1]
    if not tuned:
        lrs = sorted({arm.lr for one in contenders for arm in one.arms})
        told = ", ".join(map(short, lrs))
        each = "the same for all" if len(lrs) == 1 else "one each"
        yield (
            f"no learning rate was tuned ({told}, {each}): the order may be another one at another "
            f"learning rate, the baseline's too"
        )
        return
    most = max(len(one.arms) for one in tuned)
    if tuned_on:
        yield (
            f"each learning rate was chosen by its mean {metric} on {ranges(tuned_on)}, which are "
            "in no figure at own best learning rates or equal tuning cost"
        )
    else:
        yield (
            f"each learning rate was chosen by its mean {metric} on the seeds it is reported on: "
            f"the best of {most} looks better than it is, by up to {expected:.2f} standard errors "
            "of a mean if all were alike (winner's curse); --tune-seeds N keeps N for the choice"
        )
    at_edge: dict[str, list[Contender]] = {}
    for one in tuned:
        if tuned_on and not any(set(arm.seeds) & set(tuned_on) for arm in one.arms):
            yield (
                f"{one.label}: its learning rate was not chosen, as it has no run with these "
                f"seeds: the smallest is shown, {short(one.own.lr)}"
            )
        elif one.edge:
            at_edge.setdefault(one.edge, []).append(one)
    for edge, ones in at_edge.items():
        side, beyond = ("smallest", "below") if edge == "low" else ("largest", "above")
        names = ", ".join(f"{one.label} ({short(one.own.lr)})" for one in ones)
        yield (
            f"{ones[0].label}: its best learning rate, {short(ones[0].own.lr)}, is the {side} "
            f"tried: its optimum may lie {beyond}"
            if len(ones) == 1
            else f"{names}: the best learning rate of each is the {side} it was tried with: the "
            f"optima may lie {beyond}"
        )


def of_divergence(contenders: Sequence[Contender], level: float) -> Iterator[str]:
    """A sentence on each arm with diverged runs, or one on all where there are none."""
    arms = [(one.label, arm) for one in contenders for arm in one.arms]
    for label, arm in arms:
        if arm.diverged and arm.divergence:
            yield (
                f"{_who(label, arm.lr)}: {arm.diverged} of {len(arm.seeds)} runs diverged, "
                f"{_share(arm.divergence, level)}; they rank as worst"
            )
    if not any(arm.diverged for _, arm in arms):
        runs = sum(len(arm.seeds) for _, arm in arms)
        share = Interval(0.0, *clopper_pearson(0, runs, level))
        yield f"none of the {runs} runs diverged, {_share(share, level)}"


def of_left_out(rows: Sequence[Row]) -> Iterator[str]:
    """A sentence on seeds that only one of two arms has."""
    told: dict[str, None] = {}
    for row in rows:
        lrs = {row.baseline: row.baseline_lr, row.other: row.other_lr}
        for label, seeds in row.left_out.items():
            against = row.other if label == row.baseline else row.baseline
            names = [_who(label, lrs[label]), _who(against, lrs[against])]
            what = "it" if len(seeds) == 1 else "them"
            told[f"{ranges(seeds)} of {names[0]} ({names[1]} lacks {what})"] = None
    if told:
        yield f"not in the differences, as only one arm has them: {some(list(told), '; ')}"


def of_no_row(pairs: Sequence[tuple[Contender, Contender]], rows: Sequence[Row]) -> Iterator[str]:
    """A sentence on the pairs that are not compared, though they were to be."""
    had = {(row.baseline, row.other) for row in rows}
    without = [
        f"{other.label} against {baseline.label}"
        for baseline, other in pairs
        if (baseline.label, other.label) not in had
    ]
    if without:
        yield f"in no row, as no seed is in common: {some(without, '; ')}"


def of_phases(courses: Sequence[Course], baseline: str, metric: str) -> Iterator[str]:
    """Whether who is ahead early is ahead late, and where the mean curves cross."""
    orders = [_order(courses, name, metric) for name in ("early", "late")]
    if all(orders):
        early, late = orders
        if early == late:
            yield f"the order of the first third, {', '.join(early)}, is that of the last third"
        else:
            yield (
                f"order in the first third: {', '.join(early)}; in the last third: "
                f"{', '.join(late)}"
            )
    for course in courses:
        if course.crossings:
            many = len(course.crossings)
            yield (
                f"the mean {metric} of {course.label} crosses that of {baseline} "
                f"{'once, by' if many == 1 else f'{many} times, last by'} update "
                f"{course.crossings[-1]}"
            )


def _order(courses: Sequence[Course], phase: str, metric: str) -> list[str]:
    sign = 1 if BEST[metric] is min else -1
    known = [
        (sign * mean, course.label)
        for course in courses
        if (mean := getattr(course, phase).mean) is not None
    ]
    ties = groupby(sorted(known), key=lambda one: one[0])
    return [" = ".join(label for _, label in tied) for _, tied in ties]


def _share(share: Interval, level: float) -> str:
    low, high = share.low or 0.0, share.high or 0.0
    return (
        f"{100 * share.value:.3g} % ({100 * level:.6g} % interval {100 * low:.3g} to "
        f"{100 * high:.3g} %)"
    )


def lost_in(row: Row) -> str:
    """``; 1 of sgdr diverged, counted as worst``; empty where none did."""
    lost = [
        (row.baseline, sum(a is None for a, _ in row.values)),
        (row.other, sum(b is None for _, b in row.values)),
    ]
    told = [f"{count} of {label} diverged" for label, count in lost if count]
    return f"; {' and '.join(told)}, counted as worst" if told else ""


def _who(label: str, lr: float | None) -> str:
    return label if lr is None or f"lr={lr}" in label else f"{label} (lr {short(lr)})"


def how(found: Contrast, metric: str, within: Interval | None = None) -> str:
    """``val_loss lower, so better: +0.0123 [+0.0100, +0.0146] on average``."""
    assert found.difference is not None
    value = found.difference.value
    better = "" if value == 0 else f", so {'better' if value > 0 else 'worse'}"
    return f"{metric} {side(found, metric)}{better}: {size(found, within)} on average"


def side(found: Contrast, metric: str) -> str:
    """On which side of the baseline's mean the other one's lies."""
    assert found.difference is not None
    value = found.difference.value
    if value == 0:
        return "equal"
    return "lower" if (value > 0) == (BEST[metric] is min) else "higher"


def size(found: Contrast, within: Interval | None = None) -> str:
    """``+0.0123 [+0.0100, +0.0146]``, as in the table: positive where the other did better."""
    assert found.difference is not None
    span = within or found.difference
    ends = "" if span.low is None else f" {interval(span)}"
    return f"{signed_three(found.difference.value)}{ends}"


def beside_interval(found: Contrast) -> str:
    """Why a difference whose interval leaves out 0 is undecided all the same; empty elsewhere."""
    span = found.difference
    if found.verdict != "undecided" or found.family < 2 or span is None:
        return ""
    if span.low is None or span.high is None or span.low <= 0 <= span.high:
        return ""
    return (
        f"the interval leaves out 0 but is of one comparison: Holm over {found.family} "
        f"comparisons leaves {p_value(found.p_adjusted)}"
    )


def least(found: Contrast) -> str:
    """What could have been found, and how far that is known from so few seeds."""
    assert found.least_effect is not None
    # It is in proportion to the spread, and so is its bound, which lrbench plan goes by.
    bound = sd_bound(found.least_effect, found.n - 1, CONFIDENCE)
    return (
        f"minimum detectable effect {three(found.least_effect)} at 80 % power, up to "
        f"{three(bound)} as the spread of {counted(found.n)} is itself uncertain"
    )


def won_on(found: Contrast) -> str:
    """``better on 6 and worse on 1``: what is left to say where a run diverged."""
    won, lost = (sum(sign * d > 0 for d in found.differences) for sign in (1, -1))
    if found.verdict == "worse":
        return f"worse on {lost}" + (f" and better on {won}" if won else "")
    return f"better on {won}" + (f" and worse on {lost}" if lost else "")


def _test(found: Contrast) -> str:
    name = "paired t test" if found.test == "t" else "sign test, as runs diverged"
    return f"{name}, {p_value(found.p_adjusted)}{_of(found)}"


def _of(found: Contrast) -> str:
    return f" by Holm over {found.family} comparisons" if found.family > 1 else ""


def _why(found: Contrast, metric: str) -> str:
    if found.n < 2:
        return f"{how(found, metric)}; one seed has no interval" if found.difference else "one seed"
    if found.p is None and found.difference is None:
        return "both diverged on every seed"
    if found.p is None:
        return "the difference is the same on every seed, so the seeds have changed nothing"
    told = f"{how(found, metric)}; " if found.difference else ""
    power = ""
    if found.least_effect is not None:
        power = f"; {least(found)}"
    elif found.test == "sign" and found.n < found.permutation.seeds_needed:
        power = f"; {found.permutation.seeds_needed} seeds or more could reach the level"
    same = found.equivalence
    within = ""
    if same is not None and same.p is not None:
        within = f"; not shown to be within {short(same.margin)} either"
    test = _test(found)
    if corrected := beside_interval(found):
        test = f"paired t test, p = {found.p:.2g} alone; {corrected}"
    return f"{told}{test}{power}{within}"


def _size(found: Contrast) -> str:
    if found.difference is None:
        won = sum(d > 0 for d in found.differences)
        return f"better on {won} of {found.n}"
    return f"better by {signed_three(found.difference.value)}"


def _direction(found: Contrast) -> float:
    if found.difference is not None:
        return found.difference.value
    return float(sum(d > 0 for d in found.differences) - sum(d < 0 for d in found.differences))


def counted(n: int) -> str:
    """``5 seeds``."""
    return f"{n} seed{'' if n == 1 else 's'}"
