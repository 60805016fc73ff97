"""A sweep of lanes that is killed in the middle of a plan goes on to the same bytes."""

from __future__ import annotations

import time

import pytest

from faults.nursery import Nursery
from lrbench.record.layout import ALL_LOGS, MANIFEST, RESULT

WORDS = [
    "sweep", "schedule=sgdr,constant", "--seeds", "2", "--jobs", "1", "dataset=wine",
    "model.hidden=[8]", "model.dropout=0.2", "train.steps=24", "train.eval_every=10",
    "train.checkpoint_every=5", "diagnostics.layers_every=4", "compute.engine=lanes",
    "compute.compile=false", "compute.lanes=3", "compute.profile=native",
]  # fmt: skip


@pytest.fixture(scope="module")
def lrbench(tmp_path_factory):
    with Nursery(tmp_path_factory.mktemp("cache")) as nursery:
        yield nursery


def promised(results):
    names = (*ALL_LOGS, RESULT)
    return {
        (path.parent.name, name): (path.parent / name).read_bytes()
        for path in results.glob(f"*/{MANIFEST}")
        for name in names
        if (path.parent / name).exists()
    }


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.6, 1.2, 1.8, 2.4])
def test_a_plan_that_is_killed_goes_on_to_the_same_bytes(lrbench, tmp_path, seconds):
    assert lrbench(*WORDS, "--results", tmp_path / "golden")["code"] == 0
    lrbench(*WORDS, "--results", tmp_path / "killed", after_s=seconds)
    for _ in range(20):
        # A worker whose parent was killed saves and ends at its next update; until then it writes.
        done = lrbench(*WORDS, "--results", tmp_path / "killed")
        if done["code"] == 0:
            break
        time.sleep(0.5)
    assert done["code"] == 0, done["said"]
    assert promised(tmp_path / "killed") == promised(tmp_path / "golden")
