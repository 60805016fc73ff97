"""What the reference knows of a schedule, and how it reads settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lrbench.checks.reference.numbers import Number, decimal


@dataclass(frozen=True)
class Exact:
    """A schedule as mathematics has it.

    Parameters
    ----------
    factor : callable, int -> Fraction or number of 50 digits
        Defined for every step from 0.
    restarts : tuple of int
        Steps of the run at which a warm restart happens.
    """

    factor: Callable[[int], Number]
    restarts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Given:
    """Settings of a schedule; one that is missing or null has its default.

    Parameters
    ----------
    settings : mapping
        Lengths in updates.
    steps : int in [1, inf), in updates
        Of the run that are left to the schedule, after the shared warmup.
    """

    settings: Mapping[str, Any]
    steps: int

    def has(self, key: str) -> bool:
        """Whether the setting is there and not null."""
        return self.settings.get(key) is not None

    def value(self, key: str, default: Any = None) -> Any:
        """The setting as it is."""
        return self.settings[key] if self.has(key) else default

    def word(self, key: str, default: str) -> str:
        """One of several named ways."""
        return str(self.value(key, default))

    def length(self, key: str, default: int | None = None) -> int:
        """Steps; without a default it must be given."""
        return int(self.settings[key] if default is None else self.value(key, default))

    def number(self, key: str, default: float) -> Fraction:
        """The exact value of the float that was given."""
        return Fraction(self.value(key, default))

    def decimal(self, key: str, default: float) -> Fraction:
        """The number as it was written."""
        return decimal(self.value(key, default))

    @property
    def decay(self) -> int:
        """Length of the decay; null stands for all the steps."""
        return int(self.value("decay", self.steps))

    @property
    def endpoint(self) -> str:
        """Whether the end value belongs to the step after the last one, or to the last one."""
        return self.word("endpoint", "exclusive")


Formula = Callable[[Given], Exact]
"""Makes the reference of one schedule from its settings."""
