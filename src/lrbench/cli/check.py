"""``lrbench check``: what speaks against believing results."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrbench.cli.console import out, put, put_json, say
from lrbench.cli.options import Json
from lrbench.errors import ExitCode

if TYPE_CHECKING:
    from lrbench.report.sanity.flag import Flag
    from lrbench.workflows.check import Checked

WIDEST = 100
"""Characters of a line in a wide terminal."""

NAMED = 3
"""Runs that are named with a flag; the others are counted."""


def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of results.")],
    json: Json = False,
) -> None:
    """Look for what speaks against believing the results in a folder; nothing is trained.

    Serious flags say that figures are wrong, or compare what cannot be compared; cautions, that
    figures may be read as more than they say. Of a large folder it reads every log.

    Exit code 3 says that a serious flag stands, 1 that something in the folder is damaged.
    """
    from lrbench.workflows.check import check as work

    found = work(folder)
    if json:
        from dataclasses import asdict

        put_json(asdict(found) | {"path": str(found.path), "is_serious": found.is_serious})
    else:
        for line in tell(found, min(out().width, WIDEST)):
            put(line)
    for notice in found.notices:
        say(notice)
    if found.is_serious:
        raise typer.Exit(int(ExitCode.DIFFERENCE))
    if found.has_corrupt:
        raise typer.Exit(int(ExitCode.RUN_FAILED))


def tell(found: Checked, width: int) -> Iterator[str]:
    """The whole answer, in lines of at most ``width`` characters."""
    serious = sum(flag.is_serious for flag in found.flags)
    cautions = len(found.flags) - serious
    counts = f"{_count(serious, 'serious flag')}, {_count(cautions, 'caution')}"
    yield f"{_count(found.runs, 'finished run')} in {found.path}: {counts}"
    for is_serious, title in ((True, "serious"), (False, "cautions")):
        flags = [flag for flag in found.flags if flag.is_serious is is_serious]
        if flags:
            yield ""
            yield title
        for flag in flags:
            yield from _told(flag, width)


def _told(flag: Flag, width: int) -> Iterator[str]:
    yield f"  {flag.code}"
    yield from _wrapped(flag.sentence, width)
    if flag.runs:
        rest = len(flag.runs) - NAMED
        more = f" and {rest} more" if rest > 0 else ""
        yield from _wrapped(f"runs: {', '.join(flag.runs[:NAMED])}{more}", width)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent="    ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _count(many: int, noun: str) -> str:
    return f"{many or 'no'} {noun}{'' if many == 1 else 's'}"
