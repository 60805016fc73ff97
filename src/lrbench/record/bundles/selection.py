"""What of a results folder goes into a bundle, what does not, and why."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lrbench.errors import RecordError
from lrbench.record import layout
from lrbench.record.additions import ADDITION
from lrbench.record.files import read_file
from lrbench.record.notes import read_notes
from lrbench.record.plans import read_plan
from lrbench.record.reader import Record, Status, find_records, read_json, read_record
from lrbench.spec.imports import source_names

RUN_ID: Final = r"[a-z0-9_]{1,40}-[a-z0-9_]{1,40}-[a-z0-9_]{1,40}-s\d{1,19}-[0-9a-f]{8}"
SWEEP_FILE: Final = r"\d{1,9}x\d{1,9}-[0-9a-f]{8}\.json"
CHECKPOINT: Final = r"checkpoint(\.previous)?"
RECORD_FILE: Final = "|".join(
    (
        *map(re.escape, (layout.SPEC, layout.CONFIG, layout.MANIFEST, layout.RESULT)),
        *map(re.escape, (layout.TIMING, *layout.ALL_LOGS)),
        rf"{layout.ATTEMPTS}/\d{{4,9}}\.json",
        rf"{layout.KEPT}/\d{{9,19}}",
        rf"(?:{layout.TEST_USES}|{layout.NOTES})/{ADDITION}",
        CHECKPOINT,
    )
)
"""What a record consists of, as a regular expression over paths inside it."""


@dataclass(frozen=True)
class LeftOut:
    """Something that is not in a bundle, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class OwnCode:
    """The source of a user's own component, as it was when the run was recorded."""

    target: str
    name: str
    path: Path
    sha256: str


@dataclass(frozen=True)
class Run:
    """A finished run, and which of its files go into the bundle."""

    record: Record
    manifest: Mapping[str, Any]
    files: tuple[str, ...]


@dataclass
class Selection:
    """What was found in a folder.

    Parameters
    ----------
    runs : list of Run
        The finished ones, by their ids.
    sweeps : list of Path
    damaged, left_out : list of LeftOut
    """

    runs: list[Run] = field(default_factory=list)
    sweeps: list[Path] = field(default_factory=list)
    damaged: list[LeftOut] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def select(folder: Path, *, checkpoints: bool) -> Selection:
    """The finished runs at or below ``folder`` and its sweeps; every byte of them is checked."""
    chosen = Selection()
    for path in find_records(folder):
        try:
            files = _files_of(path, chosen, checkpoints)
            record = read_record(path, every_byte=True)
            if record.status is Status.CORRUPT:
                raise RecordError(record.reason)
            if not record.status.is_finished:
                chosen.left_out.append(LeftOut(_inside(path.name), f"the run is {record.status}"))
                continue
            if not re.fullmatch(RUN_ID, path.name, re.ASCII):
                raise RecordError("its folder must have the name of a run")
            chosen.runs.append(Run(record, read_json(path / layout.MANIFEST), tuple(files)))
        except RecordError as error:
            chosen.damaged.append(LeftOut(_inside(path.name), _words(error, path)))
    sweeps = folder / layout.SWEEPS
    if os.path.lexists(sweeps):
        _select_sweeps(sweeps, chosen)
    return chosen


def own_code(runs: Sequence[Run], roots: Sequence[Path]) -> tuple[list[OwnCode], list[LeftOut]]:
    """The sources of the user's own components, and those that are not to be had.

    A file counts only if it is, byte by byte, the one the run was recorded with. Of a schedule the
    record knows its factors and not its file, so its file stays out: a record from elsewhere could
    name any of the user's modules. What is torch's or lrbench's own is not the user's.
    """
    wanted = {
        (component["target"], None if is_schedule else str(component.get("code")))
        for run in runs
        for component, is_schedule in _components(run.record.spec)
        if isinstance(component.get("target"), str)
        and not re.match(r"(lrbench|torch)[.:]", component["target"])
    }
    found: dict[str, OwnCode] = {}
    missing = []
    for target, sha256 in sorted(wanted, key=lambda pair: (pair[1] is None, str(pair))):
        source = None if sha256 is None else _source(target, sha256, roots)
        if source is None or found.setdefault(source.name, source).sha256 != source.sha256:
            reason = "its source as it was recorded lies in no folder of the user's own modules"
            if sha256 is None:
                reason = "of a schedule the source is not recorded: add the module by hand"
            missing.append(LeftOut(target, reason))
    return [found[name] for name in sorted(found)], missing


