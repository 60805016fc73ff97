"""Numeric profiles: which code the libraries below torch may choose, and what they did choose.

``native`` leaves every library to its own best. ``strict`` takes out what makes a matrix product
depend on where in memory it lies: MKL in its reproducible mode, oneDNN off. ``portable`` holds
every library to code that all x86 processors with AVX2 have, for equal bits on different machines.

The libraries read their variables once, when they are loaded or first used, so a process has to be
started with them. What MKL makes of its variable is not what one might think: on processors that
are not Intel's it knows the modes AUTO and COMPATIBLE alone and silently takes AUTO for any other.
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

import torch

from lrbench.errors import DeviceError, Problem
from lrbench.spec.run import ComputeSpec

NUMERIC: Final = (
    "ATEN_CPU_CAPABILITY",
    "DNNL_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_ENABLE_INSTRUCTIONS",
    "NVIDIA_TF32_OVERRIDE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
)
"""Every variable that is known to decide bits, whoever sets it: those a run had, its replay has."""

MKL_MODES: Final = {
    1: "off",
    2: "AUTO",
    3: "COMPATIBLE",
    4: "SSE2",
    5: "SSE3",
    6: "SSSE3",
    7: "SSE4_1",
    8: "SSE4_2",
    9: "AVX",
    10: "AVX2",
    11: "AVX512_MIC",
    12: "AVX512",
    13: "AVX512_MIC_E1",
    14: "AVX512_E1",
}
"""MKL's named constants for conditional numerical reproducibility (oneMKL developer reference)."""

UNKNOWN: Final = "unknown"
"""Stands for what a build of torch has no way to tell."""

_ALL: Final = -1
_STRICT: Final = 0x10000


def are_in_force(variables: Mapping[str, str]) -> bool:
    """Whether this process was started with all of them."""
    return variables.items() <= started_with().items()


@lru_cache(maxsize=1)
def started_with() -> Mapping[str, str]:
    """The environment this process was started with; what was set since does not count."""
    try:
        words = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:  # no Linux; the next best is what stands there at the first look
        return dict(os.environ)
    pairs = (os.fsdecode(word).partition("=") for word in words if word)
    return {name: value for name, _, value in pairs}


def mkl_mode() -> str:
    """The reproducibility mode MKL is in, asked of MKL itself, :data:`UNKNOWN` if it cannot be.

    ``off`` is MKL as it comes; ``,STRICT`` is appended where that flag is set.
    """
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        ask = library.mkl_serv_cbwr_get
    except (OSError, AttributeError):
        return UNKNOWN
    ask.argtypes, ask.restype = [ctypes.c_int], ctypes.c_int
    answer = int(ask(_ALL))
    mode = MKL_MODES.get(answer & ~_STRICT, UNKNOWN)
    return f"{mode},STRICT" if answer & _STRICT and mode != UNKNOWN else mode


def check_profile(compute: ComputeSpec) -> None:
    """Refuse a profile whose promise this machine, or the other settings, cannot keep.

    Raises
    ------
    DeviceError
        The keys are those of the ``compute`` group.
    """
    name = compute.profile
    if name == "native":
        return
    problems = []
    if missing := lacking():
        relation = f"needs an x86 processor with AVX2 and a torch built with MKL ({missing} here)"
        problems.append(Problem(relation, "profile", name, remedy=".profile=native"))
    if compute.threads != 1:
        relation = f"must be 1 with compute.profile={name}: more threads, other bits"
        problems.append(Problem(relation, "threads", compute.threads, remedy=".threads=1"))
    if compute.device != "cpu":
        relation = f"must be cpu with compute.profile={name}, which holds the CPU's libraries"
        problems.append(Problem(relation, "device", compute.device, remedy="compute=cpu"))
    if problems:
        raise DeviceError(problems)


def lacking() -> str:
    """What this machine or torch has not got for strict and portable; empty if all is there."""
    machine = platform.machine()
    if machine.lower() not in ("x86_64", "amd64"):
        return machine
    if not torch.cpu._is_avx2_supported():
        return "no AVX2"
    return "" if torch.backends.mkl.is_available() else "no MKL"
