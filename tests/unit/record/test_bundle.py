from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import pytest

from forging import edit, reseal
from lrbench.errors import ConfigError, DamageError, LrbenchError, RecordError
from lrbench.record import files, layout
from lrbench.record.bundles import archive, contents
from lrbench.record.bundles.bundle import open_bundle, write_bundle
from lrbench.record.reader import Status, read_record
from lrbench.spec.canonical import canonical, digest
from lrbench.workflows.run import run


@pytest.fixture
def results(golden_record, tmp_path):
    """A folder of one finished run."""
    folder = tmp_path / "results"
    shutil.copytree(golden_record, folder / golden_record.name)
    return folder


@pytest.fixture
def record(results, golden_record):
    return results / golden_record.name


@pytest.fixture(scope="module")
def whole(golden_record, tmp_path_factory):
    """The bytes of a bundle of one run."""
    out = tmp_path_factory.mktemp("bundle") / "b.zip"
    write_bundle(golden_record, out)
    return out.read_bytes()


def seal(body: bytes) -> bytes:
    return body + hashlib.sha256(body).hexdigest().encode()


def about_of(path: Path) -> dict:
    with zipfile.ZipFile(path) as file:
        return json.loads(file.read("bundle.json"))


# Writing


def test_a_bundle_holds_the_record_as_it_is(results, record, tmp_path):
    made = write_bundle(results, tmp_path / "b.zip")
    assert made.runs == {record.name: "complete"}
    assert made.size_bytes == (tmp_path / "b.zip").stat().st_size
    opened = open_bundle(tmp_path / "b.zip", tmp_path / "into")
    assert opened.runs == made.runs
    there = opened.results / record.name
    names = {str(p.relative_to(record)) for p in record.rglob("*") if p.is_file()} - {layout.LOCK}
    assert names == {str(p.relative_to(there)) for p in there.rglob("*") if p.is_file()}
    for name in names:
        assert (there / name).read_bytes() == (record / name).read_bytes()
    assert read_record(there, every_byte=True).status is Status.COMPLETE


