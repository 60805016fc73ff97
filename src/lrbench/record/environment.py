"""Where and with what a run is made: the part of the manifest that does not come from torch."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
import subprocess
import sys
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import lrbench

VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "DNNL_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_DYNAMIC",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_NUM_THREADS",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_DYNAMIC",
    "OMP_NUM_THREADS",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "PYTHONHASHSEED",
    "PYTORCH_CUDA_ALLOC_CONF",
)
"""The only environment variables that are recorded; others may hold secrets."""

DIFF_LIMIT = 256 * 2**10


@lru_cache(maxsize=1)
def environment() -> dict[str, Any]:
    """Versions, machine and code; gathered once a process."""
    packages = {
        dist.metadata["Name"].lower(): dist.version
        for dist in metadata.distributions()
        if dist.metadata["Name"]
    }
    return {
        "lrbench": {"version": lrbench.__version__, "source_sha256": _source_digest()},
        "python": sys.version.split()[0],
        "implementation": platform.python_implementation(),
        "packages": dict(sorted(packages.items())),
        "os": platform.platform(),
        "libc": " ".join(platform.libc_ver()),
        "cpu": _cpu(),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "git": _git(Path.cwd()),
    }


def attempt_facts() -> dict[str, Any]:
    """What is true of this process only, and outside every promise."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "executable": sys.executable,
        "cwd": str(Path.cwd()),
    }


def _source_digest() -> str:
    whole = hashlib.sha256()
    root = Path(lrbench.__file__).parent
    for path in sorted(root.rglob("*.py")):
        whole.update(f"{path.relative_to(root)}\0".encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()


def _cpu() -> dict[str, Any]:
    facts: dict[str, Any] = {"machine": platform.machine(), "logical_cores": os.cpu_count()}
    if hasattr(os, "sched_getaffinity"):
        facts["usable_cores"] = len(os.sched_getaffinity(0))
    try:
        with Path("/proc/cpuinfo").open() as lines:
            for line in lines:
                name, _, value = line.partition(":")
                if name.strip() in ("model name", "cpu family", "model", "stepping"):
                    facts.setdefault(name.strip().replace(" ", "_"), value.strip())
    except OSError:
        facts["model_name"] = platform.processor()
    return facts


def _git(folder: Path) -> dict[str, Any] | None:
    """Commit and uncommitted changes of the checkout the command was typed in, if it is one."""
    try:
        commit = _ask_git(folder, "rev-parse", "HEAD").strip()
        status = _ask_git(folder, "status", "--porcelain", "--untracked-files=normal")
        diff = _ask_git(folder, "diff", "HEAD")
        branch = _ask_git(folder, "rev-parse", "--abbrev-ref", "HEAD").strip()
    except (OSError, subprocess.SubprocessError):
        return None
    facts: dict[str, Any] = {"commit": commit, "branch": branch, "dirty": bool(status.strip())}
    if diff:
        facts["diff_sha256"] = hashlib.sha256(diff.encode()).hexdigest()
        facts["diff"] = diff if len(diff) <= DIFF_LIMIT else None
    untracked = [line[3:] for line in status.splitlines() if line.startswith("??")]
    if untracked:
        facts["untracked"] = untracked[:100]
    return facts


def _ask_git(folder: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), *words],
        capture_output=True,
        check=True,
        timeout=10,
        text=True,
        errors="replace",
    ).stdout
