"""Functions of tensors, compiled, and kept on disk as the programs they have become.

A function is traced into a graph of operations, which torch's inductor compiles. ``torch.compile``
would do the same and ask at every call whether the function, the model and the shapes are still
what they were, which takes as long as a small model's update; here whoever asks sees to that.

For a CPU the whole graph becomes one library (AOTInductor): no Python runs between two kernels,
and a process that finds the library on disk needs neither the compiler nor inductor, whose import
alone takes as long as hundreds of updates. Libraries are found by all that they were made from:
the graph, the shapes, the processor, torch and the compiler.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from lrbench.engine.compiler import compiler_version
from lrbench.errors import ConfigError
from lrbench.record.environment import environment
from lrbench.record.files import claim_folder, replace_file
from lrbench.record.lock import Lock
from lrbench.spec.canonical import digest
from lrbench.tasks.data.home import cache_home

T = TypeVar("T")

Run = Callable[[list[Tensor]], Sequence[Tensor]]

_listeners: list[Callable[[], None]] = []

SUM = ".sha256"
"""The name's end of the file beside a library that says what it must be."""

PAUSE_S = 0.05
"""Between two looks whether another process has compiled what is needed here."""


class Compiled(Generic[T]):
    """A function that is compiled when it is first called, or when :func:`prepare` is told to.

    Parameters
    ----------
    function : callable
        Of tensors, and dicts of them, whose shapes and order never change, to a tensor or several.
        It may write them in place, and decides nothing by their values.
    """

    def __init__(self, function: Callable[..., T]) -> None:
        self.function = function
        self.run: Run | None = None
        self.gives_one = False

    def __call__(self, *arguments: Any) -> T:
        """The function's results.

        Raises
        ------
        ConfigError
            It cannot be compiled.
        """
        if self.run is None:
            prepare([(self, arguments)])
            assert self.run is not None
        results: Any = self.run(_leaves(arguments))
        return results[0] if self.gives_one else results  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _Traced:
    """A function as a graph, with the tensors that show their shapes."""

    owner: Compiled[Any]
    graph: GraphModule
    given: list[Tensor]

    @property
    def key(self) -> str:
        """What names the library: everything that it is made from."""
        constants = {
            name: [*_form(value), sha256(value.detach().double().numpy().tobytes()).hexdigest()]
            for name, value in self.graph.state_dict().items()
        }
        facts = {
            "graph": self.graph.code,
            "constants": constants,
            "given": [_form(tensor) for tensor in self.given],
            "torch": [torch.__version__, str(torch.version.git_version)],
            "compiler": compiler_version(),
            "cpu": {**environment()["cpu"], "is": torch.backends.cpu.get_cpu_capability()},
            "threads": torch.get_num_threads(),
            "deterministic": torch.are_deterministic_algorithms_enabled(),
        }
        return digest(facts)


def prepare(programs: Sequence[tuple[Compiled[Any], tuple[Any, ...]]]) -> None:
    """Have functions compiled for arguments of this form, whose numbers stay as they are.

    What another process is compiling is left to it, and done last: workers that begin together
    share the work.

    Raises
    ------
    ConfigError
        One cannot be compiled.
    """
    fresh = [(owner, arguments) for owner, arguments in programs if owner.run is None]
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # Torch warns of its own ways while it compiles.
            warnings.simplefilter("ignore")
            traced = [_traced(owner, arguments) for owner, arguments in fresh]
            if all(one.given[0].device.type == "cpu" for one in traced):
                _prepare_libraries(traced)
            else:
                for one in traced:
                    one.owner.run = _in_this_process(one)
    except Exception as error:
        reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        raise ConfigError(
            f"must be a program that torch can compile ({reason})",
            key="compute.compile",
            got=True,
            remedy="compute.compile=false",
        ) from error


