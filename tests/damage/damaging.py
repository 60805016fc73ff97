"""Ways to damage a file of a record, and to make the record agree with what was done to it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lrbench.record import layout
from lrbench.spec.canonical import sealed
from lrbench.workflows.verify import Level, Verdict, Verification, verify

SETTINGS = (
    "dataset=wine",
    "model.hidden=[4]",
    "model.dropout=0.1",
    "schedule=sgdr",
    "schedule.first_cycle=3",
    "train.batch_size=16",
    "train.steps=14",
    "train.eval_every=5",
    "train.checkpoint_every=4",
    "restart=reset_momentum",
    "restart.keep_checkpoints=true",
    "diagnostics=curvature",
    "diagnostics.layers_every=4",
    "diagnostics.restart_window=1",
    "diagnostics.curvature.every=6",
    "diagnostics.curvature.iterations=2",
    "diagnostics.curvature.samples=32",
)
"""A short run with rows in every log, and kept checkpoints."""

KEPT = tuple(f"{layout.KEPT}/{layout.kept_name(step)}" for step in (3, 9, 14))
"""Before both restarts, and at the end."""

FILES = (
    layout.SPEC,
    layout.CONFIG,
    layout.MANIFEST,
    layout.RESULT,
    *layout.ALL_LOGS,
    layout.TIMING,
    f"{layout.ATTEMPTS}/0001.json",
    f"{layout.ATTEMPTS}/0002.json",
    layout.CHECKPOINT,
    *KEPT,
)
"""Every file of a finished record that holds anything."""

JSON_FILES = tuple(name for name in FILES if name.endswith(".json"))


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


TEXTS: dict[str, bytes] = {
    "nothing": b"",
    "half": b'{"a": ',
    "an array": b"[1, 2]",
    "a number": b"3",
    "null": b"null",
    "NaN": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "a key twice": b'{"a": 1, "a": 2}',
    "no UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "BOM": b'\xef\xbb\xbf{"a": 1}',
    "two objects": b"{} {}",
    "10,000 deep": nested(10_000),
    "100,000 arrays deep": b"[" * 100_000,
    "a number of 5,000 digits": b'{"a": ' + b"1" * 5000 + b"}",
    "an empty object": b"{}",
}
"""What stands in a JSON file and is no object of ours."""


def look(record: Path) -> Verification:
    """What ``lrbench verify --files`` says of one record."""
    (found,) = verify(record, Level.FILES).runs
    return found


def is_found(record: Path, name: str) -> bool:
    """Whether damage is found, and found in the file that has it."""
    found = look(record)
    return found.verdict is Verdict.DAMAGED and Path(name).name in found.reason


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file, and seal it again if it was sealed."""
    value = json.loads(path.read_text())
    change(value)
    was_sealed = value.pop("digest", None) is not None
    text = json.dumps(sealed(value) if was_sealed else value, indent=1)
    path.write_text(f"{text}\n")


def agree(record: Path, log: str) -> None:
    """Let the closing file state what a log holds now: only what its rows say can give it away."""
    data = (record / log).read_bytes()
    facts = {
        "rows": data.count(b"\n") - 1,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    edit(record / layout.RESULT, lambda result: result["logs"].update({log: facts}))
