"""The shapes in which a rate falls: from a peak to an end while progress goes from 0 to 1.

Most are a height ``s(q)`` between the two, ``end + (peak - end) * s(q)``. Three are means of peak
and end weighted by progress (geometric, harmonic, and of power -2), so they need an end above 0.
All but ``tanh`` are exactly the peak at 0 and exactly the end at 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, get_args

from lrbench.schedules.base import require, require_positive

Shape = Literal[
    "linear",
    "cosine",
    "polynomial",
    "1-sqrt",
    "power",
    "square",
    "mirror_cosine",
    "tanh",
    "rex",
    "normalized_exponential",
    "exponential",
    "inverse_linear",
    "inverse_sqrt",
]
"""How a rate falls. ``power`` is ``1 - q**a``, ``polynomial`` is ``(1 - q)**a``; ``exponential``
keeps the ratio of neighbouring steps, ``normalized_exponential`` is a decay to a tenth stretched to
end at the end."""

Curve = Callable[[float, float, float], float]
"""Peak, end and progress in [0, 1] to the factor there."""

TANH_LOWER, TANH_UPPER = -6.0, 3.0
NORMALIZED_RATIO = 0.1


def half_cosine(done: float) -> float:
    """``(1 + cos(pi * done)) / 2``: exactly 1 at 0 and exactly 0 at 1."""
    return 0.5 * (1.0 + math.cos(math.pi * done))


def falling_tanh(done: float, lower: float = TANH_LOWER, upper: float = TANH_UPPER) -> float:
    """``(1 - tanh(lower * (1 - done) + upper * done)) / 2``: near 1 at 0 and near 0 at 1."""
    place = lower * (1.0 - done) + upper * done
    # 1 - tanh would lose its digits where the tangent is near 1.
    small = math.exp(-2.0 * abs(place))
    return small / (1.0 + small) if place > 0 else 1.0 / (1.0 + small)


def reflected(done: float, bend: float = 0.5) -> float:
    """``(1 - done) / ((1 - bend) + bend * (1 - done))``, the REX curve."""
    return (1.0 - done) / ((1.0 - bend) + bend * (1.0 - done))


def curve(shape: Shape, *, power: float = 1.0, final_factor: float = 0.0) -> Curve:
    """The curve of that name.

    Parameters
    ----------
    shape : one of :data:`Shape`
    power : float in (0, inf)
        The exponent of ``polynomial`` and ``power``; no effect on the others.
    final_factor : float
        The end it will be asked for; it must be above 0 where the shape is a mean.

    Raises
    ------
    ScheduleError
        ``power`` is not positive, or the end is 0 where it must not be.
    """
    require_positive("power", power)
    if shape in _MEANS:
        relation = f"must be above 0 where the shape is {shape}"
        require(final_factor > 0.0, "final_factor", relation, final_factor)
        return _between(_MEANS[shape])
    heights: dict[Shape, Callable[[float], float]] = {
        "linear": lambda q: 1.0 - q,
        "cosine": half_cosine,
        "polynomial": lambda q: (1.0 - q) ** power,
        "1-sqrt": lambda q: 1.0 - math.sqrt(q),
        "power": lambda q: 1.0 - q**power,
        "square": lambda q: 1.0 - q * q,
        "mirror_cosine": lambda q: 2.0 * (1.0 - q) - half_cosine(q),
        "tanh": falling_tanh,
        "rex": reflected,
        "normalized_exponential": lambda q: (
            (NORMALIZED_RATIO**q - NORMALIZED_RATIO) / (1.0 - NORMALIZED_RATIO)
        ),
    }
    return scaled_height(heights[shape])


def scaled_height(height: Callable[[float], float]) -> Curve:
    """The curve that a height in [0, 1] makes between peak and end."""

    def factor(peak: float, end: float, done: float) -> float:
        part = height(done)
        # The sum would miss the peak by an ulp where peak - end is not exact.
        return peak if part == 1.0 else end + (peak - end) * part

    return factor


def _between(mean: Curve) -> Curve:
    def factor(peak: float, end: float, done: float) -> float:
        if done <= 0.0:
            return peak
        return end if done >= 1.0 else mean(peak, end, done)

    return factor


_MEANS: dict[str, Curve] = {
    "exponential": lambda peak, end, q: peak * (end / peak) ** q,
    "inverse_linear": lambda peak, end, q: end / (q + (1.0 - q) * (end / peak)),
    "inverse_sqrt": lambda peak, end, q: end / math.sqrt(q + (1.0 - q) * (end / peak) ** 2),
}
# Written so that no end is too small: 1 / end and its square could be more than a float holds.

SHAPES: tuple[Shape, ...] = get_args(Shape)
