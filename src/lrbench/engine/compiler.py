"""The compiler behind ``compute.compile``: whether it is there, what it is, where its work is kept.

A function is traced into a graph of operations, which torch's inductor compiles, for a CPU by way
of a C++ compiler. ``torch.compile`` would do the same and ask at every call whether the function,
the model and the shapes are still what they were, which takes as long as a small model's update;
here they are fixed by who asks. What was compiled is kept on disk, so that another process needs a
second or two for it instead of ten.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeVar, cast

import torch
import torch._inductor.config
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from lrbench.errors import ConfigError, DeviceError
from lrbench.tasks.data.home import cache_home

T = TypeVar("T")

NAMES = ("g++", "clang++")
"""Looked for in this order where ``CXX`` names none."""


def compiler() -> str | None:
    """Path of the C++ compiler, or None."""
    own = os.environ.get("CXX")
    return next((path for name in ([own] if own else NAMES) if (path := shutil.which(name))), None)


def check_compiler() -> None:
    """Refuse to compile where there is nothing to do it with.

    Raises
    ------
    DeviceError
        The key is that of the ``compute`` group.
    """
    if compiler() is None:
        wanted = os.environ.get("CXX") or " or ".join(NAMES)
        relation = f"needs a C++ compiler ({wanted} is not on the path)"
        raise DeviceError(relation, key="compile", got=True, remedy="compute.compile=false")


@lru_cache(maxsize=1)
def compiler_version() -> str:
    """What the compiler calls itself: its work decides bits."""
    path = compiler()
    with suppress(OSError, subprocess.SubprocessError):
        asked = [path or "", "--version"]
        said = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True).stdout
        return said.partition("\n")[0].strip()
    return "unknown"


def compiled(function: Callable[..., T]) -> Callable[..., T]:
    """The same function, compiled when it is first called.

    Parameters
    ----------
    function : callable
        Of tensors, and dicts of them, whose shapes and order never change. It may write them in
        place, and decides nothing by their values.

    Returns
    -------
    callable
        Raises ConfigError where it cannot be compiled.
    """
    made: Callable[..., T] | None = None

    def call(*arguments: Any) -> T:
        nonlocal made
        if made is None:
            _prepare()
            try:
                with warnings.catch_warnings():
                    # Torch warns of its own ways while it compiles.
                    warnings.simplefilter("ignore")
                    made = _made(function, arguments)
            except Exception as error:
                reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
                raise ConfigError(
                    f"must be a program that torch can compile ({reason})",
                    key="compute.compile",
                    got=True,
                    remedy="compute.compile=false",
                ) from error
        return made(*arguments)

    return call


def _made(function: Callable[..., T], arguments: tuple[Any, ...]) -> Callable[..., T]:
    from torch._guards import TracingContext, tracing
    from torch._inductor.compile_fx import compile_fx
    from torch._subclasses import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    given = _leaves(arguments)
    is_one: list[bool] = []

    def flat(*tensors: Tensor) -> list[Tensor]:
        results: Any = function(*_like(arguments, iter(tensors)))
        is_one.append(isinstance(results, Tensor))
        return [results] if is_one[0] else list(results)

    with torch.no_grad():
        # Traced with copies, because what is written while it is traced is written.
        graph = make_fx(flat)(*(tensor.clone() for tensor in given))
        # Inductor keeps on disk only what it has made knowing where shapes come from.
        shapes = FakeTensorMode(shape_env=ShapeEnv(), static_shapes=True)
        with tracing(TracingContext(shapes)):
            program = cast("Callable[..., Any]", compile_fx(graph, list(given)))

    def call(*arguments: Any) -> T:
        results: Any = program(*_leaves(arguments))
        return results[0] if is_one[0] else results  # type: ignore[no-any-return]

    return call


def _leaves(arguments: tuple[Any, ...]) -> list[Tensor]:
    """The tensors among arguments that are tensors or dicts of them."""
    leaves: list[Tensor] = []
    for argument in arguments:
        if isinstance(argument, dict):
            leaves.extend(argument.values())
        else:
            leaves.append(argument)
    return leaves


def _like(arguments: tuple[Any, ...], leaves: Iterator[Tensor]) -> list[Any]:
    """Arguments of the same form, of other tensors."""
    return [
        {name: next(leaves) for name in argument} if isinstance(argument, dict) else next(leaves)
        for argument in arguments
    ]


def _prepare() -> None:
    """Compile in this process, and keep the work among what can be made again."""
    with suppress(RuntimeError):  # no home folder: torch keeps it where it would
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_home() / "compiled"))
    # Helpers of their own would outlive a worker that is killed.
    torch._inductor.config.compile_threads = 1
