"""The compiler behind ``compute.compile``: whether it is there, and what it is."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from functools import lru_cache

from lrbench.errors import DeviceError

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
