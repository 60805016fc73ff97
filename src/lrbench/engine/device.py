"""The device and its numeric switches: set before training, and recorded as they really are."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lrbench import __version__
from lrbench.engine.compiler import check_compiler, compiler_version
from lrbench.engine.profiles import NUMERIC, check_profile, mkl_mode, started_with
from lrbench.engine.surroundings import FORMAT
from lrbench.errors import DeviceError
from lrbench.record.environment import environment
from lrbench.spec.canonical import digest
from lrbench.spec.profiles import variables_of
from lrbench.spec.run import ComputeSpec

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bf16": torch.float32}
"""Type of the weights. ``bf16`` is autocast: weights and updates stay float32."""


@dataclass(frozen=True)
class Switch:
    """One determinism flag: what was asked for and what is in force, read back."""

    asked: Any
    effective: Any

    @property
    def took_effect(self) -> bool:
        """Whether both are the same."""
        return bool(self.asked == self.effective)


def check_device(compute: ComputeSpec) -> None:
    """Refuse a device, precision or profile that this machine has not.

    Raises
    ------
    DeviceError
        With what there is instead. The keys are those of the ``compute`` group.
    """
    if compute.device.startswith("cuda"):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        index = int(compute.device.partition(":")[2] or 0)
        if index >= count:
            there = ", ".join(["cpu", *(f"cuda:{i}" for i in range(count))])
            relation = f"must be a device of this machine ({there})"
            raise DeviceError(relation, key="device", got=compute.device, remedy="compute=cpu")
    cores = os.cpu_count() or 1
    if compute.threads > cores:
        relation = f"must not exceed the {cores} cores of this machine"
        raise DeviceError(relation, key="threads", got=compute.threads)
    check_profile(compute)
    if _is_compiled(compute):
        check_compiler()


def configure(compute: ComputeSpec) -> dict[str, Switch]:
    """Set threads and every switch that decides bits; process-wide, as torch has them.

    Returns
    -------
    dict
        Each switch by name, with what is in force afterwards.
    """
    torch.set_num_threads(compute.threads)
    wanted = compute.deterministic
    if wanted:
        # cuBLAS reads it at its first call; set later it has no effect.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Not use_deterministic_algorithms, which imports inductor (a second) to tell it the same.
    torch.set_deterministic_debug_mode("error" if wanted else "default")
    # Filling every empty tensor with NaN finds reads of uninitialised memory in torch itself, and
    # costs time at each step; no kernel lrbench calls reads such memory.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.deterministic = wanted
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_flush_denormal(False)
    # Set on every run: the one before it in this process may have had another profile.
    uses_onednn = compute.profile != "strict"
    torch.backends.mkldnn.enabled = uses_onednn  # type: ignore[assignment]
    return {
        "threads": Switch(compute.threads, torch.get_num_threads()),
        "deterministic_algorithms": Switch(wanted, torch.are_deterministic_algorithms_enabled()),
        "cudnn_deterministic": Switch(wanted, torch.backends.cudnn.deterministic),
        "cudnn_benchmark": Switch(False, torch.backends.cudnn.benchmark),
        "cudnn_allow_tf32": Switch(False, torch.backends.cudnn.allow_tf32),
        "matmul_allow_tf32": Switch(False, torch.backends.cuda.matmul.allow_tf32),
        **_of_cuda(compute),
        "onednn": Switch(uses_onednn, torch.backends.mkldnn.enabled),
        **_libraries(compute),
    }


def _is_compiled(compute: ComputeSpec) -> bool:
    return compute.engine == "lanes" and compute.compile


def _of_compiling() -> dict[str, Any]:
    return {"compiler": compiler_version(), "programs": FORMAT}


def _libraries(compute: ComputeSpec) -> dict[str, Switch]:
    """What the profile asks of the libraries by variables, and what they answer.

    oneDNN, as torch builds it, has no getter: of it no more is known than that the process was
    started with the variable, which oneDNN reads at its first use.
    """
    answers: dict[str, Callable[[], str | None]] = {
        "ATEN_CPU_CAPABILITY": lambda: torch.backends.cpu.get_cpu_capability().lower(),
        "MKL_CBWR": mkl_mode,
        "ONEDNN_MAX_CPU_ISA": lambda: started_with().get("ONEDNN_MAX_CPU_ISA"),
    }
    asked = variables_of(compute)
    return {name.lower(): Switch(value, answers[name]()) for name, value in asked.items()}


def _of_cuda(compute: ComputeSpec) -> dict[str, Switch]:
    """What only CUDA's libraries read; on a CPU it decides nothing."""
    if not compute.device.startswith("cuda"):
        return {}
    asked = _asked_of_cublas(compute.deterministic)
    return {"cublas_workspace_config": Switch(asked, _cublas_workspace())}


def _cublas_workspace() -> str | None:
    return os.environ.get("CUBLAS_WORKSPACE_CONFIG")


def _asked_of_cublas(wanted: bool) -> str | None:
    """Either of the two workspaces that NVIDIA calls deterministic will do."""
    there = _cublas_workspace()
    return there if not wanted or there in (":4096:8", ":16:8") else ":4096:8"


def _processor() -> str | None:
    return environment()["cpu"].get("model_name")  # type: ignore[no-any-return]


def profile(compute: ComputeSpec, switches: dict[str, Switch]) -> dict[str, Any]:
    """Everything besides the specification that decides bits, with one digest over it all."""
    facts: dict[str, Any] = {
        "lrbench": __version__,
        "machine": platform.machine(),
        # Libraries choose their code by the processor; portable is there to stop them.
        "cpu": None if compute.profile == "portable" else _processor(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "torch_git": torch.version.git_version,
        "torch_build": digest(torch.__config__.show()),
        "numpy": np.__version__,
        "mkl": torch.backends.mkl.is_available(),
        "mkldnn": torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled,
        "mkl_mode": mkl_mode(),
        **{name.lower(): os.environ.get(name) for name in NUMERIC},
        "default_dtype": str(torch.get_default_dtype()),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "engine": compute.engine,
        **(_of_compiling() if _is_compiled(compute) else {}),
        "switches": {
            name: {"asked": s.asked, "effective": s.effective, "took_effect": s.took_effect}
            for name, s in switches.items()
        },
    }
    if compute.device.startswith("cuda"):
        card = torch.cuda.get_device_properties(torch.device(compute.device))
        facts["gpu"] = {
            "name": card.name,
            "capability": f"{card.major}.{card.minor}",
            "multiprocessors": card.multi_processor_count,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    return {**facts, "digest": digest(facts)}
