"""``lrbench doctor``: what this machine is, and what lrbench can promise on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shutil import get_terminal_size
from textwrap import wrap
from typing import Annotated

import typer

from lrbench.cli.console import put, put_json, say
from lrbench.cli.options import Json, Results
from lrbench.errors import ExitCode

WIDEST = 30
"""Characters of a value for which the marks behind the values of a topic make room."""


def doctor(
    results: Results = Path("results"),
    selftest: Annotated[
        bool,
        typer.Option("--selftest", help="Also run twice, kill, go on, compare: half a minute."),
    ] = False,
    json: Json = False,
) -> None:
    """Check versions, device, determinism flags, disk and folders."""
    from lrbench.workflows.doctor import examine
    from lrbench.workflows.selftest import selftest as trials

    findings = examine(results)
    if selftest:
        say("training, killing and going on, about half a minute")
        findings += trials()
    bad = [finding for finding in findings if finding.is_good is False]
    if json:
        put_json(
            {
                "findings": [vars(finding) for finding in findings],
                "problems": [finding.name for finding in bad],
            }
        )
    else:
        topic = ""
        widths: dict[str, int] = {}
        values: dict[str, int] = {}
        for finding in findings:
            widths[finding.topic] = max(widths.get(finding.topic, 0), len(finding.name))
            if finding.is_good is not None:
                longest = max(values.get(finding.topic, 0), len(str(finding.value)))
                values[finding.topic] = min(longest, WIDEST)
        for finding in findings:
            if finding.topic != topic:
                topic = finding.topic
                put(topic)
            mark = {True: "ok", False: "NOT AS ASKED", None: ""}[finding.is_good]
            value = f"{finding.value!s:<{values[topic]}}  {mark}" if mark else str(finding.value)
            for line in _lines(finding.name, value, widths[topic]):
                put(line)
        put("everything is in order" if not bad else f"{len(bad)} to look at: {bad[0].name}")
    if bad:
        raise typer.Exit(int(ExitCode.DIFFERENCE))


def _lines(name: str, value: str, width: int) -> Iterator[str]:
    """A finding under the name column of its topic; its value is broken between words only."""
    room = max(20, get_terminal_size().columns - width - 4)
    lines = wrap(value, room, break_long_words=False, break_on_hyphens=False) or [""]
    for place, line in enumerate(lines):
        yield f"  {'' if place else name:<{width}}  {line}".rstrip()
