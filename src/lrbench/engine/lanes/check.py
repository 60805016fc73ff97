"""Whether a run can be a lane, tried out before anything is trained."""

from __future__ import annotations

import torch
from torch import nn

from lrbench.engine.lanes.program import gradient_of, run_eagerly
from lrbench.engine.lanes.stack import Stack
from lrbench.engine.lanes.template import refuse_unlike, template_of
from lrbench.tasks.base import Prepared

LANES = 2
"""Enough for what differs between one model and many."""


def check_lanes(
    model: nn.Module,
    data: Prepared,
    batch_size: int,
    other: nn.Module | None = None,
) -> None:
    """Refuse a model that the lanes engine cannot train.

    One gradient of two copies is taken, uncompiled.

    Parameters
    ----------
    model : nn.Module
        Untrained; nothing of it changes.
    data : Prepared
    batch_size : int
    other : nn.Module, optional
        The same model of another seed.

    Raises
    ------
    ConfigError
        The model draws random numbers of its own, keeps what changes, or what each seed has
        another one of, as a plain attribute, or cannot be vectorised.
    """
    if other is not None:
        refuse_unlike([model, other])
    inputs = torch.as_tensor(data.train.inputs[:batch_size])
    targets = torch.as_tensor(data.train.targets[:batch_size])
    was_training = model.training
    model.train()
    template = template_of(model, inputs)
    models = [template_of(model, inputs).model for _ in range(LANES)]
    model.train(was_training)
    stack = Stack(models)
    masks = {
        name: torch.stack([mask] * LANES)
        for name, mask in zip(template.masks.names, template.masks.draw(stack.weight), strict=True)
    }
    others = {name: tensor for name, tensor in stack.others.items() if name not in masks}
    indices = torch.arange(len(inputs)).repeat(LANES, 1)
    gradient = gradient_of(template, data.info.kind)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        run_eagerly(
            gradient,
            (stack.shaped(stack.parts(stack.weight)), others, masks, inputs, targets, indices),
        )