def test_any_program_for_zip_files_opens_it(whole, tmp_path):
    (tmp_path / "b.zip").write_bytes(whole)
    with zipfile.ZipFile(tmp_path / "b.zip") as file:
        assert file.testzip() is None
        assert file.comment.endswith(hashlib.sha256(whole[:-64]).hexdigest().encode())
        assert {info.date_time for info in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        stated = json.loads(file.read("bundle.json"))["files"]
        assert {*stated, "bundle.json"} == set(file.namelist())
        for name, facts in stated.items():
            data = file.read(name)
            assert facts == {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_equal_records_make_equal_bytes_wherever_they_lie(golden_record, whole, tmp_path):
    elsewhere = tmp_path / "an other\nplace ü" / golden_record.name
    shutil.copytree(golden_record, elsewhere)
    for number, path in enumerate(sorted(elsewhere.rglob("*"))):
        os.utime(path, (number, number))
        path.chmod(0o700)
    write_bundle(elsewhere, tmp_path / "c.zip")
    assert (tmp_path / "c.zip").read_bytes() == whole


def test_a_stranger_is_told_versions_packages_and_data(golden_record, whole, tmp_path):
    (tmp_path / "b.zip").write_bytes(whole)
    into = open_bundle(tmp_path / "b.zip", tmp_path / "into").results.parent
    text = (into / "README.txt").read_text()
    environment = json.loads((golden_record / "manifest.json").read_text())["environment"]
    assert f"lrbench-runner=={environment['lrbench']['version']}" in text
    assert "lrbench verify FILE.zip" in text
    assert "dataset wine: nothing, lrbench has it (scikit-learn " in text
    pinned = (into / "requirements.txt").read_text().splitlines()
    for name in ("torch", "numpy", "hydra-core", "typer", "pydantic-core"):
        recorded = {key.replace("_", "-"): v for key, v in environment["packages"].items()}
        assert f"{name}=={recorded[name]}" in [line.replace("_", "-") for line in pinned]
    assert not [line for line in pinned if line.startswith(("pytest", "ruff", "mypy=", "lrbench"))]
    (group,) = about_of(tmp_path / "b.zip")["environments"]
    assert group["torch"] == environment["packages"]["torch"]
    assert group["runs"] == [golden_record.name]


def test_files_of_a_dataset_that_lrbench_lacks_are_named(results, record, tmp_path):
    files = [{"name": "a.gz", "size_bytes": 3, "sha256": "ab" * 32}]
    edit(record / "manifest.json", lambda manifest: manifest["data"].update(files=files))
    reseal(record)
    write_bundle(results, tmp_path / "b.zip")
    text = zipfile.ZipFile(tmp_path / "b.zip").read("README.txt").decode()
    assert f"these files, which are not in the bundle\n    a.gz  sha256 {'ab' * 32}\n" in text


def test_an_odd_manifest_stops_nobody(results, record, tmp_path):
    odd = {"environment": {"packages": {"a\n-e .": "1", "b": 3}}, "data": {"source": "\ud800\x1b"}}
    (record / "manifest.json").write_text(json.dumps(odd))
    reseal(record)
    write_bundle(results, tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as file:
        assert b"-e ." not in file.read("requirements.txt")
        assert b"\x1b" not in file.read("README.txt")


def test_what_is_no_part_of_a_record_stays_out_and_is_named(results, record, tmp_path):
    for name in ("checkpoint", "checkpoint.previous", "diary.txt", ".steps.csv.12.tmp"):
        (record / name).write_text("mine")
    (results / "sweeps").mkdir()
    runs = [{"seed": 0}]
    planned = f"1x1-{digest([list(map(digest, runs))])[:8]}.json"
    plan = {"format_version": 1, "arms": [{"runs": runs}], "seeds": [0]}
    (results / "sweeps" / planned).write_text(canonical(plan))
    (results / "sweeps" / "note.txt").write_text("")
    made = write_bundle(results, tmp_path / "b.zip")
    assert {
        one.name.removeprefix(f"{results}/").removeprefix(record.name): one.reason
        for one in made.left_out
    } == {
        "/checkpoint": "is not needed to repeat the run",
        "/checkpoint.previous": "is not needed to repeat the run",
        "/diary.txt": "is no file of a record",
        "sweeps/note.txt": "is no file of a sweep",
    }
    assert about_of(made.path)["left_out"] == [
        {"name": one.name.replace(str(results), "results"), "reason": one.reason}
        for one in made.left_out
    ]
    assert open_bundle(made.path, tmp_path / "in").about["files"][f"results/sweeps/{planned}"]
    more = write_bundle(results, tmp_path / "c.zip", checkpoints=True)
    names = zipfile.ZipFile(more.path).namelist()
    assert f"results/{record.name}/checkpoint.previous" in names
    assert not [name for name in names if "tmp" in name or "lock" in name]


def test_runs_that_are_not_finished_are_left_out_and_named(
    results, record, resolved_longer, tmp_path
):
    other = results / resolved_longer.spec.run_id
    shutil.copytree(run(resolved_longer, tmp_path / "r").path, other)
    (other / "result.json").unlink()
    made = write_bundle(results, tmp_path / "b.zip")
    assert list(made.runs) == [record.name]
    named = [(one.name, one.reason) for one in made.left_out]
    assert (f"{results}/{other.name}", "the run is failed") not in named
    assert (f"{results}/{other.name}", "the run is interrupted") in named


def test_no_finished_run_is_no_bundle(results, record, tmp_path):
    (record / "result.json").unlink()
    with pytest.raises(ConfigError, match=rf"must hold a finished run \({re.escape(str(record))}"):
        write_bundle(results, tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


def cut_log(record):
    (record / "steps.csv").write_bytes((record / "steps.csv").read_bytes()[:-1])


def link(record):
    (record / "timing.csv").unlink()
    (record / "timing.csv").symlink_to("/etc/hostname")


def pipe(record):
    (record / "config.yaml").unlink()
    os.mkfifo(record / "config.yaml")


def link_below(record):
    (record / "attempts" / "0007.json").symlink_to("/etc/hostname")


def linked_attempts(record):
    shutil.move(record / "attempts", record.parent / "elsewhere")
    (record / "attempts").symlink_to(record.parent / "elsewhere")


def no_manifest(record):
    (record / "manifest.json").unlink()


DAMAGES = [
    (cut_log, "steps.csv must have the"),
    (link, "timing.csv must be a regular file"),
    (pipe, "config.yaml must be a regular file"),
    (link_below, "attempts/0007.json must be a regular file"),
    (linked_attempts, "attempts must be a regular file"),
    (no_manifest, "manifest.json must exist in a record"),
]


@pytest.mark.parametrize(("damage", "words"), DAMAGES, ids=[d.__name__ for d, _ in DAMAGES])
def test_damaged_records_are_refused_or_left_out_knowingly(
    damage, words, results, record, resolved_longer, tmp_path
):
    kept = run(resolved_longer, results).path
    damage(record)
    with pytest.raises(DamageError) as error:
        write_bundle(results, tmp_path / "b.zip")
    assert error.value.exit_code == 3
    assert f"results/{record.name} is damaged ({words}" in str(error.value)
    assert not (tmp_path / "b.zip").exists()
    made = write_bundle(results, tmp_path / "b.zip", without_damaged=True)
    assert list(made.runs) == [kept.name]
    assert any(words in one["reason"] for one in about_of(made.path)["left_out"])


def test_a_record_trained_anew_while_it_is_read_is_refused(results, record, tmp_path, monkeypatch):
    def at_result(operation):
        # All records have been looked at once the bundle is begun.
        if operation.kind == "open" and operation.path.parent == tmp_path and not seen:
            seen.append(operation.path)
            edit(record / "result.json", lambda result: result.update(outcome="diverged"))

    seen: list[Path] = []
    monkeypatch.setattr(files, "hook", at_result)
    with pytest.raises(DamageError, match="changed while it was read"):
        write_bundle(results, tmp_path / "b.zip")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results"]


@pytest.mark.parametrize("operation", ["open", "write", "fsync", "replace"])
def test_a_fault_leaves_what_was_there(operation, results, tmp_path, monkeypatch):
    out = tmp_path / "b.zip"
    out.write_bytes(b"before")

    def fail(done):
        if done.kind == operation and done.path.parent == tmp_path:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "hook", fail)
    with pytest.raises(OSError, match="No space left"):
        write_bundle(results, out, force=True)
    assert out.read_bytes() == b"before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.zip", "results"]


def test_a_bundle_may_lie_among_the_records_and_not_inside_of_one(results, record, whole):
    made = write_bundle(results, results / "b.zip")
    assert made.path.read_bytes() == whole
    assert write_bundle(results, results / "b.zip", force=True).path.read_bytes() == whole
    for inside in (record / "b.zip", record / "attempts" / "b.zip"):
        with pytest.raises(ConfigError, match="must not lie inside of a record"):
            write_bundle(results, inside)
        with pytest.raises(ConfigError, match="must not lie inside of a record"):
            write_bundle(record, inside)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: p.write_text("mine"), "must not be there yet"),
        (lambda p: p.mkdir(), "must be a file"),
        (os.mkfifo, "must be a regular file"),
        (lambda p: p.symlink_to("/etc/hostname"), "must be a regular file"),
        (lambda p: p.symlink_to("nowhere"), "must be a regular file"),
    ],
)
def test_what_stands_at_the_bundles_place_is_kept(make, words, results, tmp_path):
    make(tmp_path / "b.zip")
    with pytest.raises(ConfigError, match=words):
        write_bundle(results, tmp_path / "b.zip")
    assert os.path.lexists(tmp_path / "b.zip")
    with pytest.raises(ConfigError, match="in a folder that exists"):
        write_bundle(results, tmp_path / "no" / "b.zip")


