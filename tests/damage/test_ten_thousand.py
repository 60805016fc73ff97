"""Ten thousand records, one with each kind of damage: each is named, in bounded time and memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from damage.damaging import edit
from lrbench.record import layout
from lrbench.record.reader import kept_files
from lrbench.spec.canonical import canonical, digest, pretty, sealed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

RECORDS = 10_000
SECONDS = {"summarize": 120.0, "status": 120.0}
MEGABYTES = 1000


def write(name: str, data: bytes) -> Callable[[Path], None]:
    def damage(record: Path) -> None:
        (record / name).unlink()  # a link to the file that all the others have
        (record / name).write_bytes(data)

    return damage


def instead(name: str, make: Callable[[Path], None]) -> Callable[[Path], None]:
    def damage(record: Path) -> None:
        (record / name).unlink()
        make(record / name)

    return damage


def cut(name: str) -> Callable[[Path], None]:
    def damage(record: Path) -> None:
        write(name, (record / name).read_bytes()[:-9])(record)

    return damage


DAMAGES: dict[str, Callable[[Path], None]] = {
    "no specification": lambda record: (record / layout.SPEC).unlink(),
    "half a specification": cut(layout.SPEC),
    "another specification": lambda record: edit(
        record / layout.SPEC, lambda spec: spec.update(seed=10**6)
    ),
    "a specification of nothing": write(layout.SPEC, b"{}"),
    "an empty specification": write(layout.SPEC, b""),
    "a deep specification": write(layout.SPEC, b'{"a":' * 10_000),
    "a pipe for a specification": instead(layout.SPEC, os.mkfifo),
    "half a closing file": cut(layout.RESULT),
    "an empty closing file": write(layout.RESULT, b""),
    "a closing file of another run": lambda record: edit(
        record / layout.RESULT, lambda result: result.update(spec_digest="0" * 64)
    ),
    "a closing file of the future": lambda record: edit(
        record / layout.RESULT, lambda result: result.update(format_version=2)
    ),
    "a huge closing file": lambda record: os.truncate(record / layout.RESULT, 100 * 2**20),
    "a folder for a closing file": instead(layout.RESULT, Path.mkdir),
    "a loop for a closing file": instead(layout.RESULT, lambda path: path.symlink_to(path.name)),
    "half of the steps": cut("steps.csv"),
    "no steps": lambda record: (record / "steps.csv").unlink(),
    "a pipe for the evaluations": instead("evals.csv", os.mkfifo),
    "an evaluation less": cut("evals.csv"),
}


def multiply(record: Path, folder: Path) -> list[Path]:
    """As many records of as many seeds, which share every file but two."""
    spec = json.loads((record / layout.SPEC).read_text())
    result = json.loads((record / layout.RESULT).read_text())
    logs = (name for name in layout.ALL_LOGS if name in result["logs"])
    attempts = (f"{layout.ATTEMPTS}/{number:04d}.json" for number in (1, 2))
    kept = (f"{layout.KEPT}/{path.name}" for path in kept_files(record))
    shared = [layout.CONFIG, layout.MANIFEST, layout.TIMING, *logs, *attempts, *kept]
    made = []
    for seed in range(RECORDS):
        spec["seed"] = seed
        identity = digest(spec)
        path = folder / f"wine-mlp-sgdr-s{seed}-{identity[:8]}"
        for name in (layout.ATTEMPTS, layout.KEPT):
            (path / name).mkdir(parents=True)
        for name in shared:
            os.link(record / name, path / name)
        (path / layout.LOCK).touch()
        (path / layout.SPEC).write_text(canonical(spec))
        rest = {key: value for key, value in result.items() if key != "digest"}
        (path / layout.RESULT).write_text(pretty(sealed(rest | {"spec_digest": identity})))
        made.append(path)
    return made


@pytest.fixture(scope="module")
def many(finished: Path, scratch: Path) -> tuple[Path, dict[str, Path]]:
    folder = scratch / "many"
    records = multiply(finished, folder)
    every = RECORDS // len(DAMAGES)
    damaged = {name: records[index * every] for index, name in enumerate(DAMAGES)}
    for name, record in damaged.items():
        DAMAGES[name](record)
    return folder, damaged


def measured(*words: str) -> tuple[int, str, float, float]:
    """Exit code, standard output, seconds, and the megabytes of the largest process."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "lrbench", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    with process.stdout as pipe:
        told = pipe.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return process.returncode, told, time.monotonic() - started, usage.ru_maxrss / unit


@pytest.mark.parametrize("command", SECONDS)
def test_each_damaged_record_is_named_and_no_other(
    command: str, many: tuple[Path, dict[str, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, damaged = many
    code, told, seconds, megabytes = measured(command, str(folder), "--json")
    with capsys.disabled():
        print(f"\n{command} of {RECORDS} records: {seconds:.1f} s, {megabytes:.0f} MB")  # noqa: T201
    answer = json.loads(told)
    if command == "summarize":
        named = {one["name"] for one in answer["skipped"] if one["status"] == "corrupt"}
        assert sum(arm["n"] for arm in answer["arms"]) == RECORDS - len(damaged)
        assert code == 1
    else:
        named = {one["run_id"] for one in answer["runs"] if one["status"] == "corrupt"}
        assert answer["counts"] == {"complete": RECORDS - len(damaged), "corrupt": len(damaged)}
        assert code == 3
    assert named == {path.name for path in damaged.values()}
    assert seconds < SECONDS[command]
    assert megabytes < MEGABYTES


def test_the_tables_name_them_too(many: tuple[Path, dict[str, Path]]) -> None:
    folder, damaged = many
    code, told, _, _ = measured("status", str(folder))
    assert code == 3
    assert all(path.name in told for path in damaged.values())
    assert len(told.splitlines()) < 4 * len(damaged)
    shutil.rmtree(folder)
