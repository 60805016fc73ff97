"""A model as a function of its weights and buffers, and what of it cannot be one."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lrbench.engine.lanes.masks import MaskPlan, in_order, plan_masks, replace_dropout
from lrbench.engine.undisturbed import USUAL
from lrbench.errors import ConfigError


@dataclass(frozen=True)
class Template:
    """A copy of the model of a plan; the numbers in it are never used.

    Parameters
    ----------
    model : nn.Module
        In training mode, its dropout replaced.
    masks : MaskPlan
    changing : tuple of str
        Buffers that a pass changes, as the running statistics of a batch norm.
    """

    model: nn.Module
    masks: MaskPlan
    changing: tuple[str, ...]


def template_of(model: nn.Module, inputs: Tensor) -> Template:
    """The template of a model, from one forward pass of a copy.

    Parameters
    ----------
    model : nn.Module
        In training mode; nothing of it changes.
    inputs : Tensor of shape (batch, …)
        Samples of the run.

    Raises
    ------
    ConfigError
        It draws random numbers of its own, or keeps something that changes besides buffers.
    """
    try:
        twin = copy.deepcopy(model)
    except Exception as error:
        raise refused(f"cannot be copied ({_first_line(error)})") from error
    twin.train(model.training)
    for path, module in twin.named_modules():
        if type(module).get_extra_state is not nn.Module.get_extra_state:
            raise refused(f"keeps a state of its own in {path or 'the model'}")
    paths = replace_dropout(twin)
    before = {name: buffer.clone() for name, buffer in twin.named_buffers()}
    beside = attributes(twin)
    card = inputs.device
    with torch.random.fork_rng(devices=[card] if card.type == "cuda" else []), torch.no_grad():
        torch.manual_seed(0)
        drawn_before = _generators(card)
        with in_order(twin, paths) as order:
            twin(inputs.clone())
        if any(not torch.equal(a, b) for a, b in zip(drawn_before, _generators(card), strict=True)):
            raise refused("draws random numbers of its own")
    if changed := [name for name, value in attributes(twin).items() if value != beside.get(name)]:
        raise refused(f"keeps {changed[0]}, which a pass changes, as a plain attribute")
    changing = tuple(
        name for name, buffer in twin.named_buffers() if not _equal(buffer, before[name])
    )
    return Template(twin, plan_masks(twin, paths, order), changing)


def refused(what: str) -> ConfigError:
    """A model that this engine does not train."""
    return ConfigError(
        f"{what}; compute.engine=lanes trains many runs as one program, which that does not allow",
        key="model",
        remedy="compute.engine=loop",
    )


def _generators(device: torch.device) -> list[Tensor]:
    states = [torch.random.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


def attributes(model: nn.Module) -> dict[str, Any]:
    """What modules keep as plain attributes, which a template has for all lanes alike.

    By its bytes where it is no number or text; what has none (a function made on the spot) is left
    out.
    """
    found: dict[str, Any] = {}
    for path, module in model.named_modules():
        for key, value in vars(module).items():
            if key in USUAL or key in ("calls", "masks", "shapes"):
                continue
            name = f"{path}.{key}".lstrip(".")
            if isinstance(value, bool | int | float | str | None):
                # By its text: a nan is not equal to itself.
                found[name] = repr(value)
            elif isinstance(value, Tensor):
                whole = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
                found[name] = (str(value.dtype), tuple(value.shape), whole.numpy().tobytes())
            else:
                with suppress(Exception):
                    found[name] = pickle.dumps(value)
    return found


def refuse_unlike(models: Sequence[nn.Module]) -> None:
    """Refuse models that differ in more than parameters and buffers.

    Raises
    ------
    ConfigError
        An attribute of one of them is not as that of the first.
    """
    first = attributes(models[0])
    for model in models[1:]:
        now = attributes(model)
        for name in first.keys() | now.keys():
            if first.get(name) != now.get(name):
                raise refused(
                    f"keeps {name} as a plain attribute, and each run has another one "
                    "(register_buffer makes it a run's own)"
                )


def _equal(one: Tensor, other: Tensor) -> bool:
    return torch.equal(one, other) or bool(
        one.is_floating_point() and torch.allclose(one, other, 0, 0, equal_nan=True)
    )


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__
