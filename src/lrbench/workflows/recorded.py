"""A run as its record specifies it: what replay, verification and going on begin with.

A record may come from anywhere, so it is data: unless the person who typed the command trusts it,
nothing but lrbench and torch is imported for it, and nothing is fetched from where it says.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import torch

from lrbench.config.resolve import Resolved
from lrbench.errors import ConfigError, Problem, RecordError
from lrbench.record import layout
from lrbench.record.files import read_file
from lrbench.record.reader import Record, Status, find_records, read_json
from lrbench.spec.imports import resolve_import
from lrbench.spec.run import Component, RunSpec

FROM_TORCH = re.compile(r"torch\.(optim|nn)(\.\w+)*[.:]\w+", re.ASCII)
"""Import paths into the two packages of torch that a schedule, model or optimizer may come from."""

FETCHING = ("download", "mirror")
"""Settings of a dataset that reach into the network."""


def find_runs(path: Path) -> list[Path]:
    """The records at ``path``: itself, or those in it.

    Raises
    ------
    ConfigError
        There is nothing of the kind.
    """
    if not path.is_dir():
        relation = "must be a record or a folder of records"
        raise ConfigError(relation, key=str(path), remedy="lrbench status results")
    found = list(find_records(path))
    if not found:
        raise ConfigError("must hold records of runs", key=str(path), remedy="lrbench run")
    return found


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
        It is damaged, has not begun, or has another format.
    ConfigError
        It names code of its own and is not trusted.
    """
    if record.status is Status.CORRUPT:
        raise RecordError(f"is damaged ({record.reason})", key=str(record.path))
    if not record.spec:
        relation = "holds no run: it was claimed, and its writer ended before the start"
        raise RecordError(relation, key=str(record.path), remedy="the command that began it")
    spec = RunSpec.of(record.spec, str(record.path / layout.SPEC))
    if not trust:
        refuse_own_code(spec, record.run_id)
    manifest = read_json(record.path / layout.MANIFEST)
    settings = dict(manifest["data"]["settings"])
    if not trust:
        settings = {k: v for k, v in settings.items() if k not in FETCHING}
    if data_root is not None:
        settings["root"] = str(data_root)
    return Resolved(
        spec=spec,
        data_settings=settings,
        note=manifest["note"],
        values={},
        checkpoint_every=manifest.get("checkpoint_every"),
        notes=tuple(manifest["schedule"]["notes"]),
        written=_config(record.path / layout.CONFIG),
    )


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


def _is_of_torch(target: str) -> bool:
    """Whether an import path leads to a class that torch is used by, and not through it."""
    if not FROM_TORCH.fullmatch(target):
        return False
    found = resolve_import(target, key="_target_")
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
