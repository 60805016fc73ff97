"""What decides a compiled program besides what is compiled: the machine, torch and its switches."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from lrbench.engine.compiler import compiler_version
from lrbench.record.environment import environment
from lrbench.spec.canonical import digest

FORMAT = 3
"""Of what ``engine.compiled`` makes of a graph; another number finds no program of before."""

DECIDE_CODE = ("CXX", "CPATH", "CPLUS_INCLUDE_PATH")
"""Variables, besides inductor's own, that decide what a compiler makes."""


def surroundings() -> str:
    """Digest of everything but the graph that decides a compiled program's code."""
    changing = {
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        # Inductor lays convolutions out by it.
        "onednn": torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled,
        "variables": {
            name: value
            for name, value in sorted(os.environ.items())
            if name in DECIDE_CODE
            or (name.startswith("TORCHINDUCTOR_") and name != "TORCHINDUCTOR_CACHE_DIR")
        },
    }
    return digest([FORMAT, _machine(), changing])


@lru_cache(maxsize=1)
def _machine() -> dict[str, Any]:
    cpu = environment()["cpu"]
    flags = ""
    with suppress(OSError), Path("/proc/cpuinfo").open() as lines:
        flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return {
        # Compiled for the very processor, of which machines may hide parts.
        "cpu": {name: cpu.get(name) for name in ("model_name", "cpu_family", "model", "stepping")},
        "flags": sha256(flags.encode()).hexdigest(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "machine": [platform.machine(), *platform.libc_ver()],
        "torch": [torch.__version__, str(torch.version.git_version), torch.__config__.show()],
        "compiler": compiler_version(),
    }
