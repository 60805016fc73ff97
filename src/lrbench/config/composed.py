"""A configuration before it is checked: plain values, and where each of them comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MOST_ARMS = 10_000
"""Of one sweep; more are a typing error."""


@dataclass(frozen=True)
class Composed:
    """A configuration before it is checked.

    Parameters
    ----------
    values : dict
        Plain, nested.
    origins : dict
        Where a dotted key, or everything below it, comes from.
    typed : frozenset of str
        Keys given as overrides.
    is_own : bool
        Whether ``config.yaml`` is the user's own.
    replaced : dict
        What the files have where a key was given as an override.
    """

    values: dict[str, Any]
    origins: dict[str, str]
    typed: frozenset[str] = field(default=frozenset())
    is_own: bool = False
    replaced: dict[str, Any] = field(default_factory=dict)

    def rank(self, key: str) -> int:
        """How much a value weighs: 2 if it was typed, 1 from a user's file, 0 by default."""
        return 2 if key in self.typed else int(self.is_own)


def settle_length(composed: Composed) -> None:
    """Of steps and epochs, what was typed beats a user's file, and that beats the default."""
    train = composed.values.get("train")
    if not isinstance(train, dict) or None in (train.get("steps"), train.get("epochs")):
        return
    steps, epochs = composed.rank("train.steps"), composed.rank("train.epochs")
    if steps != epochs:
        train["epochs" if steps > epochs else "steps"] = None
