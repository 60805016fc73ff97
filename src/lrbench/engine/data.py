"""Prepared data as tensors on the device of a run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from lrbench.tasks.base import Prepared, Split


@dataclass(frozen=True)
class DeviceData:
    """Training and validation samples; the test part never comes here."""

    inputs: Tensor
    targets: Tensor
    val_inputs: Tensor
    val_targets: Tensor


def on_device(data: Prepared, device: torch.device, dtype: torch.dtype) -> DeviceData:
    """The tensors of ``data``; those used last are kept, so runs in one process share them."""
    return _on_device(_ByDigest(data), device, dtype)


class _ByDigest:
    """Prepared data, hashable and equal by its digest."""

    def __init__(self, data: Prepared) -> None:
        self.data = data

    def __hash__(self) -> int:
        return hash(self.data.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByDigest) and other.data.digest == self.data.digest


@lru_cache(maxsize=2)
def _on_device(key: _ByDigest, device: torch.device, dtype: torch.dtype) -> DeviceData:
    return DeviceData(
        *_tensors(key.data.train, device, dtype), *_tensors(key.data.val, device, dtype)
    )


def _tensors(split: Split, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    def tensor(array: object) -> Tensor:
        whole = torch.as_tensor(array)
        whole = whole.to(device, dtype if whole.is_floating_point() else whole.dtype)
        return whole.contiguous()  # in whatever order somebody's builder has left it

    return tensor(split.inputs), tensor(split.targets)
