"""Schedules that need not know how long the run is: powers of time."""

from __future__ import annotations

import math

from lrbench.schedules.base import (
    Schedule,
    Steps,
    end_in_words,
    progress,
    require,
    require_fraction,
    require_positive,
    require_steps,
)
from lrbench.schedules.compose import WarmupForm, warmup
from lrbench.schedules.shapes import Shape, curve

ENDLESS = ("no end: it falls for ever, whatever the length of the run",)


def inverse_sqrt(
    *, warmup_steps: Steps, warmup_form: WarmupForm = "first", warmup_start: float = 0.0
) -> Schedule:
    """A warmup, then a fall as one over the root of the step.

    ``f(t) = r(t)`` for ``t < warmup_steps``, the ramp of ``warmup_form``; then
    ``f(t) = sqrt(warmup_steps / t)``, or that times ``r(t)`` with the exponential ramp, which goes
    on.

    Parameters
    ----------
    warmup_steps : int in [1, inf), in updates
        It also sets the pace of the fall: the rate is halved at four times this step.
    warmup_form : str, default "first"
        Of the ramp; see the forms of the warmup.
    warmup_start : float in [0, 1], default 0.0
        Where the ramp begins.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        An argument is outside its interval. Nothing is clamped.

    Examples
    --------
    >>> factor = inverse_sqrt(warmup_steps=4, warmup_form="zero")
    >>> [round(factor(step), 4) for step in (0, 1, 2, 3, 4, 5, 16)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 0.8944, 0.5]

    Notes
    -----
    transformers' ``get_inverse_sqrt_schedule`` is the form ``zero``; without a warmup it takes a
    timescale of 10,000 steps, which is almost flat, where this is an error.

    References
    ----------
    Vaswani et al. 2017 (arXiv:1706.03762), eq. 3, with its peak at 1.
    """
    require_steps("warmup", warmup_steps)
    after = anytime(timescale_steps=warmup_steps)
    return warmup(
        after, warmup_steps=warmup_steps, warmup_form=warmup_form, warmup_start=warmup_start
    )


def noam(
    *, warmup_steps: Steps, model_size: int | None = None, scale_factor: float = 1.0
) -> Schedule:
    """The Transformer's own: a straight rise, then a fall as one over the root of the step.

    With ``s = t + 1`` and ``W = warmup_steps``,
    ``f(t) = c * min(s**-0.5, s * W**-1.5)``, where ``c = scale_factor * sqrt(W)``, or
    ``c = scale_factor / sqrt(model_size)`` where a model size is given.

    Parameters
    ----------
    warmup_steps : int in [1, inf), in updates
        The peak is the last of them.
    model_size : int in [1, inf), optional
        The paper's d_model, for its absolute rates: take ``optimizer.lr=1``. Default: the peak is
        ``scale_factor``.
    scale_factor : float in (0, inf), default 1.0
        The peak, or the paper's constant where a model size is given.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        An argument is outside its interval. Nothing is clamped.

    Examples
    --------
    >>> factor = noam(warmup_steps=4)
    >>> [round(factor(step), 4) for step in (0, 1, 2, 3, 4, 15)]
    [0.25, 0.5, 0.75, 1.0, 0.8944, 0.5]
    >>> round(noam(warmup_steps=4000, model_size=512)(3999), 9)
    0.000698771

    References
    ----------
    Vaswani et al. 2017 (arXiv:1706.03762), eq. 3; its step_num is ``t + 1``.
    """
    require_steps("warmup", warmup_steps)
    relation = "must be at least 1"
    require(model_size is None or model_size >= 1, "model_size", relation, model_size)
    require_positive("scale_factor", scale_factor)
    peak = scale_factor
    if model_size is not None:
        peak = scale_factor / math.sqrt(model_size * warmup_steps)

    def factor(step: int) -> float:
        count = step + 1
        if count <= warmup_steps:
            return peak * (count / warmup_steps)
        return peak * math.sqrt(warmup_steps / count)

    words = f"warmup: {warmup_steps} steps, the first has 1/{warmup_steps} of the peak"
    return Schedule(factor, conventions=(words, *ENDLESS))


