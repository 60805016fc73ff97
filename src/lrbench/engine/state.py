"""The state of a run in the middle, as bytes: all that the rest of it depends on.

Weights, buffers, and what the optimizer keeps. Random streams and the order of batches are
functions of the step, so there is nothing of them to save. Tensors go into safetensors, everything
else into JSON, exactly; nothing is ever pickled.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from lrbench.engine.base import State
from lrbench.engine.fingerprint import digest_of
from lrbench.engine.optimizers import BoundOptimizer
from lrbench.errors import RecordError, RunError

MODEL, OPTIMIZER = "model/", "optimizer/"
"""Before the name of a parameter or buffer, and before the number of what the optimizer keeps."""


def capture(
    step: int,
    model: nn.Module,
    optimizer: BoundOptimizer,
    facts: dict[str, Any],
    structure: Mapping[str, bytes],
    more: Mapping[str, Any] | None = None,
) -> State:
    """The state after ``step`` updates.

    Parameters
    ----------
    facts : dict
        What else the engine wants back; JSON.
    structure : mapping
        :func:`structure_of` the model and optimizer as they were built.
    more : mapping, optional
        What else there is, tensors in it too; :func:`more_of` gives it back exactly.

    Raises
    ------
    RunError
        The optimizer or model keeps something that would not come back as it is: no tensor, number
        or text; a tensor that shares its memory with another; what it was built of and changed.
    """
    _refuse_changed(structure, structure_of(model, optimizer))
    tensors = {f"{MODEL}{name}": tensor for name, tensor in _parts(model)}
    kept = _Keeper(tensors, OPTIMIZER).pack(_of_optimizer(optimizer))
    keeper = _Keeper(tensors)
    extra = keeper.pack(_extra_state(model))
    beside = keeper.pack(_beside(model))
    others = {} if more is None else {"more": keeper.pack(dict(more))}
    _refuse_shared(tensors, optimizer)
    # Copies, because the model's parameters share one storage, which safetensors refuses.
    try:
        body = save_tensors(
            {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
        )
    except (SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise _unsaved(f"a tensor of another kind ({error})") from error
    parts = {"optimizer": kept, "extra": extra, "beside": beside, **others}
    return State(step, {**facts, **parts}, body)


def more_of(state: State) -> dict[str, Any]:
    """What :func:`capture` was given as ``more``; tensors are where they were.

    Raises
    ------
    RecordError
        There is nothing of that in it, or it is damaged.
    """
    try:
        more = _Keeper(load_tensors(state.body)).unpack(state.facts["more"])
    except (SafetensorError, LookupError, TypeError, ValueError, AttributeError) as error:
        relation = f"must hold what is known of the cycles of this run ({error})"
        raise RecordError(relation, key="checkpoint") from error
    assert isinstance(more, dict)
    return more


def digests_in(state: State) -> dict[str, str]:
    """sha256 of each parameter and buffer in ``state``, as :func:`tensor_digests` of its model.

    Raises
    ------
    RecordError
        It is damaged.
    """
    with _naming("a model"):
        return {
            name.removeprefix(MODEL): digest_of(name.removeprefix(MODEL), tensor)
            for name, tensor in load_tensors(state.body).items()
            if name.startswith(MODEL)
        }


def restore(state: State, model: nn.Module, optimizer: BoundOptimizer) -> None:
    """Put a model and its optimizer, both as they are built, into ``state``.

    Raises
    ------
    RecordError
        It is the state of another model or optimizer.
    """
    with _naming("this model and optimizer"):
        keeper = _into_model(state, model)
        _into_optimizer(optimizer, keeper.unpack(state.facts["optimizer"]))


def restore_model(state: State, model: nn.Module) -> None:
    """Put only the model into ``state``, in the mode it is in.

    Raises
    ------
    RecordError
        It is the state of another model.
    """
    is_training = model.training
    with _naming("this model"):
        _into_model(state, model)
    model.train(is_training)


@contextmanager
def _naming(what: str) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, LookupError, TypeError, ValueError, AttributeError) as error:
        relation = f"must hold the state of {what} ({error})"
        raise RecordError(relation, key="checkpoint") from error


def _into_model(state: State, model: nn.Module) -> _Keeper:
    tensors = load_tensors(state.body)
    with torch.no_grad():
        for name, tensor in _parts(model):
            _same(name, tensor, tensors[f"{MODEL}{name}"])
            tensor.copy_(tensors[f"{MODEL}{name}"])
    keeper = _Keeper(tensors)
    for name, extra in keeper.unpack(state.facts["extra"]).items():
        model.get_submodule(name).set_extra_state(extra)
    for name, values in keeper.unpack(state.facts["beside"]).items():
        attributes = vars(model.get_submodule(name))
        attributes |= {key: _beside_it(attributes.get(key), v) for key, v in values.items()}
    return keeper


def _parts(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    # Buffers that a state_dict leaves out may change in training all the same.
    yield from model.named_parameters()
    yield from model.named_buffers()


def _same(name: str, tensor: Tensor, saved: Tensor) -> None:
    if (tensor.shape, tensor.dtype) != (saved.shape, saved.dtype):
        raise ValueError(f"{name} is {tuple(tensor.shape)} here and {tuple(saved.shape)} there")


def _extra_state(model: nn.Module) -> dict[str, Any]:
    """What modules keep besides tensors and say so, by the module's name."""
    return {
        name: module.get_extra_state()
        for name, module in model.named_modules()
        if type(module).get_extra_state is not nn.Module.get_extra_state
    }


