"""Numeric profiles as environment variables that a process has to be started with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lrbench.spec.run import ComputeSpec, Profile

VARIABLES: Final[Mapping[Profile, Mapping[str, str]]] = {
    "native": {},
    "strict": {"MKL_CBWR": "AUTO"},
    "portable": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_CBWR": "COMPATIBLE",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    },
}
"""By profile: torch's own kernels, MKL's, oneDNN's."""


def variables_of(compute: ComputeSpec) -> dict[str, str]:
    """The environment variables a process must be started with to run this."""
    return dict(VARIABLES[compute.profile])