def _files_of(path: Path, chosen: Selection, checkpoints: bool) -> list[str]:
    """The names of a record's files, without following anything that is not plainly one."""
    files = []
    notes = read_notes(path)
    for name in _names_below(path):
        leaf = name.rpartition("/")[2]
        if name == layout.LOCK or (leaf.startswith(".") and leaf.endswith(".tmp")):
            continue
        if not re.fullmatch(RECORD_FILE, name, re.ASCII):
            reason = "is no file of a record"
            chosen.left_out.append(LeftOut(f"{_inside(path.name)}/{name}", reason))
        elif name in notes.damaged:
            # A remark outside of every promise: no reason to leave out the run.
            reason = f"is damaged ({notes.damaged[name]})"
            chosen.left_out.append(LeftOut(f"{_inside(path.name)}/{name}", reason))
        elif re.fullmatch(CHECKPOINT, name) and not checkpoints:
            reason = "is not needed to repeat the run"
            chosen.left_out.append(LeftOut(f"{_inside(path.name)}/{name}", reason))
        else:
            files.append(name)
    return files


def _names_below(path: Path, prefix: str = "") -> list[str]:
    names = []
    with os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            folders = (layout.ATTEMPTS, layout.KEPT, layout.NOTES, layout.TEST_USES)
            is_ours = prefix + entry.name in folders
            if is_ours and entry.is_dir(follow_symlinks=False):
                names += _names_below(path / entry.name, f"{entry.name}/")
            elif entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False):
                names.append(prefix + entry.name)
            else:
                raise RecordError("must be a regular file", key=str(path / entry.name))
    return names


def _select_sweeps(folder: Path, chosen: Selection) -> None:
    if folder.is_symlink() or not folder.is_dir():
        chosen.damaged.append(LeftOut(_inside(layout.SWEEPS), "must be a folder"))
        return
    for path in sorted(folder.iterdir()):
        name = _inside(f"{layout.SWEEPS}/{path.name}")
        if not re.fullmatch(SWEEP_FILE, path.name, re.ASCII):
            if not path.name.startswith("."):
                chosen.left_out.append(LeftOut(name, "is no file of a sweep"))
            continue
        try:
            if path.is_symlink():
                raise RecordError("must be a regular file", key=str(path))
            read_plan(path)
        except RecordError as error:
            chosen.damaged.append(LeftOut(name, _words(error, folder)))
        else:
            chosen.sweeps.append(path)


def _source(target: str, sha256: str, roots: Sequence[Path]) -> OwnCode | None:
    for root in roots:
        for name in source_names(target):
            try:
                data = read_file(root / name)
            except (OSError, RecordError):
                continue
            here = hashlib.sha256(data).hexdigest()
            if sha256 == here:
                return OwnCode(target, f"code/{name}", root / name, here)
    return None


def _components(spec: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], bool]]:
    """Every component of a specification, and whether it is a schedule."""
    optimizer = at(spec, "optimizer") or {}
    others = at(spec, "dataset"), at(spec, "model"), optimizer
    schedules = (
        at(spec, "schedule"),
        at(optimizer, "momentum_schedule"),
        at(optimizer, "weight_decay_schedule"),
    )
    pairs = [(one, False) for one in others] + [(one, True) for one in schedules]
    return [(one, is_schedule) for one, is_schedule in pairs if isinstance(one, dict)]


def at(value: Any, *keys: str) -> Any:
    """What stands at ``keys`` of nested mappings; None where a record has it not, or otherwise."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _inside(name: str) -> str:
    return f"results/{name}"


def _words(error: RecordError, folder: Path) -> str:
    def place(key: str | None) -> str:
        return f"{os.path.relpath(key, folder)} " if key else ""

    return "; ".join(f"{place(problem.key)}{problem.relation}" for problem in error.problems)
