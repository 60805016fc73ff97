"""Looking at a model without leaving a trace in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

USUAL = vars(nn.Module()).keys()


@contextmanager
def undisturbed(model: nn.Module, seed: int) -> Iterator[None]:
    """Whatever forward passes change inside is put back, bit for bit; random numbers come from
    ``seed`` inside, and outside nobody sees that any were drawn.

    Put back are every module's mode (each its own: a part of the model may stand in evaluation
    mode on purpose), buffers, and numbers, text and tensors kept as plain attributes, which may
    count passes. Weights and gradients are the caller's own care: it takes gradients by
    ``torch.autograd.grad``, which stores none.

    Parameters
    ----------
    model : nn.Module
    seed : int in [0, 2**32)
    """
    kept = [(module, *_kept(module)) for module in model.modules()]
    card = next(model.parameters()).device
    cards = [card] if card.type == "cuda" else []
    with torch.random.fork_rng(devices=cards):
        # Not torch.manual_seed, which would reseed accelerators that are not forked.
        torch.default_generator.manual_seed(seed)
        for card in cards:
            torch.cuda.default_generators[card.index or 0].manual_seed(seed)
        try:
            yield
        finally:
            for module, attributes, buffers, contents in kept:
                vars(module).update(attributes)
                module._buffers.update(buffers)
                with torch.no_grad():
                    for tensor, content in contents:
                        tensor.copy_(content)


def _kept(
    module: nn.Module,
) -> tuple[dict[str, Any], dict[str, Tensor | None], list[tuple[Tensor, Tensor]]]:
    attributes = {
        key: value
        for key, value in vars(module).items()
        if key == "training"
        or (key not in USUAL and isinstance(value, bool | int | float | str | Tensor | None))
    }
    buffers = dict(module._buffers)
    tensors = [t for t in (*attributes.values(), *buffers.values()) if isinstance(t, Tensor)]
    return attributes, buffers, [(tensor, tensor.detach().clone()) for tensor in tensors]
