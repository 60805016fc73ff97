"""Smooth curves over a known length: cosine and its relatives."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Literal

from lrbench.schedules.base import (
    Endpoint,
    Schedule,
    Steps,
    require,
    require_positive,
)
from lrbench.schedules.decay import falling
from lrbench.schedules.shapes import falling_tanh, half_cosine, reflected, scaled_height


def cosine(
    *,
    decay_steps: Steps,
    exponent: float = 1.0,
    final_factor: float = 0.0,
    endpoint: Endpoint = "exclusive",
) -> Schedule:
    """Half a cosine from 1 towards ``final_factor``.

    ``f(t) = final_factor + (1 - final_factor) * ((1 + cos(pi * t / decay_steps)) / 2)**exponent``
    for ``t < decay_steps``, and ``final_factor`` from then on.

    Parameters
    ----------
    decay_steps : int in [1, inf), in updates
        First update that gets ``final_factor`` (``endpoint="exclusive"``), or the number of
        updates up to and with it (``"inclusive"``).
    exponent : float in (0, inf), default 1.0
        1 is the paper's; larger falls earlier.
    final_factor : float in [0, 1], default 0.0
        Fraction of the base learning rate at the end.
    endpoint : {"exclusive", "inclusive"}
        Whether the end value lies one update after the last, or is that of the last one.

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

    Notes
    -----
    torch's ``CosineAnnealingLR`` and the cosine of transformers rise again after the end; this one
    holds. ``final_factor`` is ``eta_min / lr`` there, and ``alpha`` in optax, whose ``exponent`` is
    this one.

    References
    ----------
    Loshchilov & Hutter 2017, SGDR (arXiv:1608.03983), eq. 5; T_cur is ``t``, T_i is
    ``decay_steps``.
    """
    require_positive("exponent", exponent)
    # The power 1 would not change the number; it is left out because it takes time.
    shape = half_cosine if exponent == 1.0 else lambda done: half_cosine(done) ** exponent
    return falling(scaled_height(shape), decay_steps, final_factor, endpoint)


def k_decay(
    *,
    decay_steps: Steps,
    k: float = 1.5,
    base: Literal["cosine", "polynomial"] = "cosine",
    power: float = 1.0,
    final_factor: float = 0.0,
    endpoint: Endpoint = "exclusive",
) -> Schedule:
    """A decay whose clock is bent: slow at first and fast at the end for ``k`` above 1.

    With ``p = (t / decay_steps)**k``,
    ``f(t) = final_factor + (1 - final_factor) * (1 + cos(pi * p)) / 2`` for ``t < decay_steps``,
    and ``final_factor`` from then on; with ``base="polynomial"`` the height is
    ``(1 - p)**power``.

    Parameters
    ----------
    decay_steps : int in [1, inf), in updates
        First update that gets ``final_factor`` (``endpoint="exclusive"``), or the number of
        updates up to and with it (``"inclusive"``).
    k : float in (0, inf), default 1.5
        1 leaves the clock straight.
    base : {"cosine", "polynomial"}
        The height as a function of the bent progress.
    power : float in (0, inf), default 1.0
        Of the polynomial; no effect on the cosine.
    final_factor : float in [0, 1], default 0.0
        Fraction of the base learning rate at the end.
    endpoint : {"exclusive", "inclusive"}
        Whether the end value lies one update after the last, or is that of the last one.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        An argument is outside its interval. Nothing is clamped.

    Examples
    --------
    >>> factor = k_decay(decay_steps=4, k=2.0)
    >>> [round(factor(step), 4) for step in range(6)]
    [1.0, 0.9904, 0.8536, 0.4025, 0.0, 0.0]

    Notes
    -----
    timm's ``k_decay`` is ``k``.

    References
    ----------
    Zhang & Li 2020, k-decay (arXiv:2004.05909), eq. 8 and 9.
    """
    require_positive("k", k)
    require_positive("power", power)
    if base == "cosine":
        return falling(
            scaled_height(lambda done: half_cosine(done**k)), decay_steps, final_factor, endpoint
        )
    return falling(
        scaled_height(lambda done: (1.0 - done**k) ** power), decay_steps, final_factor, endpoint
    )


def tanh(
    *,
    decay_steps: Steps,
    lower: float = -6.0,
    upper: float = 3.0,
    final_factor: float = 0.0,
    endpoint: Endpoint = "exclusive",
) -> Schedule:
    """A hyperbolic tangent, flat at both ends.

    With ``p = t / decay_steps``, at most 1, ``f(t) = final_factor + (1 - final_factor) *
    (1 - tanh(lower * (1 - p) + upper * p)) / 2``.

    Parameters
    ----------
    decay_steps : int in [1, inf), in updates
        First update with ``p = 1`` (``endpoint="exclusive"``), or the number of updates up to and
        with it (``"inclusive"``).
    lower, upper : float, ``lower < upper``, default -6.0 and 3.0
        The stretch of the tangent that is used.
    final_factor : float in [0, 1], default 0.0
        What the curve falls towards, as a fraction of the base learning rate.
    endpoint : {"exclusive", "inclusive"}
        Whether the end value lies one update after the last, or is that of the last one.

    Returns
    -------
    Schedule
        Neither 1 nor ``final_factor`` is reached: it begins at 0.999994 and ends 0.0025 above 0
        with the defaults, and holds that.

    Raises
    ------
    ScheduleError
        An argument is outside its interval. Nothing is clamped.

    Examples
    --------
    >>> factor = tanh(decay_steps=4)
    >>> [round(factor(step), 4) for step in range(6)]
    [1.0, 0.9994, 0.9526, 0.1824, 0.0025, 0.0025]

    Notes
    -----
    The paper's L and U are ``lower`` and ``upper``; timm's ``lb`` defaults to -7, and it drops to
    ``lr_min`` after the end.

    References
    ----------
    Hsueh et al. 2019, hyperbolic-tangent decay (arXiv:1806.01593), eq. 4.
    """
    finite = -inf < lower < inf and -inf < upper < inf
    require(finite and lower < upper, "lower", f"must be finite and below upper ({upper})", lower)
    built = falling(
        scaled_height(lambda done: falling_tanh(done, lower, upper)),
        decay_steps,
        final_factor,
        endpoint,
    )
    end = built(decay_steps)
    return replace(
        built,
        conventions=(
            f"start: the first factor is {built(0):.7g}, as the curve does not reach 1",
            f"end: the curve ends at {end:.7g} and does not reach {final_factor:g}"
            f" (endpoint {endpoint})",
            f"past the end: {end:.7g} is held",
        ),
    )


def rex(
    *,
    decay_steps: Steps,
    bend: float = 0.5,
    final_factor: float = 0.0,
    endpoint: Endpoint = "exclusive",
) -> Schedule:
    """A reflected exponential: slow at first, ever steeper towards the end.

    With ``p = t / decay_steps``, ``f(t) = final_factor + (1 - final_factor) * (1 - p) /
    ((1 - bend) + bend * (1 - p))`` for ``p < 1``, and ``final_factor`` from then on.

    Parameters
    ----------
    decay_steps : int in [1, inf), in updates
        First update that gets ``final_factor`` (``endpoint="exclusive"``), or the number of
        updates up to and with it (``"inclusive"``).
    bend : float in [0, 1), default 0.5
        0 is linear; the nearer to 1, the longer the peak is held. The paper has 1/2.
    final_factor : float in [0, 1], default 0.0
        Fraction of the base learning rate at the end.
    endpoint : {"exclusive", "inclusive"}
        Whether the end value lies one update after the last, or is that of the last one.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        An argument is outside its interval. Nothing is clamped.

    Examples
    --------
    >>> factor = rex(decay_steps=4)
    >>> [round(factor(step), 4) for step in range(6)]
    [1.0, 0.8571, 0.6667, 0.4, 0.0, 0.0]

    References
    ----------
    Chen, Wolfe & Kyrillidis 2022, REX (arXiv:2107.04197), eq. 3.
    """
    require(0.0 <= bend < 1.0, "bend", "must lie in [0, 1)", bend)
    return falling(
        scaled_height(lambda done: reflected(done, bend)), decay_steps, final_factor, endpoint
    )
