"""Schedules with warm restarts: they fall, jump back to the peak, and fall again."""

from __future__ import annotations

from dataclasses import replace
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
from lrbench.schedules.cycles import Place, Tail, plan_cycles, restarted
from lrbench.schedules.shapes import Shape, curve

PeakDecayForm = Literal["amplitude", "peak"]


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

    built = restarted(plan, within, final_factor, endpoint, tail, total_steps)
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