def structure_of(model: nn.Module, optimizer: BoundOptimizer) -> dict[str, bytes]:
    """What a model and an optimizer are built of besides tensors, numbers and text, by its place.

    Only to see whether training changes it: lists and the like cannot be told from what a model
    merely was told. What cannot be pickled (a function made on the spot) is left out; nothing is
    ever unpickled. It is also which parameters are trained, and the optimizer's defaults.
    """
    usual = vars(nn.Module()).keys()
    found: dict[str, Any] = {
        f"{name}.{key}": value
        for name, module in model.named_modules()
        for key, value in vars(module).items()
        if key not in usual and not isinstance(value, bool | int | float | str | Tensor | None)
    }
    found["requires_grad"] = [name for name, p in model.named_parameters() if p.requires_grad]
    found["defaults"] = optimizer.optimizer.defaults
    packed = {}
    for name, value in found.items():
        with suppress(Exception):
            packed[name] = pickle.dumps(value)
    return packed


def _refuse_changed(before: Mapping[str, bytes], now: Mapping[str, bytes]) -> None:
    if changed := [name for name in before if now.get(name) != before[name]]:
        raise _unsaved(f"{changed[0]}, which training changes")


def _refuse_shared(tensors: Mapping[str, Tensor], optimizer: BoundOptimizer) -> None:
    """Refuse tensors that are views of one memory: copies of them would part from each other."""
    taken = {p.grad.untyped_storage().data_ptr() for p in optimizer.tensors if p.grad is not None}
    for name, tensor in tensors.items():
        # The moments of a built-in optimizer live beside the weights, and are put back there.
        is_at_home = name.startswith(OPTIMIZER) and not optimizer.is_own
        if name.startswith(MODEL) or is_at_home or tensor.numel() == 0:
            taken.add(tensor.untyped_storage().data_ptr())
            continue
        if tensor.untyped_storage().data_ptr() in taken:
            raise _unsaved("a tensor that is a view of another one")
        if not tensor.is_contiguous():
            raise _unsaved("a tensor whose numbers do not lie in their order")
        taken.add(tensor.untyped_storage().data_ptr())


def _beside(model: nn.Module) -> dict[str, dict[str, Any]]:
    """Numbers, text and tensors that modules keep as plain attributes: they may count updates.

    Other values (functions, lists of layers) are taken for what the model is built of.
    """
    usual = vars(nn.Module()).keys()
    found = {
        name: {
            key: value
            for key, value in vars(module).items()
            if key not in usual and isinstance(value, bool | int | float | str | Tensor | None)
        }
        for name, module in model.named_modules()
    }
    return {name: values for name, values in found.items() if values}


