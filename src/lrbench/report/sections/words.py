"""Small things about sentences."""

from __future__ import annotations

from collections.abc import Collection


def sentence(said: str, names: Collection[str] = ()) -> str:
    """``said`` with a large first letter, unless it begins with a name, and a full stop.

    Examples
    --------
    >>> sentence("every seed"), sentence("sgdr: so", ["sgdr"])
    ('Every seed.', 'sgdr: so.')
    """
    told = said if any(said.startswith(name) for name in names) else said[:1].upper() + said[1:]
    return told if told.endswith((".", "?")) else f"{told}."
