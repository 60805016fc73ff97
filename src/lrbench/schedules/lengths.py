"""Lengths as parts of the steps that a schedule has: ``20%``, known where those steps are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from lrbench.schedules.base import require

_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)%", re.ASCII)


def in_steps(settings: Mapping[str, Any], names: set[str], steps: int) -> dict[str, Any]:
    """``settings`` with the parts among the lengths ``names``, single or in lists, in updates.

    A part is rounded to the nearest update, once, in decimal arithmetic, halves up.

    Parameters
    ----------
    settings : mapping
    names : set of str
        Those of the settings that are lengths.
    steps : int in [1, inf), in updates
        What they are parts of.

    Raises
    ------
    ScheduleError
        A part above 0 comes to no update at all.
    """

    def length(key: str, value: Any) -> Any:
        if isinstance(value, list):
            return [length(key, item) for item in value]
        part = _PART.fullmatch(value) if isinstance(value, str) else None
        if part is None:
            return value
        exact = Decimal(part[1]) * steps / 100
        rounded = int(exact.to_integral_value(ROUND_HALF_UP))
        relation = f"must come to at least one update of {steps}"
        require(rounded > 0 or exact == 0, key, relation, value, f".{key}=1")
        return rounded

    return {key: length(key, value) if key in names else value for key, value in settings.items()}
