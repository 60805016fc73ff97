"""Schedules for training that goes on: new data, no fixed end."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from lrbench.schedules.base import (
    Endpoint,
    Schedule,
    Steps,
    progress,
    require,
    require_steps,
)
from lrbench.schedules.compose import RampForm, ramp, sequence
from lrbench.schedules.decay import falling
from lrbench.schedules.shapes import Shape, curve


def rewarm(
    *,
    starts: tuple[Steps, ...],
    rewarm_steps: Steps,
    rewarm_form: RampForm = "first",
    shape: Shape = "cosine",
    power: float = 1.0,
    final_factor: float = 0.1,
    endpoint: Endpoint = "exclusive",
    total_steps: int,
) -> Schedule:
    """Re-warm and re-decay: with every new dataset a warmup from 0 and a fall to its end.

    Phase i begins at ``s_i`` (``s_0 = 0``) and has ``T_i = s_{i+1} - s_i`` updates, the last one
    up to the end of the run. At its position k it is ``(k + 1) / W`` for ``k < W = rewarm_steps``,
    and then ``final_factor + (1 - final_factor) * (1 + cos(pi * (k - W) / (T_i - W))) / 2``.

    Parameters
    ----------
    starts : sequence of int in [1, inf), in updates, strictly increasing
        First steps of the phases but the first: where new data begin.
    rewarm_steps : int in [0, inf), in updates
        Length of the warmup of every phase; 0 to 2 % of the steps, and it matters little.
    rewarm_form : str, default "first"
        As the forms of the warmup, but for the exponential one, which has no end.
    shape : str, default "cosine"
        Of the decay.
    power : float in (0, inf), default 1.0
        Exponent of the shapes ``polynomial`` and ``power``; no effect on the others.
    final_factor : float in [0, 1], default 0.1
        Where every phase ends, as a fraction of the base learning rate.
    endpoint : {"exclusive", "inclusive"}
        Whether the next phase begins where the end value would be reached, or after a step
        with it.
    total_steps : int in [1, inf)
        Length of the run, without the warmup.

    Returns
    -------
    Schedule
        Every phase but the first is a warm restart.

    Raises
    ------
    ScheduleError
        An argument is outside its interval, or a phase is not longer than its warmup.

    Examples
    --------
    >>> factor = rewarm(starts=(4,), rewarm_steps=1, final_factor=0.0, total_steps=7)
    >>> [round(factor(step), 4) for step in range(8)]
    [1.0, 1.0, 0.75, 0.25, 1.0, 1.0, 0.5, 0.0]

    References
    ----------
    Gupta et al. 2023 (arXiv:2308.04014); Ibrahim et al. 2024 (arXiv:2403.08763).
    """
    given = list(starts)
    require(all(start >= 1 for start in starts), "starts", "must lie at step 1 or later", given)
    require(all(a < b for a, b in pairwise(starts)), "starts", "must increase strictly", given)
    relation = f"must lie before the end of the run's {total_steps} steps"
    require(not given or given[-1] < total_steps, "starts", relation, given)
    require(rewarm_steps >= 0, "rewarm", "must not be negative", rewarm_steps)
    lengths = [b - a for a, b in pairwise((0, *starts, total_steps))]
    relation = f"must be shorter than the shortest phase ({min(lengths)} steps)"
    require(rewarm_steps < min(lengths), "rewarm", relation, rewarm_steps)
    fall = curve(shape, power=power, final_factor=final_factor)

    def phase(length: int) -> Schedule:
        decay = falling(fall, length - rewarm_steps, final_factor, endpoint)

        def factor(step: int) -> float:
            if step < rewarm_steps:
                return ramp(step, rewarm_steps, rewarm_form)
            return decay(step - rewarm_steps)

        return Schedule(factor)

    joined = sequence(pieces=tuple(map(phase, lengths)), boundaries=tuple(starts), restart=True)
    end = fall(1.0, final_factor, 1.0)
    ends = "would be the next phase's first step" if endpoint == "exclusive" else "is its last step"
    return Schedule(
        joined.factor,
        joined.cycles,
        conventions=(
            f"phases: each begins with {rewarm_steps} steps of warmup from 0, form {rewarm_form}",
            f"end: a phase's end {end:g} {ends} (endpoint {endpoint})",
            f"past the end: {end:g} is held",
        ),
    )


def infinite(
    *,
    cooldown_steps: Steps,
    constant_factor: float = 0.3,
    shape: Literal["cosine", "inverse_sqrt", "linear"] = "cosine",
    anneal_steps: Steps,
    final_factor: float = 0.01,
    total_steps: int,
) -> Schedule:
    """Infinite learning rate: a cooldown to a constant that lasts, annealed only at the very end.

    With ``C = cooldown_steps``, ``c = constant_factor``, ``A = anneal_steps`` and
    ``S = total_steps - A``: ``f(t) = c + (1 - c) * (1 + cos(pi * t / C)) / 2`` for ``t < C``,
    (or ``1 - (1 - c) * t / C``, or ``1 / sqrt((t / C) / c**2 + 1 - t / C)`` for the other shapes),
    ``c`` up to ``S``, then ``c * (final_factor / c)**((t - S) / A)``, and ``final_factor`` after
    the run.

    Parameters
    ----------
    cooldown_steps : int in [1, inf), in updates
        Length of the fall to the constant.
    constant_factor : float in (0, 1], default 0.3
        The constant, as a fraction of the base learning rate; the paper's eta_const.
    shape : {"cosine", "inverse_sqrt", "linear"}
        Of the cooldown.
    anneal_steps : int in [0, total_steps - cooldown_steps], in updates
        Length of the annealing at the end of the run; 0 leaves the constant, for more data to come.
    final_factor : float in (0, constant_factor], default 0.01
        Where the annealing ends; no effect without one.
    total_steps : int in [1, inf)
        Length of the run, without the warmup.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        An argument is outside its interval. Nothing is clamped.

    Examples
    --------
    >>> factor = infinite(
    ...     cooldown_steps=2, constant_factor=0.5, anneal_steps=2, final_factor=0.125, total_steps=6
    ... )
    >>> [factor(step) for step in range(7)]
    [1.0, 0.75, 0.5, 0.5, 0.5, 0.25, 0.125]

    References
    ----------
    Singh et al. 2026, beyond cosine decay (arXiv:2503.02844), §3.
    """
    require(0.0 < constant_factor <= 1.0, "constant_factor", "must lie in (0, 1]", constant_factor)
    require_steps("cooldown", cooldown_steps)
    level = falling(
        curve(shape, final_factor=constant_factor), cooldown_steps, constant_factor, "exclusive"
    )
    if anneal_steps == 0:
        return Schedule(level.factor, conventions=(f"no end: {constant_factor:g} is held",))
    room = total_steps - cooldown_steps
    relation = f"must lie in [0, {room}], what the cooldown leaves of {total_steps} steps"
    require(0 <= anneal_steps <= room, "anneal", relation, anneal_steps)
    relation = f"must lie in (0, {constant_factor:g}], below the constant"
    require(0.0 < final_factor <= constant_factor, "final_factor", relation, final_factor)
    anneal = curve("exponential", final_factor=final_factor)
    start = total_steps - anneal_steps

    def factor(step: int) -> float:
        if step < start:
            return level(step)
        done = progress(step - start, anneal_steps, "exclusive")
        return anneal(constant_factor, final_factor, done)

    return Schedule(
        factor,
        conventions=(
            f"end: the factor {final_factor:g} lies one update after the run (endpoint exclusive)",
            f"past the end: {final_factor:g} is held",
        ),
    )