def _beside_it(there: Any, value: Any) -> Any:
    """``value``, a tensor on the device of the one that is there."""
    are_tensors = isinstance(value, Tensor) and isinstance(there, Tensor)
    return value.to(there.device) if are_tensors else value


def _of_optimizer(bound: BoundOptimizer) -> dict[str, Any]:
    optimizer = bound.optimizer
    if type(optimizer).state_dict is not torch.optim.Optimizer.state_dict:
        raise _unsaved("a state_dict of its own")
    places = {tensor: place for place, tensor in enumerate(bound.tensors)}
    if foreign := [key for key in optimizer.state if key not in places]:
        raise _unsaved(f"state of {type(foreign[0]).__name__} that belongs to no parameter")
    return {
        "kind": type(optimizer).__qualname__,
        "state": {str(places[tensor]): dict(kept) for tensor, kept in optimizer.state.items()},
        "groups": [
            {key: value for key, value in group.items() if key != "params"}
            for group in optimizer.param_groups
        ],
        "attributes": {name: vars(optimizer)[name] for name in _own_attributes(optimizer)},
        "moments": sorted(bound.moments),
        "awaited": sorted(bound.awaited),
    }


def _own_attributes(optimizer: torch.optim.Optimizer) -> list[str]:
    """What an optimizer keeps beside its state: a count of its updates, an average of its own."""
    usual = vars(torch.optim.Optimizer([torch.zeros(1)], {}))
    return sorted(vars(optimizer).keys() - usual.keys())


def _into_optimizer(bound: BoundOptimizer, kept: dict[str, Any]) -> None:
    optimizer = bound.optimizer
    if kept["kind"] != type(optimizer).__qualname__:
        raise ValueError(f"that of {kept['kind']} is no state of {type(optimizer).__qualname__}")
    for place, values in kept["state"].items():
        tensor = bound.tensors[int(place)]
        # Torch's own load_state_dict would turn every number into the parameter's type.
        optimizer.state[tensor] = values
    for group, values in zip(optimizer.param_groups, kept["groups"], strict=True):
        group.update(values)
    if kept["attributes"].keys() != set(_own_attributes(optimizer)):
        raise ValueError("the optimizer has other attributes")
    vars(optimizer).update(kept["attributes"])
    bound.find_moments(kept["moments"])
    # Older checkpoints were made before a moment could be absent.
    bound.awaited = set(kept.get("awaited", ()))


def _unsaved(what: str) -> RunError:
    return RunError(f"keeps {what}, which a checkpoint cannot hold", key="optimizer or model")


class _Keeper:
    """Nested values as JSON, their tensors put aside into ``tensors`` under numbers."""

    def __init__(self, tensors: dict[str, Tensor], prefix: str = "") -> None:
        self._tensors = tensors
        self._prefix = prefix

    def pack(self, value: Any) -> Any:
        """``value`` as JSON: every value that JSON does not give back exactly has its kind."""
        match value:
            case None | bool() | int() | str():
                return value
            case float():
                return {"float": value.hex()}
            case Tensor():
                name = f"{self._prefix}{len(self._tensors)}"
                self._tensors[name] = value
                return {"tensor": name, "device": str(value.device)}
            case tuple():
                return {"tuple": [self.pack(item) for item in value]}
            case list():
                return [self.pack(item) for item in value]
            case dict() if all(isinstance(key, str) for key in value):
                return {"dict": {key: self.pack(item) for key, item in value.items()}}
        raise _unsaved(f"a {type(value).__name__}")

    def unpack(self, packed: Any) -> Any:
        """The value that :meth:`pack` was given."""
        match packed:
            case {"float": text}:
                return float.fromhex(text)
            case {"tensor": name, "device": device}:
                return self._tensors[name].to(device)
            case {"tuple": items}:
                return tuple(self.unpack(item) for item in items)
            case {"dict": items}:
                return {key: self.unpack(item) for key, item in items.items()}
            case list():
                return [self.unpack(item) for item in packed]
        return packed