@contextmanager
def told_of_compiling(listener: Callable[[], None]) -> Iterator[None]:
    """Call ``listener`` when something is about to be compiled inside, which takes long."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def _traced(owner: Compiled[Any], arguments: tuple[Any, ...]) -> _Traced:
    # Copies, because what is written while a function is traced is written. With storages of their
    # own: inductor would not write to parts of one tensor that come as several, though they share
    # no number.
    given = [_apart(tensor) for tensor in _leaves(arguments)]

    def flat(*tensors: Tensor) -> list[Tensor]:
        results: Any = owner.function(*_like(arguments, iter(tensors)))
        owner.gives_one = isinstance(results, Tensor)
        return [results] if owner.gives_one else list(results)

    return _Traced(owner, make_fx(flat)(*given), given)


def _form(tensor: Tensor) -> list[Any]:
    return [list(tensor.shape), list(tensor.stride()), str(tensor.dtype)]


def _apart(tensor: Tensor) -> Tensor:
    """The same numbers with the same strides, in a storage of their own."""
    reach = sum((n - 1) * s for n, s in zip(tensor.shape, tensor.stride(), strict=True)) + 1
    storage = tensor.new_zeros(max(reach, 0) if tensor.numel() else 0)
    return storage.as_strided(tensor.shape, tensor.stride()).copy_(tensor)


def _prepare_libraries(traced: Sequence[_Traced]) -> None:
    folder = _folder()
    waiting = {one.key: one for one in traced}
    while waiting:
        for key, one in list(waiting.items()):
            path = folder / f"{key}.so" if folder else None
            run = _loaded(path) if path else None
            if run is None:
                lock = Lock(folder / f"{key}.lock") if folder else None
                if lock is not None and not lock.acquire():
                    continue
                try:
                    run = (_loaded(path) if path else None) or _as_library(one, path)
                finally:
                    if lock is not None:
                        lock.release()
            one.owner.run = run
            del waiting[key]
        if waiting:
            time.sleep(PAUSE_S)


def _folder() -> Path | None:
    """Where libraries are kept; None where nothing can be."""
    with suppress(RuntimeError, OSError):
        folder = cache_home() / "programs"
        claim_folder(folder)
        return folder if os.access(folder, os.W_OK) else None
    return None


def _loaded(path: Path) -> Run | None:
    """The library at ``path``; None where there is none, or not as it was written: the system
    ends a process that runs into the end of a library.
    """
    with suppress(OSError):
        if path.with_suffix(SUM).read_text() == sha256(path.read_bytes()).hexdigest():
            return _library(path)
    return None


def _library(path: Path) -> Run:
    runner = torch._C._aoti.AOTIModelContainerRunnerCpu(str(path), 1)
    return cast("Run", runner.run)


def _as_library(one: _Traced, path: Path | None) -> Run:
    """Compile a graph, and keep it at ``path``."""
    _begin_compiling()
    from torch._inductor import aot_compile

    for node in one.graph.graph.nodes:
        # What tracing noted of shapes is of another mode than inductor's own.
        node.meta.clear()
    with _patient_with_waiting():
        made = aot_compile(one.graph, tuple(one.given))
    assert isinstance(made, str)
    if path is None:
        return _library(Path(made))
    library = Path(made).read_bytes()
    replace_file(path, library)
    replace_file(path.with_suffix(SUM), sha256(library).hexdigest().encode())
    return _library(path)


@contextmanager
def _patient_with_waiting() -> Iterator[None]:
    """Mend a fault of inductor (torch 2.13) while it compiles.

    Before it keeps a buffer in the cache of a core it asks how everyone who uses it reads it, also
    those that only wait for it because they write what it was made from; of these there is no
    answer, and it fails. With an answer that is never the one it hopes for, it does without.
    """
    from torch._inductor.loop_body import LoopBody

    usual = LoopBody.get_read_expr

    def get_read_expr(body: LoopBody, buffer_name: str) -> Any:
        with suppress(KeyError):
            return usual(body, buffer_name)  # type: ignore[no-untyped-call]
        return None

    LoopBody.get_read_expr = get_read_expr  # type: ignore[method-assign]
    try:
        yield
    finally:
        LoopBody.get_read_expr = usual  # type: ignore[method-assign]


def _in_this_process(one: _Traced) -> Run:
    """Compile a graph with Python between its kernels, which a card does not wait for."""
    _begin_compiling()
    from torch._guards import TracingContext, tracing
    from torch._inductor.compile_fx import compile_fx
    from torch._subclasses import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    # Inductor keeps on disk only what it has made knowing where shapes come from.
    shapes = FakeTensorMode(shape_env=ShapeEnv(), static_shapes=True)
    with tracing(TracingContext(shapes)):
        program = cast("Callable[..., Any]", compile_fx(one.graph, list(one.given)))
    return lambda tensors: program(*tensors)


def _begin_compiling() -> None:
    """Tell who listens, and have all of it done in this process."""
    for listener in _listeners:
        listener()
    import torch._inductor.config

    # Helpers of their own would outlive a worker that is killed.
    torch._inductor.config.compile_threads = 1


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