def rsqrt(*, timescale_steps: Steps, cooldown_steps: Steps, total_steps: int) -> Schedule:
    """One over the root of time from the start, with an optional cooldown at the end.

    ``f(t) = c(t) / sqrt(1 + t / timescale_steps)``, where ``c`` is 1 up to the last
    ``cooldown_steps`` of the run and falls to 0 in a straight line over them.

    Parameters
    ----------
    timescale_steps : int in [1, inf), in updates
        The rate is halved after three of them.
    cooldown_steps : int in [0, total_steps], in updates
        Length of the cooldown; 20 % of the run is usual.
    total_steps : int in [1, inf)
        Length of the run, without the warmup; no effect without a cooldown.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        An argument is outside its interval. Nothing is clamped.

    Examples
    --------
    >>> factor = rsqrt(timescale_steps=1, cooldown_steps=0, total_steps=4)
    >>> [round(factor(step), 4) for step in range(4)]
    [1.0, 0.7071, 0.5774, 0.5]

    References
    ----------
    Zhai et al. 2022, scaling vision transformers (arXiv:2106.04560), §3.5.
    """
    require_steps("timescale", timescale_steps)
    start = _cooldown_start(cooldown_steps, total_steps)

    def factor(step: int) -> float:
        value = 1.0 / math.sqrt(1.0 + step / timescale_steps)
        if cooldown_steps == 0:
            return value
        return value * (1.0 - progress(max(step - start, 0), cooldown_steps, "exclusive"))

    return Schedule(factor, conventions=end_in_words(0.0) if cooldown_steps else ENDLESS)


def power(
    *,
    crossover_steps: Steps,
    power: float = 0.51,
    cooldown_steps: Steps,
    shape: Shape = "normalized_exponential",
    final_factor: float = 0.0,
    total_steps: int,
) -> Schedule:
    """A level start, then a power of the number of updates made.

    ``f(t) = min(1, ((t + 1) / crossover_steps) ** -power)``; over the last ``cooldown_steps`` of
    the run it falls from its value there to ``final_factor``.

    Parameters
    ----------
    crossover_steps : int in [1, inf), in updates
        How many updates are made on the level: the next one is the first that the power law has
        below the base learning rate.
    power : float in (0, inf), default 0.51
        The exponent, without its sign.
    cooldown_steps : int in [0, total_steps], in updates
        Length of the cooldown; 10 % of the run in the paper.
    shape : str, default "normalized_exponential"
        Of the cooldown.
    final_factor : float in [0, 1], default 0.0
        Fraction of the base learning rate at the end of the cooldown.
    total_steps : int in [1, inf)
        Length of the run, without the warmup; no effect without a cooldown.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        An argument is outside its interval. Nothing is clamped.

    Examples
    --------
    >>> factor = power(crossover_steps=2, power=0.5, cooldown_steps=0, total_steps=8)
    >>> [round(factor(step), 4) for step in (0, 1, 3, 7)]
    [1.0, 1.0, 0.7071, 0.5]

    Notes
    -----
    The paper's rate is ``min(eta_max, B * a * n**b)`` after n tokens, with a = 4, b = -0.51 and B
    sequences a batch. With ``optimizer.lr = eta_max`` and N tokens an update that is
    ``power = -b`` and ``crossover = (B * a / eta_max)**(-1 / b) / N``.

    References
    ----------
    Shen et al. 2024, the power scheduler (arXiv:2408.13359), eq. 8 and §4.
    """
    require_steps("crossover", crossover_steps)
    require_positive("power", power)
    require_fraction("final_factor", final_factor)
    fall = curve(shape, final_factor=final_factor)
    start = _cooldown_start(cooldown_steps, total_steps)

    def level(step: int) -> float:
        count = step + 1
        return 1.0 if count <= crossover_steps else (crossover_steps / count) ** power

    def factor(step: int) -> float:
        if cooldown_steps == 0 or step < start:
            return level(step)
        return fall(level(start), final_factor, progress(step - start, cooldown_steps, "exclusive"))

    relation = "must not be above the factor at which the cooldown begins"
    if cooldown_steps:
        require(final_factor <= level(start), "final_factor", relation, final_factor)
    return Schedule(factor, conventions=end_in_words(final_factor) if cooldown_steps else ENDLESS)


def anytime(*, power: float = 0.5, timescale_steps: Steps) -> Schedule:
    """A power of time, to be read with an average of the weights at any moment.

    ``f(t) = (timescale_steps / (t + timescale_steps)) ** power``, which with a timescale of 1 is
    ``1 / (t + 1)**power``.

    Parameters
    ----------
    power : float in (0, inf), default 0.5
        The paper's gamma.
    timescale_steps : int in [1, inf), in updates
        How long the fall takes to begin; the paper's alpha.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        An argument is outside its interval. Nothing is clamped.

    Examples
    --------
    >>> factor = anytime(timescale_steps=1)
    >>> [round(factor(step), 4) for step in (0, 1, 3, 8)]
    [1.0, 0.7071, 0.5, 0.3333]

    References
    ----------
    Meterez et al. 2026, anytime training (arXiv:2602.03702).
    """
    require_positive("power", power)
    require_steps("timescale", timescale_steps)
    return Schedule(
        lambda step: (timescale_steps / (step + timescale_steps)) ** power, conventions=ENDLESS
    )


def _cooldown_start(cooldown_steps: int, total_steps: int) -> int:
    relation = f"must lie in [0, {total_steps}], the steps of the schedule"
    require(0 <= cooldown_steps <= total_steps, "cooldown", relation, cooldown_steps)
    return total_steps - cooldown_steps
