"""Probes of resuming: whether a run cut at any step goes on with the same rates.

*Wrong*: other rates after loading the state of optimizer and scheduler, or after building with
``last_epoch`` whichever way the checkpoint was written. *Remark*: what a user has to know for it to
be right: that the scheduler's state alone is not enough, which order a ``last_epoch`` counts on,
and what is missing in the state.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from types import FunctionType
from typing import Any

from torch.optim.lr_scheduler import LambdaLR, MultiplicativeLR, SequentialLR

from lrbench.adapters.torch_bench import Bench, sgd
from lrbench.checks.findings import Finding, show_apart
from lrbench.checks.torch.subject import Subject, copied, named

STEPS_AFTER = 50
"""Rates compared after each cut."""

State = dict[str, Any]
Miss = tuple[int, int, float, float]
"""Cut, step, rate it got, rate it should have."""


def by_state_dict(subject: Subject) -> Iterator[Finding]:
    """The state of optimizer and scheduler, loaded into new ones at every cut."""
    if not subject.keeps_state:
        text = "it has no state_dict() and load_state_dict(): no run with it can be resumed"
        yield Finding("wrong", "resume by state_dict", text)
        return
    cuts = subject.cuts(STEPS_AFTER)
    misses = []
    for cut, optimizer_state, scheduler_state in _checkpoints(subject, cuts):
        bench = subject.bench()
        bench.scheduler.load_state_dict(scheduler_state)
        bench.optimizer.load_state_dict(optimizer_state)
        misses += _misses(subject, bench, cut, cut)
    if misses:
        yield Finding("wrong", "resume by state_dict", _in_words(misses, cuts))


def by_scheduler_state_alone(subject: Subject) -> Iterator[Finding]:
    """The scheduler's state loaded, the optimizer new: its rate is the constructor's."""
    if not subject.keeps_state:
        return
    worst: tuple[float, int, float] | None = None
    for cut, _, scheduler_state in _checkpoints(subject, subject.cuts(STEPS_AFTER)):
        bench = subject.bench()
        bench.scheduler.load_state_dict(scheduler_state)
        gap = abs(bench.rate - subject.rates[cut])
        if subject.differ(bench.rate, subject.rates[cut]) and (worst is None or gap > worst[0]):
            worst = gap, cut, bench.rate
    if worst:
        _, cut, rate = worst
        got, right = show_apart(rate, subject.rates[cut])
        text = (
            "load_state_dict() of the scheduler does not set the optimizer's rate: without the "
            f"optimizer's own state, a run cut at step {cut} goes on with {got} where "
            f"{right} is due"
        )
        yield Finding("remark", "resume by scheduler state alone", text)


def by_last_epoch(subject: Subject) -> Iterator[Finding]:
    """Built with ``last_epoch=N`` on an optimizer from a checkpoint, at every cut.

    Update N is done. The checkpoint may be of the moment after ``scheduler.step()``, so that the
    optimizer has the rate of update N + 1, or of the moment before. A scheduler is right if one of
    the two gives the rates of an uninterrupted run.
    """
    if not (subject.takes_last_epoch and subject.keeps_state):
        return
    cuts = subject.cuts(STEPS_AFTER)
    wanted = {*cuts, *(cut - 1 for cut in cuts)}
    states = {cut: optimizer for cut, optimizer, _ in _checkpoints(subject, wanted)}
    after = [miss for cut in cuts for miss in _rebuilt(subject, states[cut], cut)]
    before = [miss for cut in cuts for miss in _rebuilt(subject, states[cut - 1], cut)]
    if after and before:
        text = f"built with last_epoch=N at every N: {_in_words(after, cuts)}"
        source = "pytorch#162591" if isinstance(subject.parts[0], SequentialLR) else None
        yield Finding("wrong", "resume by last_epoch", text, source)
    elif after or before:
        right, misses = ("before", after) if after else ("after", before)
        wrong = "after" if after else "before"
        text = (
            f"last_epoch=N is right only with a checkpoint written {right} scheduler.step(); with "
            f"one written {wrong} it: {_in_words(misses, cuts)}"
        )
        yield Finding("remark", "resume by last_epoch", text)


def what_the_state_leaves_out(subject: Subject) -> Iterator[Finding]:
    """Functions of the step whose settings, the horizon among them, no checkpoint has."""
    for part in subject.parts:
        if isinstance(part, LambdaLR | MultiplicativeLR) and any(map(_is_lost, part.lr_lambdas)):
            kept = part.state_dict()["lr_lambdas"]
            text = (
                f"the state of {named(part)} holds nothing of its function's settings (lr_lambdas: "
                f"{kept}), so a run resumed with other settings changes its curve unnoticed"
                f"{_for_instance(subject)}"
            )
            yield Finding("remark", "what the state leaves out", text)
            return


def _checkpoints(subject: Subject, cuts: Collection[int]) -> Iterator[tuple[int, State, State]]:
    """Cut, optimizer state, scheduler state; the run itself is made once."""
    bench = subject.bench()
    for step in range(len(subject.rates)):
        if step:
            bench.advance()
        if step in cuts:
            optimizer = copied(bench.optimizer.state_dict())
            yield step, optimizer, copied(bench.scheduler.state_dict())


def _misses(subject: Subject, bench: Bench, cut: int, name: int) -> list[Miss]:
    """The first rate from ``cut`` on that is not the run's, if there is one."""
    due = subject.rates[cut : cut + STEPS_AFTER]
    for step, (got, right) in enumerate(zip(bench.rates(len(due)), due, strict=True), start=cut):
        if subject.differ(got, right):
            return [(name, step, got, right)]
    return []


def _rebuilt(subject: Subject, state: State, cut: int) -> list[Miss]:
    """Built for ``cut``: the last update that was made is the one before."""
    optimizer = sgd(subject.lr)
    optimizer.load_state_dict(copied(state))
    last = cut - 1
    return _misses(subject, subject.bench(optimizer, last_epoch=last), cut, last)


def _in_words(misses: list[Miss], cuts: list[int]) -> str:
    cut, step, *rates = max(misses, key=lambda miss: abs(miss[2] - miss[3]))
    got, right = show_apart(*rates)
    return (
        f"{len(misses)} of {len(cuts)} cuts go on with other rates, the worst at N={cut}: step "
        f"{step} gets {got} where {right} is due"
    )


def _is_lost(function: Any) -> bool:
    return isinstance(function, FunctionType) or not getattr(function, "__dict__", None)


def _for_instance(subject: Subject) -> str:
    """What doubling one of the whole-number settings does at the middle of the run."""
    middle = len(subject.rates) // 2
    lengths = {k: v for k, v in subject.settings.items() if type(v) is int and v > 1}
    if not middle:
        return ""
    _, optimizer_state, scheduler_state = next(_checkpoints(subject, [middle]))
    for key, value in lengths.items():
        longer: dict[str, Any] = {key: 2 * value}
        bench = subject.bench(**longer)
        bench.scheduler.load_state_dict(scheduler_state)
        bench.optimizer.load_state_dict(optimizer_state)
        due = subject.rates[middle : middle + 2]
        got = bench.rates(len(due))
        if subject.differ(got[-1], due[-1]):
            step, pair = middle + len(due) - 1, show_apart(got[-1], due[-1])
            return (
                f": resumed at step {middle} with {key}={2 * value} instead of {value}, step "
                f"{step} gets {pair[0]} and not {pair[1]}"
            )
    return ""
