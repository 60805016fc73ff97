"""A run as its record specifies it: what replay, verification and going on begin with.

A record may come from anywhere, so it is data: unless the person who typed the command trusts it,
nothing but lrbench and torch is imported for it, and nothing is fetched from where it says.
"""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lrbench.config.home import import_path
from lrbench.config.resolve import Resolved
from lrbench.errors import ConfigError, DamageError, DataError, Problem, RecordError
from lrbench.record import layout
from lrbench.record.files import read_file
from lrbench.record.reader import Record, Status, find_records, read_json
from lrbench.report.runs import instead
from lrbench.spec.canonical import digest
from lrbench.spec.imports import code_digest, resolve_import
from lrbench.spec.run import Component, RunSpec

FROM_TORCH = re.compile(r"torch\.(optim|nn)(\.\w+)*[.:]\w+", re.ASCII)
"""Import paths into the two packages of torch that a schedule, model or optimizer may come from."""

FETCHING = ("download", "mirror")
"""Settings of a dataset that reach into the network."""

PATHS = ("_target_", "scheduler")
"""Settings that are import paths; any value may be one with ``python:`` or ``torch:`` in front."""


def find_runs(path: Path) -> list[Path]:
    """The records at ``path``: itself, or those in it.

    Raises
    ------
    ConfigError
        There is nothing of the kind.
    """
    found = records_at(path)
    if not found:
        raise ConfigError("must hold records of runs", key=str(path), remedy="lrbench run")
    return found


def find_run(path: Path) -> Path:
    """The one record at ``path``.

    Raises
    ------
    ConfigError
        There is none, or it is a folder of records.
    """
    found = find_runs(path)
    if found != [named(path)]:
        remedy = f"{path}/{found[0].name}"
        raise ConfigError("must be one record", key=str(path), remedy=remedy)
    return found[0]


def records_at(path: Path) -> list[Path]:
    """The records at ``path``: itself, or those in it; none is fine.

    Raises
    ------
    ConfigError
        It is no folder that can be read, or a bundle, packed or not.
    """
    if path.is_file() and path.suffix == ".zip":
        remedy = f"lrbench verify {shlex.quote(str(path))}"
        raise ConfigError("must be a record or a folder of records", key=str(path), remedy=remedy)
    if not path.is_dir():
        relation = "must be a record or a folder of records" if path.exists() else "must exist"
        raise ConfigError(relation, key=str(path), remedy=instead(path, "status"))
    try:
        found, inside = list(find_records(named(path))), path / "results"
        if not found and inside.is_dir() and any(find_records(inside)):
            remedy = f"lrbench verify {shlex.quote(str(inside))}"
            raise ConfigError("must hold records of runs", key=str(path), remedy=remedy)
        return found
    except OSError as error:
        relation = f"must be readable ({error.strerror})"
        raise ConfigError(relation, key=str(path)) from None


def named(path: Path) -> Path:
    """The same folder by a path that ends with its own name, which a record is known by."""
    return path.resolve() if path.name in ("", "..") or path.is_symlink() else path


def resolved_of(record: Record, *, trust: bool = False, data_root: Path | None = None) -> Resolved:
    """The run that a record is of, ready to be trained.

    Parameters
    ----------
    record : Record
        Not damaged.
    trust : bool
        Import the user's own code that it names, and fetch its dataset from where it says.
    data_root : Path, optional
        The folder with the dataset's files on this machine.

    Raises
    ------
    RecordError
        It is damaged (``DamageError``), has not begun, or has another format.
    ConfigError
        It names code of its own and is not trusted.
    """
    if record.status is Status.CORRUPT:
        raise DamageError(f"is damaged ({record.reason})", key=str(record.path))
    if not record.spec:
        relation = "holds no run: it was claimed, and its writer ended before the start"
        raise RecordError(relation, key=str(record.path), remedy="the command that began it")
    spec = RunSpec.of(record.spec, str(record.path / layout.SPEC))
    if spec.digest != digest(record.spec):
        # What it did not know of has its default now, which makes it another run.
        relation = "is of an earlier lrbench, to which a run had fewer settings"
        remedy = "the command that began it, which trains it anew"
        raise RecordError(relation, key=str(record.path), remedy=remedy)
    if not trust:
        refuse_own_code(spec, record.run_id)
    manifest = read_json(record.path / layout.MANIFEST)
    settings = dict(manifest["data"]["settings"])
    if not trust:
        settings = {k: v for k, v in settings.items() if k not in FETCHING}
    if data_root is not None and "root" in settings:
        settings["root"] = str(data_root)
    return Resolved(
        spec=spec,
        data_settings=settings,
        note=manifest["note"],
        tags=tuple(manifest.get("tags", ())),
        values={},
        checkpoint_every=manifest.get("checkpoint_every"),
        notes=tuple(manifest["schedule"]["notes"]),
        written=_config(record.path / layout.CONFIG),
        keep_checkpoints=manifest.get("keep_checkpoints") is True,
    )


