"""``lrbench check-schedule``: whether schedules do what they say."""

from __future__ import annotations

import shutil
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lrbench.cli.console import put, put_json
from lrbench.cli.options import ConfigDir, Json, Overrides, tell_others
from lrbench.errors import ExitCode

if TYPE_CHECKING:
    from lrbench.checks.findings import Finding
    from lrbench.workflows.check_schedule import Checked


def check_schedule(
    overrides: Overrides = None,
    every_one: Annotated[
        bool, typer.Option("--all", help="Every schedule of lrbench, as its file has it.")
    ] = False,
    config_dir: ConfigDir = None,
    json: Json = False,
) -> None:
    """Hold schedules against what they promise: schedule=sgdr,cosine train.steps=1000.

    lrbench's own are compared with their formulas, update by update; torch's schedulers and your
    own functions are examined for what can be wrong without one. Nothing is trained, and
    data are looked at only where a length is in epochs. The exit code is 3 if anything is wrong.
    """
    from lrbench.workflows.check_schedule import check_schedules as work

    tell_others(overrides or [])
    checked = []
    for one in work(overrides or [], config_dir=config_dir, every_one=every_one):
        checked.append(one)
        if not json:
            _show(one)
    if json:
        put_json({"schedules": [_plain(one) for one in checked]})
    if not all(one.is_right for one in checked):
        raise typer.Exit(int(ExitCode.DIFFERENCE))


def _show(one: Checked) -> None:
    """The verdict, what is wrong, and the remarks."""
    wrong = [finding for finding in one.findings if finding.kind == "wrong"]
    remarks = [finding for finding in one.findings if finding.kind == "remark"]
    put(f"{one.label}: {_verdict(one, len(wrong))}")
    width = shutil.get_terminal_size().columns
    for kind, findings in (("wrong", wrong), ("remark", remarks)):
        for finding in findings:
            text = f"{kind}: {_line(finding)}"
            put(textwrap.fill(text, width, initial_indent="  ", subsequent_indent="    "))


def _verdict(one: Checked, wrong: int) -> str:
    if one.total_steps is None:
        return "not checked"
    if wrong:
        return f"wrong: {wrong} finding{'' if wrong == 1 else 's'} in {one.total_steps} updates"
    if one.accuracy is None:
        return f"nothing wrong: {one.total_steps} updates"
    accuracy = one.accuracy
    updates = (
        f"{accuracy.updates} updates"
        if accuracy.updates == one.total_steps
        else f"{accuracy.updates} of {one.total_steps} updates"
    )
    return f"right: {updates}, largest error {accuracy.ulps:.2g} ulp at step {accuracy.step}"


def _line(finding: Finding) -> str:
    source = f" [{finding.source}]" if finding.source else ""
    return f"{finding.check}: {finding.text}{source}"


def _plain(one: Checked) -> dict[str, Any]:
    accuracy = one.accuracy
    return {
        "label": one.label,
        "right": one.is_right,
        "total_steps": one.total_steps,
        "compared": accuracy and accuracy.updates,
        "largest_error_ulp": accuracy and accuracy.ulps,
        "largest_error_step": accuracy and accuracy.step,
        "findings": [asdict(finding) for finding in one.findings],
    }
