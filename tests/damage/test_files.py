"""No file of a finished record can be damaged without ``lrbench verify --files`` naming it."""

from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from damage.damaging import FILES, JSON_FILES, KEPT, TEXTS, agree, edit, is_found, look
from lrbench.record import layout
from lrbench.spec.canonical import sealed
from lrbench.workflows.verify import Verdict

FLIPS = 60

Lines = list[bytes]


def test_the_record_that_is_damaged_here_is_whole(record: Path) -> None:
    there = {str(path.relative_to(record)) for path in record.rglob("*") if path.is_file()}
    assert there == {*FILES, layout.LOCK}
    assert look(record).verdict is Verdict.IDENTICAL


@pytest.mark.parametrize("name", FILES)
def test_one_flipped_bit_anywhere_is_found(name: str, record: Path) -> None:
    path = record / name
    whole = path.read_bytes()
    draw = random.Random(f"bits of {name}")
    places = draw.sample(range(8 * len(whole)), min(FLIPS, 8 * len(whole)))
    # Letters whose case does not matter to a reader of JSON are the easiest to miss.
    exponents = [i for i in range(1, len(whole)) if whole[i : i + 2] in (b"e-", b"e+")]
    # So is the name of a seal: without one a file might pass for one that never had any.
    seals = [whole.find(b'"digest"') + i for i in range(1, 7) if b'"digest"' in whole]
    for place in [*places, *(8 * i + 5 for i in [*exponents[:3], *seals])]:
        data = bytearray(whole)
        data[place // 8] ^= 1 << place % 8
        path.write_bytes(data)
        assert is_found(record, name), f"bit {place % 8} of byte {place // 8} of {name}"
    path.write_bytes(whole)
    assert look(record).verdict is Verdict.IDENTICAL


@pytest.mark.parametrize("log", layout.ALL_LOGS)
def test_a_log_cut_anywhere_near_the_end_is_found(log: str, record: Path) -> None:
    path = record / log
    whole = path.read_bytes()
    for gone in range(1, min(201, len(whole)), 1 if log == "steps.csv" else 3):
        path.write_bytes(whole[:-gone])
        assert is_found(record, log), gone


def test_steps_cut_anywhere_are_found_although_the_closing_file_agrees(record: Path) -> None:
    whole = (record / "steps.csv").read_bytes()
    for gone in range(1, 201, 7):
        (record / "steps.csv").write_bytes(whole[:-gone])
        agree(record, "steps.csv")
        assert is_found(record, "steps.csv"), gone


WHOLE_FILES: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda data: b"",
    "a newline more": lambda data: data + b"\n",
    "a blank more": lambda data: data + b" ",
    "NULs more": lambda data: data + bytes(512),
    "doubled": lambda data: data * 2,
    "the first half": lambda data: data[: len(data) // 2],
    "zeros": lambda data: bytes(len(data)),
    "a newline less": lambda data: data[:-1],
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", WHOLE_FILES)
def test_a_file_that_is_not_the_one_that_was_written_is_found(
    damage: str, name: str, record: Path
) -> None:
    path = record / name
    path.write_bytes(WHOLE_FILES[damage](path.read_bytes()))
    assert is_found(record, name)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_gone_is_missed(name: str, record: Path) -> None:
    (record / name).unlink()
    if name == layout.RESULT:
        # What a kill just before the end leaves: nothing is wrong, and nothing is complete.
        assert look(record).verdict is Verdict.UNFINISHED
    elif name == layout.CHECKPOINT:
        # A run that was never saved has none either.
        assert look(record).verdict is Verdict.IDENTICAL
    elif name == f"{layout.ATTEMPTS}/0002.json":
        found = look(record)
        assert found.verdict is Verdict.DAMAGED
        assert layout.ATTEMPTS in found.reason
    else:
        assert is_found(record, name)


def doubled(lines: Lines) -> Lines:
    return [*lines[:3], lines[2], *lines[3:]]


def swapped(lines: Lines) -> Lines:
    return [*lines[:-2], lines[-1], lines[-2]]


def without(place: int) -> Callable[[Lines], Lines]:
    return lambda lines: [line for i, line in enumerate(lines) if i != place % len(lines)]


def in_the_third(old: bytes, new: bytes) -> Callable[[Lines], Lines]:
    return lambda lines: [*lines[:2], lines[2].replace(old, new, 1), *lines[3:]]


ROWS: dict[str, Callable[[Lines], Lines]] = {
    "a row twice": doubled,
    "a row missing": without(2),
    "the last row missing": without(-1),
    "two rows swapped": swapped,
    "no rows": lambda lines: lines[:1],
    "no header": without(0),
    "the header twice": lambda lines: [lines[0], *lines],
    "a column more": lambda lines: [line + b",0" for line in lines],
    "a field more": lambda lines: [*lines[:2], lines[2] + b",0", *lines[3:]],
    "a field less": lambda lines: [*lines[:2], lines[2].rpartition(b",")[0], *lines[3:]],
    "another header": lambda lines: [lines[0].replace(b"step", b"Step", 1), *lines[1:]],
    "columns swapped": lambda lines: [lines[0].replace(b"step,epoch", b"epoch,step"), *lines[1:]],
    "CRLF": lambda lines: [line + b"\r" for line in lines],
    "a CR alone": in_the_third(b",", b"\r,"),
    "BOM": lambda lines: [b"\xef\xbb\xbf" + lines[0], *lines[1:]],
    "NUL": in_the_third(b",", b"\0,"),
    "Arabic digits": in_the_third(b"1", "١".encode()),
    "full-width digits": in_the_third(b"1", "１".encode()),
    "no UTF-8": in_the_third(b",", b"\xff,"),
    "semicolons": lambda lines: [line.replace(b",", b";") for line in lines],
    "decimal commas": in_the_third(b".", b","),
    "quoted": in_the_third(b"1,", b'"1",'),
    "blanks": in_the_third(b",", b", "),
    "a plus": in_the_third(b"1", b"+1"),
    "grouped digits": in_the_third(b"1", b"1_1"),
    "hexadecimal": in_the_third(b",0.", b",0x0."),
    "beyond all floats": in_the_third(b",0.", b",1e+999"),
    "Infinity": in_the_third(b",0.", b",Infinity"),
    "an empty line": lambda lines: [*lines[:2], b"", *lines[2:]],
    "a comment": lambda lines: [b"# mine", *lines],
}


@pytest.mark.parametrize("damage", ROWS)
def test_rows_that_are_not_as_they_were_are_found_by_what_they_say(
    damage: str, record: Path
) -> None:
    path = record / "steps.csv"
    lines = path.read_bytes().splitlines()
    changed = ROWS[damage](lines)
    assert changed != lines
    path.write_bytes(b"".join(line + b"\n" for line in changed))
    agree(record, "steps.csv")
    assert is_found(record, "steps.csv")


@pytest.mark.parametrize("log", [log for log in layout.ALL_LOGS if log != "steps.csv"])
@pytest.mark.parametrize("damage", ["a row twice", "two rows swapped"])
def test_rows_out_of_order_are_found_in_every_log(damage: str, log: str, record: Path) -> None:
    path = record / log
    lines = path.read_bytes().splitlines()
    changed = swapped(lines) if "swapped" in damage else [*lines[:2], lines[1], *lines[2:]]
    assert changed != lines
    path.write_bytes(b"".join(line + b"\n" for line in changed))
    agree(record, log)
    assert is_found(record, log)


def test_a_restart_without_its_layers_is_found_although_the_closing_file_agrees(
    record: Path,
) -> None:
    path = record / "restart_layers.csv"
    steps = [line.partition(b",")[0] for line in path.read_bytes().splitlines()]
    lines = path.read_bytes().splitlines(keepends=True)
    # Those of the last restart, so that the rows that are left are whole and in order.
    path.write_bytes(b"".join(line for line, s in zip(lines, steps, strict=True) if s != steps[-1]))
    agree(record, "restart_layers.csv")
    (record / layout.CHECKPOINT).unlink()
    assert is_found(record, "restart_layers.csv")


@pytest.mark.parametrize("name", layout.MORE_LOGS)
def test_a_log_that_the_closing_file_does_not_state_is_found(name: str, record: Path) -> None:
    edit(record / layout.RESULT, lambda result: result["logs"].pop(name))
    found = look(record)
    assert found.verdict is Verdict.DAMAGED
    assert f"{name} must not be there" in found.reason


def test_a_kept_state_that_nobody_wrote_is_found(record: Path) -> None:
    (record / layout.KEPT / layout.kept_name(5)).write_bytes((record / KEPT[0]).read_bytes())
    assert is_found(record, layout.kept_name(5))


def test_a_kept_state_under_another_name_is_found(record: Path) -> None:
    first, second = (record / name for name in KEPT[:2])
    second.write_bytes(first.read_bytes())
    last = record / layout.ATTEMPTS / "0002.json"
    digests = {KEPT[1]: hashlib.sha256(first.read_bytes()).hexdigest()}
    edit(last, lambda attempt: attempt["files"].update(digests))
    found = look(record)
    assert found.verdict is Verdict.DAMAGED
    assert f"{second.name} must be of the update in its name" in found.reason


OTHERS: dict[str, Callable[[dict[str, object]], dict[str, object]]] = {
    "a version of the future": lambda value: {**value, "format_version": 2},
    "a version that is a text": lambda value: {**value, "format_version": "1"},
    "an entry more": lambda value: {**value, "zzz": 1},
    "every value null": dict.fromkeys,
    "every value a list": lambda value: {key: [item] for key, item in value.items()},
}


@pytest.mark.parametrize("name", JSON_FILES)
@pytest.mark.parametrize("damage", TEXTS)
def test_text_that_is_no_object_of_ours_is_named(damage: str, name: str, record: Path) -> None:
    (record / name).write_bytes(TEXTS[damage])
    found = look(record)
    assert found.verdict is Verdict.DAMAGED
    # Without a last attempt nothing states the digests of the others: the folder is named.
    assert Path(name).name in found.reason or layout.ATTEMPTS in found.reason


LAST = f"{layout.ATTEMPTS}/0002.json"

FORGED = {
    (layout.RESULT, "an entry more"),
    (LAST, "an entry more"),
    (LAST, "a version of the future"),
    (LAST, "a version that is a text"),
}
"""Of these two files nothing but they themselves state the digest: who seals one again has made
another record, which is in order. That it is another one is what ``lrbench diff`` tells."""


@pytest.mark.parametrize("name", JSON_FILES)
@pytest.mark.parametrize("damage", OTHERS)
@pytest.mark.parametrize("is_sealed", [True, False])
def test_an_object_with_other_entries_is_named(
    is_sealed: bool, damage: str, name: str, record: Path
) -> None:
    path = record / name
    value = json.loads(path.read_bytes())
    had_seal = value.pop("digest", None)
    value = OTHERS[damage](value)
    if is_sealed:
        value = sealed(value)
    elif had_seal:
        value["digest"] = had_seal
    path.write_text(json.dumps(value, indent=1) + "\n")
    found = look(record)
    if is_sealed and (name, damage) in FORGED:
        assert found.verdict is Verdict.IDENTICAL
        return
    assert found.verdict is Verdict.DAMAGED
    assert Path(name).name in found.reason or layout.ATTEMPTS in found.reason


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", [*JSON_FILES, layout.CONFIG])
def test_100_megabytes_are_refused(name: str, record: Path) -> None:
    os.truncate(record / name, 100 * 2**20)
    assert is_found(record, name)
