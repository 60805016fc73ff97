"""``lrbench doctor``: what this machine is, and what lrbench can promise on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shutil import get_terminal_size
from textwrap import wrap
from typing import Annotated

import typer

from lrbench.cli.console import put, put_json, say
from lrbench.cli.options import Json, Overrides, Results
from lrbench.errors import ConfigError, ExitCode

LEVELS = {
    "L0": "a lane depends on its neighbours; this engine refuses the model",
    "L1": "the same width and slot give the same bits in any company",
    "L2": "any slot, and any width from two up, gives the same bits in any company",
    "L3": "any slot and any width give the same bits in any company",
    "L4": "any slot and any width give the bits of the loop engine",
}

WIDEST = 30
"""Characters of a value for which the marks behind the values of a topic make room."""


def doctor(
    overrides: Overrides = None,
    results: Results = Path("results"),
    selftest: Annotated[
        bool,
        typer.Option("--selftest", help="Also run twice, kill, go on, compare: half a minute."),
    ] = False,
    lanes: Annotated[
        bool,
        typer.Option(
            "--lanes",
            help="Measure on what a lane's bits depend, for model=… dataset=…: seconds, "
            "compiled a minute or two.",
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Check versions, device, determinism flags, disk and folders.

    With --lanes: how independent a lane of compute.engine=lanes is of its slot, of their number
    and of its neighbours, for the model of the overrides.
    """
    if lanes:
        _measure_lanes(overrides or [], json)
        return
    if overrides:
        raise ConfigError(
            "takes settings with --lanes only", key="lrbench doctor", got=overrides[0]
        )
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


def _measure_lanes(overrides: list[str], as_json: bool) -> None:
    from lrbench.workflows.levels import examine
    from lrbench.workflows.run import resolve_overrides

    if not any(text.startswith("compute.engine") for text in overrides):
        overrides = [*overrides, "compute.engine=lanes"]
    run = resolve_overrides(overrides)
    compute = run.spec.compute
    how = "compiled" if compute.compile else "operation by operation"
    say(f"training {run.spec.model.name} in {compute.lanes} lanes, {how}, a few times")
    found = examine(run)
    if as_json:
        put_json(
            {
                "level": found.level,
                "trials": [vars(trial) for trial in found.trials],
                "model": run.spec.model.name,
                "dataset": run.spec.dataset.name,
                "lanes": compute.lanes,
                "compile": compute.compile,
                "profile": compute.profile,
            }
        )
    else:
        width = max(len(trial.name) for trial in found.trials)
        for trial in found.trials:
            parted = "the same bits" if trial.is_same else f"other bits at update {trial.parted_at}"
            put(f"  {trial.name:<{width}}  {parted}")
        put(f"{found.level}: {LEVELS[found.level]}")
    if found.level == "L0":
        raise typer.Exit(int(ExitCode.DIFFERENCE))


def _lines(name: str, value: str, width: int) -> Iterator[str]:
    """A finding under the name column of its topic; its value is broken between words only."""
    room = max(20, get_terminal_size().columns - width - 4)
    lines = wrap(value, room, break_long_words=False, break_on_hyphens=False) or [""]
    for place, line in enumerate(lines):
        yield f"  {'' if place else name:<{width}}  {line}".rstrip()
