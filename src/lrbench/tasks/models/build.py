"""From a name or an import path, and settings, to a model with its first weights."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from lrbench.errors import ConfigError, Problem, nearest
from lrbench.streams import Streams
from lrbench.tasks.base import DataInfo
from lrbench.tasks.models.catalog import MODELS
from lrbench.tasks.models.init import initialise

_RANDOM = (nn.RReLU, nn.FractionalMaxPool2d, nn.FractionalMaxPool3d)


def build_model(
    name: str,
    params: Mapping[str, Any],
    info: DataInfo,
    streams: Streams,
    target: Callable[..., object] | None = None,
) -> nn.Module:
    """A model on the CPU, in training mode, its weights decided by ``streams`` alone.

    Parameters
    ----------
    name : str
        A key of :data:`~lrbench.tasks.models.catalog.MODELS`; with ``target``, what messages call
        the model.
    params : mapping
        Settings, already checked against the builder's annotations.
    info : DataInfo
    streams : Streams
    target : callable, optional
        A user's class or function. It gets ``params`` and, where its signature names them,
        ``input_shape``, ``num_outputs`` and ``vocab_size``. It keeps its own first weights, made
        while torch's generator stands at ``streams("init", "model")``; numbers that it draws from
        elsewhere (numpy, random) are its own affair.

    Returns
    -------
    Module

    Raises
    ------
    ConfigError
        The name is unknown, a setting is unknown or missing, the model does not fit the data, or
        what ``target`` returned is not a module with something to train. Keys are those of
        ``params``, or none; ``error.under("model")`` gives them their place.
    """
    if target is not None:
        return _build_foreign(name, target, params, info, streams)
    if name not in MODELS:
        near = nearest(name, MODELS)
        relation = f"must be one of {', '.join(MODELS)}"
        raise ConfigError(relation, key="name", got=name, remedy=f"model={near}" if near else None)
    builder = partial(MODELS[name].builder, info)
    _check_names(name, builder, params)
    # Torch draws weights of its own on construction; they are replaced, and nobody sees it draw.
    with _torch_generator_at(0):
        model = builder(**params)
    initialise(model, streams)
    return model


def normalises_over_batch(model: nn.Module) -> bool:
    """Whether it holds a batch norm, which a batch of one sample leaves without a variance."""
    return any(isinstance(module, _BatchNorm) for module in model.modules())


def draws_randomness(model: nn.Module) -> bool:
    """Whether a forward pass in training may draw from torch's generator.

    True for dropout with p > 0 and torch's few other random modules, and for any class from outside
    torch and lrbench, whose ``forward`` cannot be known: taking care in vain costs a few
    microseconds a step, and a draw overlooked would cost the replay.
    """
    return any(_may_draw(module) for module in model.modules())


def _may_draw(module: nn.Module) -> bool:
    if type(module).__module__.partition(".")[0] not in {"torch", "lrbench"}:
        return True
    if isinstance(module, _DropoutNd):
        return module.p > 0
    # Recurrent and attention modules of torch keep their rate in an attribute.
    rate = getattr(module, "dropout", 0.0)
    return isinstance(module, _RANDOM) or (isinstance(rate, int | float) and rate > 0)


def _build_foreign(
    name: str,
    target: Callable[..., object],
    params: Mapping[str, Any],
    info: DataInfo,
    streams: Streams,
) -> nn.Module:
    facts = {
        "input_shape": info.input_shape,
        "num_outputs": info.num_outputs,
        "vocab_size": info.vocab_size,
    }
    settings = {key: facts[key] for key in _named(target) if key in facts} | dict(params)
    _check_names(name, target, settings)
    with _torch_generator_at(streams("init", "model").torch_seed):
        try:
            model = target(**settings)
        except TypeError as error:
            raise ConfigError(f"{name} refuses its settings: {error}", got=settings) from error
    if not isinstance(model, nn.Module):
        raise ConfigError(f"{name} must be a torch.nn.Module", got=type(model).__name__)
    if not any(p.requires_grad and p.is_floating_point() for p in model.parameters()):
        raise ConfigError(f"{name} must have a trainable parameter of a floating type")
    return model


def _named(builder: Callable[..., object]) -> dict[str, inspect.Parameter]:
    """The parameters of ``builder`` that can be given by name."""
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(builder).parameters
    return {name: p for name, p in parameters.items() if p.kind in by_name}


def _check_names(name: str, builder: Callable[..., object], settings: Mapping[str, Any]) -> None:
    """Refuse settings the builder does not have, and name those it needs, all at once."""
    named = _named(builder)
    problems = [
        Problem(f"is required by {name}", key, remedy=f".{key}=…")
        for key, parameter in named.items()
        if parameter.default is inspect.Parameter.empty and key not in settings
    ]
    parameters = inspect.signature(builder).parameters.values()
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        problems += [_unknown(name, key, named) for key in settings if key not in named]
    if problems:
        raise ConfigError(problems)


def _unknown(name: str, key: str, named: Iterable[str]) -> Problem:
    near = nearest(key, named)
    relation = f"is not a setting of {name}; it has {', '.join(named) or 'none'}"
    return Problem(relation, key, remedy=f".{near}=…" if near else None)


@contextmanager
def _torch_generator_at(seed: int) -> Iterator[None]:
    """Torch's CPU generator stands at ``seed`` inside, and where it was before outside."""
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would reseed the accelerators too, and they are not forked.
        torch.default_generator.manual_seed(seed)
        yield
