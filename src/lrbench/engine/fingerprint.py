"""Digests of tensors: bytes, with name, type and shape, so that equal means equal bits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn


def tensor_digests(model: nn.Module) -> dict[str, str]:
    """sha256 of every parameter and buffer of ``model``, by name."""
    return {
        name: digest_of(name, tensor)
        for name, tensor in model.state_dict().items()
        if isinstance(tensor, Tensor)
    }


def whole_digest(digests: Mapping[str, str]) -> str:
    """sha256 over all of them, in the order of their names."""
    return hashlib.sha256("\n".join(digests[name] for name in sorted(digests)).encode()).hexdigest()


def digest_of(name: str, tensor: Tensor) -> str:
    """sha256 of a tensor that is called ``name``."""
    # As bytes, because numpy does not know every type of torch's.
    array = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    whole = hashlib.sha256(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
    whole.update(array.data)
    return whole.hexdigest()
