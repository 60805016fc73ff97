"""What may be in a bundle: the names of its files, and ``bundle.json``, which states them all."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

import lrbench
from lrbench.errors import DamageError, Problem, RecordError
from lrbench.record import layout
from lrbench.record.bundles.archive import Archive, Entry
from lrbench.record.bundles.instructions import versions_of
from lrbench.record.bundles.selection import RECORD_FILE, RUN_ID, SWEEP_FILE, LeftOut, Run
from lrbench.record.files import SIZE_LIMIT
from lrbench.spec.canonical import parse

BUNDLE_VERSION: Final = 1
ABOUT: Final = "bundle.json"
README: Final = "README.txt"
REQUIREMENTS: Final = "requirements.txt"

_NAME = re.compile(
    rf"{re.escape(ABOUT)}|{re.escape(README)}|{re.escape(REQUIREMENTS)}"
    rf"|results/(?P<run>{RUN_ID})/(?:{RECORD_FILE})"
    rf"|results/{layout.SWEEPS}/{SWEEP_FILE}"
    r"|code/(?:[A-Za-z_]\w*/)*[A-Za-z_]\w*\.py",
    re.ASCII,
)

ABOUT_LIMIT: Final = 32 * 2**20
"""Bytes of bundle.json, which is in memory as a whole."""

_LARGE = re.compile(rf".*(\.csv|/checkpoint(\.previous)?|/{layout.KEPT}/\d+)")


def about_text(
    runs: Sequence[Run], left_out: Sequence[LeftOut], stated: Mapping[str, Any]
) -> bytes:
    """The text of bundle.json, given the size and sha256 of every other file."""
    environments: dict[str, dict[str, Any]] = {}
    for run in runs:
        versions = versions_of(run)
        group = environments.setdefault(json.dumps(versions), {**versions, "runs": []})
        group["runs"].append(run.record.run_id)
    about = {
        "format_version": BUNDLE_VERSION,
        "lrbench": lrbench.__version__,
        "environments": list(environments.values()),
        "runs": {run.record.run_id: str(run.record.status) for run in runs},
        "left_out": [asdict(one) for one in left_out],
        "files": stated,
    }
    text = f"{json.dumps(about, indent=1)}\n".encode()
    if len(text) > ABOUT_LIMIT:
        relation = f"must not exceed {ABOUT_LIMIT} bytes"
        raise RecordError(relation, key=ABOUT, remedy="bundle fewer runs at a time")
    return text


def read_about(archive: Archive) -> dict[str, Any]:
    """What bundle.json says, found to have its form.

    Raises
    ------
    RecordError
        It has not, or a newer lrbench wrote it.
    """
    origin = str(archive.path)
    entry = archive.entries[-1] if archive.entries else None
    if entry is None or entry.name != ABOUT:
        raise DamageError("must be the last file of a bundle", key=ABOUT, origin=origin)
    _refuse_if_large(archive, entry)
    try:
        about = parse(b"".join(archive.pieces(entry)).decode())
    except ValueError as error:
        raise DamageError(f"must be JSON: {error}", key=ABOUT, origin=origin) from None
    version = about.get("format_version") if isinstance(about, dict) else None
    if type(version) is int and version > BUNDLE_VERSION:
        relation = f"must have format version {BUNDLE_VERSION}: a newer lrbench made this bundle"
        raise RecordError(relation, key=ABOUT, got=version, origin=origin)
    if type(version) is not int or version != BUNDLE_VERSION or not _has_its_form(about):
        raise DamageError("must state the files and runs of a bundle", key=ABOUT, origin=origin)
    return about  # type: ignore[no-any-return]


def _has_its_form(about: Mapping[str, Any]) -> bool:
    files, runs = about.get("files"), about.get("runs")
    return (
        isinstance(files, dict)
        and isinstance(runs, dict)
        and all(status in ("complete", "diverged") for status in runs.values())
        and all(
            isinstance(facts, dict)
            and type(facts.get("bytes")) is int
            and isinstance(facts.get("sha256"), str)
            for facts in files.values()
        )
    )


def check_names(archive: Archive, about: Mapping[str, Any]) -> None:
    """See that the archive holds what bundle.json says, and nothing that has no place there.

    Raises
    ------
    DamageError
        Naming the file.
    """
    origin = str(archive.path)
    stated = dict(about["files"])
    runs: set[str] = set()
    for entry in archive.entries:
        match = _NAME.fullmatch(entry.name)
        if not match:
            raise DamageError("has no place in a bundle", key=entry.name, origin=origin)
        _refuse_if_large(archive, entry)
        if match["run"]:
            runs.add(match["run"])
        facts = stated.pop(entry.name, None)
        if entry.name != ABOUT and (facts is None or facts["bytes"] != entry.size):
            relation = f"must be in the bundle as {ABOUT} states it"
            raise DamageError(relation, key=entry.name, origin=origin)
    if stated:
        relation = f"must be in the bundle: {ABOUT} states it"
        raise DamageError([Problem(relation, key=name, origin=origin) for name in [*stated][:20]])
    names = {entry.name for entry in archive.entries}
    for run_id in sorted(runs | set(about["runs"])):
        for name in (layout.SPEC, layout.MANIFEST, layout.RESULT, *layout.LOGS):
            if f"results/{run_id}/{name}" not in names or run_id not in about["runs"]:
                relation = f"must be a run with a whole record, and one {ABOUT} states"
                raise DamageError(relation, key=run_id, got=name, origin=origin)


def _refuse_if_large(archive: Archive, entry: Entry) -> None:
    limit = ABOUT_LIMIT if entry.name == ABOUT else SIZE_LIMIT
    if entry.size > limit and not _LARGE.fullmatch(entry.name):
        relation = f"must not exceed {limit} bytes"
        origin = str(archive.path)
        raise DamageError(relation, key=entry.name, got=entry.size, origin=origin)
