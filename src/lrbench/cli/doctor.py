"""``lrbench doctor``: what this machine is, and what lrbench can promise on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lrbench.cli.console import put, put_json, say
from lrbench.cli.options import Json, Results
from lrbench.errors import ExitCode


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
        for finding in findings:
            if finding.topic != topic:
                topic = finding.topic
                put(topic)
            mark = {True: "ok", False: "NOT AS ASKED", None: ""}[finding.is_good]
            put(f"  {finding.name:<26} {finding.value!s:<30} {mark}".rstrip())
        put("everything is in order" if not bad else f"{len(bad)} to look at: {bad[0].name}")
    if bad:
        raise typer.Exit(int(ExitCode.DIFFERENCE))
