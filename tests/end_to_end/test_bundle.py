"""Runs in one file, as typed."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lrbench.record.bundles.bundle import open_bundle
from lrbench.record.reader import Status, read_record
from lrbench.spec.imports import source_names
from lrbench.workflows.bundle import _own_folders

Command = Callable[..., Any]

SMALL = ("dataset=two_spirals", "model=linear", "train.steps=20")

NETS = """
from torch import nn
def net(width: int = 4):
    return nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 2))
"""


@pytest.fixture
def swept(lrbench: Command, here: Path) -> Path:
    sweep = ("sweep", *SMALL, "schedule=constant,cosine", "--seeds", "2", "--jobs", "1")
    assert lrbench(*sweep).code == 0
    return here / "results"


def test_a_sweep_is_bundled_and_its_records_are_read_elsewhere(
    lrbench: Command, swept: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = lrbench("bundle", "results", "-o", "all.zip", "--json")
    answer = json.loads(done.out)
    assert (done.code, done.err) == (0, "")
    assert list(answer["runs"].values()) == ["complete"] * 4
    assert answer["bytes"] == (here / "all.zip").stat().st_size
    names = zipfile.ZipFile(here / "all.zip").namelist()
    assert f"results/sweeps/{next((swept / 'sweeps').iterdir()).name}" in names

    opened = open_bundle(here / "all.zip", here / "else" / "where")
    monkeypatch.chdir(here / "else")
    shutil.rmtree(swept)
    for run_id in answer["runs"]:
        record = read_record(opened.results / run_id, every_byte=True)
        assert record.status is Status.COMPLETE
    summary = lrbench("summarize", str(opened.results), "--json")
    assert summary.code == 0
    assert [arm["n"] for arm in json.loads(summary.out)["arms"]] == [2, 2]


@pytest.mark.slow
def test_a_sweep_with_triggers_and_kept_states_is_identical_elsewhere_and_any_bit_is_named(
    lrbench: Command, here: Path
) -> None:
    words = (
        *("dataset=wine", "model.hidden=[5]", "optimizer.lr=0.3", "train.batch_size=16"),
        *("train.steps=50", "train.eval_every=10", "trigger=plateau", "trigger.rtol=0.1,0.2"),
        *("trigger.patience=1", "trigger.every=2", "trigger.half_life=4", "trigger.gate=null"),
        *("trigger.refractory=4", "restart=full_reset", "restart.keep_checkpoints=true"),
        *("diagnostics=curvature", "diagnostics.curvature.every=20"),
        *("diagnostics.curvature.iterations=2", "diagnostics.curvature.samples=32"),
    )
    assert lrbench("sweep", *words, "--seeds", "2", "--jobs", "1").code == 0
    assert lrbench("bundle", "results", "-o", "all.zip").code == 0
    shutil.rmtree(here / "results")
    done = lrbench("verify", "all.zip", "--json")
    answer = json.loads(done.out)
    assert done.code == 0, done
    assert [run["verdict"] for run in answer["runs"]] == ["identical"] * 4
    whole = (here / "all.zip").read_bytes()
    opened = open_bundle(here / "all.zip", here / "where")
    fired = [json.loads(p.read_text())["events"] for p in opened.results.glob("*/result.json")]
    assert all(fired)
    kept = {path.name: path for path in opened.results.glob("*/kept/*")}
    for path in (*opened.results.glob("*/*.csv"), *kept.values()):
        if path.name == "timing.csv":
            continue
        name = path.relative_to(opened.results.parent).as_posix()
        place = whole.index(name.encode()) + len(name) + 40
        changed = bytearray(whole)
        changed[place] ^= 1
        (here / "flipped.zip").write_bytes(changed)
        damaged = lrbench("verify", "flipped.zip", "--files")
        assert damaged.code == 3, name
        assert name in damaged.err, name


@pytest.mark.slow
def test_the_same_records_give_the_same_bytes_in_another_process(
    lrbench: Command, shell: Command, swept: Path, here: Path
) -> None:
    assert lrbench("bundle", "results", "-o", "a.zip").out == f"{here / 'a.zip'}\n"
    other = shell(
        "bundle", "results", "-o", "b.zip", TZ="Asia/Tokyo", PYTHONHASHSEED="7", LC_ALL="C"
    )
    assert other.code == 0, other.err
    assert (here / "a.zip").read_bytes() == (here / "b.zip").read_bytes()


@pytest.mark.slow
def test_a_run_that_is_not_finished_is_named(lrbench: Command, swept: Path, here: Path) -> None:
    first, *_ = sorted(swept.glob("*-s0-*"))
    (first / "result.json").unlink()
    (first / "attempts" / "0001.json").unlink()
    done = lrbench("bundle", "results", "-o", "b.zip")
    assert done.code == 0
    assert f"left out: results/{first.name}: the run is interrupted\n" in done.err
    assert "3 runs, " in done.err
    alone = lrbench("bundle", str(first), "-o", "c.zip")
    assert alone.code == 2
    assert "must hold a finished run" in alone.err
    assert not (here / "c.zip").exists()


@pytest.mark.slow
def test_a_damaged_run_is_refused(lrbench: Command, swept: Path, here: Path) -> None:
    first, *_ = sorted(swept.glob("*-s0-*"))
    data = bytearray((first / "steps.csv").read_bytes())
    data[-20] ^= 1
    (first / "steps.csv").write_bytes(data)
    refused = lrbench("bundle", "results", "-o", "b.zip")
    assert refused.code == 3
    assert f"results/{first.name} is damaged (steps.csv must have the digest" in refused.err
    assert "--without-damaged" in refused.err
    assert not (here / "b.zip").exists()
    assert lrbench("bundle", "results", "-o", "b.zip", "--without-damaged").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("typed", ["mine/all runs", "mine/all runs/RUN", "mine/../mine/all runs"])
def test_what_is_not_in_a_bundle_is_named_by_the_path_that_was_typed(
    typed: str, lrbench: Command, swept: Path, here: Path
) -> None:
    (here / "mine").mkdir()
    swept.rename(here / "mine" / "all runs")
    first, *_ = sorted((here / "mine" / "all runs").glob("*-s*"))
    (first / "diary.txt").write_text("")
    typed = typed.replace("RUN", first.name)
    lies = typed if first.name in typed else f"{typed}/{first.name}"
    done = lrbench("bundle", typed, "-o", "b.zip")
    assert f"left out: {lies}/diary.txt: is no file of a record\n" in done.err
    about = json.loads(zipfile.ZipFile("b.zip").read("bundle.json"))
    left = {"name": f"results/{first.name}/diary.txt", "reason": "is no file of a record"}
    assert left in about["left_out"]
    (first / "steps.csv").write_text("")
    refused = lrbench("bundle", typed, "-o", "c.zip")
    assert refused.code == 3
    assert f"{lies} is damaged (" in refused.err
    assert "results/" not in refused.err


def test_own_code_goes_along_as_long_as_it_is_the_recorded_one(
    lrbench: Command, here: Path
) -> None:
    (here / "nets.py").write_text(NETS)
    ran = lrbench("run", "dataset=two_spirals", "train.steps=5", "model._target_=nets:net")
    assert ran.code == 0, ran.err
    assert lrbench("bundle", "results", "-o", "b.zip").code == 0
    assert zipfile.ZipFile("b.zip").read("code/nets.py").decode() == NETS
    (here / "nets.py").write_text(f"{NETS}# changed")
    changed = lrbench("bundle", "results", "-o", "c.zip")
    assert changed.code == 0
    assert "left out: nets:net: its source as it was recorded lies in no folder" in changed.err
    assert "code/nets.py" not in zipfile.ZipFile("c.zip").namelist()
    assert "nets:net: its source as it was" in zipfile.ZipFile("c.zip").read("README.txt").decode()


def test_modules_of_installed_packages_are_not_the_users_own(lrbench: Command, here: Path) -> None:
    names = source_names("numpy.random:default_rng") + source_names("torch.nn:Linear")
    assert not [name for folder in _own_folders() for name in names if (folder / name).exists()]
    ran = lrbench("run", *SMALL, "schedule=torch:CosineAnnealingLR", "schedule.T_max=20")
    assert ran.code == 0, ran.err
    done = lrbench("bundle", "results", "-o", "b.zip")
    assert (done.code, "left out" in done.err) == (0, False)
    assert not [name for name in zipfile.ZipFile("b.zip").namelist() if name.startswith("code")]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nowhere", "-o", "b.zip"), "nowhere must exist"),
        (("file", "-o", "b.zip"), "file must be a record or a folder of records"),
        ((".", "-o", "b.zip"), "must hold a finished run"),
        ((".", "-o", "no/b.zip"), "--out must lie in a folder that exists, got 'no/b.zip'"),
        ((".", "-o", "folder"), "--out must be a file"),
        ((".", "-o", "file"), "--out must not be there yet"),
        (("loop", "-o", "b.zip"), "loop must exist"),
        ((".", "-o", "loop/b.zip"), "--out must lie in a folder that exists"),
    ],
)
def test_a_wrong_path_is_told_and_nothing_is_written(
    words: tuple[str, ...], told: str, lrbench: Command, here: Path
) -> None:
    (here / "file").write_text("mine")
    (here / "folder").mkdir()
    (here / "loop").symlink_to("loop")
    before = sorted(here.iterdir())
    done = lrbench("bundle", *words)
    assert done.code == 2
    assert told in done.err
    assert 1 <= done.err.count("\n") <= 4
    assert sorted(here.iterdir()) == before
    assert (here / "file").read_text() == "mine"
