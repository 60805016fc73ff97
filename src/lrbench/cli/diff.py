"""``lrbench diff``: two records side by side."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lrbench.cli.console import flat, put, put_json
from lrbench.cli.options import Json
from lrbench.errors import ExitCode

if TYPE_CHECKING:
    from lrbench.record.comparison.changes import Change
    from lrbench.record.reader import Record
    from lrbench.workflows.diff import Compared, Comparison

MOST_CHANGES = 20
"""Of settings or facts that are shown; ``--json`` has them all."""

Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a record.")]


def diff(first: Run, second: Run, json: Json = False) -> None:
    """Compare two runs: settings, environments, digests, and what differs first in their logs.

    They may have other seeds, lengths or schedules, and need not be finished. The exit code is 0 if
    all that is promised to repeat is the same in both, bit for bit, and 3 if not, or if a record is
    damaged.
    """
    from lrbench.workflows.diff import diff as work

    found = work(first, second)
    if json:
        put_json(_plain(found, first, second))
    else:
        width = shutil.get_terminal_size().columns
        for line in _lines(found, first, second, width):
            put(line)
    if not found.is_identical:
        raise typer.Exit(int(ExitCode.DIFFERENCE))


def _lines(found: Comparison, first: Path, second: Path, width: int) -> Iterator[str]:
    for name, path, record in (("first", first, found.first), ("second", second, found.second)):
        yield from _fill(f"{name:<7} {path}: {_state(record)}", width, "        ")
    yield from _section("settings", found.settings, width)
    if not found.absent:
        yield from _section("environments", found.environment, width)
    for sentence in found.absent:
        yield f"environments: not compared, {sentence}"
    yield "digests"
    longest = max(13, *(len(one.name) for one in found.digests))
    for one in found.digests:
        yield from _fill(f"  {one.name:<{longest}} {_verdict(one)}", width, " " * (longest + 3))
    if found.difference:
        yield from _fill(f"first difference in the logs: {found.difference.told()}", width)
    else:
        yield "the logs do not differ"
    yield "identical" if found.is_identical else "different"


def _section(name: str, changes: Sequence[Change], width: int) -> Iterator[str]:
    if not changes:
        yield f"{name}: the same"
        return
    yield f"{name} that differ"
    for change in changes[:MOST_CHANGES]:
        first, second = _value(change.recorded), _value(change.other)
        line = f"  {flat(change.key)}: {first} and {second}"
        if len(line) <= width:
            yield line
            continue
        yield from _fill(f"  {change.key}:", width)
        yield from _fill(f"    first   {first}", width, " " * 12)
        yield from _fill(f"    second  {second}", width, " " * 12)
    if len(changes) > MOST_CHANGES:
        yield f"  and {len(changes) - MOST_CHANGES} more, which --json lists"


def _state(record: Record) -> str:
    if record.result:
        at = record.result.get("diverged_at")
        return str(record.status) if at is None else f"{record.status} at step {at}"
    return f"{record.status} ({record.reason})" if record.reason else str(record.status)


def _verdict(one: Compared) -> str:
    if one.is_same is None:
        lacking = [
            name
            for name, value in (("the first", one.first), ("the second", one.second))
            if value is None
        ]
        return f"not recorded in {' and '.join(lacking)}"
    if one.is_same:
        return "same"
    return f"differs, first tensor {one.tensor}" if one.tensor else "differs"


def _value(value: Any) -> str:
    return "absent" if value is None else flat(str(value))


def _fill(text: str, width: int, indent: str = "    ") -> list[str]:
    """Lines of at most ``width`` characters, whatever the text holds."""
    return textwrap.wrap(
        flat(text), width, subsequent_indent=indent, break_on_hyphens=False, drop_whitespace=True
    )


def _plain(found: Comparison, first: Path, second: Path) -> dict[str, Any]:
    def side(path: Path, record: Record) -> dict[str, Any]:
        return {
            "path": str(path),
            "run_id": record.run_id,
            "status": str(record.status),
            "reason": record.reason,
            "diverged_at": record.result.get("diverged_at"),
        }

    def listed(changes: Sequence[Change]) -> list[dict[str, Any]]:
        return [{"key": c.key, "first": c.recorded, "second": c.other} for c in changes]

    difference = asdict(found.difference) if found.difference else None
    if difference:
        difference["first"] = difference.pop("recorded")
        difference["second"] = difference.pop("other")
    return {
        "identical": found.is_identical,
        "first": side(first, found.first),
        "second": side(second, found.second),
        "settings": listed(found.settings),
        "environment": listed(found.environment),
        "digests": [asdict(one) for one in found.digests],
        "first_difference": difference,
        "absent": list(found.absent),
    }
