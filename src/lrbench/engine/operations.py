"""What a function does with tensors, told by the operations that it comes to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

from lrbench.spec.canonical import digest

Rules = Mapping[Any, Callable[..., Any]]
"""Operations of torch, and functions that stand in their place: of the same arguments, to the same
results, or to ``NotImplemented`` where the operation is to stay."""


def operations_of(
    function: Callable[..., Any], given: Sequence[Tensor], rules: Rules | None = None
) -> str:
    """Digest of the operations of a call: equal for functions that are the same program.

    Whatever stands above torch's operations (modules, gradients, vmap, the user's own code) is in
    it as what it comes to; the numbers in ``given`` are not, those in any other tensor are.

    Parameters
    ----------
    function : callable
        Called once.
    given : sequence of Tensor
        Its arguments; what it writes in place is written.
    rules : Rules, optional
        By which some operations are others.

    Raises
    ------
    RuntimeError
        It asks for the numbers in a tensor: by what it decides, it may be several programs.
    """
    return listen(function, given, rules)[1]


def listen(
    function: Callable[..., Any], given: Sequence[Tensor], rules: Rules | None = None
) -> tuple[Any, str]:
    """What a function answers, rules applied, and the digest of this very call's operations."""
    listener = _Listener(rules or {})
    arguments = listener.named(given)
    with listener:
        answer = function(*given)
    forms = [form_of(one) for one in given]
    return answer, digest([arguments, listener.heard, listener.told(answer), forms])


def form_of(tensor: Tensor) -> list[Any]:
    """Everything of a tensor but its numbers."""
    return [list(tensor.shape), list(tensor.stride()), str(tensor.dtype), str(tensor.device)]


class _Listener(TorchDispatchMode):
    """Hears of every operation below gradients and vmap; tensors are numbered as they come."""

    def __init__(self, rules: Rules) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._rules = rules
        self.heard: list[Any] = []
        self._numbers: Any = WeakIdKeyDictionary()
        self._count = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Dynamo, which traces nothing here, would be imported to be told so.
        return False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.data_dependent_output in func.tags and any(
            tensor in self._numbers for tensor in _tensors([*args, *kwargs.values()])
        ):
            raise RuntimeError(f"it asks for the numbers in a tensor, by {func}")
        if func in self._rules:
            with self:
                result = self._rules[func](*args, **kwargs)
            if result is not NotImplemented:
                return result
        asked = self.told([*args, *kwargs.items()])
        result = func(*args, **kwargs)
        self.heard.append([str(func), asked, self.named(result)])
        return result

    def named(self, result: Any) -> Any:
        """The same, after every tensor in it has got a number, if it has none."""
        for tensor in _tensors(result):
            if tensor not in self._numbers:
                self._numbers[tensor] = self._count
                self._count += 1
        return self.told(result)

    def told(self, value: Any) -> Any:
        """A value in words: a tensor by its number, or by its contents if it comes from outside."""
        if isinstance(value, list | tuple):
            return [self.told(one) for one in value]
        if not isinstance(value, Tensor):
            return repr(value)
        number = self._numbers.get(value)
        return number if number is not None else [*form_of(value), _contents(value)]


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    return (
        [one for each in value for one in _tensors(each)] if isinstance(value, list | tuple) else []
    )


def _contents(tensor: Tensor) -> str:
    whole = tensor.detach().cpu().contiguous().reshape(-1)
    return sha256(whole.view(torch.uint8).numpy().tobytes()).hexdigest()
