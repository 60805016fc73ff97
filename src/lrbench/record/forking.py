"""The beginning of a record taken over from another one: what a run that parts from it had so far.

It leaves what an interrupted run would have left, so that the ordinary way of going on finishes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lrbench.errors import RecordError
from lrbench.record import layout
from lrbench.record.checkpoint import Checkpoint
from lrbench.record.files import LOG_LIMIT, read_file, remove_file, replace_file, sync_folder
from lrbench.record.reader import kept_files
from lrbench.record.writer import RecordWriter
from lrbench.spec.canonical import pretty, sealed


def beginnings(origin: Path, checkpoint: Checkpoint) -> dict[str, bytes]:
    """The part of every log that a checkpoint of the record ``origin`` speaks of, by name.

    Raises
    ------
    RecordError
        One of them is not as it was; it is named.
    """
    found = {}
    for name, stated in checkpoint.logs.items():
        if name not in layout.ALL_LOGS:
            raise RecordError("must speak of the logs of a record", key=str(origin), got=name)
        data = read_file(origin / name, LOG_LIMIT)[: stated["bytes"]]
        if hashlib.sha256(data).hexdigest() != stated["sha256"]:
            relation = f"must have its first {stated['bytes']} bytes as they were written"
            raise RecordError(relation, key=str(origin / name))
        if not data.startswith(f"{','.join(layout.ALL_LOGS[name])}\n".encode()):
            relation = "must have the columns that this lrbench writes"
            raise RecordError(relation, key=str(origin / name))
        found[name] = data
    return found


def begin_forked(
    writer: RecordWriter,
    checkpoint: Checkpoint,
    logs: Mapping[str, bytes],
    *,
    config: str,
    manifest: Mapping[str, Any],
) -> None:
    """Give a record the beginning of another one.

    Parameters
    ----------
    writer : RecordWriter
        Of the record that begins; whatever stands there is given up.
    checkpoint : Checkpoint
        Of the other one, where they part.
    logs : mapping
        Of :func:`beginnings`.
    config : str
    manifest : mapping
        Its own; what was computed before counts as computed with its profile.
    """
    path = writer.path
    # In the order of RecordWriter.begin, and for its reasons.
    remove_file(path / layout.RESULT)
    sync_folder(path)
    for name in (layout.CHECKPOINT, layout.PREVIOUS, *layout.MORE_LOGS):
        remove_file(path / name)
    if kept := kept_files(path):
        for one in kept:
            remove_file(one)
        sync_folder(path / layout.KEPT)
    replace_file(path / layout.CONFIG, config.encode())
    replace_file(path / layout.MANIFEST, pretty(sealed(manifest)).encode())
    # Before the logs: a folder with logs and no specification is none of a record.
    replace_file(path / layout.SPEC, writer.spec.text.encode())
    for name, data in logs.items():
        replace_file(path / name, data)
    # Last: without it the run begins at its first update, with the same bytes in the end.
    own = replace(
        checkpoint,
        spec_digest=writer.spec.digest,
        profile_digest=str(manifest["profile"]["digest"]),
        kept={},
    )
    own.write(path)
