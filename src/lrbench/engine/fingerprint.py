"""Digests of tensors: bytes, with name, type and shape, so that equal means equal bits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from torch import Tensor, nn


def tensor_digests(model: nn.Module) -> dict[str, str]:
    """sha256 of every parameter and buffer of ``model``, by name."""
    return {name: _digest(name, tensor) for name, tensor in model.state_dict().items()}


def whole_digest(digests: Mapping[str, str]) -> str:
    """sha256 over all of them, in the order of their names."""
    return hashlib.sha256("\n".join(digests[name] for name in sorted(digests)).encode()).hexdigest()


def _digest(name: str, tensor: Tensor) -> str:
    array = tensor.detach().cpu().contiguous().numpy()
    head = f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode()
    return hashlib.sha256(head + array.tobytes()).hexdigest()
