"""What a trigger decided, as part of a schedule: cycles that begin where something happened."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from itertools import pairwise
from typing import Any, get_args

from lrbench.errors import nearest
from lrbench.schedules.base import Cycles, Schedule, require, require_decay
from lrbench.schedules.events import Action, Event, PlannedRestart


def frozen(
    *,
    of: Callable[[int], Schedule],
    events: tuple[dict[str, Any], ...] = (),
    num_cycles: int | None = None,
    peak_decay: float = 0.8,
    decay_factor: float = 0.1,
    final_fraction: float = 0.25,
    total_steps: int,
) -> Schedule:
    """What happened to an adaptive run, as a plain schedule: restarts and decays at given steps.

    With T = total_steps and N = num_cycles, cycle i begins at the step r_i of the i-th restart
    (``r_0 = 0``) and is planned for ``T_i = (T - r_i) // (N - i)`` updates. In it
    ``f(t) = peak_decay**i * decay_factor**d * g_i(t - r_i)``, where ``g_i`` is the schedule ``of``
    built for a run of T_i updates and ``d`` counts the decays since r_i. A cycle that lasts longer
    than planned goes on behind the end of ``g_i``. From
    ``t_f = ceil((1 - final_fraction) * T)`` on, f is at most ``f(t_f) * (T - t) / (T - t_f)``.

    Parameters
    ----------
    of : Schedule
        In a configuration the name of one of lrbench's, or a mapping such as
        ``{name: wsd, cooldown: 20%}``. Lengths count within the cycle: ``20%`` is of what the cycle
        is planned for, and a null ``decay`` all of it. It has no restarts of its own.
    events : sequence of mapping, steps strictly increasing from 1
        Each has ``step``, ``action`` (``restart``; ``decay``; ``reset``, which leaves the rate as
        it is and only does to the optimizer's state what a restart does), and perhaps ``cause``,
        ``statistic`` and ``threshold``, as ``lrbench freeze`` writes them.
    num_cycles : int in [1, inf), optional
        Cycles there could have been; default: one more than there are restarts.
    peak_decay : float in (0, 1], default 0.8
        What every restart multiplies the peak by.
    decay_factor : float in (0, 1], default 0.1
        What a decay multiplies the rate by until the cycle ends.
    final_fraction : float in [0, 1), default 0.25
        Part of the run at its end in which there is no restart and no decay, and the rate is
        annealed to 0; 0: none.
    total_steps : int in [1, inf)
        Length of the run.

    Returns
    -------
    Schedule
        Every event but a decay is a warm restart.

    Raises
    ------
    ScheduleError
        An argument is outside its interval; the events are not in the order of their steps, or one
        of them comes too late; there are more restarts than cycles.

    Examples
    --------
    >>> from lrbench.schedules.decay import linear
    >>> factor = frozen(
    ...     of=lambda steps: linear(decay_steps=steps),
    ...     events=({"step": 2, "action": "restart"}, {"step": 4, "action": "decay"}),
    ...     peak_decay=0.5, decay_factor=0.5, final_fraction=0.0, total_steps=6,
    ... )
    >>> [round(factor(step), 4) for step in range(6)]
    [1.0, 0.6667, 0.5, 0.375, 0.125, 0.0625]
    """
    known = tuple(_event(index, event) for index, event in enumerate(events))
    restarts = sum(event.action == "restart" for event in known)
    return replanned(
        of,
        known,
        total_steps=total_steps,
        peak_decay=peak_decay,
        decay_factor=decay_factor,
        num_cycles=restarts + 1 if num_cycles is None else num_cycles,
        final_fraction=final_fraction,
    )


def replanned(
    base: Callable[[int], Schedule],
    events: Sequence[Event],
    *,
    total_steps: int,
    peak_decay: float,
    decay_factor: float,
    num_cycles: int,
    final_fraction: float,
) -> Schedule:
    """The schedule :func:`frozen` with what happened so far.

    More events never change a factor, or a restart, before the first of them.

    Parameters
    ----------
    base : callable, int -> Schedule
        The schedule of a cycle that is planned for so many updates.
    events : sequence of Event
    num_cycles : int in [1, total_steps]
        All restarts there may be, and one.
    total_steps, peak_decay, decay_factor, final_fraction
        As in :func:`frozen`.

    Raises
    ------
    ScheduleError
        As :func:`frozen`.
    """
    _check_settings(total_steps, peak_decay, decay_factor, num_cycles, final_fraction)
    _check_events(events, total_steps, num_cycles, final_fraction)
    parts = tuple(_parts(base, events, total_steps, peak_decay, decay_factor, num_cycles))
    begins = tuple(part.step for part in parts)

    def own(step: int) -> float:
        part = parts[bisect_right(begins, step) - 1]
        return part.amplitude * part.schedule(step - part.start)

    anneal = anneal_start(total_steps, final_fraction)
    height = own(anneal) if anneal < total_steps else 0.0

    def factor(step: int) -> float:
        value = own(step)
        if step < anneal or anneal == total_steps:
            return value
        left = max(total_steps - step, 0) / (total_steps - anneal)
        return min(value, height * left)

    planned = planned_restarts(events, total_steps=total_steps, num_cycles=num_cycles)
    starts = (0, *(restart.step for restart in planned))
    return Schedule(
        factor,
        Cycles(lambda index: starts[index] if index < len(starts) else None),
        conventions=tuple(_in_words(parts[0].schedule, total_steps, anneal)),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.schedule.notes)),
        planned=planned,
    )


def planned_restarts(
    events: Sequence[Event], *, total_steps: int, num_cycles: int
) -> tuple[PlannedRestart, ...]:
    """The warm restarts among ``events``, with what their cycles were planned for.

    After a reset the rate goes on, so that its cycle is planned to end where the rate's does, or,
    behind that, with the run.
    """
    found: list[PlannedRestart] = []
    restarts, end = 0, total_steps // num_cycles
    for event in events:
        if event.action == "decay":
            continue
        if event.action == "restart":
            restarts += 1
            end = event.step + (total_steps - event.step) // (num_cycles - restarts)
        length = (end if event.step < end else total_steps) - event.step
        found.append(
            PlannedRestart(
                event.step,
                len(found) + 1,
                length,
                event.action,
                event.cause,
                event.statistic,
                event.threshold,
            )
        )
    return tuple(found)


def anneal_start(total_steps: int, final_fraction: float) -> int:
    """First step of the final anneal, ``ceil((1 - final_fraction) * total_steps)``.

    The fraction is taken for the decimal it is written as.
    """
    return math.ceil((1 - Fraction(str(final_fraction))) * total_steps)


def shortest_cycle(total_steps: int, *, num_cycles: int, final_fraction: float) -> int:
    """The fewest updates that a cycle of a run can be planned for, whatever happens in it.

    0 where a restart could come so late that the cycles after it would have no room.
    """
    if num_cycles == 1:
        return total_steps
    latest = anneal_start(total_steps, final_fraction) - 1
    return min(total_steps // num_cycles, (total_steps - latest) // (num_cycles - 1))


@dataclass(frozen=True)
class _Part:
    """From ``step`` on: the cycle's own schedule, counted from ``start``, times ``amplitude``."""

    step: int
    start: int
    schedule: Schedule
    amplitude: float


def _parts(
    base: Callable[[int], Schedule],
    events: Sequence[Event],
    total_steps: int,
    peak_decay: float,
    decay_factor: float,
    num_cycles: int,
) -> Iterator[_Part]:
    cycle, decays, start = 0, 0, 0
    schedule = _built(base, total_steps // num_cycles)
    yield _Part(0, 0, schedule, 1.0)
    for event in events:
        if event.action == "restart":
            cycle, decays, start = cycle + 1, 0, event.step
            schedule = _built(base, (total_steps - start) // (num_cycles - cycle))
        elif event.action == "decay":
            decays += 1
        yield _Part(event.step, start, schedule, peak_decay**cycle * decay_factor**decays)


def _built(base: Callable[[int], Schedule], steps: int) -> Schedule:
    schedule = base(steps)
    relation = "must have no restarts of its own: the events are the restarts"
    own = schedule.restarts(steps)
    require(not own, "of", f"{relation} (a cycle of {steps} steps has some)", list(own))
    return schedule


def _check_settings(
    total_steps: int,
    peak_decay: float,
    decay_factor: float,
    num_cycles: int,
    final_fraction: float,
) -> None:
    require_decay("peak_decay", peak_decay)
    require_decay("decay_factor", decay_factor)
    require(0.0 <= final_fraction < 1.0, "final_fraction", "must lie in [0, 1)", final_fraction)
    require(num_cycles >= 1, "num_cycles", "must be at least 1", num_cycles)
    relation = f"must not exceed the {total_steps} steps of the run"
    require(num_cycles <= total_steps, "num_cycles", relation, num_cycles)


def _check_events(
    events: Sequence[Event], total_steps: int, num_cycles: int, final_fraction: float
) -> None:
    steps = [event.step for event in events]
    require(not steps or steps[0] >= 1, "events", "must not begin before step 1", steps[:1])
    for before, after in pairwise(steps):
        relation = f"must be in the order of their steps, one a step; {after} follows {before}"
        require(before < after, "events", relation, steps)
    anneal = anneal_start(total_steps, final_fraction)
    for event in events:
        if event.action == "reset":
            end, what = total_steps, "the end of the run"
        else:
            end, what = anneal, "the final anneal" if anneal < total_steps else "the end of the run"
        relation = f"must have every {event.action} before {what} at step {end}"
        require(event.step < end, "events", relation, event.step)
    restarts = [event.step for event in events if event.action == "restart"]
    relation = f"must hold at most {num_cycles - 1} restarts, one less than num_cycles"
    require(len(restarts) < num_cycles, "events", relation, len(restarts))
    for cycle, step in enumerate(restarts, start=1):
        left = num_cycles - cycle
        relation = f"must leave {left} updates for what cycles there may be after restart {cycle}"
        require(total_steps - step >= left, "events", relation, step)


def _in_words(first: Schedule, total_steps: int, anneal: int) -> Iterator[str]:
    yield "cycles: each is the schedule described here, built for the steps it is planned for"
    yield from first.conventions
    if anneal < total_steps:
        yield (
            f"final anneal: from step {anneal} on, at most the straight line from the factor there "
            f"to 0, one update after the run"
        )


_FIELDS = [field.name for field in fields(Event)]


def _event(index: int, given: Mapping[str, Any]) -> Event:
    """An event as a configuration has it.

    Raises
    ------
    ScheduleError
        Something is missing, unknown or of another kind.
    """
    place = f"events.{index}"
    for key in given:
        near = nearest(str(key), _FIELDS)
        relation = f"must have no other keys than {', '.join(_FIELDS)}"
        require(key in _FIELDS, place, relation, key, f"{near} in place of {key}" if near else None)
    step, action, cause = given.get("step"), given.get("action"), given.get("cause", "schedule")
    is_step = isinstance(step, int) and not isinstance(step, bool)
    require(is_step, f"{place}.step", "must be a number of updates", step)
    actions = get_args(Action)
    near = nearest(str(action), actions)
    relation = f"must be one of: {', '.join(actions)}"
    require(action in actions, f"{place}.action", relation, action, near)
    require(isinstance(cause, str), f"{place}.cause", "must be a text", cause)
    numbers = {key: given.get(key) for key in ("statistic", "threshold")}
    for key, value in numbers.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        relation = "must be a number or null"
        require(value is None or is_number, f"{place}.{key}", relation, value)
    return Event(step, action, cause, **numbers)  # type: ignore[arg-type]
