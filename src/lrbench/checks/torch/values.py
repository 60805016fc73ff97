"""Probes of the values of a run: whose they are, where they start, how low they get.

*Wrong*: rates below 0 or not finite, an exception inside the run, other rates at a second go, and
a floor that the documentation promises and no update gets. *Remark*: rates that do not scale with
``optimizer.lr``, another start than ``optimizer.lr``, an end that lies outside the run, milestones
that fall together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
)

from lrbench.adapters.torch_bench import parts
from lrbench.checks.findings import Finding, show
from lrbench.checks.torch.subject import Subject, named


def inside_the_run(subject: Subject) -> Iterator[Finding]:
    """An exception before the run ends, or a rate no update should be made with."""
    course, steps = subject.course, subject.total_steps
    if course.error is not None and len(course.rates) < steps:
        said = f"{type(course.error).__name__}: {course.error}"
        text = f"stepping to step {len(course.rates)} of a run of {steps} raises {said}"
        yield Finding("wrong", "inside the run", text)
    bad = (step for step, rate in enumerate(subject.rates) if not math.isfinite(rate))
    for step in islice(bad, 1):
        text = f"the rate at step {step} is {subject.rates[step]}, it should be finite"
        yield Finding("wrong", "inside the run", text)
    below = [step for step, rate in enumerate(subject.rates) if rate < 0]
    if below:
        rate = subject.rates[below[0]]
        text = (
            f"the rate at step {below[0]} is {show(rate)}, below 0; "
            f"so it is at {len(below)} of {steps} steps"
        )
        yield Finding("wrong", "below zero", text)


def repeatable(subject: Subject) -> Iterator[Finding]:
    """Whether a second scheduler of the same settings gives the same rates."""
    again = subject.drive(subject.first_steps).rates
    pairs = enumerate(zip(subject.rates, again, strict=False))
    for step, (first, second) in islice((each for each in pairs if each[1][0] != each[1][1]), 1):
        text = f"built a second time it gives {show(second)} at step {step}, at first {show(first)}"
        yield Finding("wrong", "not repeatable", text)


def whose_rate(subject: Subject) -> Iterator[Finding]:
    """Whether the rates follow ``optimizer.lr``: seen by doubling it."""
    doubled = subject.drive(subject.first_steps, lr=2 * subject.lr).rates
    pairs = list(zip(subject.rates, doubled, strict=False))
    lr = show(subject.lr)
    if not any(subject.differ(one, two) for one, two in pairs):
        text = (
            f"optimizer.lr={lr} is ignored: the rates are the same at twice as much "
            f"(from {show(min(subject.rates))} to {show(max(subject.rates))})"
        )
        yield Finding("remark", "units", text)
        return
    step = max(range(len(pairs)), key=lambda step: abs(pairs[step][1] - 2 * pairs[step][0]))
    one, two = pairs[step]
    if subject.differ(2 * one, two):
        text = (
            f"some of its numbers are absolute rates: with optimizer.lr doubled, the rate at step "
            f"{step} goes from {show(one)} to {show(two)}, not to {show(2 * one)}"
        )
        yield Finding("remark", "units", text)


def first_rate(subject: Subject) -> Iterator[Finding]:
    """Whether the first update is made with ``optimizer.lr``."""
    if not subject.rates or not subject.differ(subject.rates[0], subject.lr):
        return
    first = subject.rates[0]
    if first == 0:
        yield Finding("remark", "first value", "step 0 is made with rate 0 and changes no weight")
        return
    text = (
        f"step 0 is made with {show(first)}, that is {show(first / subject.lr)} of "
        f"optimizer.lr={show(subject.lr)}{_by_default(subject)}"
    )
    yield Finding("remark", "first value", text)


def _by_default(subject: Subject) -> str:
    outer = subject.parts[0]
    if isinstance(outer, LinearLR) and "start_factor" not in subject.settings:
        return f"; start_factor is {show(outer.start_factor)} unless set"
    if isinstance(outer, ConstantLR) and "factor" not in subject.settings:
        return f", up to step {outer.total_iters - 1}; factor is {show(outer.factor)} unless set"
    return ""


def last_rate(subject: Subject) -> Iterator[Finding]:
    """Whether the end of the decay is a step of the run."""
    rates, steps = subject.course.rates, subject.total_steps
    if len(rates) < steps:
        return
    end = _end_step(subject.parts[0])
    if end is not None and end > steps:
        text = (
            f"it ends at step {end}, after the run of {steps}: "
            f"the last rate is {show(rates[steps - 1])}"
        )
        yield Finding("remark", "last value", text)
        return
    if len(rates) <= steps:
        return
    lowest, beyond = min(rates[:steps]), rates[steps]
    after = rates[steps + 1] if len(rates) > steps + 1 else math.inf
    if subject.differ(lowest, beyond) and 0 <= beyond < lowest and after >= beyond:
        text = (
            f"the end value {show(beyond)} belongs to step {steps}, which a run of {steps} does "
            f"not make: its last rate is {show(rates[steps - 1])}"
        )
        yield Finding("remark", "last value", text)


def _end_step(scheduler: Any) -> int | None:
    if isinstance(scheduler, CosineAnnealingLR):
        return int(scheduler.T_max)
    if isinstance(scheduler, LinearLR | PolynomialLR):
        return int(scheduler.total_iters)
    if isinstance(scheduler, OneCycleLR):
        return int(scheduler.total_steps)
    return None


def floor_of_cycles(subject: Subject) -> Iterator[Finding]:
    """The floor that ``CosineAnnealingWarmRestarts`` documents and never sets."""
    for part in parts(subject.bench().scheduler):
        if not isinstance(part, CosineAnnealingWarmRestarts):
            continue
        last = part.T_0 - 1
        part.step(last)
        lowest = float(part.optimizer.param_groups[0]["lr"])
        if subject.differ(lowest, part.eta_min):
            text = (
                f"eta_min={show(part.eta_min)} is never reached: the lowest rate of the first "
                f"cycle, T_0={part.T_0}, is {show(lowest)}, at its last step {last}; the "
                "documentation says that eta_min is set when T_cur = T_i"
            )
            yield Finding("wrong", "floor", text, "pytorch#47560")


def milestones(subject: Subject) -> Iterator[Finding]:
    """Milestones given twice, which drop the rate twice at one step."""
    for part in subject.parts:
        if isinstance(part, MultiStepLR):
            for step, times in sorted(part.milestones.items()):
                if times > 1:
                    text = (
                        f"milestone {step} is given {times} times: the rate there drops once, "
                        f"by {show(part.gamma**times)} (gamma**{times}), "
                        f"and not by {show(part.gamma)}"
                    )
                    yield Finding("remark", f"milestones of {named(part)}", text)
