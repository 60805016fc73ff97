"""A flag: something about results that is improbable, unfair, or wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Flag:
    """One thing that a reader of the results must know before believing them.

    Parameters
    ----------
    code : str
        Short, stable, in small letters with hyphens: ``grid-edge``.
    is_serious : bool
        Whether figures are wrong or compare what cannot be compared. Others are cautions: figures
        are right, and may be read as more than they say.
    sentence : str
        What was found, made from the evidence; printable.
    evidence : dict
        The figures, as plain JSON values.
    runs : tuple of str
        The runs it is about, by their ids; empty where it is about the whole folder.
    """

    code: str
    is_serious: bool
    sentence: str
    evidence: dict[str, Any]
    runs: tuple[str, ...]


def in_order(flags: Iterable[Flag]) -> tuple[Flag, ...]:
    """Serious ones first, then by code; those of one code as they came."""
    return tuple(sorted(flags, key=lambda flag: (not flag.is_serious, flag.code)))
