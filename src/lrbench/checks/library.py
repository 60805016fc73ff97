"""The truth check of lrbench's own schedules and of users' functions.

*Wrong* is a rate that is not the one the formula gives, a factor no update can be made with, a
schedule that is not a function of the step alone, so that a resumed run differs, and a decay that
rises again behind its end. *Remark* is what is as it was asked for and may surprise. A user's function has no formula here; it is examined for
everything else.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, pairwise, takewhile
from numbers import Real
from typing import Any

from lrbench.adapters.torch_bench import undisturbed
from lrbench.checks.applied import Accuracy, Subject, Update, spread
from lrbench.checks.findings import Finding, Kind
from lrbench.checks.reference.exact import Exact
from lrbench.checks.reference.numbers import double, miss
from lrbench.checks.subject import show, show_apart
from lrbench.schedules.base import Schedule

MOST_CUTS = 1000
"""Cut points of a run at which it is built anew."""

STEPS_AFTER = 20
"""Factors compared after each cut."""

MOST_ASKED_AGAIN = 20_000
"""Steps asked for in other orders."""

SMALL, LARGE = 0.02, 10.0
"""Highest factors outside of these look like rates, or like percentages."""

Probe = Callable[[Subject], Iterable[Finding]]


@dataclass(frozen=True)
class Examination:
    """What was found, and how near the schedule comes to its formula where it has one."""

    findings: tuple[Finding, ...]
    accuracy: Accuracy | None


def check_schedule(
    name: str | None,
    schedule: Schedule,
    settings: Mapping[str, Any],
    *,
    lr: float,
    total_steps: int,
    exact: Exact | None,
    build: Callable[[], Schedule],
) -> list[Finding]:
    """The findings of :func:`examine`, which takes the same."""
    examined = examine(
        name, schedule, settings, lr=lr, total_steps=total_steps, exact=exact, build=build
    )
    return list(examined.findings)


def examine(
    name: str | None,
    schedule: Schedule,
    settings: Mapping[str, Any],
    *,
    lr: float,
    total_steps: int,
    exact: Exact | None,
    build: Callable[[], Schedule],
) -> Examination:
    """Examine a schedule for a run of ``total_steps`` updates.

    Parameters
    ----------
    name : str or None
        Of the schedule in the library; None for a user's function.
    schedule : Schedule
    settings : mapping
        Lengths in updates.
    lr : float in (0, inf)
        Base learning rate.
    total_steps : int in [1, inf), in updates
    exact : Exact or None
        Its reference; without one rates are not compared, and a remark says so.
    build : callable, () -> Schedule
        Makes it anew.

    Returns
    -------
    Examination
        What a schedule raises is among the findings.
    """
    subject = Subject(schedule, settings, lr, total_steps, exact, build)
    with undisturbed():
        findings = _findings(inside_the_run, subject)
        if findings:
            return Examination(tuple(findings), None)
        findings = [finding for probe in PROBES for finding in _findings(probe, subject)]
        if exact is None:
            whose = "a function of your own" if name is None else f"the schedule {name}"
            text = f"the rates are compared with no formula: lrbench has none of {whose}"
            findings.append(Finding("remark", "formula", text))
        return Examination(tuple(findings), subject.accuracy)


def _findings(probe: Probe, subject: Subject) -> list[Finding]:
    findings: list[Finding] = []
    try:
        findings.extend(probe(subject))
    except (Exception, SystemExit) as error:
        check = probe.__name__.replace("_", " ")
        text = f"looking at {check!r} raised {type(error).__name__}: {error}"
        findings.append(Finding("wrong", check, text))
    return findings


# --- values -------------------------------------------------------------------------------------


def inside_the_run(subject: Subject) -> Iterator[Finding]:
    """An exception before the run ends, or a factor no update can be made with."""
    factors, error = subject.factors, subject.course.error
    if error is not None and len(factors) < subject.total_steps:
        said = f"{type(error).__name__}: {error}"
        text = f"step {len(factors)} of a run of {subject.total_steps} raises {said}"
        yield Finding("wrong", "inside the run", text)
    trouble = ((step, _unusable(factor)) for step, factor in enumerate(factors))
    for step, why in islice(((step, why) for step, why in trouble if why), 1):
        text = f"the factor at step {step} is {factors[step]!r}, {why}"
        yield Finding("wrong", "inside the run", text)


def _unusable(factor: Any) -> str | None:
    if type(factor) is bool or not isinstance(factor, Real):
        return f"of type {type(factor).__name__}; it should be a float"
    if not math.isfinite(factor):
        return "it should be finite"
    return "below 0" if factor < 0 else None


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
    worst = max(wrong, key=lambda update: abs(update.miss))
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
    for shift, word in ((1, "after"), (-1, "before")):
        if all(_is_that_of(subject, update, update.step + shift) for update in wrong):
            return f"; each has the rate of the step {word} it"
    ratios = [update.way / double(update.due) for update in wrong if update.due]
    if len(ratios) > 1 and max(ratios) - min(ratios) <= 1e-9 * abs(max(ratios)):
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
    if subject.exact is not None or SMALL <= highest <= LARGE:
        return
    text = (
        f"the highest factor is {show(highest)}, so that the highest rate is "
        f"{show(highest * subject.lr)}: a schedule gives factors of optimizer.lr="
        f"{show(subject.lr)}, not rates"
    )
    yield Finding("remark", "units", text)


def warmup(subject: Subject) -> Iterator[Finding]:
    """A first update that changes nothing; where the peak of a warmup is."""
    factors = subject.factors
    highest = max(factors)
    if factors[0] == 0 < highest:
        text = "step 0 is made with rate 0 and changes no weight"
        yield Finding("remark", "first value", text)
    if subject.settings.get("warmup"):
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


# --- restarts, and what follows the end ---------------------------------------------------------


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
        text = f"behind the end, the factor at step {steps} is {factor!r}, {_unusable(factor)}"
        yield Finding(kind, "past the end", text)
    elif course.error is not None:
        said = f"{type(course.error).__name__}: {course.error}"
        yield Finding(kind, "past the end", f"behind the end, step {steps} raises {said}")


def rises_again(subject: Subject) -> Iterator[Finding]:
    """A decay of the user's own that turns upwards behind its end; cycles may."""
    rise = _rise_behind_the_end(subject)
    if rise and subject.exact is None:
        has_cycles = subject.schedule.cycles.start(1) is not None
        yield Finding("remark" if has_cycles else "wrong", "past the end", rise)


