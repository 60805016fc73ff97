"""verify, replay, resume, status and the self-test as typed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forging import edit, edit_row, reseal
from lrbench.launchers.local import Event
from lrbench.record import layout
from lrbench.record.reader import Status, read_record
from lrbench.workflows import selftest, verify
from lrbench.workflows.doctor import Finding
from promised import bytes_of

Command = Callable[..., Any]

SMALL = ("dataset=two_spirals", "model=linear", "train.steps=20", "train.checkpoint_every=8")
LONG = ("dataset=digits", "model=mlp", "train.steps=8000", "train.checkpoint_every=100")


def here_and_now(
    task: str, payloads: list[verify.Order], *, workers: int, environments: list[dict[str, str]]
) -> Any:
    for index, payload in enumerate(payloads):
        yield Event("started", index)
        yield Event("done", index, verify.verify_job(payload, lambda progress: None))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(verify, "run_jobs", here_and_now)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))


def records(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob("*/spec.json"))


def twice(text: str) -> str:
    return repr(float(text) * 2)


def narrow(done: Any) -> None:
    """No line that could be broken is wider than a terminal."""
    for line in done.out.splitlines():
        assert len(line) <= 80 or len(line.split()) <= 2, line


def test_what_is_verified_is_told_with_the_tier_it_reached(
    lrbench: Command, here: Path, quick: None
) -> None:
    lrbench("run", *SMALL)
    (record,) = records(here / "results")
    told = {
        (): "compared: files, inputs, every update, final weights",
        ("--full",): "compared: files, inputs, every update, final weights",
        ("--files",): "compared: every byte of the files",
        ("--inputs",): "compared: files, data, batches, rates, first weights",
        ("--prefix", "5"): "compared: files, inputs, first updates",
        ("--from-checkpoint",): "compared: files, inputs, updates from the last checkpoint on",
    }
    for words, line in told.items():
        done = lrbench("verify", "results", *words)
        assert done.code == 0
        assert done.out.startswith(f"identical  {record.name}\n1 run: 1 identical\n{line}")
        assert done.out.endswith("results\n")


def test_a_difference_is_told_with_its_place_and_both_values_and_ends_with_3(
    lrbench: Command, here: Path, quick: None
) -> None:
    lrbench("run", *SMALL)
    (record,) = records(here / "results")
    then, now = edit_row(record / "steps.csv", 12, "train_loss", twice)
    path = reseal(record)
    done = lrbench("verify", str(path))
    assert done.code == 3
    flat = " ".join(done.out.split())
    assert f"different {path.name} loss, at step 12: train_loss is {now} in the record" in flat
    assert f"and {then} in the replay" in flat
    assert "the same until then: files, data, batches, rates, first weights" in flat
    assert "made again: " in flat
    narrow(done)
    answer = json.loads(lrbench("verify", str(path), "--json").out)
    (run,) = answer["runs"]
    assert (answer["level"], run["verdict"], run["level"]) == ("full", "different", "inputs")
    assert run["difference"]["recorded"] == now
    assert Path(run["kept"]).is_dir()
    assert lrbench("verify", str(path), "--prefix", "12").code == 0


def test_every_verdict_has_its_words_and_its_exit_code(
    lrbench: Command, here: Path, quick: None
) -> None:
    for seed in range(3):
        lrbench("run", *SMALL, f"seed={seed}")
    unfinished, foreign, close = records(here / "results")
    (unfinished / layout.RESULT).unlink()
    done = lrbench("verify", str(unfinished))
    assert done.code == 0
    assert "1 run: 1 unfinished" in done.out
    edit(foreign / layout.SPEC, lambda spec: spec["model"].update(target="nets:Net"))
    foreign = reseal(foreign)
    done = lrbench("verify", str(foreign))
    assert done.code == 2
    assert "try   --trust" in done.out
    narrow(done)
    edit(close / layout.MANIFEST, lambda manifest: manifest["profile"].update(torch="1.0"))
    edit_row(close / "steps.csv", 12, "train_loss", lambda text: repr(float(text) * (1 + 1e-9)))
    close = reseal(close)
    done = lrbench("verify", str(close))
    assert done.code == 3
    assert "not as it was: torch 1.0 then, " in done.out
    assert "close: batches and their order (exact)" in done.out
    narrow(done)
    assert lrbench("verify", str(close), "--close").code == 0
    (close / "timing.csv").write_text("")
    done = lrbench("verify", str(close), "--files")
    assert done.code == 3
    assert "damaged " in done.out
    done = lrbench("verify", "results", "--files")
    assert done.code == 3
    assert sorted(done.out.splitlines()[-3].removeprefix("3 runs: ").split(", ")) == [
        "1 damaged",
        "1 identical",
        "1 unfinished",
    ]


@pytest.mark.slow
def test_a_bundle_of_a_sweep_is_verified_where_it_was_not_made(
    shell: Command, here: Path, tmp_path: Path
) -> None:
    shell("sweep", *SMALL, "schedule=constant,linear", "--seeds", "2", "--jobs", "2")
    assert shell("bundle", "results", "-o", "b.zip").code == 0
    shutil.rmtree(here / "results")
    (tmp_path / "tmp").mkdir()
    done = shell("verify", "b.zip", "--jobs", "2", TMPDIR=str(tmp_path / "tmp"))
    assert done.code == 0, done
    assert "4 runs: 4 identical" in done.out
    assert not list((tmp_path / "tmp").iterdir())
    data = bytearray((here / "b.zip").read_bytes())
    data[len(data) // 3] ^= 1
    (here / "b.zip").write_bytes(data)
    done = shell("verify", "b.zip")
    assert done.code == 3
    assert "is damaged" in done.err


def test_a_replay_ends_with_0_where_it_is_the_same_and_with_3_where_not(
    lrbench: Command, here: Path
) -> None:
    lrbench("run", *SMALL)
    (record,) = records(here / "results")
    done = lrbench("replay", str(record), "--into", "again")
    assert done.code == 0, done
    assert done.out == (
        f"identical: every log and the final weights, bit for bit\nagain/{record.name}\n"
    )
    assert bytes_of(here / "again" / record.name) == bytes_of(record)
    edit_row(record / "steps.csv", 12, "train_loss", twice)
    record = reseal(record)
    done = lrbench("replay", str(record), "--into", "more", "--json")
    assert done.code == 3
    answer = json.loads(done.out)
    assert (answer["identical"], answer["difference"]["step"]) == (False, 12)


def interrupted(words: tuple[str, ...], here: Path, number: int = signal.SIGINT) -> Any:
    """A command that gets a signal once one of its runs has a checkpoint."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lrbench", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=here,
    )
    end = time.monotonic() + 120
    while time.monotonic() < end and not list(here.glob("*/*/checkpoint.previous")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.slow
def test_after_ctrl_c_a_run_goes_on_to_the_bytes_it_would_have_had(
    shell: Command, here: Path
) -> None:
    code, _, _ = interrupted(("run", *LONG), here)
    assert code == 130
    (record,) = records(here / "results")
    assert read_record(record).status is Status.INTERRUPTED
    status = shell("status", "results").out
    assert "of 8000 updates, goes on at" in status
    assert status.endswith("lrbench resume results\n")
    done = shell("resume", "results")
    assert done.code == 0, done
    assert done.out == "1 run finished; 0 finished before\nresults\n"
    assert shell("run", *LONG, "--results", "golden").code == 0
    assert bytes_of(record) == bytes_of(here / "golden" / record.name)


@pytest.mark.slow
def test_ctrl_c_in_a_verification_leaves_nothing(shell: Command, here: Path) -> None:
    assert shell("run", *LONG).code == 0
    (here / "tmp").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "lrbench", "verify", "results"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(here / "tmp")},
    )
    end = time.monotonic() + 120
    while time.monotonic() < end and not list((here / "tmp").glob("*/*/*/steps.csv")):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not list((here / "tmp").glob("lrbench-*"))