def test_more_than_a_zip_file_can_hold_is_refused(results, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "COUNT_LIMIT", 5)
    with pytest.raises(RecordError, match="holds at most 5 files"):
        write_bundle(results, tmp_path / "b.zip")
    monkeypatch.undo()
    monkeypatch.setattr(archive, "SIZE_LIMIT", 5_000)
    with pytest.raises(RecordError, match="holds at most 5000 bytes"):
        write_bundle(results, tmp_path / "b.zip")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["results"]


def test_a_log_that_is_nearly_empty_is_not_taken_for_a_bomb(results, record, tmp_path):
    (record / "timing.csv").write_bytes(b"0" * 5_000_000)
    reseal(record)
    made = write_bundle(results, tmp_path / "b.zip")
    opened = open_bundle(made.path, tmp_path / "into")
    assert (opened.results / record.name / "timing.csv").stat().st_size == 5_000_000


# The user's own code


def with_own(record: Path, group: str, target: str, code: str) -> Path:
    """The record with another component; its identity and folder follow."""
    edit(record / "spec.json", lambda spec: spec[group].update(target=target, code=code))
    return reseal(record)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("nets:Net", "nets.py"),
        ("mine.deep.nets:Net", "mine/deep/nets.py"),
        ("mine:Net", "mine/__init__.py"),
        ("nets.Net", "nets.py"),
    ],
)
def test_own_code_goes_along_without_being_imported(target, path, results, record, tmp_path):
    source = b"raise SystemExit('imported')\n"
    (tmp_path / "lib" / path).parent.mkdir(parents=True)
    (tmp_path / "lib" / path).write_bytes(source)
    with_own(record, "model", target, hashlib.sha256(source).hexdigest())
    made = write_bundle(results, tmp_path / "b.zip", roots=[tmp_path, tmp_path / "lib"])
    assert made.left_out == ()
    opened = open_bundle(made.path, tmp_path / "into")
    assert opened.code is not None
    assert (opened.code / path).read_bytes() == source
    assert f"{target}: code/{path}, in the bundle" in (tmp_path / "into/README.txt").read_text()


