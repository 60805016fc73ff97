"""Probes of what a scheduler does to its surroundings, and they to it.

*Wrong*: a part of a chain whose work the next part throws away, a parameter group whose rates
depend on the other groups'. *Remark*: what becomes of a rate edited from outside, momentum and
other settings that the scheduler sets, optimizers it refuses, drift where the optimizer's rate is a
float32 tensor: such a rate is a choice of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ChainedScheduler

from lrbench.adapters.torch_bench import MOMENTUM, Bench, weights
from lrbench.checks.findings import Finding, show, show_apart
from lrbench.checks.torch.subject import LONGEST, Subject, named

DRIFT = 1e-6
"""Relative error of a float32 rate that is more than its rounding (6e-8)."""

STEPS_WATCHED = 1000
STEPS_AFTER_EDIT = 10


def edited_rate(subject: Subject) -> Iterator[Finding]:
    """The rate is halved from outside once; are the rates after it the run's?"""
    step = min(len(subject.rates), subject.first_steps) // 3
    due = subject.rates[step + 1 : step + 1 + STEPS_AFTER_EDIT]
    if not due or subject.rates[step] == 0:
        return
    bench = subject.bench()
    bench.rates(step + 1)
    bench.group["lr"] *= 0.5
    got = bench.rates(1 + len(due))[1:]
    if not any(map(subject.differ, got, due)):
        text = (
            f"a rate edited from outside is overwritten (halved at step {step}, step {step + 1} "
            f"gets {show(got[0])} all the same): a warmup that another scheduler multiplies in "
            "is lost"
        )
    else:
        text = (
            f"a rate edited from outside is carried on (halved at step {step}, step {step + 1} "
            f"gets {show(got[0])} and not {show(due[0])}): the rates depend on the one before, "
            "not on the step alone"
        )
    yield Finding("remark", "rate edited from outside", text)


def lost_in_a_chain(subject: Subject) -> Iterator[Finding]:
    """A part of ``ChainedScheduler`` that overwrites what the parts before it gave."""
    if not isinstance(subject.parts[0], ChainedScheduler):
        return
    for index in range(1, len(subject.parts[0]._schedulers)):
        if subject.differ(*(_after_part(subject, index, scale) for scale in (1.0, 0.5))):
            continue
        before, part = subject.parts[0]._schedulers[index - 1 : index + 1]
        own = float(before.get_last_lr()[0])
        text = (
            f"{named(part)} overwrites the rate, so {named(before)} before it in the chain is "
            f"lost: step 0 is made with {show(subject.rates[0])}"
        )
        if subject.differ(own, subject.rates[0]):
            text += f", {named(before)} gives {show(own)}"
        yield Finding("wrong", "chain", text)


def _after_part(subject: Subject, index: int, scale: float) -> float:
    """The first rate that part ``index`` writes if ``scale`` comes in before it."""
    bench = subject.bench()
    bench.optimizer.step()
    *before, part = bench.scheduler._schedulers[: index + 1]
    for scheduler in before:
        scheduler.step()
    bench.group["lr"] *= scale
    part.step()
    return bench.rate


def other_settings(subject: Subject) -> Iterator[Finding]:
    """Settings of the optimizer, beside the rate, that are not what the user gave it."""
    lr = subject.lr
    optimizers: dict[str, Optimizer] = {
        f"SGD(momentum={MOMENTUM})": torch.optim.SGD(weights(), lr=lr, momentum=MOMENTUM),
        "SGD(momentum=0)": torch.optim.SGD(weights(), lr=lr, momentum=0.0),
        "AdamW(betas=(0.9, 0.999))": torch.optim.AdamW(weights(), lr=lr, betas=(0.9, 0.999)),
    }
    for name, optimizer in optimizers.items():
        for key, values in _changes(subject, optimizer).items():
            given, first, low, high = values[0], values[1], min(values[1:]), max(values[1:])
            turned = " is turned on" if given == 0 else ""
            text = (
                f"{key} of {name}{turned}: it is set to {first:g} at step 0 and lies between "
                f"{low:g} and {high:g} in the run"
            )
            is_momentum = key.startswith(("momentum", "beta"))
            yield Finding("remark", "momentum" if is_momentum else key, text)


def _changes(subject: Subject, optimizer: Optimizer) -> dict[str, list[float]]:
    """Numbers that change: as given, then at every step."""
    seen = {key: [value] for key, value in _numbers(optimizer).items()}
    bench = Bench(subject.found, subject.settings, optimizer)
    for step in range(min(len(subject.rates), STEPS_WATCHED)):
        if step:
            bench.advance()
        for key, value in _numbers(optimizer).items():
            seen.get(key, []).append(value)
    return {key: values for key, values in seen.items() if set(values) != {values[0]}}


def _numbers(optimizer: Optimizer) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in optimizer.param_groups[0].items():
        values = {f"beta{i}": v for i, v in enumerate(value, 1)} if key == "betas" else {key: value}
        found |= {k: float(v) for k, v in values.items() if isinstance(v, float | int)}
    return {key: value for key, value in found.items() if key not in ("lr", "initial_lr")}


def without_momentum(subject: Subject) -> Iterator[Finding]:
    """An optimizer that has neither momentum nor betas."""
    try:
        subject.bench(torch.optim.Adagrad(weights(), lr=subject.lr))
    except Exception as error:
        text = (
            f"an optimizer without momentum (Adagrad) is refused: {type(error).__name__}: {error}"
        )
        yield Finding("remark", "momentum", text)


def second_group(subject: Subject) -> Iterator[Finding]:
    """A parameter group with a tenth of the rate, beside one with the whole and alone."""
    lr = 0.1 * subject.lr
    alone = subject.drive(subject.first_steps, lr=lr).rates
    groups: list[dict[str, Any]] = [{"params": weights()}, {"params": weights(), "lr": lr}]
    optimizer = torch.optim.SGD(groups, lr=subject.lr, momentum=MOMENTUM)
    try:
        bench = subject.bench(optimizer)
    except Exception:
        return  # its settings are lists, made for one group
    for step, rate in enumerate(alone):
        if step:
            bench.advance()
        beside = float(optimizer.param_groups[1]["lr"])
        if subject.differ(rate, beside):
            got, due = show_apart(beside, rate)
            text = (
                f"a second parameter group with lr={show(lr)} gets {got} at step {step}, alone it "
                f"would get {due}"
            )
            yield Finding("wrong", "parameter groups", text)
            return


def float32_drift(subject: Subject) -> Iterator[Finding]:
    """Rates where the optimizer keeps its rate as a float32 tensor, as compiled ones do."""
    steps = min(len(subject.rates), LONGEST)
    if not steps:
        return
    lr: Any = torch.tensor(subject.lr, dtype=torch.float32)
    got = subject.bench(torch.optim.SGD(weights(), lr=lr, momentum=MOMENTUM)).rates(steps)
    errors = [
        (abs(rate - right) / right, step)
        for step, (rate, right) in enumerate(zip(got, subject.rates, strict=False))
        if right > 1e-3 * subject.scale
    ]
    error, step = max(errors, default=(0.0, 0))
    if error > DRIFT:
        text = (
            f"with a float32 tensor as the optimizer's rate it drifts: {error:.1e} of the rate at "
            f"step {step}, {got[step]:.9g} where {subject.rates[step]:.9g} is due"
        )
        yield Finding("remark", "float32 rate", text)