def test_resume_names_what_it_leaves_and_ends_with_3(lrbench: Command, here: Path) -> None:
    lrbench("run", *SMALL)
    (record,) = records(here / "results")
    (record / layout.RESULT).write_text("{")
    done = lrbench("resume", "results", "--json")
    assert done.code == 3
    assert f"left as it is: {record.name} is damaged (result.json must be JSON" in done.err
    assert json.loads(done.out)["left"][0]["run"] == record.name
    assert lrbench("status", "results").code == 3


def test_many_runs_of_a_status_are_counted_unless_all_are_asked_for(
    lrbench: Command, here: Path
) -> None:
    lrbench("run", *SMALL)
    (record,) = records(here / "results")
    spec = json.loads((record / layout.SPEC).read_text())
    from lrbench.spec.canonical import canonical, digest

    for seed in range(1, 31):
        one = spec | {"seed": seed}
        folder = here / "results" / f"two_spirals-linear-cosine-s{seed}-{digest(one)[:8]}"
        folder.mkdir()
        (folder / layout.SPEC).write_text(canonical(one))
    done = lrbench("status", "results")
    assert done.code == 0
    assert done.out.startswith("31 runs: 1 complete, 30 interrupted\n")
    assert "and 10 more, which --all lists" in done.out
    assert done.out.count("of 20 updates, goes on at 0") == 20
    assert done.out.endswith("lrbench resume results\n")
    narrow(done)
    every = lrbench("status", "results", "--all").out
    assert every.count("of 20 updates, goes on at 0") == 30
    assert f"complete     {record.name}\n" in every
    answer = json.loads(lrbench("status", "results", "--json").out)
    assert answer["counts"] == {"complete": 1, "interrupted": 30}
    assert len(answer["runs"]) == 31


