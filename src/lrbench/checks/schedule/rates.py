"""Probes of the rates: that every update gets the one its formula gives, and none is unusable.

*Wrong*: an exception or an unusable factor inside the run, another rate than the formula's, another
rate in the optimizer than in the table. *Remark*: what is as asked for and may surprise.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise

from lrbench.checks.findings import Finding, show, show_apart
from lrbench.checks.reference.numbers import double, miss
from lrbench.checks.schedule.applied import Subject, Update, unusable
from lrbench.checks.schedule.steps import JUMP

SMALL, LARGE = 0.02, 10.0
"""Highest factors outside of these look like rates, or like percentages."""


def inside_the_run(subject: Subject) -> Iterator[Finding]:
    """An exception before the run ends, or a factor no update can be made with."""
    factors, error = subject.factors, subject.course.error
    if error is not None and len(factors) < subject.total_steps:
        said = f"{type(error).__name__}: {error}"
        text = f"step {len(factors)} of a run of {subject.total_steps} raises {said}"
        yield Finding("wrong", "inside the run", text)
    trouble = ((step, unusable(factor)) for step, factor in enumerate(factors))
    for step, why in islice(((step, why) for step, why in trouble if why), 1):
        text = f"the factor at step {step} is {factors[step]!r}, {why}"
        yield Finding("wrong", "inside the run", text)


def kind_of_number(subject: Subject) -> Iterator[Finding]:
    """Factors that are numbers, but no Python floats."""
    other = ((step, f) for step, f in enumerate(subject.factors) if type(f) is not float)
    for step, factor in islice(other, 1):
        text = f"the factor at step {step} is of type {type(factor).__name__}, not float"
        yield Finding("wrong" if subject.exact else "remark", "type", text)


def applied_rate(subject: Subject) -> Iterator[Finding]:
    """Whether the optimizer makes each update with the rate of the table."""
    others = (u for u in subject.updates if not u.rate == u.in_optimizer == u.way)
    for update in islice(others, 1):
        text = (
            f"update {update.step} has the rate {update.rate!r} in the table, "
            f"{update.in_optimizer!r} in the optimizer, and moves the weight by {update.way!r}"
        )
        yield Finding("wrong", "applied rate", text)


def formula(subject: Subject) -> Iterator[Finding]:
    """Whether each update is made with the rate that the formula gives."""
    if subject.exact is None:
        return
    wrong = [update for update in subject.updates if subject.is_wrong(update.miss, update.due)]
    if not wrong:
        return
    most = max(abs(update.miss) for update in wrong)
    # The first of those that differ by rounding alone.
    worst = next(update for update in wrong if abs(update.miss) >= (1 - 1e-6) * most)
    got, due = show_apart(worst.way, double(worst.due))
    text = (
        f"step {worst.step} is made with {got} where {due} is due; so {len(wrong)} of "
        f"{len(subject.updates)} updates differ{_places(subject, wrong)}{_pattern(subject, wrong)}"
    )
    yield Finding("wrong", "formula", text)


def _places(subject: Subject, wrong: list[Update]) -> str:
    """The places among them that matter most."""
    steps = {update.step for update in wrong}
    due = subject.exact.restarts if subject.exact else ()
    restarts = [step for step in due if step in steps]
    places = [
        *(["the first update"] if 0 in steps else []),
        *(f"the restart at step {step}" for step in restarts[:3]),
        *(["the last update"] if subject.total_steps - 1 in steps else []),
    ]
    return f", among them {', '.join(places)}" if places else ""


def _pattern(subject: Subject, wrong: list[Update]) -> str:
    """What they have in common: the step of a neighbour, or a factor."""
    if len(wrong) < 2:
        return ""
    for shift, word in ((1, "after"), (-1, "before")):
        if all(_is_that_of(subject, update, update.step + shift) for update in wrong):
            return f"; each has the rate of the step {word} it"
    ratios = [update.way / double(update.due) for update in wrong if update.due]
    if ratios and max(ratios) - min(ratios) <= 1e-9 * abs(max(ratios)):
        return f"; each has {show(ratios[0])} times the rate that is due"
    return ""


def _is_that_of(subject: Subject, update: Update, step: int) -> bool:
    if step < 0:
        return True
    due = subject.due(step)
    return not subject.is_wrong(miss(update.way, due), due)


def units(subject: Subject) -> Iterator[Finding]:
    """A user's function that gives rates, where factors of ``optimizer.lr`` are asked for."""
    highest = max(subject.factors)
    looks_like_rate = abs(highest - subject.lr) <= 1e-9 * subject.lr and subject.lr != 1.0
    if subject.exact is not None or (SMALL <= highest <= LARGE and not looks_like_rate):
        return
    text = (
        f"the highest factor is {show(highest)}, so that the highest rate is "
        f"{show(highest * subject.lr)}: a schedule gives factors of optimizer.lr="
        f"{show(subject.lr)}, not rates"
    )
    yield Finding("remark", "units", text)


def course(subject: Subject) -> Iterator[Finding]:
    """What a user's function does in the run, for its author to compare with what is meant."""
    factors = subject.factors
    if subject.exact is not None:
        return
    highest = max(factors)
    if min(factors) == highest:
        yield Finding("remark", "course", f"it gives {show(highest)} at every step of the run")
        return
    jumps = [
        step
        for step, (before, now) in enumerate(pairwise(factors), start=1)
        if now - before > JUMP * highest
    ]
    text = (
        f"from {show(factors[0])} at step 0 to {show(factors[-1])} at step {len(factors) - 1}, "
        f"highest {show(highest)} at step {factors.index(highest)}, "
        f"lowest {show(min(factors))} at step {factors.index(min(factors))}"
    )
    if jumps:
        listed = ", ".join(f"{step} (to {show(factors[step])})" for step in jumps[:6])
        more = f" and {len(jumps) - 6} more" if len(jumps) > 6 else ""
        text += f"; it jumps up at step {listed}{more}"
    yield Finding("remark", "course", text)


def warmup(subject: Subject) -> Iterator[Finding]:
    """A first update that changes nothing; where the peak of a warmup is."""
    factors = subject.factors
    highest = max(factors)
    if factors[0] == 0 < highest:
        text = "step 0 is made with rate 0 and changes no weight"
        yield Finding("remark", "first value", text)
    if subject.settings.get("warmup") and factors[0] < highest:
        text = (
            f"it rises from {show(factors[0])} at step 0 to its highest factor {show(highest)}, "
            f"first at step {factors.index(highest)}"
        )
        yield Finding("remark", "warmup", text)


def floor(subject: Subject) -> Iterator[Finding]:
    """An end value that no update of the run gets."""
    end = subject.settings.get("final_factor")
    lowest = min(subject.factors)
    if not isinstance(end, int | float) or lowest <= end * (1 + 1e-12):
        return
    if subject.schedule.cycles.start(1) is not None:
        return  # each cycle has an end; where it lies is said by the conventions
    text = (
        f"the end value {show(end)} is never reached: the lowest factor is {show(lowest)}, at "
        f"step {subject.factors.index(lowest)}"
    )
    behind = subject.course.factors[subject.total_steps :][:1]
    if behind == (end,):
        text += f"; it belongs to step {subject.total_steps}, behind the run"
        if subject.settings.get("endpoint") == "exclusive":
            text += " (endpoint=inclusive gives it to the last update)"
    yield Finding("remark", "floor", text)
