"""Probes of the shape: peaks that are missed, and what follows the end.

*Wrong*: a peak or restart that is documented and not applied, a rate that leaps, falls below 0 or
raises one step behind the end of a one-cycle schedule, a decay that rises again, in the run or
behind it: a run a step too long would be re-heated without a word. *Remark*: cycles that rise again
as cycles do, and an exception once the run is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice, pairwise, takewhile
from typing import Any

from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    OneCycleLR,
)

from lrbench.adapters.torch_bench import parts
from lrbench.checks.findings import Finding, show
from lrbench.checks.torch.subject import LONGEST, Subject

FARTHEST_STEP = 1_000_000
"""Cycle boundaries up to here are asked for by ``step(epoch)``."""

MOST_BOUNDARIES = 1000


def rises_again(subject: Subject) -> Iterator[Finding]:
    """A decay that turns upwards at its end."""
    if isinstance(subject.parts[0], OneCycleLR):
        return
    turn = _turn(subject)
    if turn is None:
        return
    low, high = subject.course.rates[turn - 1 : turn + 1]
    if turn >= subject.total_steps:
        text = (
            f"behind the end it rises again: {show(low)} at step {turn - 1}, "
            f"{show(high)} at step {turn}"
        )
        is_cyclic = any(
            isinstance(part, (CyclicLR, CosineAnnealingWarmRestarts)) for part in subject.parts
        )
        yield Finding("remark" if is_cyclic else "wrong", "past the end", text)
    elif subject.rates and (spent := _spent_cosine(subject)) is not None:
        text = (
            f"it rises again inside the run of {subject.total_steps}, after T_max={spent} steps: "
            f"{show(low)} at step {turn - 1}, {show(high)} at step {turn}"
        )
        yield Finding("wrong", "past the end", text)


def _turn(subject: Subject) -> int | None:
    """First step whose rate is above that of the step before, after some fall."""
    has_fallen = False
    for step, (before, now) in enumerate(pairwise(subject.course.rates), start=1):
        if subject.differ(before, now):
            if has_fallen and now > before:
                return step
            has_fallen = has_fallen or now < before
    return None


def _spent_cosine(subject: Subject) -> int | None:
    """``T_max`` of a cosine annealing that the run leads past its end."""
    bench = subject.bench()
    bench.rates(len(subject.rates))
    spent = (
        int(part.T_max)
        for part in parts(bench.scheduler)
        if isinstance(part, CosineAnnealingLR) and part.last_epoch > part.T_max
    )
    return next(spent, None)


def past_one_cycle(subject: Subject) -> Iterator[Finding]:
    """``OneCycleLR`` lets itself be stepped once too often, and then not at all."""
    outer = subject.parts[0]
    if not isinstance(outer, OneCycleLR) or outer.total_steps > LONGEST:
        return
    end = outer.total_steps
    course = subject.drive(end + 2)
    if len(course.rates) <= end or not subject.differ(course.rates[end], course.rates[end - 1]):
        return
    extra = course.rates[end]
    below = ", below 0," if extra < 0 else ""
    text = (
        f"behind its {end} steps, step {end} gets {show(extra)}{below} "
        f"after {show(course.rates[end - 1])}"
    )
    if course.error is not None:
        text += f"; step {end + 1} raises {type(course.error).__name__}: {course.error}"
    yield Finding("wrong", "past the end", text, "pytorch#91765")


def raises_past_the_end(subject: Subject) -> Iterator[Finding]:
    """A scheduler that ends with an exception soon after the run."""
    course = subject.course
    if isinstance(subject.parts[0], OneCycleLR) or course.error is None:
        return
    if len(course.rates) >= subject.total_steps:
        said = f"{type(course.error).__name__}: {course.error}"
        text = f"it cannot be stepped to step {len(course.rates)}: {said}"
        yield Finding("remark", "past the end", text)


def peak(subject: Subject) -> Iterator[Finding]:
    """``max_lr`` of a cycle that no update gets."""
    outer = subject.parts[0]
    promised, length, why = _promised_peak(outer, subject)
    if promised is None or length > LONGEST:
        return
    rates = subject.drive(length).rates
    if not rates:
        return
    highest = max(rates)
    if subject.differ(highest, promised) and highest < promised:
        text = (
            f"max_lr={show(promised)} is never applied: the highest rate is {show(highest)}, "
            f"at step {rates.index(highest)}, {why}"
        )
        yield Finding("wrong", "peak", text)


def _promised_peak(scheduler: Any, subject: Subject) -> tuple[float | None, int, str]:
    if isinstance(scheduler, OneCycleLR):
        up = float(scheduler._schedule_phases[0]["end_step"]) + 1
        why = f"since pct_start * total_steps = {up:g} is not a whole number"
        return float(subject.bench().group["max_lr"]), int(scheduler.total_steps), why
    if isinstance(scheduler, CyclicLR) and scheduler.mode in ("triangular", "triangular2"):
        up = scheduler.total_size * scheduler.step_ratio
        why = f"since step_size_up = {up:g} is not a whole number"
        return float(scheduler.max_lrs[0]), int(scheduler.total_size), why
    return None, 0, ""


def restarts_by_epoch(subject: Subject) -> Iterator[Finding]:
    """``step(epoch)`` of warm restarts at the very steps where cycles begin.

    Counting up reaches them with integers; ``step(epoch)`` finds the cycle by a logarithm, whose
    rounding may put the step at the end of the cycle before.
    """
    outer = subject.parts[0]
    if not isinstance(outer, CosineAnnealingWarmRestarts):
        return
    bench = subject.bench()
    top, missed = bench.rate, []
    for cycle, start in enumerate(_boundaries(outer.T_0, outer.T_mult), start=1):
        bench.scheduler.step(start)
        if subject.differ(bench.rate, top):
            missed.append((cycle, start, bench.rate))
    if missed:
        cycle, start, rate = missed[0]
        steps = ", ".join(str(start) for _, start, _ in missed[:5])
        text = (
            f"step({start}) gives {show(rate)}, counting up to step {start} gives {show(top)}, the "
            f"peak that begins cycle {cycle}; so it is at {len(missed)} boundaries ({steps})"
        )
        yield Finding("wrong", "restart by step(epoch)", text)


def _boundaries(first: int, mult: int) -> Iterator[int]:
    """First steps of the cycles after the first, as sums of integers."""

    def starts() -> Iterator[int]:
        start, length = 0, first
        for _ in count():
            start, length = start + length, length * mult
            yield start

    return islice(takewhile(lambda start: start <= FARTHEST_STEP, starts()), MOST_BOUNDARIES)
