"""The compiler behind ``compute.compile``: whether it is there, what it is, where its work is kept.

Programs are compiled by torch's inductor, for a CPU by way of a C++ compiler. What it has compiled
is kept on disk, so that another process needs a second or two for it instead of ten.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from functools import lru_cache

import torch
import torch._dynamo.config
import torch._inductor.config

from lrbench.errors import DeviceError
from lrbench.tasks.data.home import cache_home

MOST_PROGRAMS = 100_000
"""Of one process; no limit, that is."""

NAMES = ("g++", "clang++")
"""Looked for in this order where ``CXX`` names none."""


def compiler() -> str | None:
    """Path of the C++ compiler, or None."""
    own = os.environ.get("CXX")
    return next((path for name in ([own] if own else NAMES) if (path := shutil.which(name))), None)


def check_compiler() -> None:
    """Refuse to compile where there is nothing to do it with.

    Raises
    ------
    DeviceError
        The key is that of the ``compute`` group.
    """
    if compiler() is None:
        wanted = os.environ.get("CXX") or " or ".join(NAMES)
        relation = f"needs a C++ compiler ({wanted} is not on the path)"
        raise DeviceError(relation, key="compile", got=True, remedy="compute.compile=false")


@lru_cache(maxsize=1)
def compiler_version() -> str:
    """What the compiler calls itself: its work decides bits."""
    path = compiler()
    with suppress(OSError, subprocess.SubprocessError):
        asked = [path or "", "--version"]
        said = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True).stdout
        return said.partition("\n")[0].strip()
    return "unknown"


def prepare_compiler() -> None:
    """Compile in this process, and keep the work among what can be made again."""
    with suppress(RuntimeError):  # no home folder: torch keeps it where it would
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_home() / "compiled"))
    # Helpers of their own would outlive a worker that is killed.
    torch._inductor.config.compile_threads = 1
    # A worker trains plans of many kinds, and dynamo counts the programs of one function together.
    torch._dynamo.config.recompile_limit = MOST_PROGRAMS
    torch._dynamo.config.accumulated_recompile_limit = MOST_PROGRAMS
