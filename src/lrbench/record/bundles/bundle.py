"""Bundles: finished runs in one file, with what a stranger needs to repeat them.

A bundle is an :mod:`~lrbench.record.bundles.archive` of

- ``bundle.json``: what is in it, with the sha256 of every other file, and what was left out and why
- ``README.txt`` and ``requirements.txt``: how to repeat the runs
- ``results/<run id>/…`` and ``results/sweeps/*.json``: the records as they are
- ``code/…``: the user's own modules, where they are the ones that were recorded

Nothing in it depends on when, where or by whom it was made. A bundle from elsewhere is data: names
that are not of this list are refused, and nothing is imported from it here.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrbench.errors import ConfigError, DamageError, Problem, RecordError
from lrbench.record import layout
from lrbench.record.bundles.archive import PIECE, Archive, ArchiveWriter, Entry, open_archive
from lrbench.record.bundles.contents import (
    ABOUT,
    README,
    REQUIREMENTS,
    about_text,
    check_names,
    read_about,
)
from lrbench.record.bundles.instructions import read_me, requirements, typical
from lrbench.record.bundles.selection import LeftOut, OwnCode, Run, Selection, own_code, select
from lrbench.record.files import (
    claim_folder,
    open_file,
    open_to_write,
    read_file,
    replacing,
    write_all,
)
from lrbench.record.reader import find_records, read_json


@dataclass(frozen=True)
class Bundle:
    """A bundle that was written.

    Parameters
    ----------
    path : Path
    size_bytes : int
    runs : dict of run id to status
    left_out : tuple of LeftOut
        What was found and is not in it, by the path that was given.
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
    typed = folder
    folder, out = _checked(folder, out, force)
    chosen = select(folder, checkpoints=checkpoints)
    if chosen.damaged and not without_damaged:
        remedy = "--without-damaged leaves them out"
        raise DamageError(
            [
                Problem(f"is damaged ({one.reason})", key=one.name, remedy=remedy)
                for one in _as_typed(chosen.damaged, typed, folder)
            ]
        )
    damaged = [LeftOut(one.name, f"is damaged ({one.reason})") for one in chosen.damaged]
    if not chosen.runs:
        first = _as_typed((chosen.left_out + damaged)[:5], typed, folder)
        named = "; ".join(f"{one.name}: {one.reason}" for one in first)
        relation = f"must hold a finished run{f' ({named})' if named else ''}"
        raise ConfigError(relation, key=str(typed), remedy="lrbench status")
    code, missing = own_code(chosen.runs, roots)
    left_out = (*chosen.left_out, *damaged, *missing)
    with replacing(out) as file:
        writer = ArchiveWriter(file)
        stated = {}
        for name, pieces in sorted(_contents(chosen, code, missing), key=lambda pair: pair[0]):
            size, sha256 = writer.add(name, pieces)
            stated[name] = {"bytes": size, "sha256": sha256}
        _compare(chosen.runs, code, stated)
        writer.add(ABOUT, [about_text(chosen.runs, left_out, stated)])
        writer.finish()
    runs = {run.record.run_id: str(run.record.status) for run in chosen.runs}
    return Bundle(out, file.size, runs, _as_typed(left_out, typed, folder))


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
            about = read_about(archive)
            check_names(archive, about)
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


def _checked(folder: Path, out: Path, force: bool) -> tuple[Path, Path]:
    """Both paths, absolute."""
    if not folder.is_dir():
        relation = "must be a record or a folder of records" if folder.exists() else "must exist"
        raise ConfigError(relation, key=str(folder))
    if not out.parent.is_dir():
        raise ConfigError("must lie in a folder that exists", key="--out", got=str(out))
    if not os.access(out.parent, os.W_OK | os.X_OK):
        raise ConfigError("must lie in a folder that can be written", key="--out", got=str(out))
    folder, out = folder.resolve(), out.parent.resolve() / out.name
    if out.is_dir():
        remedy = f"-o {out / 'bundle.zip'}"
        raise ConfigError("must be a file", key="--out", got=str(out), remedy=remedy)
    if os.path.lexists(out) and (out.is_symlink() or not out.is_file()):
        raise ConfigError("must be a regular file", key="--out", got=str(out))
    if out.is_relative_to(folder) and (out.parent != folder or folder in find_records(folder)):
        relation = "must not lie inside of a record or in a folder below the one that is bundled"
        raise ConfigError(relation, key="--out", got=str(out))
    if out.exists() and not force:
        raise ConfigError("must not be there yet", key="--out", got=str(out), remedy="--force")
    return folder, out


def _as_typed(named: Iterable[LeftOut], typed: Path, folder: Path) -> tuple[LeftOut, ...]:
    """What is named as in the bundle, where it lies for the person who gave ``typed``."""
    alone = f"results/{folder.name}"
    is_alone = folder in find_records(folder)

    def place(name: str) -> str:
        if is_alone and (name == alone or name.startswith(f"{alone}/")):
            return str(typed / name[len(alone) + 1 :])
        inside = name.removeprefix("results/")
        return name if inside == name else str(typed / inside)

    return tuple(LeftOut(place(one.name), one.reason) for one in named)


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
    with open_file(path) as file:
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
    name = f"results/{run.record.run_id}/{layout.RESULT}"
    is_same = hashlib.sha256(read_file(path)).hexdigest() == stated[name]["sha256"]
    if not is_same or read_json(path) != run.record.result:
        raise DamageError("changed while it was read", key=str(path))


def _unpack(archive: Archive, entry: Entry, into: Path, about: Mapping[str, Any]) -> None:
    path = into / entry.name
    claim_folder(path.parent)
    sha256 = hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        for piece in archive.pieces(entry):
            sha256.update(piece)
            yield piece

    _create(path, pieces())
    if entry.name != ABOUT and sha256.hexdigest() != about["files"][entry.name]["sha256"]:
        relation = f"must have the digest {ABOUT} states"
        raise DamageError(relation, key=entry.name, origin=str(archive.path))


def _create(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a new file that nobody needs after a power failure."""
    descriptor = open_to_write(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        for piece in pieces:
            write_all(descriptor, path, piece)
    finally:
        os.close(descriptor)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()
