"""Schedules that only fall, over a length that is known: from 1 to a final factor, which holds."""

from __future__ import annotations

from lrbench.errors import ScheduleError
from lrbench.schedules.base import (
    Endpoint,
    Schedule,
    Steps,
    end_in_words,
    progress,
    require,
    require_decay,
    require_fraction,
    require_steps,
)
from lrbench.schedules.shapes import Curve, curve

DEFAULT_RATIO = 0.01


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
    The baseline every decay is measured against; Robbins & Monro 1951 for why it must fall in the
    end.
    """
    return Schedule(lambda step: 1.0, conventions=("no end: the same factor at every step",))


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
    >>> factor = linear(decay_steps=4)
    >>> [factor(step) for step in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]

    Notes
    -----
    torch's ``LinearLR`` starts at a third unless it is told otherwise; budgeted training and D2Z
    are names of this schedule.

    References
    ----------
    Li, Yumer & Ramanan 2020 (arXiv:1905.04753); Defazio et al. 2023 (arXiv:2310.07831); Bergsma et
    al. 2025, D2Z (arXiv:2502.15938).
    """
    return falling(curve("linear"), decay_steps, final_factor, endpoint)


def polynomial(
    *,
    decay_steps: Steps,
    power: float = 2.0,
    final_factor: float = 0.0,
    endpoint: Endpoint = "exclusive",
) -> Schedule:
    """A power of the straight line from 1 to ``final_factor``.

    ``f(t) = final_factor + (1 - final_factor) * (1 - t / decay_steps)**power`` for
    ``t < decay_steps``, and ``final_factor`` from then on.

    Parameters
    ----------
    decay_steps : int in [1, inf), in updates
        First update that gets ``final_factor`` (``endpoint="exclusive"``), or the number of
        updates up to and with it (``"inclusive"``).
    power : float in (0, inf), default 2.0
        1 is linear; 0.9 is usual in segmentation.
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
    >>> factor = polynomial(decay_steps=4, power=2.0)
    >>> [factor(step) for step in range(6)]
    [1.0, 0.5625, 0.25, 0.0625, 0.0, 0.0]

    References
    ----------
    Chen et al. 2017, DeepLab (arXiv:1606.00915), §4.1: the "poly" policy; its power is ``power``.
    """
    return falling(curve("polynomial", power=power), decay_steps, final_factor, endpoint)


def exponential(
    *,
    decay_steps: Steps | None = None,
    final_factor: float | None = None,
    gamma: float | None = None,
    total_steps: int | None = None,
) -> Schedule:
    """A constant ratio from step to step.

    ``f(t) = final_factor ** (t / decay_steps)`` for ``t < decay_steps``, then ``final_factor``;
    or, where ``gamma`` is given, ``f(t) = gamma ** t`` without an end.

    Parameters
    ----------
    decay_steps : int in [1, inf), in updates, optional
        First update that gets ``final_factor``. Default: the end of the run.
    final_factor : float in (0, 1], optional
        Fraction of the base learning rate at the end. Default 0.01.
    gamma : float in (0, 1], optional
        The ratio of neighbouring steps, in place of ``decay_steps`` and ``final_factor``.
    total_steps : int in [1, inf), optional
        Length of the run, without the warmup.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        An argument is outside its interval, or ``gamma`` is given together with one it replaces.

    Examples
    --------
    >>> factor = exponential(decay_steps=2, final_factor=0.25)
    >>> [factor(step) for step in range(4)]
    [1.0, 0.5, 0.25, 0.25]
    >>> [exponential(gamma=0.5)(step) for step in range(4)]
    [1.0, 0.5, 0.25, 0.125]

    Notes
    -----
    ``gamma`` is that of torch's ``ExponentialLR`` stepped at every update; it is the
    ``decay_steps``-th root of ``final_factor``.

    References
    ----------
    Classical; Li & Arora 2020 (arXiv:1910.07454) on exponential rates.
    """
    if gamma is not None:
        relation = "must be null where gamma is given"
        require(final_factor is None, "final_factor", relation, final_factor)
        require(decay_steps is None, "decay", relation, decay_steps)
        require_decay("gamma", gamma)
        ratio = gamma
        return Schedule(lambda step: ratio**step, conventions=("no end: it falls for ever",))
    length = total_steps if decay_steps is None else decay_steps
    if length is None:
        raise ScheduleError("must be given where gamma is not", key="decay", got=None)
    end = DEFAULT_RATIO if final_factor is None else final_factor
    require_decay("final_factor", end)
    return falling(curve("exponential", final_factor=end), length, end, "exclusive")


def inverse_time(
    *,
    decay_steps: Steps,
    final_factor: float = 0.1,
    endpoint: Endpoint = "exclusive",
) -> Schedule:
    """The reciprocal of a straight line, from 1 to ``final_factor``.

    ``f(t) = 1 / (1 + k * t)`` with ``k = (1 / final_factor - 1) / decay_steps`` for
    ``t < decay_steps``, and ``final_factor`` from then on.

    Parameters
    ----------
    decay_steps : int in [1, inf), in updates
        First update that gets ``final_factor`` (``endpoint="exclusive"``), or the number of
        updates up to and with it (``"inclusive"``).
    final_factor : float in (0, 1], default 0.1
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
    >>> factor = inverse_time(decay_steps=4, final_factor=0.2)
    >>> [round(factor(step), 4) for step in range(6)]
    [1.0, 0.5, 0.3333, 0.25, 0.2, 0.2]

    Notes
    -----
    Keras' ``decay_rate / decay_steps`` is ``k``. It goes on falling, and this one holds its end.

    References
    ----------
    Robbins & Monro 1951; Bottou 2012, stochastic gradient descent tricks, §5.2.
    """
    require_decay("final_factor", final_factor)
    shape = curve("inverse_linear", final_factor=final_factor)
    return falling(shape, decay_steps, final_factor, endpoint)


def falling(shape: Curve, decay_steps: int, final_factor: float, endpoint: Endpoint) -> Schedule:
    """``shape`` from 1 to ``final_factor`` over ``decay_steps`` updates."""
    require_steps("decay", decay_steps)
    require_fraction("final_factor", final_factor)
    return Schedule(
        lambda step: shape(1.0, final_factor, progress(step, decay_steps, endpoint)),
        conventions=end_in_words(final_factor, endpoint),
    )
