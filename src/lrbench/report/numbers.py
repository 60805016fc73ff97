"""Rounding, which happens here and nowhere before."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from lrbench.stats.aggregate import Estimate

ABSENT = "-"
_LARGEST_FIXED = 1e6
_MOST_DECIMALS = 6

Format = Callable[[float | None], str]


def format_for(estimates: Sequence[Estimate]) -> Format:
    """One format for a whole table, so that its numbers can be compared down a column.

    As many decimals as give the narrowest interval's half-width two significant digits, and at most
    as many as give the smallest mean four. Numbers too small or too large to be read that way are
    written with an exponent.
    """
    means = [abs(e.mean) for e in estimates if e.mean]
    halves = [(e.high - e.low) / 2 for e in estimates if e.high is not None and e.low is not None]
    resolvable = [half for half in halves if 0 < half < math.inf]
    wanted = [3 - _magnitude(min(means))] if means else [3]
    if resolvable:
        wanted.append(1 - _magnitude(min(resolvable)))
    decimals = max(0, min(wanted))
    is_fixed = decimals <= _MOST_DECIMALS and max(means, default=0.0) < _LARGEST_FIXED

    def show(value: float | None) -> str:
        if value is None:
            return ABSENT
        return f"{value:.{decimals}f}" if is_fixed else f"{value:.3e}"

    return show


def significant(value: float | None) -> str:
    """Three significant digits: a spread is known no better."""
    return ABSENT if value is None else f"{value:#.3g}".rstrip(".")


def duration(seconds: float | None) -> str:
    """``12.3 s``, ``4.5 min`` or ``6.7 h``."""
    if seconds is None:
        return ABSENT
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


def durations(column: Sequence[float | None]) -> list[str]:
    """The same of a column, each with three significant digits: ``1.50 s`` above ``1.23 s``."""
    return [ABSENT if seconds is None else _three(seconds) for seconds in column]


def _three(seconds: float) -> str:
    if seconds < 120:
        value, unit = seconds, "s"
    elif seconds < 7200:
        value, unit = seconds / 60, "min"
    else:
        value, unit = seconds / 3600, "h"
    told = f"{value:.0f}" if value >= 1e3 else f"{value:#.3g}".rstrip(".")
    return f"{told} {unit}"


def _magnitude(value: float) -> int:
    """The exponent of ten of a positive number."""
    return math.floor(math.log10(value))
