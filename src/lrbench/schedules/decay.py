"""Schedules that only fall: from 1 towards a final factor, which then holds."""

from __future__ import annotations

import math
from itertools import pairwise

from lrbench.schedules.base import (
    Endpoint,
    Schedule,
    Steps,
    piecewise,
    progress,
    require,
    require_decay,
    require_fraction,
    require_steps,
)


def constant() -> Schedule:
    """The base learning rate at every step.

    ``f(t) = 1``

    Returns
    -------
    Schedule

    Examples
    --------
    >>> constant()(1000)
    1.0

    References
    ----------
    Robbins & Monro 1951, the baseline every decay is measured against.
    """
    return Schedule(lambda step: 1.0)


def linear(
    *, decay_steps: Steps, final_factor: float = 0.0, endpoint: Endpoint = "exclusive"
) -> Schedule:
    """A straight line from 1 to ``final_factor``.

    ``f(t) = final_factor + (1 - final_factor) * (1 - t / decay_steps)`` for ``t < decay_steps``,
    and ``final_factor`` from then on.

    Parameters
    ----------
    decay_steps : int in [1, inf), in updates
        First update that gets ``final_factor`` (``endpoint="exclusive"``), or the number of
        updates up to and with it (``"inclusive"``).
    final_factor : float in [0, 1], default 0.0
        Fraction of the base learning rate at the end.
    endpoint : {"exclusive", "inclusive"}

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        An argument is outside its interval. Nothing is clamped.

    Examples
    --------
    >>> factor = linear(decay_steps=4)
    >>> [factor(step) for step in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]

    References
    ----------
    Li, Yumer & Ramanan 2020 (arXiv:1905.04753); Defazio et al. 2023 (arXiv:2310.07831).
    """
    require_steps("decay", decay_steps)
    require_fraction("final_factor", final_factor)

    def factor(step: int) -> float:
        done = progress(step, decay_steps, endpoint)
        return final_factor + (1.0 - final_factor) * (1.0 - done)

    return Schedule(factor, notes=_end(endpoint, final_factor))


def cosine(
    *, decay_steps: Steps, final_factor: float = 0.0, endpoint: Endpoint = "exclusive"
) -> Schedule:
    """Half a cosine from 1 towards ``final_factor``.

    ``f(t) = final_factor + (1 - final_factor) * (1 + cos(pi * t / decay_steps)) / 2``
    for ``t < decay_steps``, and ``final_factor`` from then on.

    Parameters
    ----------
    decay_steps : int in [1, inf), in updates
        First update that gets ``final_factor`` (``endpoint="exclusive"``), or the number of
        updates up to and with it (``"inclusive"``).
    final_factor : float in [0, 1], default 0.0
        Fraction of the base learning rate at the end.
    endpoint : {"exclusive", "inclusive"}

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        An argument is outside its interval. Nothing is clamped.

    Examples
    --------
    >>> factor = cosine(decay_steps=4)
    >>> [round(factor(step), 4) for step in range(6)]
    [1.0, 0.8536, 0.5, 0.1464, 0.0, 0.0]

    References
    ----------
    Loshchilov & Hutter 2017, SGDR (arXiv:1608.03983), eq. 5; T_cur is ``t``, T_i is
    ``decay_steps``.
    """
    require_steps("decay", decay_steps)
    require_fraction("final_factor", final_factor)

    def factor(step: int) -> float:
        done = progress(step, decay_steps, endpoint)
        return final_factor + (1.0 - final_factor) * half_cosine(done)

    return Schedule(factor, notes=_end(endpoint, final_factor))


def exponential(*, decay_steps: Steps, final_factor: float = 0.01) -> Schedule:
    """A constant ratio from step to step, from 1 to ``final_factor``.

    ``f(t) = final_factor ** (t / decay_steps)`` for ``t < decay_steps``, then ``final_factor``.

    Parameters
    ----------
    decay_steps : int in [1, inf), in updates
        First update that gets ``final_factor``.
    final_factor : float in (0, 1], default 0.01
        Fraction of the base learning rate at the end; the ratio of neighbouring steps (the gamma of
        other libraries) is its ``decay_steps``-th root.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        An argument is outside its interval. Nothing is clamped.

    Examples
    --------
    >>> factor = exponential(decay_steps=2, final_factor=0.25)
    >>> [factor(step) for step in range(4)]
    [1.0, 0.5, 0.25, 0.25]
    """
    require_steps("decay", decay_steps)
    require_decay("final_factor", final_factor)

    def factor(step: int) -> float:
        # The power itself would be off by an ulp at the end.
        return final_factor if step >= decay_steps else final_factor ** (step / decay_steps)

    return Schedule(factor)


def step(*, step_size_steps: Steps, gamma: float = 0.1) -> Schedule:
    """A drop by ``gamma`` every so many updates.

    ``f(t) = gamma ** floor(t / step_size_steps)``

    Parameters
    ----------
    step_size_steps : int in [1, inf), in updates
        Update ``step_size_steps`` is the first with the lower rate.
    gamma : float in (0, 1], default 0.1
        What each drop multiplies the rate by.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        An argument is outside its interval. Nothing is clamped.

    Examples
    --------
    >>> factor = step(step_size_steps=2, gamma=0.5)
    >>> [factor(t) for t in range(6)]
    [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]

    References
    ----------
    He et al. 2016 (arXiv:1512.03385), §3.4.
    """
    require_steps("step_size", step_size_steps)
    require_decay("gamma", gamma)
    return Schedule(lambda step: gamma ** (step // step_size_steps))


def multistep(*, milestones: tuple[Steps, ...], gamma: float = 0.1) -> Schedule:
    """A drop by ``gamma`` at each milestone.

    ``f(t) = gamma ** (number of milestones m with m <= t)``

    Parameters
    ----------
    milestones : sequence of int in [1, inf), in updates, strictly increasing
        Update m is the first with the lower rate, as in torch and optax.
    gamma : float in (0, 1], default 0.1
        What each drop multiplies the rate by.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        An argument is outside its interval, or the milestones do not increase.

    Examples
    --------
    >>> factor = multistep(milestones=(2, 3), gamma=0.5)
    >>> [factor(t) for t in range(5)]
    [1.0, 1.0, 0.5, 0.25, 0.25]

    References
    ----------
    He et al. 2016 (arXiv:1512.03385), §4.2; Zagoruyko & Komodakis 2016 use gamma = 0.2.
    """
    drops = tuple(milestones)
    require(len(drops) > 0, "milestones", "must name at least one step", list(drops))
    require(drops[0] >= 1, "milestones", "must begin at step 1 or later", list(drops))
    increasing = all(a < b for a, b in pairwise(drops))
    require(increasing, "milestones", "must increase strictly", list(drops))
    require_decay("gamma", gamma)
    return Schedule(lambda step: gamma ** piecewise(drops, step))


def half_cosine(done: float) -> float:
    """``(1 + cos(pi * done)) / 2``: exactly 1 at 0 and exactly 0 at 1."""
    return 0.5 * (1.0 + math.cos(math.pi * done))


def _end(endpoint: Endpoint, final_factor: float) -> tuple[str, ...]:
    # The exclusive end is the documented rule, and a remark on every run is read by nobody.
    return (f"the last update of the decay has factor {final_factor:g}",) * (
        endpoint == "inclusive"
    )
