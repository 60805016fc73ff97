"""One rise and one fall over the whole run, and the momentum that goes the other way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from lrbench.schedules.base import (
    Endpoint,
    Schedule,
    Steps,
    piecewise,
    require,
    require_fraction,
    require_steps,
)
from lrbench.schedules.shapes import half_cosine

Phases = Literal[2, 3]
Slope = Literal["cosine", "linear"]


def one_cycle(
    *,
    peak_steps: Steps,
    start_factor: float = 0.04,
    final_factor: float = 4e-6,
    phases: Phases = 2,
    shape: Slope = "cosine",
    endpoint: Endpoint = "inclusive",
    total_steps: int,
) -> Schedule:
    """Up from ``start_factor`` to 1, and down to ``final_factor`` at the last step.

    With ``a(x, y, q) = y + (x - y) * (1 + cos(pi * q)) / 2``, ``P = peak_steps`` and ``E`` the
    step of the end: ``f(t) = a(start_factor, 1, t / P)`` for ``t < P``, then
    ``f(t) = a(1, final_factor, (t - P) / (E - P))``, and ``final_factor`` after ``E``. With three
    phases the way down from 1 takes ``P`` steps to ``start_factor`` and the rest to
    ``final_factor``; with ``shape="linear"``, ``a(x, y, q) = x + (y - x) * q``.

    Parameters
    ----------
    peak_steps : int in [1, total_steps), in updates
        The step of the peak.
    start_factor : float in [0, 1], default 0.04
        Where it begins; 1/25, so that 25 is the paper's div_factor.
    final_factor : float in [0, 1], default 4e-6
        Where it ends; 1/25 of 1/10,000, as in torch.
    phases : {2, 3}
        2: up and down; 3: up, as long down, and the final descent, as in the paper.
    shape : {"cosine", "linear"}
        Of every phase.
    endpoint : {"inclusive", "exclusive"}
        Whether the end is step ``total_steps - 1``, as in torch, or ``total_steps``, as in optax.
    total_steps : int in [2, inf)
        Length of the run, without the warmup.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        An argument is outside its interval, or the phases do not fit the run.

    Examples
    --------
    >>> factor = one_cycle(peak_steps=2, total_steps=10)
    >>> [round(factor(step), 4) for step in (0, 1, 2, 3, 8, 9)]
    [0.04, 0.52, 1.0, 0.9505, 0.0495, 0.0]

    Notes
    -----
    torch's ``OneCycleLR`` has its peak at ``pct_start * total_steps - 1``, and between two steps
    where that is no whole number; it moves momentum as well. Here that is a schedule of its own:
    ``optimizer.momentum_schedule=one_cycle_momentum``.

    References
    ----------
    Smith 2018 (arXiv:1803.09820); Smith & Topin 2019, super-convergence (arXiv:1708.07120).
    """
    require_fraction("start_factor", start_factor)
    require_fraction("final_factor", final_factor)
    ends = _ends(peak_steps, phases, endpoint, total_steps)
    heights = [start_factor, 1.0, *([start_factor] if phases == 3 else []), final_factor]
    where = "the last update" if endpoint == "inclusive" else "the update after the last"
    return Schedule(
        _joined(ends, heights, shape),
        conventions=(
            f"start: it begins at {start_factor:g} and has its peak at step {peak_steps}",
            f"end: the factor {final_factor:g} is that of {where} (endpoint {endpoint})",
            f"past the end: {final_factor:g} is held",
        ),
    )


def one_cycle_momentum(
    *,
    peak_steps: Steps,
    min_factor: float = 0.895,
    phases: Phases = 2,
    shape: Slope = "cosine",
    endpoint: Endpoint = "inclusive",
    total_steps: int,
) -> Schedule:
    """The momentum of the 1cycle policy: down to ``min_factor`` at the peak of the rate, and back.

    With ``a(x, y, q) = y + (x - y) * (1 + cos(pi * q)) / 2``, ``P = peak_steps`` and ``E`` the
    step of the end, as in ``one_cycle``: ``f(t) = a(1, min_factor, t / P)`` for
    ``t < P``, then ``f(t) = a(min_factor, 1, (t - P) / (E - P))``, and 1 after ``E``; with three
    phases it is back at 1 after ``2 * P`` steps.

    Parameters
    ----------
    peak_steps : int in [1, total_steps), in updates
        The step of the lowest momentum.
    min_factor : float in [0, 1], default 0.895
        The lowest momentum as a fraction of the optimizer's: 0.85 for 0.95.
    phases : {2, 3}
        2: down and up; 3: down, as long up, and level to the end.
    shape : {"cosine", "linear"}
        Of every phase.
    endpoint : {"inclusive", "exclusive"}
    total_steps : int in [2, inf)
        Length of the run, without the warmup.

    Returns
    -------
    Schedule
        Meant for ``optimizer.momentum_schedule``, where it takes what it shares with ``one_cycle``
        from the schedule of the learning rate: the two have one clock.

    Raises
    ------
    ScheduleError
        An argument is outside its interval, or the phases do not fit the run.

    Examples
    --------
    >>> factor = one_cycle_momentum(peak_steps=2, min_factor=0.5, total_steps=5)
    >>> [round(factor(step), 4) for step in range(5)]
    [1.0, 0.75, 0.5, 0.75, 1.0]

    References
    ----------
    Smith 2018 (arXiv:1803.09820), §4.2: cyclical momentum.
    """
    require_fraction("min_factor", min_factor)
    ends = _ends(peak_steps, phases, endpoint, total_steps)
    heights = [1.0, min_factor, *([1.0] if phases == 3 else []), 1.0]
    return Schedule(
        _joined(ends, heights, shape),
        conventions=(
            f"start: it begins at 1 and is lowest, {min_factor:g}, at step {peak_steps}",
            f"end: back at 1 (endpoint {endpoint})",
            "past the end: 1 is held",
        ),
    )


def _ends(peak: int, phases: Phases, endpoint: Endpoint, total_steps: int) -> list[int]:
    """The steps at which the phases end, the first included."""
    last = total_steps - 1 if endpoint == "inclusive" else total_steps
    require_steps("peak", peak)
    fit = f"must be smaller than {last}, the step of the end"
    require(peak < last, "peak", fit, peak)
    if phases == 2:
        return [0, peak, last]
    require(2 * peak < last, "peak", f"must leave more than {2 * peak} of {last} steps", peak)
    return [0, peak, 2 * peak, last]


def _joined(ends: Sequence[int], heights: Sequence[float], shape: Slope) -> Callable[[int], float]:
    def factor(step: int) -> float:
        phase = piecewise(ends, step) - 1
        if phase == len(ends) - 1:
            return heights[-1]
        left, right = heights[phase], heights[phase + 1]
        done = (step - ends[phase]) / (ends[phase + 1] - ends[phase])
        if done == 0.0:
            return left
        if shape == "linear":
            return left + (right - left) * done
        return right + (left - right) * half_cosine(done)

    return factor