def check_data(folder: Path | None) -> None:
    """Refuse a ``--data`` that is no folder.

    Raises
    ------
    ConfigError
    """
    if folder is not None and not folder.is_dir():
        relation = "must be a folder" if folder.exists() else "must be a folder that exists"
        raise ConfigError(relation, key="--data", got=str(folder))


@contextmanager
def asking_for_data() -> Iterator[None]:
    """Data that are not here, told with what the commands on records have for it."""
    try:
        yield
    except DataError as error:
        remedy = "--data FOLDER, where the files of the dataset lie"
        raise DataError(
            [
                replace(p, remedy=remedy) if "dataset." in (p.remedy or "") else p
                for p in error.problems
            ]
        ) from error


def components(spec: RunSpec) -> Iterator[tuple[str, Component]]:
    """Every component of a specification, under the setting it was given as."""
    yield "dataset", spec.dataset
    yield "model", spec.model
    yield "optimizer", spec.optimizer
    yield "schedule", spec.schedule
    for what in ("momentum_schedule", "weight_decay_schedule"):
        if component := getattr(spec.optimizer, what):
            yield f"optimizer.{what}", component


def refuse_own_code(spec: RunSpec, name: str) -> None:
    """Refuse import paths that lead outside of lrbench and torch.

    Raises
    ------
    ConfigError
        All of them; ``name`` says whose they are.
    """
    foreign = [
        Problem(
            "leads to code outside of lrbench and torch, which is run only if you trust it",
            key=f"{group}._target_ of {name}",
            got=component.target,
            remedy="--trust",
        )
        for group, component in components(spec)
        if component.target is not None and not _is_of_torch(component.target)
    ]
    if foreign:
        raise ConfigError(foreign)


def refuse_own_values(values: Any, where: str) -> None:
    """Refuse a composed configuration that would import other code, or fetch from an address.

    Parameters
    ----------
    values : mapping
        Nested.
    where : str
        What they were composed from, for the error.

    Raises
    ------
    ConfigError
        Naming the first such value.
    """
    for key, value in _leaves(values):
        last = key.rpartition(".")[2]
        path = value if last in PATHS else import_path(str(value))
        is_own = path is not None and not (isinstance(path, str) and _is_of_torch(path))
        if is_own or (last in FETCHING and value):
            relation = "reaches outside of lrbench, which is done only if you trust it"
            raise ConfigError(relation, key=f"{key} of {where}", got=value, remedy="--trust")


def refuse_other_code(spec: RunSpec) -> None:
    """Refuse to train with other code of the user's own than the run was recorded with.

    Raises
    ------
    RecordError
    """
    if changed := changed_code(spec):
        where, recorded, now = changed
        relation = f"must be the code the run was recorded with ({recorded[:12]}…)"
        raise RecordError(relation, key=where, got=f"{now[:12]}…")


def changed_code(spec: RunSpec) -> tuple[str, str, str] | None:
    """The first component whose own file has changed since: what it is, both digests.

    Of a schedule the factors are compared instead, where they are needed. Imports what it looks at.
    """
    for group, component in components(spec):
        target = component.target
        if target is None or "schedule" in group or _is_of_torch(target):
            continue
        now = code_digest(resolve_import(target, key=f"{group}._target_"))
        if now != component.code:
            return f"{group} {target}", str(component.code), str(now)
    return None


def _leaves(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(values, Mapping):
        for name, value in values.items():
            yield from _leaves(value, f"{prefix}.{name}" if prefix else str(name))
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _leaves(value, prefix)
    else:
        yield prefix, values


def _is_of_torch(target: str) -> bool:
    """Whether an import path leads to a class that torch is used by, and not through it."""
    if not FROM_TORCH.fullmatch(target):
        return False
    try:
        found = resolve_import(target, key="_target_")
    except ConfigError:
        return False
    kinds = (torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler, torch.nn.Module)
    return (
        inspect.isclass(found)
        and issubclass(found, kinds)
        and found.__module__.startswith(("torch.optim.", "torch.nn."))
    )


def _config(path: Path) -> str:
    try:
        return read_file(path).decode()
    except FileNotFoundError:
        raise RecordError("must exist in a record", key=str(path)) from None
    except UnicodeDecodeError:
        raise RecordError("must be text", key=str(path)) from None
