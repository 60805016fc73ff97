"""Schedules with warm restarts: they fall, jump back to the peak, and fall again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from lrbench.schedules.base import (
    NO_STEPS,
    Endpoint,
    Schedule,
    Steps,
    progress,
    require,
    require_decay,
    require_fraction,
)
from lrbench.schedules.compose import RampForm, ramp
from lrbench.schedules.cycles import CyclePlan, Place, Tail, plan_cycles
from lrbench.schedules.shapes import Shape, curve

PeakDecayForm = Literal["amplitude", "peak"]
DecayOf = Literal["cycle", "so_far"]


def sgdr(
    *,
    first_cycle_steps: Steps | None = None,
    cycle_mult: float = 2.0,
    num_cycles: int | None = None,
    cycle_lengths: tuple[Steps, ...] | None = None,
    shape: Shape = "cosine",
    power: float = 1.0,
    peak_decay: float = 1.0,
    peak_decay_form: PeakDecayForm = "amplitude",
    cycle_warmup_steps: Steps = NO_STEPS,
    cycle_warmup_form: RampForm = "first",
    final_factor: float = 0.0,
    endpoint: Endpoint = "exclusive",
    tail: Tail = "truncate",
    total_steps: int | None = None,
) -> Schedule:
    """A decay from the peak to ``final_factor``, restarted at the end of every cycle.

    Cycle i has ``T_i = round(first_cycle_steps * cycle_mult**i)`` updates and begins at
    ``b_i = T_0 + … + T_{i-1}``. At position ``k = t - b_i`` of it, with
    ``p_i = final_factor + (1 - final_factor) * peak_decay**i``,
    ``f(t) = final_factor + (p_i - final_factor) * (1 + cos(pi * q)) / 2``, where
    ``q = (k - W) / (T_i - W)`` and ``W = cycle_warmup_steps``; for ``k < W`` it rises from
    ``final_factor`` to ``p_i``. Other shapes take the place of the cosine.

    Parameters
    ----------
    first_cycle_steps : int in [1, inf), in updates, optional
        Length of the first cycle; the paper's T_0. Default: such that ``num_cycles`` cycles
        (3 if that is not given either) fill ``total_steps`` exactly: cycle i begins at the step
        nearest to its exact share of the run, of two equally near at the even one.
    cycle_mult : float in [1, inf), default 2.0
        Each cycle is this many times as long as the one before; the paper's T_mult.
    num_cycles : int in [1, inf), optional
        No restart after so many cycles. Default: no end, where ``first_cycle_steps`` is given.
    cycle_lengths : sequence of int in [1, inf), in updates, optional
        The lengths of all cycles, one by one, in place of the three before.
    shape : str, default "cosine"
        Of the fall in every cycle.
    power : float in (0, inf), default 1.0
        Exponent of the shapes ``polynomial`` and ``power``; no effect on the others.
    peak_decay : float in (0, 1], default 1.0
        What each restart multiplies the peak by.
    peak_decay_form : {"amplitude", "peak"}
        Whether that is the height above ``final_factor``, or the peak itself,
        ``p_i = max(final_factor, peak_decay**i)``, as in timm and Keras.
    cycle_warmup_steps : int in [0, T_0), in updates, default 0
        Length of the rise at the start of every cycle, the first too.
    cycle_warmup_form : str, default "first"
        Of that rise; as the forms of the warmup, but for the exponential one, which has no end.
    final_factor : float in [0, 1], default 0.0
        Where every cycle ends, as a fraction of the base learning rate; the paper's eta_min.
    endpoint : {"exclusive", "inclusive"}
        Whether the next cycle begins where ``final_factor`` would be reached, or after a step
        with it. A cycle of a single step is that one.
    tail : {"truncate", "stretch", "hold"}
        What becomes of the steps that full cycles leave over at the end of the run: one more
        cycle, cut short; the last full cycle made longer by them; ``final_factor`` held. After
        ``num_cycles`` cycles there is no further one to cut short, and ``final_factor`` holds.
    total_steps : int in [1, inf), optional
        Length of the run. Without it, cycles go on for ever and there is no tail.

    Returns
    -------
    Schedule
        Without a cycle warmup every cycle of two or more steps starts exactly at its peak (the
        shape ``tanh`` a hair below); boundaries are integer sums.

    Raises
    ------
    ScheduleError
        An argument is outside its interval, or the cycles do not fit the run.

    Examples
    --------
    >>> factor = sgdr(first_cycle_steps=2, cycle_mult=2)
    >>> [round(factor(step), 4) for step in range(7)]
    [1.0, 0.5, 1.0, 0.8536, 0.5, 0.1464, 1.0]
    >>> factor.restarts(total_steps=10)
    (2, 6)
    >>> sgdr(total_steps=70).restarts(70)
    (10, 30)

    Notes
    -----
    torch's ``CosineAnnealingWarmRestarts`` takes whole ``T_mult`` only, and asked for an epoch
    directly it, like timm, can give eta_min where the peak should be. timm's ``cycle_mul`` and
    ``cycle_decay`` are ``cycle_mult`` and ``peak_decay``; transformers has equal cycles only.

    References
    ----------
    Loshchilov & Hutter 2017, SGDR (arXiv:1608.03983), eq. 5 and §3.
    """
    plan = plan_cycles(
        first_cycle=first_cycle_steps,
        cycle_mult=cycle_mult,
        num_cycles=num_cycles,
        lengths=cycle_lengths,
        tail=tail,
        total_steps=total_steps,
    )
    require_decay("peak_decay", peak_decay)
    require_fraction("final_factor", final_factor)
    require(cycle_warmup_steps >= 0, "cycle_warmup", "must not be negative", cycle_warmup_steps)
    if cycle_warmup_steps > 0:
        shortest = min(cycle_lengths) if cycle_lengths else plan.shortest(total_steps)
        relation = f"must be shorter than the shortest cycle ({shortest} steps)"
        require(cycle_warmup_steps < shortest, "cycle_warmup", relation, cycle_warmup_steps)
    fall = curve(shape, power=power, final_factor=final_factor)

    def peak(cycle: int) -> float:
        if peak_decay_form == "peak":
            return max(final_factor, peak_decay**cycle)
        # Where nothing decays, the sum would only add an error of rounding.
        if peak_decay == 1.0:
            return 1.0
        return final_factor + (1.0 - final_factor) * peak_decay**cycle

    def within(place: Place) -> float:
        top = peak(place.cycle)
        if place.position < cycle_warmup_steps:
            height = ramp(place.position, cycle_warmup_steps, cycle_warmup_form)
            return final_factor + (top - final_factor) * height
        done = progress(
            place.position - cycle_warmup_steps, place.length - cycle_warmup_steps, endpoint
        )
        return fall(top, final_factor, done)

    built = _cyclic(plan, within, final_factor, endpoint, tail, total_steps)
    if cycle_warmup_steps == 0:
        return built
    words = f"cycle warmup: {cycle_warmup_steps} steps, form {cycle_warmup_form}, in every cycle"
    return replace(built, conventions=(words, *built.conventions))


def snapshot(*, num_cycles: int = 5, final_factor: float = 0.0, total_steps: int) -> Schedule:
    """Equal cosine cycles, as snapshot ensembles take them.

    With ``L = ceil(total_steps / num_cycles)``, ``f(t) = final_factor + (1 - final_factor) *
    (1 + cos(pi * (t mod L) / L)) / 2`` for ``t < num_cycles * L``, and ``final_factor`` from then
    on.

    Parameters
    ----------
    num_cycles : int in [1, total_steps], default 5
        The paper's M; a snapshot is taken at the end of each.
    final_factor : float in [0, 1], default 0.0
        Where every cycle ends, as a fraction of the base learning rate.
    total_steps : int in [1, inf)
        Length of the run, without the warmup.

    Returns
    -------
    Schedule
        The last cycle is cut short where the steps do not divide.

    Raises
    ------
    ScheduleError
        An argument is outside its interval, or so many cycles of equal length do not fit.

    Examples
    --------
    >>> factor = snapshot(num_cycles=2, total_steps=4)
    >>> [round(factor(step), 4) for step in range(4)]
    [1.0, 0.5, 1.0, 0.5]

    References
    ----------
    Huang et al. 2017, snapshot ensembles (arXiv:1704.00109), eq. 2; its t counts from 1.
    """
    require(num_cycles >= 1, "num_cycles", "must be at least 1", num_cycles)
    length = -(-total_steps // num_cycles)
    relation = f"must leave a step of {total_steps} for the last of cycles of {length}"
    require((num_cycles - 1) * length < total_steps, "num_cycles", relation, num_cycles)
    return sgdr(
        first_cycle_steps=Steps(length),
        cycle_mult=1.0,
        num_cycles=num_cycles,
        final_factor=final_factor,
        total_steps=total_steps,
    )


def trapezoidal_restarts(
    *,
    first_cycle_steps: Steps | None = None,
    cycle_mult: float = 1.0,
    num_cycles: int | None = None,
    cycle_lengths: tuple[Steps, ...] | None = None,
    warmup_fraction: float = 0.1,
    decay_fraction: float = 0.3,
    shape: Shape = "linear",
    power: float = 1.0,
    peak_decay: float = 1.0,
    final_factor: float = 0.0,
    endpoint: Endpoint = "exclusive",
    tail: Tail = "truncate",
    total_steps: int | None = None,
) -> Schedule:
    """In every cycle a straight rise, a level peak, and a fall.

    In cycle i of ``T_i`` updates, with ``W = floor(warmup_fraction * T_i)``,
    ``D = floor(decay_fraction * T_i)`` and ``p_i = final_factor + (1 - final_factor) *
    peak_decay**i``: ``f = final_factor + (p_i - final_factor) * (k + 1) / W`` at its positions
    ``k < W``, ``p_i`` up to ``T_i - D``, and then ``final_factor + (p_i - final_factor) *
    (1 - (k - (T_i - D)) / D)``.

    Parameters
    ----------
    first_cycle_steps : int in [1, inf), in updates, optional
        Length of the first cycle. Default: such that ``num_cycles`` cycles (3 if that is not given
        either) fill ``total_steps`` exactly.
    cycle_mult : float in [1, inf), default 1.0
        Each cycle is this many times as long as the one before.
    num_cycles : int in [1, inf), optional
        No restart after so many cycles. Default: no end, where ``first_cycle_steps`` is given.
    cycle_lengths : sequence of int in [1, inf), in updates, optional
        The lengths of all cycles, one by one, in place of the three before.
    warmup_fraction, decay_fraction : float in [0, 1], default 0.1 and 0.3
        Parts of each cycle, at most 1 together.
    shape : str, default "linear"
        Of the fall.
    power : float in (0, inf), default 1.0
        Exponent of the shapes ``polynomial`` and ``power``; no effect on the others.
    peak_decay : float in (0, 1], default 1.0
        What each restart multiplies the height above ``final_factor`` by.
    final_factor : float in [0, 1], default 0.0
        Where every cycle ends, as a fraction of the base learning rate.
    endpoint : {"exclusive", "inclusive"}
        Whether the next cycle begins where the end value would be reached, or after a step
        with it.
    tail : {"truncate", "stretch", "hold"}
        What becomes of the steps that full cycles leave over, as in ``sgdr``.
    total_steps : int in [1, inf), optional
        Length of the run.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        An argument is outside its interval, or the cycles do not fit the run.

    Examples
    --------
    >>> factor = trapezoidal_restarts(
    ...     first_cycle_steps=5, warmup_fraction=0.4, decay_fraction=0.4
    ... )
    >>> [factor(step) for step in range(6)]
    [0.5, 1.0, 1.0, 1.0, 0.5, 0.5]

    References
    ----------
    Xing et al. 2018, a walk with SGD (arXiv:1802.08770), for the trapezoid; restarted as in SGDR.
    """
    plan = plan_cycles(
        first_cycle=first_cycle_steps,
        cycle_mult=cycle_mult,
        num_cycles=num_cycles,
        lengths=cycle_lengths,
        tail=tail,
        total_steps=total_steps,
    )
    require_fraction("warmup_fraction", warmup_fraction)
    require_fraction("decay_fraction", decay_fraction)
    up, down = Fraction(str(warmup_fraction)), Fraction(str(decay_fraction))
    relation = f"must not exceed 1 together with warmup_fraction ({warmup_fraction:g})"
    require(up + down <= 1, "decay_fraction", relation, decay_fraction)
    require_decay("peak_decay", peak_decay)
    require_fraction("final_factor", final_factor)
    fall = curve(shape, power=power, final_factor=final_factor)

    @lru_cache(maxsize=1)  # asked for at every step of a cycle
    def spans(length: int) -> tuple[int, int]:
        return int(up * length), int(down * length)

    def within(place: Place) -> float:
        rise, decay = spans(place.length)
        top = 1.0
        if peak_decay < 1.0:
            top = final_factor + (1.0 - final_factor) * peak_decay**place.cycle
        if place.position < rise:
            return final_factor + (top - final_factor) * ramp(place.position, rise, "first")
        return _level_then(fall, place, top, final_factor, decay, endpoint)

    return _cyclic(plan, within, final_factor, endpoint, tail, total_steps)


def wsd_s(
    *,
    first_cycle_steps: Steps | None = None,
    cycle_mult: float = 1.0,
    num_cycles: int | None = None,
    cycle_lengths: tuple[Steps, ...] | None = None,
    decay_fraction: float = 0.1,
    decay_of: DecayOf = "so_far",
    shape: Shape = "inverse_linear",
    power: float = 1.0,
    final_factor: float = 0.1,
    endpoint: Endpoint = "exclusive",
    tail: Tail = "truncate",
    total_steps: int | None = None,
) -> Schedule:
    """Cyclic WSD: stable, decay, and straight back to the peak, going on from the decayed weights.

    In cycle i, which ends at ``e_i`` and has ``T_i`` updates, the last
    ``D_i = min(T_i, floor(decay_fraction * e_i))`` fall from 1 to ``final_factor``, at progress
    q as ``1 / (q / final_factor + (1 - q))``; the others have ``f = 1``. With ``decay_of="cycle"``
    ``D_i = floor(decay_fraction * T_i)``.

    Parameters
    ----------
    first_cycle_steps : int in [1, inf), in updates, optional
        Length of the first cycle. Default: such that ``num_cycles`` cycles (3 if that is not given
        either) fill ``total_steps`` exactly.
    cycle_mult : float in [1, inf), default 1.0
        Each cycle is this many times as long as the one before.
    num_cycles : int in [1, inf), optional
        No restart after so many cycles. Default: no end, where ``first_cycle_steps`` is given.
    cycle_lengths : sequence of int in [1, inf), in updates, optional
        The lengths of all cycles, one by one, in place of the three before.
    decay_fraction : float in [0, 1], default 0.1
        Length of a cycle's decay, as a part of what ``decay_of`` says.
    decay_of : {"so_far", "cycle"}
        What ``decay_fraction`` is a part of: all steps up to the end of the cycle, or the cycle.
    shape : str, default "inverse_linear"
        Of the decay.
    power : float in (0, inf), default 1.0
        Exponent of the shapes ``polynomial`` and ``power``; no effect on the others.
    final_factor : float in [0, 1], default 0.1
        Where every cycle ends, as a fraction of the base learning rate; above 0 for the shapes
        ``inverse_linear``, ``exponential`` and ``inverse_sqrt``.
    endpoint : {"exclusive", "inclusive"}
        Whether the next cycle begins where the end value would be reached, or after a step
        with it.
    tail : {"truncate", "stretch", "hold"}
        What becomes of the steps that full cycles leave over, as in ``sgdr``.
    total_steps : int in [1, inf), optional
        Length of the run.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        An argument is outside its interval, or the cycles do not fit the run.

    Examples
    --------
    >>> factor = wsd_s(first_cycle_steps=4, decay_fraction=0.5, decay_of="cycle", final_factor=0.5)
    >>> [round(factor(step), 4) for step in range(6)]
    [1.0, 1.0, 1.0, 0.6667, 1.0, 1.0]

    References
    ----------
    Wen et al. 2024, the river valley (arXiv:2410.05192), §5: WSD-S.
    """
    plan = plan_cycles(
        first_cycle=first_cycle_steps,
        cycle_mult=cycle_mult,
        num_cycles=num_cycles,
        lengths=cycle_lengths,
        tail=tail,
        total_steps=total_steps,
    )
    require_fraction("decay_fraction", decay_fraction)
    require_fraction("final_factor", final_factor)
    part = Fraction(str(decay_fraction))
    fall = curve(shape, power=power, final_factor=final_factor)

    @lru_cache(maxsize=1)  # asked for at every step of a cycle
    def span(cycle: int, length: int) -> int:
        whole = length
        if decay_of == "so_far":
            whole = plan.start(cycle + 1) or length
        return min(length, int(part * whole))

    def within(place: Place) -> float:
        decay = span(place.cycle, place.length)
        return _level_then(fall, place, 1.0, final_factor, decay, endpoint)

    return _cyclic(plan, within, final_factor, endpoint, tail, total_steps)


def _level_then(
    fall: Callable[[float, float, float], float],
    place: Place,
    top: float,
    end: float,
    decay: int,
    endpoint: Endpoint,
) -> float:
    """The peak, and the fall over the last ``decay`` steps of the cycle."""
    into = place.position - (place.length - decay)
    return top if into < 0 else fall(top, end, progress(into, decay, endpoint))


def _cyclic(
    plan: CyclePlan,
    within: Callable[[Place], float],
    final_factor: float,
    endpoint: Endpoint,
    tail: Tail,
    total_steps: int | None,
) -> Schedule:
    """The schedule that is ``within`` in every cycle, and holds its end after the last."""

    def factor(step: int) -> float:
        place = plan.place(step)
        return final_factor if place is None else within(place)

    ends = {
        "exclusive": f"a cycle's end {final_factor:g} would be the next cycle's first step",
        "inclusive": f"every cycle's last update has {final_factor:g}",
    }[endpoint]
    tails = {
        "truncate": f"a cycle too long is cut short; after the last one {final_factor:g} is held",
        "stretch": "the last full cycle is stretched to the end of the run",
        "hold": f"after the last full cycle {final_factor:g} is held",
    }[tail]
    return Schedule(
        factor,
        plan.cycles,
        conventions=(f"end: {ends} (endpoint {endpoint})", f"tail: {tails} (tail {tail})"),
        notes=plan.tail_notes(total_steps, f"{final_factor:g}"),
    )
