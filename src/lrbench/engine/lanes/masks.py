"""Dropout for many runs at once: each lane's mask comes from its own stream, drawn beforehand.

Inside of one vectorised program there is only one generator, and what a lane draws from it would
depend on how many lanes there are. So a model's dropout modules are replaced by ones that multiply
with a mask they are given. The masks are the very numbers that the loop engine's dropout draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from lrbench.errors import ConfigError

KNOWN: dict[type[nn.Module], Callable[..., Tensor]] = {
    nn.Dropout: F.dropout,
    nn.Dropout1d: F.dropout1d,
    nn.Dropout2d: F.dropout2d,
    nn.Dropout3d: F.dropout3d,
}
"""Dropout modules that are a product with a mask, and the function that draws it."""


class Masked(nn.Module):
    """Stands in for a dropout module; its masks are buffers, one for each call of a pass."""

    def __init__(self, dropout: _DropoutNd) -> None:
        super().__init__()
        self.draw = KNOWN[type(dropout)]
        self.p = dropout.p
        self.calls = 0
        self.masks = 0
        self.shapes: list[torch.Size] = []

    def forward(self, inputs: Tensor) -> Tensor:
        """The inputs times the mask of this call."""
        call = self.calls
        self.calls = call + 1
        if call >= self.masks:  # only while the calls of a pass are being counted
            self.shapes.append(inputs.shape)
            return inputs
        masked: Tensor = inputs * getattr(self, f"mask{call}")
        return masked


@dataclass(frozen=True)
class MaskPlan:
    """The masks of one pass through a model.

    Parameters
    ----------
    names : tuple of str
        Of the buffers that hold them, in the order in which they are drawn.
    modules : tuple of str
        Paths of the modules that replace dropout.
    draws : tuple of (callable, float, shape)
        Function, probability and shape of each.
    """

    names: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    draws: tuple[tuple[Callable[..., Tensor], float, torch.Size], ...] = ()

    def draw(self, like: Tensor) -> list[Tensor]:
        """All masks of one lane, from torch's generator as it stands."""
        return [
            function(torch.ones(shape, dtype=like.dtype, device=like.device), p, True)
            for function, p, shape in self.draws
        ]


def replace_dropout(model: nn.Module) -> list[str]:
    """Put a :class:`Masked` in the place of every dropout with p > 0; returns their paths.

    Raises
    ------
    ConfigError
        It has a dropout that is no product with a mask.
    """
    paths = []
    for path, module in list(model.named_modules()):
        if not isinstance(module, _DropoutNd) or module.p == 0:
            continue
        if type(module) not in KNOWN:
            raise ConfigError(
                f"has a {type(module).__name__} at {path}, which compute.engine=lanes cannot do "
                "for many runs at once",
                key="model",
                remedy="compute.engine=loop",
            )
        parent = model.get_submodule(path.rpartition(".")[0])
        setattr(parent, path.rpartition(".")[2], Masked(module))
        paths.append(path)
    return paths


@contextmanager
def in_order(model: nn.Module, paths: list[str]) -> Iterator[list[tuple[str, int]]]:
    """Notes which modules draw in what order, while a pass is made inside."""
    order: list[tuple[str, int]] = []
    handles = []
    for path in paths:
        module = model.get_submodule(path)
        assert isinstance(module, Masked)
        module.calls, module.masks = 0, 0
        module.shapes.clear()

        def note(this: nn.Module, inputs: object, path: str = path) -> None:
            assert isinstance(this, Masked)
            order.append((path, this.calls))

        handles.append(module.register_forward_pre_hook(note))
    try:
        yield order
    finally:
        for handle in handles:
            handle.remove()


def plan_masks(model: nn.Module, paths: list[str], order: list[tuple[str, int]]) -> MaskPlan:
    """The masks of the pass that :func:`in_order` followed; the modules are ready for them."""
    names, draws = [], []
    for path, call in order:
        module = model.get_submodule(path)
        assert isinstance(module, Masked)
        names.append(f"{path}.mask{call}")
        draws.append((module.draw, float(module.p), module.shapes[call]))
        module.register_buffer(f"mask{call}", torch.ones(()), persistent=False)
    for path in paths:
        module = model.get_submodule(path)
        assert isinstance(module, Masked)
        module.masks = len(module.shapes)
        module.calls = 0
    return MaskPlan(tuple(names), tuple(paths), tuple(draws))