@pytest.mark.parametrize(
    "target", ["nets:Net", "../nets:Net", "n\x00ets:Net", ".nets:Net", "ü:x", ""]
)
def test_code_that_is_not_the_recorded_one_stays_out_and_is_named(
    target, results, record, tmp_path
):
    (tmp_path / "nets.py").write_text("changed since")
    with_own(record, "model", target, "0" * 64)
    made = write_bundle(results, tmp_path / "b.zip", roots=[tmp_path])
    if target:
        assert [one.name for one in made.left_out] == [target]
    assert open_bundle(made.path, tmp_path / "into").code is None


def test_a_module_that_a_schedule_names_stays_out_because_no_digest_proves_it(
    results, record, tmp_path
):
    (tmp_path / "mine.py").write_text("PASSWORD = 'secret'\n")
    with_own(record, "schedule", "mine:f", "0" * 64)  # the digest of its factors
    made = write_bundle(results, tmp_path / "b.zip", roots=[tmp_path])
    assert not any("mine" in name for name in zipfile.ZipFile(tmp_path / "b.zip").namelist())
    assert b"secret" not in (tmp_path / "b.zip").read_bytes()
    assert [left.name for left in made.left_out] == ["mine:f"]


def test_what_torch_and_lrbench_bring_is_not_the_users_own(results, record, tmp_path):
    (tmp_path / "lrbench").mkdir()
    (tmp_path / "lrbench" / "nets.py").write_text("")
    with_own(record, "schedule", "lrbench.nets:f", "0" * 64)
    made = write_bundle(results, tmp_path / "b.zip", roots=[tmp_path])
    assert made.left_out == ()
    assert open_bundle(made.path, tmp_path / "into").code is None


# Damage


def opened_or_error(data: bytes, folder: Path) -> str:
    """The text of the error; nothing may be left of the bundle."""
    (folder / "b.zip").write_bytes(data)
    with pytest.raises(RecordError) as error:
        open_bundle(folder / "b.zip", folder / "into")
    assert not list((folder / "into").iterdir())
    return str(error.value)


def places(data: bytes) -> list[int]:
    """Some bytes of every region of an archive, and many at random."""
    with zipfile.ZipFile(BytesIO(data)) as file:
        entries = file.infolist()
        directory = file.start_dir
    firsts = [entry.header_offset + k for entry in entries[:3] for k in range(0, 40, 3)]
    lasts = [entry.header_offset - 1 for entry in entries[1:]]
    tail = range(len(data) - 22 - 22 - 64, len(data), 4)
    draw = random.Random(3)
    anywhere = [draw.randrange(len(data)) for _ in range(300)]
    return [*firsts, *lasts, *range(directory, directory + 60), *tail, *anywhere]


def _inflated(archive: bytes, name: str) -> bytes:
    with zipfile.ZipFile(BytesIO(archive)) as file:
        return file.read(name)


