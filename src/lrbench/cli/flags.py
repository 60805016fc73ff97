"""Sanity flags in a few lines, for commands that answer something else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lrbench.cli import console

if TYPE_CHECKING:
    from lrbench.report.sanity.flag import Flag

SERIOUS_SHOWN = 3
"""Serious flags that are told; the others are counted."""


def told(flags: Sequence[Flag], path: Path, *, is_whole: bool) -> Iterator[str]:
    """Serious flags, a line each, and how many cautions.

    Parameters
    ----------
    flags : sequence of Flag
    path : Path
        Of the results.
    is_whole : bool
        Whether the logs of updates were looked into.
    """
    more = console.command("check", path)
    serious = [flag for flag in flags if flag.is_serious]
    for flag in serious[:SERIOUS_SHOWN]:
        yield f"serious: {flag.code}: {flag.sentence}"
    if len(serious) > SERIOUS_SHOWN:
        yield f"and {len(serious) - SERIOUS_SHOWN} more serious flags: {more}"
    cautions = [flag.code for flag in flags if not flag.is_serious]
    beyond = "" if is_whole else ", the logs of updates not looked into"
    if not cautions and beyond:
        yield f"no {'more ' if serious else ''}flags{beyond}: {more}"
    if cautions:
        counts = Counter(cautions)
        codes = [code if many == 1 else f"{many} x {code}" for code, many in counts.items()]
        noun = "caution" if len(cautions) == 1 else "cautions"
        yield f"{len(cautions)} {noun} ({', '.join(codes)}){beyond}: {more}"