def formula_behind_the_end(subject: Subject) -> Iterator[Finding]:
    """Whether the end is held, or gone on from, as the formula says."""
    if subject.exact is None:
        return
    beyond = _beyond(subject)
    for step in spread(len(beyond), MOST_ASKED_AGAIN):
        rate, due = beyond[step] * subject.lr, subject.due(subject.total_steps + step)
        if subject.is_wrong(miss(rate, due), due):
            got, right = show_apart(rate, double(due))
            text = f"step {subject.total_steps + step}, behind the end, gets {got}, due is {right}"
            rise = _rise_behind_the_end(subject)
            yield Finding("wrong", "past the end", f"{text}; {rise}" if rise else text)
            return


def _beyond(subject: Subject) -> tuple[float, ...]:
    """Factors behind the end of the run, up to the first that no update can be made with."""
    factors = islice(subject.course.factors, subject.total_steps, None)
    return tuple(takewhile(lambda factor: _unusable(factor) is None, factors))


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


# --- a function of the step, and of nothing else ------------------------------------------------


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


PROBES: tuple[Probe, ...] = (
    kind_of_number,
    pure,
    resume,
    applied_rate,
    formula,
    restarts,
    behind_the_end,
    rises_again,
    formula_behind_the_end,
    units,
    warmup,
    floor,
)
"""After :func:`inside_the_run`; what they raise is a finding too."""
