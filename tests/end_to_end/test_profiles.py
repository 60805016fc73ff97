"""``compute.profile`` as typed: the same bytes wherever a run is trained."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lrbench.record import layout
from lrbench.spec.profiles import VARIABLES
from promised import bytes_of

Command = Callable[..., Any]

WORDS = ("dataset=digits", "model=mlp", "train.steps=40")
NETS = """
from torch import nn
class Raises(nn.Linear):
    def __init__(self, input_shape, num_outputs):
        super().__init__(input_shape[0], num_outputs)
    def forward(self, inputs):
        if self.training:
            raise RuntimeError("out of luck")
        return super().forward(inputs)
"""


def logs(folder: Path, profile: str) -> dict[str, bytes]:
    """The logs of the one record with this profile."""
    (path,) = (
        file.parent
        for file in folder.glob("*/spec.json")
        if json.loads(file.read_text())["compute"]["profile"] == profile
    )
    return {name: data for name, data in bytes_of(path).items() if name in layout.ALL_LOGS}


def manifest(folder: Path) -> dict[str, Any]:
    (file,) = folder.glob("*/manifest.json")
    found = json.loads(file.read_text())
    assert isinstance(found, dict)
    return found


@pytest.fixture(autouse=True)
def nothing_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES["portable"]:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        WORDS,
        pytest.param((*WORDS, "model=cnn", "train.batch_size=16"), marks=pytest.mark.slow),
    ],
)
def test_portable_is_what_its_three_variables_make_of_a_native_run(
    lrbench: Command, shell: Command, here: Path, words: tuple[str, ...]
) -> None:
    typed = [word for word in words if not (word == "model=mlp" and "model=cnn" in words)]
    assert lrbench("run", *typed, "compute.profile=portable", "--results", "held").code == 0
    done = shell("run", *typed, "--results", "exported", **VARIABLES["portable"])
    assert done.code == 0, done.err
    assert logs(here / "held", "portable") == logs(here / "exported", "native")
    held, exported = (manifest(here / name)["profile"] for name in ("held", "exported"))
    assert held["cpu_capability"] == exported["cpu_capability"] == "AVX2"
    assert held["mkl_mode"] == exported["mkl_mode"] == "COMPATIBLE"
    for name, value in VARIABLES["portable"].items():
        assert held[name.lower()] == exported[name.lower()] == value
        assert held["switches"][name.lower()]["took_effect"] is True


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_arms_of_several_profiles_have_the_bytes_of_single_runs(
    lrbench: Command, shell: Command, here: Path, jobs: str
) -> None:
    axis = "compute.profile=native,strict,portable"
    done = lrbench("sweep", *WORDS, axis, "--seeds", "1", "--jobs", jobs, "--json")
    assert done.code == 0, done
    assert json.loads(done.out)["trained"] == 3
    found = {name: logs(here / "results", name) for name in VARIABLES}
    for name in VARIABLES:
        typed = ("run", *WORDS, f"compute.profile={name}", "--results", name)
        done = (shell if name == "strict" else lrbench)(*typed)
        assert done.code == 0, done
        assert logs(here / name, name) == found[name], name
    # Another order of sums is another run: the profile was not just written down.
    assert found["portable"]["steps.csv"] != found["native"]["steps.csv"]
    again = lrbench("run", *WORDS, "compute.profile=strict", "--json")
    assert json.loads(again.out)["was_there"]


def test_the_manifest_says_that_strict_took_effect(lrbench: Command, here: Path) -> None:
    assert lrbench("run", *WORDS, "compute.profile=strict", "--json").code == 0
    profile = manifest(here / "results")["profile"]
    assert profile["mkldnn"] is False
    assert profile["mkl_mode"] == "AUTO"
    assert all(switch["took_effect"] for switch in profile["switches"].values())
    switch = {"asked": "AUTO", "effective": "AUTO", "took_effect": True}
    assert profile["switches"]["mkl_cbwr"] == switch


def test_what_goes_wrong_in_the_worker_is_told_as_if_it_went_wrong_here(
    lrbench: Command, here: Path
) -> None:
    (here / "isolated_nets.py").write_text(NETS)
    typed = ("run", "dataset=wine", "train.steps=9", "model._target_=isolated_nets:Raises")
    told = []
    for name in ("native", "strict"):
        done = lrbench(*typed, f"compute.profile={name}")
        assert (done.code, done.out) == (1, "")
        assert "Traceback" not in done.err
        told.append(re.sub(r"-s0-[0-9a-f]{8}", "", done.err))
    assert told[0] == told[1]
    assert "failed: RuntimeError: out of luck" in told[0]
    assert "isolated_nets.py:8" in told[0]

    done = lrbench("run", *WORDS, "compute.profile=strict", "compute.threads=2")
    assert (done.code, done.out) == (2, "")
    assert "compute.threads must be 1 with compute.profile=strict" in done.err
    assert "try   compute.threads=1" in done.err


def test_ctrl_c_reaches_the_worker_and_leaves_its_record_in_order(
    lrbench: Command, here: Path
) -> None:
    typed = ("run", "dataset=digits", "model=mlp", "train.steps=20000", "compute.profile=strict")
    process = subprocess.Popen(
        [sys.executable, "-m", "lrbench", *typed],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + 60
        while not (found := list(here.glob("results/*/steps.csv"))):
            assert time.monotonic() < end
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        (attempt,) = found[0].parent.glob("attempts/*.json")
        worker = json.loads(attempt.read_text())["pid"]
        assert worker != process.pid
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert (process.returncode, out) == (130, "")
    assert "to go on: lrbench resume " in err
    assert "Traceback" not in err
    assert json.loads(attempt.read_text())["outcome"] == "interrupted"
    assert not Path(f"/proc/{worker}").exists()


def test_doctor_lists_the_profiles(lrbench: Command) -> None:
    found = json.loads(lrbench("doctor", "--json").out)["findings"]
    values = {one["name"]: one["value"] for one in found if one["topic"] == "profiles"}
    assert list(values) == ["native", "strict", "portable"]
    assert values["strict"] == "MKL_CBWR=AUTO"
    assert "ATEN_CPU_CAPABILITY=avx2" in values["portable"]
