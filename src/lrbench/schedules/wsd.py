"""Schedules that hold the peak and cool down at the end: warmup-stable-decay and its relatives."""

from __future__ import annotations

from lrbench.schedules.base import (
    Endpoint,
    Schedule,
    Steps,
    end_in_words,
    progress,
    require,
    require_fraction,
    require_steps,
)
from lrbench.schedules.shapes import Shape, curve


def wsd(
    *,
    cooldown_steps: Steps,
    shape: Shape = "1-sqrt",
    power: float = 1.0,
    final_factor: float = 0.0,
    endpoint: Endpoint = "exclusive",
    total_steps: int,
) -> Schedule:
    """Warmup, a stable rate, and a cooldown over the last steps.

    ``f(t) = 1`` for ``t < S`` with ``S = total_steps - cooldown_steps``; then, with
    ``q = (t - S) / cooldown_steps``, ``f(t) = final_factor + (1 - final_factor) * s(q)``, and
    ``final_factor`` after the run (with the shape ``tanh`` the curve's end, a hair above it). ``s``
    is ``1 - sqrt(q)`` by default. Without a cooldown ``f = 1`` for ever.

    Parameters
    ----------
    cooldown_steps : int in [0, total_steps], in updates
        Length of the decay; 20 % of the run is usual, 10 % of long runs.
    shape : str, default "1-sqrt"
        Of the decay; ``linear`` makes it the trapezoid.
    power : float in (0, inf), default 1.0
        Exponent of the shapes ``power`` and ``polynomial``; no effect on the others.
    final_factor : float in [0, 1], default 0.0
        Fraction of the base learning rate at the end.
    endpoint : {"exclusive", "inclusive"}
        Whether the end value lies one update after the last, or is that of the last one.
    total_steps : int in [1, inf)
        Length of the run, without the warmup.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        An argument is outside its interval, or the shape needs a final factor above 0.

    Examples
    --------
    >>> factor = wsd(cooldown_steps=4, total_steps=6)
    >>> [round(factor(step), 4) for step in range(8)]
    [1.0, 1.0, 1.0, 0.5, 0.2929, 0.134, 0.0, 0.0]

    Notes
    -----
    transformers' ``get_wsd_schedule`` cools down by a cosine unless it is told otherwise. A good
    stable rate is about half the best peak of a cosine.

    References
    ----------
    Hu et al. 2024, MiniCPM (arXiv:2404.06395); Hägele et al. 2024 (arXiv:2405.18392) for the
    shape; Zhai et al. 2022 (arXiv:2106.04560).
    """
    relation = f"must lie in [0, {total_steps}], the steps of the schedule"
    require(0 <= cooldown_steps <= total_steps, "cooldown", relation, cooldown_steps)
    require_fraction("final_factor", final_factor)
    fall = curve(shape, power=power, final_factor=final_factor)
    stable = total_steps - cooldown_steps

    def factor(step: int) -> float:
        if step < stable:
            return 1.0
        if cooldown_steps == 0:
            return 1.0
        return fall(1.0, final_factor, progress(step - stable, cooldown_steps, endpoint))

    if cooldown_steps == 0:
        return Schedule(factor, conventions=("no end: there is no cooldown",))
    end = fall(1.0, final_factor, 1.0)
    return Schedule(factor, conventions=end_in_words(end, endpoint))


def knee(
    *,
    explore_steps: Steps,
    final_factor: float = 0.0,
    endpoint: Endpoint = "exclusive",
    total_steps: int,
) -> Schedule:
    """Explore at the peak, then exploit: a straight line down over the rest of the run.

    ``f(t) = 1`` for ``t < E`` with ``E = explore_steps``, then ``f(t) = final_factor +
    (1 - final_factor) * (1 - (t - E) / (total_steps - E))``, and ``final_factor`` after the run.

    Parameters
    ----------
    explore_steps : int in [0, total_steps), in updates
        How long the peak is held; half the run is good without tuning.
    final_factor : float in [0, 1], default 0.0
        Fraction of the base learning rate at the end.
    endpoint : {"exclusive", "inclusive"}
        Whether the end value lies one update after the last, or is that of the last one.
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
    >>> factor = knee(explore_steps=2, total_steps=6)
    >>> [factor(step) for step in range(8)]
    [1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]

    References
    ----------
    Iyer et al. 2023, wide minima and the explore-exploit schedule (arXiv:2003.03977), §4.
    """
    relation = f"must lie in [0, {total_steps}), the steps of the schedule"
    require(0 <= explore_steps < total_steps, "explore", relation, explore_steps)
    return wsd(
        cooldown_steps=Steps(total_steps - explore_steps),
        shape="linear",
        final_factor=final_factor,
        endpoint=endpoint,
        total_steps=total_steps,
    )


def slanted_triangle(*, cut_steps: Steps, ratio: float = 32.0, total_steps: int) -> Schedule:
    """A short straight rise and a long straight fall.

    With ``u = t / cut_steps`` for ``t < cut_steps`` and
    ``u = 1 - (t - cut_steps) / (total_steps - cut_steps)`` from then on, at least 0,
    ``f(t) = (1 + u * (ratio - 1)) / ratio``.

    Parameters
    ----------
    cut_steps : int in [1, total_steps), in updates
        The step of the peak; the paper's cut_frac of the run.
    ratio : float in [1, inf), default 32.0
        How many times larger the peak is than both ends.
    total_steps : int in [2, inf)
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
    >>> factor = slanted_triangle(cut_steps=1, ratio=4.0, total_steps=4)
    >>> [factor(step) for step in range(6)]
    [0.25, 1.0, 0.75, 0.5, 0.25, 0.25]

    References
    ----------
    Howard & Ruder 2018, ULMFiT (arXiv:1801.06146), eq. 3.
    """
    require_steps("cut", cut_steps)
    relation = f"must be smaller than {total_steps}, the steps of the schedule"
    require(cut_steps < total_steps, "cut", relation, cut_steps)
    require(1.0 <= ratio < float("inf"), "ratio", "must be finite and at least 1", ratio)

    def factor(step: int) -> float:
        if step < cut_steps:
            height = step / cut_steps
        else:
            height = 1.0 - progress(step - cut_steps, total_steps - cut_steps, "exclusive")
        return (1.0 + height * (ratio - 1.0)) / ratio

    return Schedule(factor, conventions=end_in_words(1.0 / ratio))
