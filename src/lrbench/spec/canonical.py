"""One text for one value, so that a digest of it can be an identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def canonical(value: Any) -> str:
    """JSON with sorted keys, no spaces and shortest exact floats; NaN and infinity are refused."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def pretty(value: Any) -> str:
    """JSON for people, one text for one value too: a line an entry, in the order they have."""
    return f"{json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False)}\n"


def digest(value: Any) -> str:
    """sha256 of the canonical text, 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """``value`` with ``digest``, that of all the rest, as its last entry."""
    return {**value, "digest": digest(value)}


def is_intact(value: Mapping[str, Any]) -> bool:
    """Whether a sealed value is as it was sealed; True for one that never was."""
    rest = {key: item for key, item in value.items() if key != "digest"}
    return "digest" not in value or value["digest"] == digest(rest)


def parse(text: str) -> Any:
    """The value of a JSON text; NaN, infinity and doubled keys, which JSON has not, are refused.

    Raises
    ------
    ValueError
        The text is not JSON, or nested deeper than any text of ours.
    """
    try:
        return json.loads(text, object_pairs_hook=_no_doubles, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    whole = dict(pairs)
    if len(whole) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    return whole


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
