"""Numeric profiles: what they ask for, what is refused, what took effect."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys

import pytest
import torch

from lrbench.engine import profiles
from lrbench.engine.device import check_device, configure, profile
from lrbench.engine.profiles import are_in_force, mkl_mode, started_with
from lrbench.errors import DeviceError
from lrbench.spec.profiles import VARIABLES, variables_of
from lrbench.spec.run import ComputeSpec

HELD = ("strict", "portable")
SHOW = """
import json
import torch
from lrbench.engine.device import configure
from lrbench.engine.profiles import mkl_mode
from lrbench.spec.run import ComputeSpec
convolution = torch.nn.Conv2d(3, 8, 3)
with torch.no_grad():
    convolution(torch.ones(2, 3, 8, 8))
switches = configure(ComputeSpec(profile={name!r}))
shown = {{name: (s.asked, s.effective, s.took_effect) for name, s in switches.items()}}
print(json.dumps({{"mode": mkl_mode(), "switches": shown}}))
"""


def in_a_process(name: str, **variables: str) -> tuple[dict, str]:
    """What a process started with ``variables`` finds under a profile, and all it printed."""
    kept = {key: value for key, value in os.environ.items() if key not in VARIABLES["portable"]}
    done = subprocess.run(
        [sys.executable, "-c", SHOW.format(name=name)],
        env=kept | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1]), done.stdout


@pytest.mark.parametrize("name", HELD)
def test_every_switch_takes_effect_in_a_process_started_for_it(name):
    found, _ = in_a_process(name, **variables_of(ComputeSpec(profile=name)))
    assert found["mode"] == VARIABLES[name]["MKL_CBWR"]
    for variable in VARIABLES[name]:
        asked, effective, took_effect = found["switches"][variable.lower()]
        assert took_effect, (variable, asked, effective)
    assert found["switches"]["onednn"] == [name != "strict", name != "strict", True]


@pytest.mark.parametrize("name", HELD)
def test_a_process_started_without_the_variables_says_that_they_are_not_in_force(name):
    found, _ = in_a_process(name)
    assert found["mode"] == "off"
    assert found["switches"]["mkl_cbwr"] == [VARIABLES[name]["MKL_CBWR"], "off", False]
    if name == "portable":
        assert found["switches"]["onednn_max_cpu_isa"] == ["AVX2", None, False]


@pytest.mark.slow
def test_onednn_obeys_its_variable():
    # It has no getter, but says at its first use what it is held to.
    portable = variables_of(ComputeSpec(profile="portable"))
    _, said = in_a_process("portable", **portable, ONEDNN_VERBOSE="1")
    assert re.search(r"cpu,isa:.*AVX2\b", said), said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variable", "mode"),
    [
        pytest.param("COMPATIBLE", "COMPATIBLE", marks=pytest.mark.slow),
        pytest.param("AUTO", "AUTO", marks=pytest.mark.slow),
        ("AUTO,STRICT", "AUTO,STRICT"),
    ],
)
def test_mkl_itself_is_asked_for_its_mode(variable, mode):
    assert in_a_process("native", MKL_CBWR=variable)[0]["mode"] == mode


def test_a_build_that_cannot_tell_mkls_mode_makes_it_unknown(monkeypatch):
    monkeypatch.setattr(torch, "__file__", "/nowhere/torch/__init__.py")
    assert mkl_mode() == "unknown"
    assert not configure(ComputeSpec(profile="strict"))["mkl_cbwr"].took_effect
    configure(ComputeSpec())


def test_a_switch_of_one_run_does_not_leak_into_the_next():
    configure(ComputeSpec(profile="strict"))
    assert not torch.backends.mkldnn.enabled
    switches = configure(ComputeSpec())
    assert torch.backends.mkldnn.enabled
    assert switches["onednn"].effective is True
    assert not {name.lower() for name in VARIABLES["portable"]} & set(switches)


def test_what_was_set_after_the_start_of_the_process_does_not_count(monkeypatch):
    assert are_in_force({})
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    monkeypatch.setenv("LRBENCH_NEVER_SET", "1")
    assert not are_in_force({"LRBENCH_NEVER_SET": "1"})
    name, value = next(iter(started_with().items()))
    assert are_in_force({name: value})
    assert not are_in_force({name: value + "x"})
    assert not are_in_force({name: value, "LRBENCH_NEVER_SET": "1"})


@pytest.mark.parametrize("name", ["ATEN_CPU_CAPABILITY", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA"])
def test_a_variable_the_user_exported_makes_another_profile(monkeypatch, name):
    switches = configure(ComputeSpec())
    monkeypatch.delenv(name, raising=False)
    before = profile(ComputeSpec(), switches)["digest"]
    monkeypatch.setenv(name, "AVX2")
    found = profile(ComputeSpec(), switches)
    assert found["digest"] != before
    assert found[name.lower()] == "AVX2"


@pytest.mark.parametrize("name", HELD)
def test_a_profile_needs_one_thread_and_the_cpu(name, monkeypatch):
    check_device(ComputeSpec(profile=name))
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    check_device(ComputeSpec(threads=2))
    with pytest.raises(DeviceError, match=f"must be 1 with compute.profile={name}") as caught:
        check_device(ComputeSpec(profile=name, threads=2))
    (problem,) = caught.value.problems
    assert (problem.key, problem.got, problem.remedy) == ("threads", 2, ".threads=1")
    with pytest.raises(DeviceError, match="must be cpu with") as caught:
        profiles.check_profile(ComputeSpec(profile=name, device="cuda", threads=2))
    assert [problem.key for problem in caught.value.problems] == ["threads", "device"]


@pytest.mark.parametrize("name", HELD)
@pytest.mark.parametrize(
    ("owner", "attribute", "answer", "lacking"),
    [
        (platform, "machine", "aarch64", "aarch64 here"),
        (torch.cpu, "_is_avx2_supported", False, "no AVX2 here"),
        (torch.backends.mkl, "is_available", False, "no MKL here"),
    ],
)
def test_a_machine_that_cannot_keep_the_promise_is_told(
    monkeypatch, name, owner, attribute, answer, lacking
):
    monkeypatch.setattr(owner, attribute, lambda: answer)
    check_device(ComputeSpec())
    with pytest.raises(DeviceError, match=lacking) as caught:
        check_device(ComputeSpec(profile=name))
    (problem,) = caught.value.problems
    assert (problem.key, problem.got) == ("profile", name)
    assert problem.remedy == ".profile=native"
