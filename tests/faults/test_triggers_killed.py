"""Every trigger fires in a run that is trained, and fires the same where the run is killed."""

from __future__ import annotations

import json
import signal

import pytest

from faults.nursery import Nursery
from faults.stub import bytes_of
from lrbench.record import layout
from lrbench.record.reader import Status, read_record
from lrbench.triggers.catalog import TRIGGERS

pytestmark = pytest.mark.slow

WINE = ["dataset=wine", "model=mlp", "model.hidden=[8]"]
FULL = ["dataset=diabetes", "model=linear", "restart=reset_momentum", "train.batch_size=265"]

FIRES: dict[str, list[str]] = {
    "plateau": [*WINE, "schedule=cosine", "trigger.patience=6"],
    "plateau_slope": [*WINE, "schedule=cosine", "trigger.evaluations=10"],
    "grad_norm": [*WINE, "schedule=cosine", "trigger.fraction=0.5", "trigger.gate=null"],
    "snr": [
        *WINE, "schedule=constant", "trigger.noise_ratio=2", "trigger.half_life=10",
        "trigger.margin=1",
    ],
    "stall": [
        "dataset=noisy_quadratic", "model=quadratic", "schedule=constant", "optimizer.momentum=0",
        "trigger.on_stall=decay",
    ],
    "function_scheme": [
        *FULL, "schedule=constant", "optimizer.momentum=0.97", "trigger.deterministic=true",
    ],
    "gradient_scheme": [
        *FULL, "schedule=constant", "optimizer.momentum=0.97", "trigger.deterministic=true",
    ],
}  # fmt: skip
"""Settings with which each fires within 120 updates."""

COMMON = ["train.steps=120", "train.eval_every=10", "train.checkpoint_every=7"]


@pytest.fixture(scope="module")
def lrbench(tmp_path_factory):
    with Nursery(tmp_path_factory.mktemp("cache")) as nursery:
        yield nursery


def record_in(results):
    (lock,) = results.glob(f"*/{layout.LOCK}")
    return lock.parent


def test_every_trigger_is_there():
    assert set(FIRES) == set(TRIGGERS)


@pytest.mark.parametrize("name", FIRES)
def test_a_trigger_fires_the_same_in_a_run_that_is_killed_and_goes_on(name, lrbench, tmp_path):
    words = ["run", f"trigger={name}", *FIRES[name], *COMMON]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    ended = lrbench(*words, "--results", whole)
    assert ended["code"] == 0, ended
    events = json.loads((record_in(whole) / layout.RESULT).read_text())["events"]
    assert events
    assert {event["cause"] for event in events} == {name}
    # Before the first firing, and behind it: checkpoints are 7 updates apart.
    first = events[0]["step"] // 7
    for saved in (max(first, 1), 3):
        point = ["replace", "checkpoint", saved]
        assert lrbench(*words, "--results", killed, kill=point)["code"] == -signal.SIGKILL
        assert read_record(record_in(killed)).status is Status.INTERRUPTED
    assert lrbench(*words, "--results", killed)["code"] == 0
    assert bytes_of(record_in(killed)) == bytes_of(record_in(whole))