def test_every_flipped_bit_is_found_and_the_file_named(whole, tmp_path):
    draw = random.Random(4)
    with zipfile.ZipFile(BytesIO(whole)) as file:
        starts = [(entry.header_offset, entry.filename) for entry in file.infolist()]
        directory = file.start_dir
    named = 0
    for place in places(whole):
        data = bytearray(whole)
        data[place] ^= 1 << draw.randrange(8)
        text = opened_or_error(bytes(data), tmp_path)
        name = [name for start, name in starts if start <= place][-1]
        if place < directory and f"{name} is damaged" in text:
            named += 1
            assert text.count("error:") == 1
        else:
            # What the directory says of a file may be what no longer fits it, and bits of deflated
            # data can be padding, or point at another place with the same text.
            words = ("b.zip is damaged", "b.zip must be a bundle of lrbench", " is damaged\n")
            assert any(one in text for one in words)
            assert place >= directory or _inflated(bytes(data), name) == _inflated(whole, name)
    assert named > 200


def test_a_cut_bundle_is_found(whole, tmp_path):
    draw = random.Random(5)
    for length in [0, 1, 63, 64, 107, 108, 109, len(whole) - 1, len(whole) - 64] + [
        draw.randrange(len(whole)) for _ in range(100)
    ]:
        assert "b.zip" in opened_or_error(whole[:length], tmp_path)
    for more in (b"\n", b"\0" * 200, whole):
        opened_or_error(whole + more, tmp_path)


def test_two_damaged_files_are_both_named(whole, tmp_path):
    data = bytearray(whole)
    with zipfile.ZipFile(BytesIO(whole)) as file:
        bad = file.infolist()[2:4]
    for entry in bad:
        data[entry.header_offset + 3] ^= 1
    text = opened_or_error(bytes(data), tmp_path)
    assert all(f"{entry.filename} is damaged" in text for entry in bad)


# Hostile bundles


def forge(entries: list[dict], count: int | None = None) -> bytes:
    """A sealed archive; each entry may lie in every field of its headers."""
    body, directory = b"", b""
    for entry in entries:
        data = entry.get("data", b"")
        squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
        method = entry.get("method", 8)
        packed = entry.get("packed", squeeze.compress(data) + squeeze.flush() if method else data)
        name = entry["name"] if isinstance(entry["name"], bytes) else entry["name"].encode()
        crc = entry.get("crc", zlib.crc32(data))
        sizes = entry.get("stated_packed", len(packed)), entry.get("stated_size", len(data))
        facts = (20, entry.get("flags", 0), method, 0, 0x21, crc, *sizes)
        offset = entry.get("offset", len(body))
        extra = entry.get("extra", b"")
        local = entry.get("local", name)
        body += struct.pack("<4s5H3I2H", b"PK\3\4", *facts, len(local), len(extra)) + local + extra
        body += packed
        mode = entry.get("mode", 0o100644) << 16
        tail = len(name), len(extra), 0, 0, 0, mode, offset
        directory += struct.pack("<4s6H3I5H2I", b"PK\1\2", 788, *facts, *tail) + name + extra
    number = len(entries) if count is None else count
    ends = 0, 0, number & 0xFFFF, number & 0xFFFF, len(directory), len(body), 22 + 64
    end = struct.pack("<4s4H2IH", b"PK\5\6", *ends)
    return seal(body + directory + end + archive.SEAL)


RUN = "wine-mlp-sgdr-s0-0123abcd"


def bundle_of(*extra: dict, about: dict | bytes | None = None, **changes: object) -> bytes:
    """A forged bundle whose bundle.json vouches for every entry."""
    names = [layout.SPEC, layout.MANIFEST, layout.RESULT, *layout.LOGS]
    entries = [{"name": f"results/{RUN}/{name}", "data": b"{}"} for name in names]
    entries += extra
    stated = {
        entry["name"]: {
            "bytes": len(entry.get("data", b"")),
            "sha256": hashlib.sha256(entry.get("data", b"")).hexdigest(),
        }
        for entry in entries
        if isinstance(entry["name"], str)
    }
    whole = {"format_version": 1, "runs": {RUN: "complete"}, "files": stated} | changes
    data = about if isinstance(about, bytes) else json.dumps(whole | (about or {})).encode()
    return forge([*entries, {"name": "bundle.json", "data": data, "method": 0}])


def test_the_forger_can_make_a_bundle_that_is_in_order(tmp_path):
    (tmp_path / "b.zip").write_bytes(bundle_of({"name": "code/a/b.py", "data": b"1"}))
    assert open_bundle(tmp_path / "b.zip", tmp_path / "into").runs == {RUN: "complete"}


