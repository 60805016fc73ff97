"""The checkpoint of a run: the state of its engine and how far its logs were, in one file.

A line of JSON, sealed with its own digest, and after it the engine's tensors as they came, of which
the line states length and digest. Nothing of it is ever executed, and nothing is taken as true
before the digests were.
"""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lrbench.errors import RecordError
from lrbench.record import layout
from lrbench.record.files import LOG_LIMIT, claim_folder, read_file, read_line, replace_file
from lrbench.spec.canonical import is_intact, parse, sealed
from lrbench.spec.version import FORMAT_VERSION

HEADER_LIMIT = 64 * 2**20
"""Bytes of the longest first line."""


@dataclass(frozen=True)
class Checkpoint:
    """A run in the middle: what an engine needs to go on, and what the logs held.

    Parameters
    ----------
    spec_digest, profile_digest : str
        Of the run, and of what its numbers were computed with.
    step : int
        Updates made.
    logs : mapping
        By name: rows, bytes and sha256 of the log so far.
    facts : mapping
        The engine's state but for its tensors, as JSON.
    body : bytes
        The engine's tensors.
    kept : mapping
        By name: sha256 of the checkpoints kept so far. Who goes on does not make them again, so
        they must be there. One that is kept itself speaks of no others.
    """

    spec_digest: str
    profile_digest: str
    step: int
    logs: Mapping[str, Mapping[str, Any]]
    facts: Mapping[str, Any]
    body: bytes
    kept: Mapping[str, str] = field(default_factory=dict)

    @property
    def _header(self) -> dict[str, Any]:
        kept = {"kept": dict(self.kept)} if self.kept else {}
        return {
            "format_version": FORMAT_VERSION,
            "spec_digest": self.spec_digest,
            "profile_digest": self.profile_digest,
            "step": self.step,
            "logs": {name: dict(log) for name, log in self.logs.items()},
            **kept,
            "facts": dict(self.facts),
            "body": {"bytes": len(self.body), "sha256": hashlib.sha256(self.body).hexdigest()},
        }

    def write(self, folder: Path) -> None:
        """Make it the latest of a record; the one that was becomes the previous one.

        At every moment, and after a power failure, there is a whole one if there was one before.
        """
        replace_file(folder / layout.CHECKPOINT, self._bytes(), keep=folder / layout.PREVIOUS)

    def keep(self, folder: Path) -> str:
        """Put it among the kept ones of a record, under its step; one that is there is replaced.

        Returns the sha256 of its file.
        """
        claim_folder(folder / layout.KEPT)
        data = replace(self, kept={})._bytes()
        replace_file(folder / layout.KEPT / layout.kept_name(self.step), data)
        return hashlib.sha256(data).hexdigest()

    def _bytes(self) -> bytes:
        return _line(sealed(self._header)) + self.body


def read_header(path: Path) -> dict[str, Any]:
    """The first line of a checkpoint, checked against its own digest; the rest is not read.

    Raises
    ------
    RecordError
        It is missing or damaged.
    """
    try:
        line = read_line(path, HEADER_LIMIT)
    except FileNotFoundError:
        raise RecordError("is not there", key=str(path)) from None
    except OSError as error:
        raise _unreadable(path, error) from None
    return _header(line, path)


def read_checkpoint(path: Path) -> Checkpoint:
    """A whole checkpoint, checked to the last bit.

    Raises
    ------
    RecordError
        It is missing or damaged.
    OSError
        It cannot be read now; it may be as good as ever.
    """
    try:
        data = read_file(path, LOG_LIMIT)
    except FileNotFoundError:
        raise RecordError("is not there", key=str(path)) from None
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        raise _unreadable(path, error) from None
    end = data.find(b"\n") + 1
    header = _header(data[:end], path)
    body = data[end:]
    stated = header["body"]
    if len(body) != stated["bytes"] or hashlib.sha256(body).hexdigest() != stated["sha256"]:
        raise RecordError("must end with the state its first line speaks of", key=str(path))
    return Checkpoint(
        header["spec_digest"],
        header["profile_digest"],
        header["step"],
        header["logs"],
        header["facts"],
        body,
        header.get("kept", {}),
    )


def _unreadable(path: Path, error: OSError) -> RecordError:
    return RecordError(f"must be readable ({error.strerror})", key=str(path))


def _line(header: Mapping[str, Any]) -> bytes:
    return f"{json.dumps(header, ensure_ascii=True, allow_nan=False)}\n".encode()


def _header(line: bytes, path: Path) -> dict[str, Any]:
    try:
        header = parse(line.decode("ascii"))
    except ValueError:
        header = None
    # The seal is of what it says; 1E-05 for 1e-05 is damage all the same.
    if not (
        isinstance(header, dict)
        and "digest" in header
        and is_intact(header)
        and line == _line(header)
    ):
        raise RecordError("must begin with a whole line of its own digest", key=str(path))
    if header["format_version"] != FORMAT_VERSION:
        relation = f"must have format {FORMAT_VERSION}"
        raise RecordError(relation, key=str(path), got=header["format_version"])
    return header
