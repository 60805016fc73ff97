"""Bundles: finished runs in one file, with what a stranger needs to repeat them.

A bundle is an :mod:`~lrbench.record.archive` of

- ``bundle.json``: what is in it, with the sha256 of every other file, and what was left out and why
- ``README.txt`` and ``requirements.txt``: how to repeat the runs
- ``results/<run id>/…`` and ``results/sweeps/*.json``: the records as they are
- ``code/…``: the user's own modules, where they are the ones that were recorded

Nothing in it depends on when, where or by whom it was made. A bundle from elsewhere is data: names
that are not of this list are refused, and nothing is imported from it here.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import lrbench
from lrbench.errors import ConfigError, DamageError, Problem, RecordError
from lrbench.record import layout
from lrbench.record.archive import PIECE, Archive, ArchiveWriter, Entry, open_archive
from lrbench.record.files import (
    SIZE_LIMIT,
    claim_folder,
    create_scratch,
    open_regular,
    read_file,
    replacing,
)
from lrbench.record.instructions import read_me, requirements, typical, versions_of
from lrbench.record.reader import find_records
from lrbench.record.selection import (
    RECORD_FILE,
    RUN_ID,
    SWEEP_FILE,
    LeftOut,
    OwnCode,
    Run,
    Selection,
    own_code,
    select,
)
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

_LARGE = re.compile(r".*(\.csv|/checkpoint(\.previous)?)")


@dataclass(frozen=True)
class Bundle:
    """A bundle that was written.

    Parameters
    ----------
    path : Path
    size_bytes : int
    runs : dict of run id to status
    left_out : tuple of LeftOut
        What was found and is not in it.
    """

    path: Path
    size_bytes: int
    runs: dict[str, str]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class Opened:
    """A bundle that was found whole, and unpacked.

    Parameters
    ----------
    results : Path
        The folder of its records.
    code : Path or None
        The folder of the modules it brings, which nothing was imported from.
    runs : dict of run id to status
        As bundle.json states them.
    about : dict
        All of bundle.json.
    """

    results: Path
    code: Path | None
    runs: dict[str, str]
    about: dict[str, Any]


def write_bundle(
    folder: Path,
    out: Path,
    *,
    roots: Sequence[Path] = (),
    checkpoints: bool = False,
    without_damaged: bool = False,
    force: bool = False,
) -> Bundle:
    """Write the finished runs at or below ``folder`` to ``out``; equal records give equal bytes.

    Runs that are not finished are left out, and the answer names them: a sweep that still runs can
    be shared. A damaged record is refused instead, because a bundle that silently has fewer runs
    than were trained may change what they say; ``without_damaged`` leaves it out knowingly, and the
    bundle names it.

    Parameters
    ----------
    folder : Path
        A record, or a folder of records.
    out : Path
        A file in a folder that exists; it appears whole or not at all.
    roots : sequence of Path
        Folders in which the user's own modules are looked for.
    checkpoints : bool
        Put checkpoints in as well.
    without_damaged : bool
        Leave damaged records out instead of refusing.
    force : bool
        Replace ``out`` if it is there.

    Raises
    ------
    ConfigError
        A path is wrong, or there is no finished run.
    DamageError
        Records are damaged; every one is named.
    RecordError
        ``out`` would be larger than a zip file can be.
    """
    folder, out = folder.resolve(), out.parent.resolve() / out.name
    _check_paths(folder, out, force)
    chosen = select(folder, checkpoints=checkpoints)
    if chosen.damaged and not without_damaged:
        remedy = "--without-damaged leaves them out"
        raise DamageError(
            [
                Problem(f"is damaged ({one.reason})", key=one.name, remedy=remedy)
                for one in chosen.damaged
            ]
        )
    damaged = [LeftOut(one.name, f"is damaged ({one.reason})") for one in chosen.damaged]
    if not chosen.runs:
        named = "; ".join(f"{one.name}: {one.reason}" for one in (chosen.left_out + damaged)[:5])
        relation = f"must hold a finished run{f' ({named})' if named else ''}"
        raise ConfigError(relation, key=str(folder), remedy="lrbench status")
    code, missing = own_code(chosen.runs, roots)
    left_out = (*chosen.left_out, *damaged, *missing)
    with replacing(out) as file:
        writer = ArchiveWriter(file)
        stated = {}
        for name, pieces in sorted(_contents(chosen, code, missing), key=lambda pair: pair[0]):
            size, sha256 = writer.add(name, pieces)
            stated[name] = {"bytes": size, "sha256": sha256}
        _compare(chosen.runs, code, stated)
        writer.add(ABOUT, [_about(chosen.runs, left_out, stated)])
        writer.finish()
    return Bundle(out, file.size, _statuses(chosen.runs), left_out)


def open_bundle(path: Path, into: Path) -> Opened:
    """Unpack a bundle into an empty folder, once every byte and every name is found in order.

    Whatever the file is, nothing is written outside ``into``, no more than a piece of it is in
    memory, and after an error ``into`` is empty.

    Raises
    ------
    RecordError
        Naming the file in the bundle that is damaged or has no place in one, or the bundle.
    """
    try:
        claim_folder(into)
        if any(into.iterdir()):
            raise RecordError("must be empty", key=str(into))
        with open_archive(path) as archive:
            about = _read_about(archive)
            _check_names(archive, about)
            try:
                for entry in archive.entries:
                    _unpack(archive, entry, into, about)
            except BaseException:
                _empty(into)
                raise
    except FileNotFoundError:
        raise RecordError("must exist", key=str(path)) from None
    except OSError as error:
        relation = f"could not be opened ({error.strerror})"
        raise RecordError(relation, key=str(error.filename or path)) from error
    code = into / "code"
    return Opened(into / "results", code if code.is_dir() else None, about["runs"], about)


def _check_paths(folder: Path, out: Path, force: bool) -> None:
    if not folder.is_dir():
        relation = "must be a record or a folder of records" if folder.exists() else "must exist"
        raise ConfigError(relation, key=str(folder))
    if not out.parent.is_dir():
        raise ConfigError("must lie in a folder that exists", key="--out", got=str(out))
    if out.is_dir():
        remedy = f"-o {out / 'bundle.zip'}"
        raise ConfigError("must be a file", key="--out", got=str(out), remedy=remedy)
    if out.exists() and not out.is_file():
        raise ConfigError("must be a regular file", key="--out", got=str(out))
    if out.is_relative_to(folder) and (out.parent != folder or folder in find_records(folder)):
        relation = "must not lie inside of a record or in a folder below the one that is bundled"
        raise ConfigError(relation, key="--out", got=str(out))
    if out.is_symlink() or (out.exists() and not force):
        remedy = None if out.is_symlink() else "--force"
        raise ConfigError("must not be there yet", key="--out", got=str(out), remedy=remedy)


def _contents(
    chosen: Selection, code: Sequence[OwnCode], missing: Sequence[LeftOut]
) -> Iterator[tuple[str, Iterable[bytes]]]:
    yield README, [read_me(chosen.runs, code, missing).encode()]
    yield REQUIREMENTS, [requirements(typical(chosen.runs)).encode()]
    for run in chosen.runs:
        for name in run.files:
            yield f"results/{run.record.run_id}/{name}", _pieces(run.record.path / name)
    for sweep in chosen.sweeps:
        yield f"results/{layout.SWEEPS}/{sweep.name}", _pieces(sweep)
    for one in code:
        yield one.name, [read_file(one.path)]


def _pieces(path: Path) -> Iterator[bytes]:
    with open_regular(path, follow_symlinks=False) as file:
        while piece := file.read(PIECE):
            yield piece


def _compare(
    runs: Sequence[Run], code: Sequence[OwnCode], stated: Mapping[str, Mapping[str, Any]]
) -> None:
    """Refuse a record that was trained anew, or changed, while it was being read."""
    for run in runs:
        result = run.record.result
        digests = {name: log["sha256"] for name, log in result["logs"].items()}
        digests |= result.get("files", {})
        for name in run.files:
            key = f"results/{run.record.run_id}/{name}"
            if digests.get(name, stated[key]["sha256"]) != stated[key]["sha256"]:
                raise DamageError("must have the digest its closing file states", key=key)
        _refuse_if_changed(run.record.path / layout.RESULT, run, stated)
    for one in code:
        if stated[one.name]["sha256"] != one.sha256:
            raise DamageError("changed while it was read", key=str(one.path))


def _refuse_if_changed(path: Path, run: Run, stated: Mapping[str, Mapping[str, Any]]) -> None:
    data = read_file(path)
    name = f"results/{run.record.run_id}/{layout.RESULT}"
    is_same = hashlib.sha256(data).hexdigest() == stated[name]["sha256"]
    if not is_same or parse(data.decode()) != run.record.result:
        raise DamageError("changed while it was read", key=str(path))


def _about(runs: Sequence[Run], left_out: Sequence[LeftOut], stated: Mapping[str, Any]) -> bytes:
    environments: dict[str, dict[str, Any]] = {}
    for run in runs:
        versions = versions_of(run)
        group = environments.setdefault(json.dumps(versions), {**versions, "runs": []})
        group["runs"].append(run.record.run_id)
    about = {
        "format_version": BUNDLE_VERSION,
        "lrbench": lrbench.__version__,
        "environments": list(environments.values()),
        "runs": _statuses(runs),
        "left_out": [asdict(one) for one in left_out],
        "files": stated,
    }
    text = f"{json.dumps(about, indent=1)}\n".encode()
    if len(text) > ABOUT_LIMIT:
        relation = f"must not exceed {ABOUT_LIMIT} bytes"
        raise RecordError(relation, key=ABOUT, remedy="bundle fewer runs at a time")
    return text


def _statuses(runs: Sequence[Run]) -> dict[str, str]:
    return {run.record.run_id: str(run.record.status) for run in runs}


def _read_about(archive: Archive) -> dict[str, Any]:
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
    if version != BUNDLE_VERSION or not _has_its_form(about):
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


def _check_names(archive: Archive, about: Mapping[str, Any]) -> None:
    """What is in the archive is what bundle.json says, and nothing that has no place there."""
    origin = str(archive.path)
    stated = dict(about["files"])
    runs = set()
    for entry in archive.entries:
        match = _NAME.fullmatch(entry.name)
        if not match:
            raise DamageError("has no place in a bundle", key=entry.name, origin=origin)
        _refuse_if_large(archive, entry)
        runs |= {match["run"]} - {None}
        facts = stated.pop(entry.name, None)
        if entry.name != ABOUT and (facts is None or facts["bytes"] != entry.size):
            relation = f"must be in the bundle as {ABOUT} states it"
            raise DamageError(relation, key=entry.name, origin=origin)
    if stated:
        relation = f"must be in the bundle: {ABOUT} states it"
        raise DamageError([Problem(relation, key=name, origin=origin) for name in [*stated][:20]])
    names = {entry.name for entry in archive.entries}
    for run in sorted(runs | set(about["runs"])):
        for name in (layout.SPEC, layout.MANIFEST, layout.RESULT, *layout.LOGS):
            if f"results/{run}/{name}" not in names or run not in about["runs"]:
                relation = f"must be a run with a whole record, and one {ABOUT} states"
                raise DamageError(relation, key=run, got=name, origin=origin)


def _refuse_if_large(archive: Archive, entry: Entry) -> None:
    limit = ABOUT_LIMIT if entry.name == ABOUT else SIZE_LIMIT
    if entry.size > limit and not _LARGE.fullmatch(entry.name):
        relation = f"must not exceed {limit} bytes"
        origin = str(archive.path)
        raise DamageError(relation, key=entry.name, got=entry.size, origin=origin)


def _unpack(archive: Archive, entry: Entry, into: Path, about: Mapping[str, Any]) -> None:
    path = into / entry.name
    claim_folder(path.parent)
    sha256 = hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        for piece in archive.pieces(entry):
            sha256.update(piece)
            yield piece

    create_scratch(path, pieces())
    if entry.name != ABOUT and sha256.hexdigest() != about["files"][entry.name]["sha256"]:
        relation = f"must have the digest {ABOUT} states"
        raise DamageError(relation, key=entry.name, origin=str(archive.path))


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()