LOG = f"results/{RUN}/timing.csv"
NAMES = [
    "/canary", "../canary", "results/../../canary", "results/./x", "canary", "C:canary",
    "C:\\canary", "results\\canary", "..\\canary", f"results/{RUN}/../canary", f"results/{RUN}/",
    f"results/{RUN}/lock", f"results/{RUN}/canary.py", f"results/{RUN}/spec.json/x",
    f"results/{RUN}/attempts/1.json", f"results/{RUN}//timing.csv", "results/x/spec.json",
    "results/sweeps/../canary.json", "results/sweeps/x.json", "code/../canary.py", "code/a.pyc",
    "code/.py", "code/sitecustomize.pth", "code//a.py", "code/a.py/b.py", "bundle.json/x",
    "README.txt\n", f"{LOG}\n", "results/WINE-mlp-sgdr-s0-0123abcd/timing.csv", "inner.zip",
    "a" * 256, "",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_has_no_place_in_a_bundle_is_refused(name, tmp_path):
    text = opened_or_error(bundle_of({"name": name, "data": b"canary"}), tmp_path)
    assert "has no place in a bundle" in text or "must have a name in ASCII" in text
    assert name[:20].split("\n")[0] in text
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.zip", "into"]
    assert not Path("/canary").exists()


ENTRIES = {
    "link": ({"mode": 0o120777, "data": b"/etc/passwd"}, "must be a plain file"),
    "folder": ({"mode": 0o040755}, "must be a plain file"),
    "device": ({"mode": 0o020666}, "must be a plain file"),
    "pipe": ({"mode": 0o010666}, "must be a plain file"),
    "setuid": ({"mode": 0o104755}, "must be written as lrbench writes it"),
    "encrypted": ({"flags": 1}, "must not be encrypted"),
    "strongly encrypted": ({"flags": 0x41}, "must not be encrypted"),
    "described later": ({"flags": 8}, "must be written as lrbench writes it"),
    "said to be utf-8": ({"flags": 0x800}, "must be written as lrbench writes it"),
    "bzip2": ({"method": 12, "packed": b"BZh9"}, "must be deflated or stored, got 12"),
    "lzma": ({"method": 14, "packed": b"x"}, "must be deflated or stored, got 14"),
    "unknown method": ({"method": 99, "packed": b"x"}, "must be deflated or stored, got 99"),
    "stored, longer": ({"method": 0, "stated_size": 9}, "must be written as lrbench writes it"),
    "extra field": ({"extra": b"\1\0\0\0"}, "must be written as lrbench writes it"),
    "another name inside": ({"local": b"../" + LOG[3:].encode()}, "must have the header"),
    "overlap": ({"offset": 0}, "must begin where the one before it ends"),
    "beyond the end": ({"offset": 2**32 - 1}, "must begin where the one before it ends"),
    "wrong crc": ({"crc": 1, "data": b"x"}, "must have the bytes its archive's directory states"),
    "not deflated": ({"packed": b"\xff" * 9, "data": b"abc"}, "must hold deflated bytes"),
    "cut short": ({"packed": b"", "stated_size": 0}, "must hold deflated bytes (cut short)"),
    "more behind": ({"packed": b"\3\0more"}, "must end where its data end"),
    "declared bomb": ({"stated_size": 2**32 - 2}, "must not unpack to more than 200 times"),
    "non-utf-8": ({"name": b"results/\xff\xfe"}, "\\xff\\xfe must have a name in ASCII"),
    "blanks": ({"name": b"code/a b.py"}, "code/a b.py must have a name in ASCII"),
    "zero byte": ({"name": b"code/a\0.py"}, "must have a name in ASCII"),
}  # fmt: skip


@pytest.mark.parametrize("case", ENTRIES)
def test_an_entry_that_is_not_plain_is_refused(case, tmp_path):
    changes, words = ENTRIES[case]
    text = opened_or_error(bundle_of({"name": LOG, **changes}), tmp_path)
    assert words in text
    assert LOG in text or "name in ASCII" in words
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.zip", "into"]


@pytest.mark.parametrize("twin", [LOG, LOG.upper(), "code/a.py"])
def test_two_files_of_one_name_are_refused(twin, tmp_path):
    other = {"name": "code/A.py"} if twin == "code/a.py" else {"name": LOG}
    text = opened_or_error(bundle_of(other, {"name": twin, "data": b"canary"}), tmp_path)
    assert f"{twin} must not stand twice" in text


def bomb(size: int) -> bytes:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"".join([squeeze.compress(bytes(2**20)) for _ in range(size >> 20)] + [squeeze.flush()])


@pytest.fixture
def little_memory():
    """No more than a few pieces may be held at any moment."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * 2**20


@pytest.mark.usefixtures("little_memory")
def test_a_bomb_stops_at_its_stated_size(tmp_path):
    packed = bomb(300 * 2**20)
    stated = {"packed": packed, "stated_size": 1000, "data": b"x" * 1000}
    text = opened_or_error(bundle_of({"name": LOG, **stated}), tmp_path)
    assert f"{LOG} must have the bytes its archive's directory states" in text
    text = opened_or_error(
        bundle_of({"name": LOG, "packed": packed, "stated_size": 300 * 2**20}), tmp_path
    )
    assert f"{LOG} must not unpack to more than 200 times" in text


@pytest.mark.usefixtures("little_memory")
def test_many_files_that_are_large_together_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "TOTAL_LIMIT", 10_000)
    logs = [{"name": f"code/a{i}.py", "data": b"ab" * 50, "method": 0} for i in range(200)]
    text = opened_or_error(bundle_of(*logs), tmp_path)
    assert "must not bring all files above 10000 bytes" in text
    assert "code/a" in text


def test_a_large_file_that_is_read_whole_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "SIZE_LIMIT", 500)
    large = {"data": os.urandom(501), "method": 0}
    text = opened_or_error(bundle_of({"name": "code/a.py", **large}), tmp_path)
    assert "code/a.py must not exceed 500 bytes, got 501" in text
    (tmp_path / "b.zip").write_bytes(bundle_of({"name": LOG, **large}))
    open_bundle(tmp_path / "b.zip", tmp_path / "into")


@pytest.mark.usefixtures("little_memory")
def test_a_million_entries_are_refused(tmp_path):
    line = forge([{"name": "a"}])
    start = line.index(b"PK\1\2")
    one = line[start : line.index(b"PK\5\6")]
    directory = 70_000 * one  # what zip counts in 16 bits is not what lies there
    for count, size in ((70_000 & 0xFFFF, len(directory)), (0xFFFF, len(directory))):
        end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, size, 0, 86)
        text = opened_or_error(seal(directory + end + archive.SEAL), tmp_path)
        assert "is damaged in its own directory" in text or "a must begin where" in text


ABOUTS = {
    "no json": (b"{", "bundle.json must be JSON"),
    "no text": (b"\xff\xfe", "bundle.json must be JSON"),
    "deep": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "nested too deeply"),
    "deep list": (b"[" * 100_000, "bundle.json must be JSON: nested too deeply"),
    "key twice": (b'{"runs":{},"runs":{}}', "stands twice"),
    "long number": (b"[" + b"9" * 5000 + b"]", "bundle.json must be JSON"),
    "list": (b"[]", "bundle.json must state the files and runs"),
    "newer": ({"format_version": 2}, "bundle.json must have format version 1: a newer lrbench"),
    "older": ({"format_version": 0}, "bundle.json must state the files and runs"),
    "true": ({"format_version": True}, "bundle.json must state the files and runs"),
    "no files": ({"files": None}, "bundle.json must state the files and runs"),
    "odd facts": ({"files": {LOG: {"bytes": "3"}}}, "bundle.json must state the files and runs"),
    "odd runs": ({"runs": {RUN: "fine"}}, "bundle.json must state the files and runs"),
    "odd status": ({"runs": {RUN: ["complete"]}}, "bundle.json must state the files and runs"),
    "unstated file": ({"files": {}}, "must be in the bundle as bundle.json states it"),
    "unstated run": ({"runs": {}}, f"{RUN} must be a run with a whole record"),
    "absent run": ({"runs": {RUN: "complete", "../x": "complete"}}, "../x must be a run with"),
}  # fmt: skip


@pytest.mark.parametrize("case", ABOUTS)
def test_a_statement_that_is_none_is_refused(case, tmp_path):
    about, words = ABOUTS[case]
    assert words in opened_or_error(bundle_of(about=about), tmp_path)


def test_a_statement_must_be_of_this_bundle(tmp_path):
    whole = json.loads(bundle_json(bundle_of()))
    name = f"results/{RUN}/spec.json"
    other = {"bytes": 2, "sha256": "0" * 64}
    absent = whole["files"] | {LOG: other}
    text = opened_or_error(bundle_of(about={"files": absent}), tmp_path)
    assert f"{LOG} must be in the bundle: bundle.json states it" in text
    text = opened_or_error(bundle_of(about={"files": whole["files"] | {name: other}}), tmp_path)
    assert f"{name} must have the digest bundle.json states" in text
    longer = whole["files"][name] | {"bytes": 3}
    text = opened_or_error(bundle_of(about={"files": whole["files"] | {name: longer}}), tmp_path)
    assert f"{name} must be in the bundle as bundle.json states it" in text
    assert "bundle.json must be the last file" in opened_or_error(forge([{"name": LOG}]), tmp_path)
    assert "bundle.json must be the last file" in opened_or_error(forge([]), tmp_path)


def bundle_json(data: bytes) -> bytes:
    return zipfile.ZipFile(BytesIO(data)).read("bundle.json")


@pytest.mark.usefixtures("little_memory")
def test_a_huge_statement_is_refused_unread(tmp_path):
    packed = bomb(33 * 2**20)
    text = opened_or_error(
        forge(
            [{"name": "bundle.json", "packed": packed + bytes(200_000), "stated_size": 2**25 + 1}]
        ),
        tmp_path,
    )
    assert "bundle.json must not exceed 33554432 bytes" in text


def test_an_ordinary_zip_file_and_other_files_are_no_bundles(tmp_path):
    with zipfile.ZipFile(tmp_path / "o.zip", "w") as file:
        file.writestr("a" * 200, "b" * 200)
    for data in ((tmp_path / "o.zip").read_bytes(), b"", b"PK", os.urandom(5000), b"\0" * 10**6):
        assert "must be a bundle of lrbench" in opened_or_error(data, tmp_path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: None, "must exist"),
        (lambda p: p.mkdir(), "must be a regular file"),
        (os.mkfifo, "must be a regular file"),
        (lambda p: p.symlink_to("/dev/zero"), "must be a regular file"),
        (lambda p: p.symlink_to(p), "must be a regular file"),
    ],
    ids=["missing", "folder", "pipe", "device", "loop"],
)
def test_a_path_that_is_no_file_is_refused(make, words, tmp_path):
    make(tmp_path / "b.zip")
    with pytest.raises(RecordError, match=words):
        open_bundle(tmp_path / "b.zip", tmp_path / "into")


def test_a_bundle_is_unpacked_into_an_empty_folder_only(whole, tmp_path):
    (tmp_path / "b.zip").write_bytes(whole)
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / "mine").write_text("mine")
    with pytest.raises(RecordError, match="must be empty"):
        open_bundle(tmp_path / "b.zip", tmp_path / "into")
    assert (tmp_path / "into" / "mine").read_text() == "mine"


def test_opening_imports_nothing_of_the_bundle(tmp_path):
    canary = f"open({str(tmp_path / 'canary')!r}, 'w')"
    files = [
        {"name": f"code/{name}.py", "data": canary.encode()}
        for name in ("sitecustomize", "torch", "a")
    ]
    (tmp_path / "b.zip").write_bytes(bundle_of(*files))
    code = (
        "from pathlib import Path; from lrbench.record.bundles.bundle import open_bundle;"
        "print(open_bundle(Path('b.zip'), Path('into')).runs)"
    )
    env = os.environ | {"PYTHONPATH": str(Path(archive.__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert RUN in done.stdout, done.stderr
    assert not (tmp_path / "canary").exists()


def test_a_full_disk_is_told_and_leaves_nothing(whole, tmp_path, monkeypatch):
    (tmp_path / "b.zip").write_bytes(whole)

    def fail(operation):
        if operation.kind == "write" and operation.path.name == "steps.csv":
            raise OSError(28, "No space left on device", str(operation.path))

    monkeypatch.setattr(files, "hook", fail)
    with pytest.raises(LrbenchError, match=r"steps.csv could not be opened \(No space left"):
        open_bundle(tmp_path / "b.zip", tmp_path / "into")
    assert not list((tmp_path / "into").iterdir())
