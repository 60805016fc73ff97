"""Named streams of random numbers: every draw is a function of (root seed, purpose, counters).

No generator lives between two draws, so there is no state to save, and nothing that is drawn for
one purpose can shift what is drawn for another. The numbers come from Philox's raw output, which
numpy promises not to change; everything else is integer and IEEE arithmetic of our own.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

SCHEME = "lrbench/stream/v1"
"""Part of every key. Changing how numbers are drawn means a new scheme, named in every record."""

Purpose = Literal["split", "init", "order", "augmentation", "dropout", "noise", "bootstrap"]
PURPOSES: tuple[str, ...] = get_args(Purpose)

Counter = int | str


@dataclass(frozen=True)
class Stream:
    """The numbers that belong to one key; drawing twice gives the same numbers twice."""

    key: int

    def raw(self, size: int) -> NDArray[np.uint64]:
        """``size`` uniform 64-bit integers."""
        return np.random.Philox(key=self.key).random_raw(size)

    def uniform(self, size: int) -> NDArray[np.float64]:
        """``size`` numbers in [0, 1), on the grid of 2**-53."""
        return (self.raw(size) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def normal(self, size: int) -> NDArray[np.float64]:
        """``size`` standard normal numbers (Box & Muller 1958)."""
        pairs = (size + 1) // 2
        uniform = self.uniform(2 * pairs)
        radius = np.sqrt(-2.0 * _log(1.0 - uniform[:pairs]))
        cos, sin = _cos_sin_of_turns(uniform[pairs:])
        return np.concatenate([radius * cos, radius * sin])[:size]

    def permutation(self, size: int) -> NDArray[np.int64]:
        """The numbers 0 … size-1 in random order."""
        return np.argsort(self.raw(size), kind="stable").astype(np.int64, copy=False)

    @property
    def torch_seed(self) -> int:
        """A seed for a torch generator, which ignores all but the low 32 bits."""
        return self.key & 0xFFFFFFFF


# numpy's own log and cos give other last bits with AVX-512 than without it, so that another machine
# would train on other data. These use only operations that IEEE 754 rounds exactly.


def _log(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Natural logarithm of numbers in (0, 1], to a few units in the last place."""
    mantissa, exponent = np.frexp(x)
    is_small = mantissa < math.sqrt(0.5)
    mantissa = np.where(is_small, 2.0 * mantissa, mantissa)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    series = _polynomial([1.0 / (2 * k + 1) for k in range(12)], s * s)
    return (exponent - is_small) * 0.6931471805599453 + 2.0 * s * series


def _cos_sin_of_turns(
    turns: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cosine and sine of ``turns`` whole turns, each in [0, 1)."""
    quarter = np.rint(4.0 * turns)
    angle = (4.0 * turns - quarter) * (math.pi / 2)
    square = -angle * angle
    cos = _polynomial([1.0 / math.factorial(2 * k) for k in range(10)], square)
    sin = angle * _polynomial([1.0 / math.factorial(2 * k + 1) for k in range(10)], square)
    place = quarter.astype(np.int64) % 4
    return np.choose(place, [cos, -sin, -cos, sin]), np.choose(place, [sin, cos, -sin, -cos])


def _polynomial(coefficients: list[float], x: NDArray[np.float64]) -> NDArray[np.float64]:
    whole = np.zeros_like(x)
    for coefficient in reversed(coefficients):
        whole = whole * x + coefficient
    return whole


def stream(root: int, purpose: Purpose, *counters: Counter) -> Stream:
    """The stream of ``purpose`` under the root seed, for these counters (an epoch, a name, …)."""
    # repr keeps 1 and "1" apart, and quotes whatever a name may contain.
    text = "/".join([SCHEME, repr(int(root)), purpose, *map(repr, counters)])
    return Stream(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))


@dataclass(frozen=True)
class Streams:
    """All streams of one run: one root seed, and other roots where a purpose is pinned."""

    root: int
    pinned: Mapping[str, int] = field(default_factory=dict)

    def __call__(self, purpose: Purpose, *counters: Counter) -> Stream:
        return stream(self.root_of(purpose), purpose, *counters)

    def root_of(self, purpose: Purpose) -> int:
        """The seed ``purpose`` draws from: its own where pinned, else the root seed."""
        return self.pinned.get(purpose, self.root)
