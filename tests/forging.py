"""A record that was edited by someone who knows how: every seal on it fits what it now says.

Damage is found by the seals. With these, only what the edit itself contradicts can be.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lrbench.record import layout
from lrbench.record.reader import kept_files
from lrbench.spec.canonical import canonical, digest, pretty, sealed


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file, which keeps a seal if it had one."""
    value = json.loads(path.read_text())
    change(value)
    if value.pop("digest", None) is not None:
        value = sealed(value)
    path.write_text(canonical(value) if path.name == layout.SPEC else pretty(value))


def edit_row(path: Path, step: int, column: str, change: Callable[[str], str]) -> tuple[str, str]:
    """Change one value in the first row of a step of a log; returns what it was and is."""
    lines = path.read_text().splitlines()
    place = lines[0].split(",").index(column)
    number = next(n for n, line in enumerate(lines) if line.startswith(f"{step},"))
    fields = lines[number].split(",")
    before, fields[place] = fields[place], change(fields[place])
    lines[number] = ",".join(fields)
    path.write_text("".join(f"{line}\n" for line in lines))
    return before, fields[place]


def reseal(record: Path) -> Path:
    """Make every digest fit the files as they are; returns the folder, renamed with its run."""
    spec = digest(json.loads((record / layout.SPEC).read_text()))
    if "spec_digest" in json.loads((record / layout.MANIFEST).read_text()):
        edit(record / layout.MANIFEST, lambda manifest: _state(manifest, spec))
    kept = kept_files(record)
    for path in (*kept, record / layout.CHECKPOINT, record / layout.PREVIOUS):
        if path.exists():
            edit_checkpoint(path, lambda header, body: _follow(header, record, spec))
    if (record / layout.RESULT).exists():
        edit(record / layout.RESULT, lambda result: _fit(result, record, spec))
    attempts = sorted((record / layout.ATTEMPTS).glob("*.json"))
    others = [record / name for name in (layout.CONFIG, layout.MANIFEST, layout.TIMING)]
    stated = {
        str(path.relative_to(record)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (*others, *attempts[:-1], *kept)
        if path.is_file()
    }
    edit(attempts[-1], lambda last: last.update(files=stated))
    return record.rename(record.with_name(f"{record.name[:-8]}{spec[:8]}"))


def edit_checkpoint(path: Path, change: Callable[[dict[str, Any], bytearray], object]) -> None:
    """Change the first line of a checkpoint, or the tensors behind it."""
    line, _, rest = path.read_bytes().partition(b"\n")
    header, body = json.loads(line), bytearray(rest)
    change(header, body)
    del header["digest"]
    header["body"] = {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    path.write_bytes(f"{json.dumps(sealed(header))}\n".encode() + body)


def _state(manifest: dict[str, Any], spec: str) -> None:
    manifest["spec_digest"] = spec
    if "digest" in manifest.get("profile", {}):
        manifest["profile"].pop("digest")
        manifest["profile"] = sealed(manifest["profile"])


def _follow(header: dict[str, Any], record: Path, spec: str) -> None:
    header["spec_digest"] = spec
    manifest = json.loads((record / layout.MANIFEST).read_text())
    header["profile_digest"] = manifest["profile"]["digest"]
    for name in header.get("kept", {}):
        data = (record / layout.KEPT / name).read_bytes()
        header["kept"][name] = hashlib.sha256(data).hexdigest()
    for name, stated in header["logs"].items():
        lines = (record / name).read_bytes().splitlines(keepends=True)
        data = b"".join(lines[: 1 + stated["rows"]])
        stated |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _fit(result: dict[str, Any], record: Path, spec: str) -> None:
    result["spec_digest"] = spec
    for name, stated in result["logs"].items():
        data = (record / name).read_bytes()
        stated |= {
            "rows": data.count(b"\n") - 1,
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
