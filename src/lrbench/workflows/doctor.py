"""What this machine is, and which promises can be kept on it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import lrbench
from lrbench.config.home import packaged_folder
from lrbench.engine.device import configure
from lrbench.engine.profiles import check_profile
from lrbench.errors import ConfigError, DeviceError
from lrbench.record.environment import environment
from lrbench.spec.profiles import VARIABLES
from lrbench.spec.run import ComputeSpec
from lrbench.tasks.data.home import cache_home
from lrbench.workflows.results import check_results

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "hydra-core",
    "omegaconf",
    "pydantic",
    "typer",
    "rich",
)


@dataclass(frozen=True)
class Finding:
    """One line of the examination; ``is_good`` is None for a plain fact."""

    topic: str
    name: str
    value: Any
    is_good: bool | None = None


def examine(results: Path) -> list[Finding]:
    """Versions, device, threads, determinism switches, disk and folders."""
    found = [
        Finding("versions", "lrbench", lrbench.__version__),
        Finding("versions", "python", environment()["python"]),
    ]
    packages = environment()["packages"]
    found += [Finding("versions", name, packages.get(name, "missing")) for name in PACKAGES]
    found += _devices()
    for name, switch in configure(ComputeSpec()).items():
        found.append(Finding("determinism", name, switch.effective, switch.took_effect))
    return found + _profiles() + _folders(results)


def _devices() -> list[Finding]:
    cpu = environment()["cpu"]
    found = [
        Finding("device", "cpu", cpu.get("model_name", cpu["machine"])),
        Finding("device", "cpu capability", torch.backends.cpu.get_cpu_capability()),
        Finding("device", "cores", cpu.get("usable_cores", os.cpu_count())),
        Finding("device", "threads a run", ComputeSpec().threads),
    ]
    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    found += [
        Finding("device", f"cuda:{index}", torch.cuda.get_device_name(index))
        for index in range(cards)
    ]
    if not cards:
        found.append(Finding("device", "cuda", "none on this machine"))
    return found


def _profiles() -> list[Finding]:
    """The values of ``compute.profile``: the variables of each, or why it cannot be had here."""
    found = []
    for name, variables in VARIABLES.items():
        try:
            check_profile(ComputeSpec(profile=name))
            value = ", ".join(f"{key}={held}" for key, held in variables.items()) or "nothing held"
        except DeviceError as error:
            value = f"not here: {error.problems[0].relation}"
        found.append(Finding("profiles", name, value))
    return found


def _folders(results: Path) -> list[Finding]:
    existing = results if results.exists() else results.absolute().parent
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free / 2**30
    try:
        check_results(results)
        writable, why = True, str(results)
    except ConfigError as error:
        writable, why = False, str(error.problems[0].relation)
    return [
        Finding("folders", "results", why, writable),
        Finding("folders", "free disk", f"{free:.1f} GiB", free > 1.0),
        Finding("folders", "data cache", str(cache_home())),
        Finding("folders", "configuration", str(packaged_folder())),
    ]
