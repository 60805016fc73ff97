"""Lengths as people write them: 300 (updates), "10ep" (epochs), "20%" (of the run)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from lrbench.errors import ConfigError

_EPOCHS = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)ep", re.ASCII)
_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)%", re.ASCII)

FORMS = "must be whole updates (300), epochs ('10ep') or a part of the run ('20%')"


def is_duration(value: Any) -> bool:
    """Whether ``value`` is written in one of the three forms."""
    if isinstance(value, str):
        return bool(_EPOCHS.fullmatch(value) or _PART.fullmatch(value))
    return isinstance(value, int) and not isinstance(value, bool)


def to_steps(value: Any, *, steps_per_epoch: int, total_steps: int | None, key: str) -> int:
    """The length in updates.

    Epochs and parts are rounded to the nearest update, once, in decimal arithmetic, halves up.

    Parameters
    ----------
    value : int or str
    steps_per_epoch : int in [1, inf)
    total_steps : int in [1, inf), or None where the length of the run is what is being said
    key : str
        The setting, for the error.

    Raises
    ------
    ConfigError
        The value has none of the three forms, or a positive part comes to no update at all.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = value if isinstance(value, str) else ""
    if match := _EPOCHS.fullmatch(text):
        exact = Decimal(match[1]) * steps_per_epoch
    elif (match := _PART.fullmatch(text)) and total_steps is not None:
        exact = Decimal(match[1]) * total_steps / 100
    else:
        raise ConfigError(FORMS, key=key, got=value)
    steps = int(exact.to_integral_value(rounding="ROUND_HALF_UP"))
    if steps == 0 and exact > 0:
        share = f"of {total_steps}" if text.endswith("%") else f"at {steps_per_epoch} an epoch"
        relation = f"must come to at least one update (it is {exact.normalize():f} {share})"
        raise ConfigError(relation, key=key, got=value, remedy=f".{key}=1")
    return steps


def resolve(
    settings: Mapping[str, Any],
    names: set[str],
    *,
    steps_per_epoch: int,
    total_steps: int,
) -> dict[str, Any]:
    """``settings`` with the lengths among them, single or in lists, in updates."""

    def steps(key: str, value: Any) -> Any:
        if value is None or key not in names:
            return value
        if isinstance(value, list):
            return [steps(key, item) for item in value]
        return to_steps(value, steps_per_epoch=steps_per_epoch, total_steps=total_steps, key=key)

    return {key: steps(key, value) for key, value in settings.items()}
