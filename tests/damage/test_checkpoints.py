"""A damaged checkpoint is never gone on with: the one before it is, or the run starts anew."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from damage.damaging import SETTINGS
from lrbench.config.resolve import Resolved
from lrbench.errors import RecordError
from lrbench.record import layout
from lrbench.record.reader import read_json
from lrbench.record.writer import RecordWriter
from lrbench.spec.canonical import sealed
from lrbench.workflows.recording import Paused
from lrbench.workflows.run import resolve_overrides, run
from promised import bytes_of as promised

LATEST, PREVIOUS = 10, 8
"""Updates that the checkpoints of the stopped run were saved after."""


def place(resolved: Resolved, record: Path) -> tuple[int, tuple[str, ...]]:
    """Where the record would be gone on with, and what is said of later places."""
    with RecordWriter(record.parent, resolved.spec) as writer:
        checkpoint, remarks = writer.checkpoint()
    return (checkpoint.step if checkpoint else 0), remarks


def parts(data: bytes) -> tuple[dict[str, Any], bytes]:
    line, _, body = data.partition(b"\n")
    return json.loads(line), body


def whole(header: dict[str, Any], body: bytes, *, is_sealed: bool) -> bytes:
    header = sealed({k: v for k, v in header.items() if k != "digest"}) if is_sealed else header
    return f"{json.dumps(header)}\n".encode() + body


def leaves(value: Any, keys: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, item in items:
        inner = leaves(item, (*keys, key)) if isinstance(item, dict | list) and item else []
        found += inner or [(*keys, key)]
    return found


def altered(value: Any) -> Any:
    match value:
        case bool() | None:
            return not value
        case int() | float():
            return value + 1
        case str():
            return ("1" if value[:1] == "0" else "0") + value[1:]
        case _:
            return [value]


def test_an_undamaged_record_is_gone_on_with_at_its_latest_checkpoint(
    resolved: Resolved, unfinished: Path
) -> None:
    assert place(resolved, unfinished) == (LATEST, ())


def test_every_entry_of_the_first_line_is_held_by_its_digest(
    resolved: Resolved, unfinished: Path
) -> None:
    path = unfinished / layout.CHECKPOINT
    original = path.read_bytes()
    paths = leaves(parts(original)[0])
    assert len(paths) > 20
    for keys in paths:
        header, body = parts(original)
        at = header
        for key in keys[:-1]:
            at = at[key]
        at[keys[-1]] = altered(at[keys[-1]])
        path.write_bytes(whole(header, body, is_sealed=False))
        step, remarks = place(resolved, unfinished)
        assert step == PREVIOUS, keys
        assert remarks == ("checkpoint must begin with a whole line of its own digest",), keys


@pytest.mark.parametrize("part", ["line", "body"])
def test_one_flipped_bit_anywhere_leads_to_the_checkpoint_before(
    part: str, resolved: Resolved, unfinished: Path
) -> None:
    path = unfinished / layout.CHECKPOINT
    original = path.read_bytes()
    end = original.index(b"\n") + 1
    low, high = (0, end) if part == "line" else (end, len(original))
    draw = random.Random(part)
    for place_of_bit in draw.sample(range(8 * low, 8 * high), 100):
        data = bytearray(original)
        data[place_of_bit // 8] ^= 1 << place_of_bit % 8
        path.write_bytes(data)
        step, remarks = place(resolved, unfinished)
        assert step == PREVIOUS, place_of_bit
        assert len(remarks) == 1


def zeroed(data: bytes) -> bytes:
    middle = data.index(b"\n") + (len(data) - data.index(b"\n")) // 2
    return data[:middle] + bytes(64) + data[middle + 64 :]


def with_header(**entries: Any) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        header, body = parts(data)
        return whole(header | entries, body, is_sealed=True)

    return change


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "a byte less": lambda data: data[:-1],
    "a byte more": lambda data: data + b"\0",
    "cut in its first line": lambda data: data[:100],
    "without its body": lambda data: data[: data.index(b"\n") + 1],
    "a zeroed block": zeroed,
    "zeros": lambda data: bytes(len(data)),
    "twice": lambda data: data * 2,
    "a blank before": lambda data: b" " + data,
    "a format of the future": with_header(format_version=2),
    "another specification's": with_header(spec_digest="0" * 64),
    "logs that it has not got": with_header(logs={}),
    "a pickle": lambda data: b"\x80\x04\x95" + data,
}

CHANGED = {
    "a log that is shorter than it": lambda record: os.truncate(record / "steps.csv", 900),
    "a log with other bytes": lambda record: (record / "evals.csv").write_bytes(
        (record / "evals.csv").read_bytes().replace(b"0.", b"1.", 1)
    ),
    "a log that is gone": lambda record: (record / "layers.csv").unlink(),
}


def last_attempt(record: Path) -> dict[str, Any]:
    """Without what the looks at the curvature cost."""
    told = read_json(max((record / layout.ATTEMPTS).iterdir()))
    return {**told, "remarks": [r for r in told["remarks"] if not r.startswith("curvature")]}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_and_the_run_ends_as_if_nothing_had_been(
    damage: str, resolved: Resolved, unfinished: Path, golden: dict[str, bytes]
) -> None:
    path = unfinished / layout.CHECKPOINT
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    run(resolved, unfinished.parent)
    assert promised(unfinished) == golden
    told = last_attempt(unfinished)
    assert told["from_step"] == PREVIOUS
    assert len(told["remarks"]) == 1
    assert told["remarks"][0].startswith("checkpoint must ")


@pytest.mark.parametrize("damage", DAMAGES)
def test_with_both_damaged_the_run_starts_anew(
    damage: str, resolved: Resolved, unfinished: Path, golden: dict[str, bytes]
) -> None:
    for name in (layout.CHECKPOINT, layout.PREVIOUS):
        path = unfinished / name
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    run(resolved, unfinished.parent)
    assert promised(unfinished) == golden
    told = last_attempt(unfinished)
    assert told["from_step"] == 0
    assert [remark.split()[0] for remark in told["remarks"]] == [layout.CHECKPOINT, layout.PREVIOUS]


@pytest.mark.parametrize("change", CHANGED)
def test_logs_that_no_checkpoint_agrees_with_start_the_run_anew(
    change: str, resolved: Resolved, unfinished: Path, golden: dict[str, bytes]
) -> None:
    CHANGED[change](unfinished)
    run(resolved, unfinished.parent)
    assert promised(unfinished) == golden
    told = last_attempt(unfinished)
    assert told["from_step"] == 0
    assert len(told["remarks"]) == 2


def test_the_checkpoint_of_another_run_is_passed_over(
    resolved: Resolved, unfinished: Path, golden: dict[str, bytes], tmp_path: Path
) -> None:
    other = resolve_overrides([*SETTINGS, "seed=1"])
    with pytest.raises(Paused):
        run(other, tmp_path, until=12)
    (theirs,) = tmp_path.iterdir()
    (unfinished / layout.CHECKPOINT).write_bytes((theirs / layout.CHECKPOINT).read_bytes())
    run(resolved, unfinished.parent)
    assert promised(unfinished) == golden
    assert last_attempt(unfinished)["remarks"] == ["checkpoint must belong to the specification"]


def test_a_checkpoint_of_another_profile_is_refused_and_left_alone(
    resolved: Resolved, unfinished: Path
) -> None:
    path = unfinished / layout.MANIFEST
    manifest = {k: v for k, v in json.loads(path.read_text()).items() if k != "digest"}
    manifest["profile"] |= {"torch": "0.0.1", "digest": "0" * 64}
    path.write_text(json.dumps(sealed(manifest), indent=1) + "\n")
    before = {file: file.read_bytes() for file in unfinished.glob("*") if file.is_file()}
    with pytest.raises(RecordError, match=r"profile.*torch was 0\.0\.1 and is "):
        run(resolved, unfinished.parent)
    assert {file: file.read_bytes() for file in before} == before
