"""The lanes engine as typed: sweeps of it, and any one of its records without the others."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from lrbench.record.layout import LOGS, MANIFEST, RESULT

LANES = [
    "compute.engine=lanes", "compute.compile=false", "compute.lanes=4", "compute.profile=native",
]  # fmt: skip
SMALL = ["dataset=wine", "model=mlp", "model.hidden=[8]", "train.steps=24", "train.eval_every=8"]


def records(results: Path) -> dict[str, Path]:
    return {path.parent.name: path.parent for path in sorted(results.glob(f"*/{MANIFEST}"))}


def slot(record: Path) -> int:
    return json.loads((record / MANIFEST).read_text())["lanes"]["slot"]


def promised(record: Path) -> dict[str, bytes]:
    return {name: (record / name).read_bytes() for name in (*LOGS, RESULT)}


def test_a_sweep_packs_its_runs_and_any_record_is_verified_without_the_others(lrbench, here):
    arms = "schedule=constant,sgdr"
    done = lrbench("sweep", arms, "--seeds", "3", "--results", "all", "--jobs", "1", *LANES, *SMALL)
    assert done.code == 0, done.err
    found = records(here / "all")
    assert len(found) == 6
    assert sorted(map(slot, found.values())) == [0, 0, 1, 1, 2, 3], "two plans, four and two runs"
    alone = here / "alone"
    alone.mkdir()
    name = next(name for name, record in found.items() if "sgdr" in name and slot(record) == 3)
    shutil.copytree(found[name], alone / name)
    verified = lrbench("verify", "alone")
    assert verified.code == 0, verified.out
    assert "1 run: 1 identical" in verified.out


def test_the_same_run_alone_and_in_a_sweep_has_the_same_bytes(lrbench, here):
    lrbench("sweep", "schedule=sgdr,cosine", "--seeds", "2", "--results", "all", *LANES, *SMALL)
    lrbench("run", "schedule=sgdr", "seed=0", "--results", "one", *LANES, *SMALL)
    ((name, record),) = records(here / "one").items()
    together = records(here / "all")[name]
    assert slot(record) == slot(together) == 0
    assert promised(record) == promised(together)


def test_a_second_sweep_trains_only_what_is_missing(lrbench, here):
    words = ["sweep", "schedule=constant", "--results", "all", *LANES, *SMALL]
    lrbench(*words, "--seeds", "2")
    first = {name: promised(record) for name, record in records(here / "all").items()}
    done = lrbench(*words, "--seeds", "5")
    assert "3 runs trained, 2 complete before" in done.out
    after = records(here / "all")
    assert len(after) == 5
    assert {name: promised(after[name]) for name in first} == first


def test_lanes_and_loop_are_two_runs_that_agree_up_to_rounding(lrbench, here):
    for engine in (LANES, []):
        lrbench("run", "--results", "both", *engine, *SMALL)
    one, other = (
        [float(row["train_loss"]) for row in csv.DictReader(text.splitlines())]
        for text in ((path / "steps.csv").read_text() for path in records(here / "both").values())
    )
    assert one == pytest.approx(other, rel=1e-4)


@pytest.mark.slow
def test_lanes_run_under_the_strict_profile_unless_told_otherwise(lrbench, here):
    shown = lrbench("run", "--dry-run", "--json", "compute.engine=lanes", "compute.compile=false")
    assert shown.code == 0, shown.err
    lrbench("run", "--results", "r", *LANES[:3], *SMALL)
    (record,) = records(here / "r").values()
    spec = json.loads((record / "spec.json").read_text())
    assert spec["compute"]["profile"] in ("strict", "native")
    assert spec["compute"]["lanes"] == 4
    assert spec["compute"]["compile"] is False


def test_a_dry_run_tells_of_plans_and_of_both_engines(lrbench, here):
    words = ["sweep", "schedule=constant,cosine", "--seeds", "3", "--dry-run", *LANES, *SMALL]
    told = lrbench(*words)
    assert "2 plans of 4 lanes" in told.out
    assert "with the loop engine it would be about" in told.out
    engines = json.loads(lrbench(*words, "--json").out)["engines"]
    assert [(one["engine"], one["plans"]) for one in engines] == [("lanes", 2), ("loop", 6)]


def test_what_lanes_cannot_train_is_refused_before_anything_is_written(lrbench, here):
    own = lrbench("run", "optimizer._target_=torch.optim:RMSprop", "optimizer.lr=0.1", *LANES)
    assert own.code == 2
    assert "compute.engine=loop" in own.err
    wide = lrbench("run", "compute.engine=lanes", "compute.lanes=1")
    assert wide.code == 2
    assert "compute.lanes must be at least 2" in wide.err
    assert not (here / "results").exists()


def test_without_a_compiler_the_error_says_so(lrbench, here, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    done = lrbench("run", "compute.engine=lanes", *SMALL)
    assert done.code == 2
    assert "compute.compile needs a C++ compiler (no-such-compiler is not on the path)" in done.err
    assert "try   compute.compile=false" in done.err


@pytest.mark.slow
def test_the_doctor_measures_a_level(lrbench, here):
    told = lrbench("doctor", "--lanes", "--json", *LANES, *SMALL)
    assert told.code == 0, told.err
    found = json.loads(told.out)
    assert found["level"] in ("L1", "L2", "L3", "L4")
    assert found["trials"][0] == {"name": "the same again", "parted_at": None}
    assert lrbench("doctor", "--lanes", "compute.engine=loop").code == 2
    assert lrbench("doctor", "model=mlp").code == 2


def test_settings_of_lanes_have_no_effect_with_the_loop(lrbench, here):
    words = ["run", "--results", "r", "compute.lanes=8", "compute.compile=false", *SMALL]
    assert lrbench(*words).code == 0
    assert "complete already" in lrbench(*words).err
    assert "complete already" in lrbench("run", "--results", "r", *SMALL).err