def test_an_unpacked_bundle_leads_to_the_records_in_it(lrbench: Command, here: Path) -> None:
    lrbench("run", *SMALL)
    (here / "un packed").mkdir()
    (here / "results").rename(here / "un packed" / "results")
    for words in (("verify",), ("status",), ("resume",), ("replay",)):
        done = lrbench(*words, "un packed")
        assert done.code == 2
        assert "un packed must hold records of runs" in done.err
        assert "lrbench verify 'un packed/results'\n" in done.err
    assert lrbench("verify", "un packed/results", "--files").code == 0


def test_doctor_keeps_its_columns_and_to_the_width(lrbench: Command) -> None:
    lines = lrbench("doctor").out.splitlines()
    # Only what has no blanks to be broken at may be wider.
    assert not [line for line in lines if len(line) > 80 and " " in line.strip()[40:]]
    starts: dict[str, set[int]] = {}
    for line in lines[:-1]:
        if not line.startswith(" "):
            topic = line
        elif not line.startswith("   "):
            name = line[2:].partition("  ")[0]
            starts.setdefault(topic, set()).add(len(line) - len(line[2 + len(name) :].lstrip()))
    assert {len(columns) for columns in starts.values()} == {1}, lines


@pytest.mark.parametrize(("is_kept", "code"), [(True, 0), (False, 3)])
def test_doctor_ends_with_3_where_a_promise_is_broken(
    is_kept: bool, code: int, lrbench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Finding("self-test", "the same run, twice at once", "…", is_kept)
    monkeypatch.setattr(selftest, "selftest", lambda: iter([found]))
    assert lrbench("doctor").code == 0
    done = lrbench("doctor", "--selftest", "--json")
    assert done.code == code
    assert json.loads(done.out)["problems"] == ([] if is_kept else [found.name])


@pytest.mark.slow
def test_the_self_test_really_done_keeps_every_promise_here(shell: Command, here: Path) -> None:
    (here / "tmp").mkdir()
    done = shell("doctor", "--selftest", "--json", TMPDIR=str(here / "tmp"))
    assert done.code == 0, done
    trials = [one for one in json.loads(done.out)["findings"] if one["topic"] == "self-test"]
    assert [one["is_good"] for one in trials[:2]] == [True, True]
    assert trials[1]["name"].startswith("killed, gone on with at step ")
    assert not list((here / "tmp").glob("lrbench-*"))
    assert [path.name for path in here.iterdir()] == ["tmp"]
