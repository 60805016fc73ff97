"""Schedules with warm restarts that hold a level in every cycle."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from lrbench.schedules.base import (
    Endpoint,
    Schedule,
    Steps,
    progress,
    require,
    require_decay,
    require_fraction,
)
from lrbench.schedules.compose import ramp
from lrbench.schedules.cycles import Place, Tail, plan_cycles, restarted
from lrbench.schedules.shapes import Shape, curve

DecayOf = Literal["cycle", "so_far"]


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

    return restarted(plan, within, final_factor, endpoint, tail, total_steps)


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

    return restarted(plan, within, final_factor, endpoint, tail, total_steps)


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
