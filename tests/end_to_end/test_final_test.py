"""``lrbench summarize --final-test``: trained, asked for, written down, counted."""

from __future__ import annotations

import json
from zipfile import ZipFile

import pytest

from lrbench.record import layout

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SWEEP = [
    "sweep",
    "dataset=wine",
    "model=linear",
    "optimizer.lr=0.05",
    "train.steps=30",
    "train.batch_size=16",
    "schedule=constant,cosine",
    "--seeds",
    "2",
    "--jobs",
    "1",
]


@pytest.mark.parametrize("engine", ["loop", "lanes"])
@pytest.mark.parametrize("keeps", ["true", "false"])
def test_the_test_split_is_looked_at_and_every_look_is_counted(shell, here, engine, keeps):
    settings = [f"compute.engine={engine}", f"restart.keep_checkpoints={keeps}"]
    if engine == "lanes":
        settings += ["compute.lanes=4", "compute.compile=false"]
    assert shell(*SWEEP, *settings).code == 0
    before = {p: p.read_bytes() for p in here.glob("results/*/*") if p.is_file()}

    done = shell("summarize", "results", "--final-test", "--json", "--jobs", "1")
    assert done.code == 0, done.err
    answer = json.loads(done.out)
    tested = answer["final_test"]
    assert tested["skipped"] == []
    assert tested["trained_again"] == (0 if keeps == "true" else 4)
    assert len(tested["runs"]) == 4
    assert [arm["seeds"] for arm in tested["arms"]] == [[0, 1], [0, 1]]
    assert all(0 < loss < 3 and 0 <= accuracy <= 1 for _, loss, accuracy in tested["runs"])
    assert answer["test_uses"] == [tested["occasion"]]
    # Not one byte of what was there is another one.
    assert {p: p.read_bytes() for p in before} == before
    assert len(list(here.glob(f"results/*/{layout.TEST_USES}/*.json"))) == 4

    again = shell("summarize", "results", "--final-test", "--jobs", "1")
    assert "looked at 2 times" in again.err
    assert "test split, 36 samples" in again.out
    assert "test-reused" in again.err
    assert "test-reused" in shell("check", "results").out

    assert shell("verify", "results", "--files").code == 0
    assert shell("bundle", "results", "-o", "all.zip").code == 0
    assert shell("verify", "all.zip", "--files").code == 0
    inside = [name for name in ZipFile("all.zip").namelist() if layout.TEST_USES in name]
    assert len(inside) == 8


def test_a_folder_without_complete_runs_has_nothing_to_test(shell, here):
    (here / "results").mkdir()
    assert shell("summarize", "results", "--final-test").code == 2
