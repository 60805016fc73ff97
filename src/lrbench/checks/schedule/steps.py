"""Probes of the steps: restarts, what follows the end, and that a factor depends on nothing else.

*Wrong*: restarts that are not due, another end than the formula's, a decay of the user's own that
rises again behind its end, and a factor that depends on what was asked before, so that a resumed
run differs. *Remark*: a user's function that has no factor behind its end.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise, takewhile
from typing import Any

from lrbench.checks.findings import Finding, Kind, show_apart
from lrbench.checks.reference.numbers import double, miss
from lrbench.checks.schedule.applied import Subject, spread, unusable

JUMP = 0.25
"""A rise in one step by so much of the highest factor is a jump."""

MOST_CUTS = 1000
"""Cut points of a run at which it is built anew."""

STEPS_AFTER = 20
"""Factors compared after each cut."""

MOST_ASKED_AGAIN = 20_000
"""Steps asked for in other orders."""


def restarts(subject: Subject) -> Iterator[Finding]:
    """Where cycles begin: whole numbers, in order, and restarts those that are due."""
    trouble = _trouble_of_cycles(subject)
    if trouble:
        yield Finding("wrong", "restarts", trouble)
        return
    found = subject.schedule.restarts(subject.total_steps)
    if subject.exact is None or found == subject.exact.restarts:
        return
    missed = sorted({*subject.exact.restarts} - {*found})
    extra = sorted({*found} - {*subject.exact.restarts})
    said = [
        *([f"due and missing: {_listed(missed)}"] if missed else []),
        *([f"there and not due: {_listed(extra)}"] if extra else []),
    ]
    yield Finding("wrong", "restarts", f"restarts {'; '.join(said)}")


def _trouble_of_cycles(subject: Subject) -> str | None:
    before = -1
    for index in range(subject.total_steps + 1):
        start: Any = subject.schedule.cycles.start(index)
        if start is None or (type(start) is int and start >= subject.total_steps):
            break
        if type(start) is not int:
            kind = type(start).__name__
            return f"cycle {index} begins at {start!r} of type {kind}, it should be a whole number"
        if (start <= before) if index else (start != 0):
            due = f"after step {before}" if index else "at step 0"
            return f"cycle {index} begins at step {start}, it should begin {due}"
        before = start
    return None


def behind_the_end(subject: Subject) -> Iterator[Finding]:
    """An exception or an unusable factor where a run longer than planned would get to."""
    kind: Kind = "wrong" if subject.exact else "remark"
    steps, course = subject.total_steps + len(_beyond(subject)), subject.course
    if steps < len(course.factors):
        factor = course.factors[steps]
        text = f"behind the end, the factor at step {steps} is {factor!r}, {unusable(factor)}"
        yield Finding(kind, "past the end", text)
    elif course.error is not None:
        said = f"{type(course.error).__name__}: {course.error}"
        yield Finding(kind, "past the end", f"behind the end, step {steps} raises {said}")


def rises_again(subject: Subject) -> Iterator[Finding]:
    """A decay of the user's own that turns upwards behind its end; cycles may, and so may a jump
    back to the top, which is meant.
    """
    rise = _rise_behind_the_end(subject)
    if rise and subject.exact is None:
        factors = (*subject.factors, *_beyond(subject))
        turn = _turn(factors) or 0
        is_jump = factors[turn] - factors[turn - 1] > JUMP * max(factors)
        has_cycles = subject.schedule.cycles.start(1) is not None
        yield Finding("remark" if has_cycles or is_jump else "wrong", "past the end", rise)


def formula_behind_the_end(subject: Subject) -> Iterator[Finding]:
    """Whether the end is held, or gone on from, as the formula says."""
    if subject.exact is None:
        return
    beyond = _beyond(subject)
    for step in spread(len(beyond), MOST_ASKED_AGAIN):
        place = subject.total_steps + step
        rate, due = float(beyond[step]) * subject.lr, subject.due(place)
        if subject.is_wrong(miss(rate, due), due):
            got, right = show_apart(rate, double(due))
            text = f"step {place}, behind the end, gets {got} where {right} is due"
            rise = _rise_behind_the_end(subject)
            yield Finding("wrong", "past the end", f"{text}; {rise}" if rise else text)
            return


def _beyond(subject: Subject) -> tuple[float, ...]:
    """Factors behind the end of the run, up to the first that no update can be made with."""
    factors = islice(subject.course.factors, subject.total_steps, None)
    return tuple(takewhile(lambda factor: unusable(factor) is None, factors))


def _rise_behind_the_end(subject: Subject) -> str | None:
    factors = (*subject.factors, *_beyond(subject))
    turn = _turn(factors)
    if turn is None or turn < subject.total_steps:
        return None
    low, high = show_apart(*map(float, factors[turn - 1 : turn + 1]))
    return f"behind the end it rises again: factor {low} at step {turn - 1}, {high} at step {turn}"


def _turn(factors: tuple[float, ...]) -> int | None:
    """First step whose factor is above that of the step before, after some fall."""
    noise = 4 * math.ulp(max(factors))
    has_fallen = False
    for step, (before, now) in enumerate(pairwise(factors), start=1):
        if has_fallen and now - before > noise:
            return step
        has_fallen = has_fallen or before - now > noise
    return None


def _listed(steps: Iterable[int]) -> str:
    steps = list(steps)
    return ", ".join(map(str, steps[:5])) + (f" and {len(steps) - 5} more" if steps[5:] else "")


def pure(subject: Subject) -> Iterator[Finding]:
    """Whether a step gives the same factor whenever, and in whatever order, it is asked."""
    steps = spread(subject.total_steps, MOST_ASKED_AGAIN)
    shuffled = random.Random(0).sample(steps, len(steps))
    for how, schedule, order in (
        ("asked a second time", subject.schedule, steps),
        ("asked backwards", subject.schedule, steps[::-1]),
        ("asked in mixed order", subject.schedule, shuffled),
        ("built anew", subject.build(), steps),
        ("built anew, asked backwards", subject.build(), steps[::-1]),
        ("built anew, asked in mixed order", subject.build(), shuffled),
    ):
        for step in order:
            again = schedule(step)
            if again != subject.factors[step]:
                first, second = show_apart(float(subject.factors[step]), float(again))
                text = (
                    f"not a pure function of the step: step {step} gave {first} and then {second} "
                    f"({how})"
                )
                yield Finding("wrong", "pure function", text)
                return


def resume(subject: Subject) -> Iterator[Finding]:
    """Whether a run cut at any step, and built anew, goes on with the same factors."""
    total = subject.total_steps
    cuts = spread(total, MOST_CUTS)
    misses = []
    for cut in cuts:
        schedule = subject.build()
        for step in range(cut, min(cut + STEPS_AFTER, total)):
            again = schedule(step)
            if again != subject.factors[step]:
                misses.append((cut, step, again))
                break
    if misses:
        cut, step, again = misses[0]
        got, due = show_apart(float(again), float(subject.factors[step]))
        text = (
            f"{len(misses)} of {len(cuts)} cuts go on with other factors: cut at step {cut}, step "
            f"{step} gets {got} where {due} is due"
        )
        yield Finding("wrong", "resume", text)
