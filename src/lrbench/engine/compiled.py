"""Functions of tensors, compiled, and kept on disk as the programs they have become.

A function becomes a graph of operations, which torch's inductor compiles. ``torch.compile``
would do the same and ask at every call whether the function, the model and the shapes are still
what they were, which takes as long as a small model's update; here whoever asks sees to that.

For a CPU the whole graph becomes one library (AOTInductor): no Python runs between two kernels,
and a process that finds the library on disk needs neither the compiler nor inductor, whose import
alone takes as long as hundreds of updates. Libraries are found by all that they were made from:
its operations, the shapes, the processor, torch and the compiler.
"""

from __future__ import annotations

import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from lrbench.engine.operations import Rules, form_of, listen, operations_of
from lrbench.engine.surroundings import surroundings
from lrbench.errors import ConfigError, RecordError
from lrbench.record.files import claim_folder, replace_file
from lrbench.record.lock import Lock
from lrbench.spec.canonical import digest
from lrbench.tasks.data.home import cache_home

T = TypeVar("T")

Run = Callable[[list[Tensor]], Sequence[Tensor]]

SUM = ".sha256"
"""The name's end of the file beside a library that says what it must be."""

EXTRA = ".json"
"""And of the one that names operations which a library leaves to torch."""

PAUSE_S = 0.05
"""Between two looks whether another process has compiled what is needed here."""

LONGEST_WAIT_S = 600.0
"""After which this process compiles it too, whatever has become of the other."""

_listeners: list[Callable[[], None]] = []


class Compiled(Generic[T]):
    """A function that is compiled when it is first called, or when :func:`prepare` is told to.

    Parameters
    ----------
    function : callable
        Of tensors, and dicts of them, whose shapes, strides and order stay those it was last
        prepared for, to a tensor or several. It may write them in place, and decides nothing by
        their values.
    rules : Rules, optional
    """

    def __init__(self, function: Callable[..., T], rules: Rules | None = None) -> None:
        self.function = function
        self.rules = dict(rules or {})
        self.run: Run | None = None
        self.gives_one = False
        self.forms: list[Any] = []

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
class _Wanted:
    """A function to be compiled, of tensors alone.

    Parameters
    ----------
    owner : Compiled
    flat : callable
        Of tensors, to a list of tensors.
    given : list of Tensor
        Arguments that show their forms, nobody else's.
    operations : str
        Digest of what a call comes to.
    """

    owner: Compiled[Any]
    flat: Callable[..., list[Tensor]]
    given: list[Tensor]
    operations: str

    @cached_property
    def key(self) -> str:
        """What names the library: everything that it is made from."""
        return digest([self.operations, surroundings()])

    def graph(self) -> GraphModule:
        """The function as a graph of operations.

        Raises
        ------
        RuntimeError
            They are others than at the call that it is named by.
        """
        heard = []

        def listened(*tensors: Tensor) -> list[Tensor]:
            answer, operations = listen(self.flat, tensors, self.owner.rules)
            heard.append(operations)
            return answer  # type: ignore[no-any-return]

        graph = make_fx(listened)(*self.given)
        if heard != [self.operations]:
            raise RuntimeError("it comes to other operations at each call")
        for node in graph.graph.nodes:
            # What tracing noted of shapes is of another mode than inductor's own.
            node.meta.clear()
        return graph


def prepare(programs: Sequence[tuple[Compiled[Any], tuple[Any, ...]]]) -> None:
    """Have functions compiled for arguments of this form, whose numbers stay as they are.

    What another process is compiling is left to it, and done last: workers that begin together
    share the work. A function that was compiled for arguments of another form is compiled anew: a
    library would read these as if they were of that form.

    Raises
    ------
    ConfigError
        One cannot be compiled.
    """
    fresh = []
    for owner, arguments in programs:
        forms = [form_of(tensor) for tensor in _leaves(arguments)]
        if owner.run is None or forms != owner.forms:
            owner.run, owner.forms = None, forms
            fresh.append((owner, arguments))
    with warnings.catch_warnings(), torch.no_grad():
        # Torch warns of its own ways while it compiles.
        warnings.simplefilter("ignore")
        with _refusing():
            wanted = [_wanted(owner, arguments) for owner, arguments in fresh]
        if all(one.given[0].device.type == "cpu" for one in wanted):
            _prepare_libraries(wanted)
        else:
            for one in wanted:
                one.owner.run = _in_this_process(one)


@contextmanager
def told_of_compiling(listener: Callable[[], None]) -> Iterator[None]:
    """Call ``listener`` when something is about to be compiled inside, here or by another process
    that is waited for: it takes long.
    """
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def _tell() -> None:
    for listener in _listeners:
        listener()


@contextmanager
def _refusing() -> Iterator[None]:
    """What torch cannot do is told as a trait of what is to be compiled."""
    try:
        yield
    except Exception as error:
        reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
        raise ConfigError(
            f"must be a program that torch can compile ({reason})",
            key="compute.compile",
            got=True,
            remedy="compute.compile=false",
        ) from error


def _wanted(owner: Compiled[Any], arguments: tuple[Any, ...]) -> _Wanted:
    # Copies, because what a function writes is written here too. With storages of their own:
    # inductor would not write to parts of one tensor that come as several, though they share no
    # number.
    given = [_apart(tensor) for tensor in _leaves(arguments)]

    def flat(*tensors: Tensor) -> list[Tensor]:
        results: Any = owner.function(*_like(arguments, iter(tensors)))
        owner.gives_one = isinstance(results, Tensor)
        return [results] if owner.gives_one else list(results)

    return _Wanted(owner, flat, given, operations_of(flat, given, owner.rules))


def _apart(tensor: Tensor) -> Tensor:
    """The same numbers with the same strides, in a storage of their own."""
    reach = sum((n - 1) * s for n, s in zip(tensor.shape, tensor.stride(), strict=True)) + 1
    storage = tensor.new_zeros(max(reach, 0) if tensor.numel() else 0)
    return storage.as_strided(tensor.shape, tensor.stride()).copy_(tensor)


def _prepare_libraries(wanted: Sequence[_Wanted]) -> None:
    folder = _folder()
    late = time.monotonic() + LONGEST_WAIT_S
    waiting: dict[str, list[_Wanted]] = {}
    for one in wanted:
        waiting.setdefault(one.key, []).append(one)
    was_told = False
    while waiting:
        for key, same in list(waiting.items()):
            path = folder / f"{key}.so" if folder else None
            run = _loaded(path) if path else None
            if run is None:
                lock = _lock(path)
                if lock is None and time.monotonic() < late:
                    continue
                try:
                    run = (_loaded(path) if path else None) or _as_library(same[0], path)
                finally:
                    if lock is not None:
                        lock.release()
            for one in same:
                one.owner.run = run
            del waiting[key]
        if waiting:
            if not was_told:
                was_told = True
                _tell()
            time.sleep(PAUSE_S)


def _folder() -> Path | None:
    """Where libraries are kept; None where nothing can be."""
    with suppress(RuntimeError, OSError, RecordError):
        folder = cache_home() / "programs"
        if not folder.is_dir():
            claim_folder(folder)
        return folder
    return None


def _lock(path: Path | None) -> Lock | None:
    """The right to compile what is to lie at ``path``; None while another process has it. Where
    there can be no locks, one that is not held will do: the work is then done twice at the worst.
    """
    lock = Lock((path or Path("nowhere.so")).with_suffix(".lock"))
    with suppress(OSError, RecordError):
        if path is not None and not lock.acquire():
            return None
    return lock


def _loaded(path: Path) -> Run | None:
    """The library at ``path``; None where there is none, or not as it was written (the system
    ends a process that runs into the end of a library), or none that can be used here.
    """
    with suppress(OSError, RuntimeError):
        if path.with_suffix(SUM).read_text() == _sum(_parts(path)):
            return _library(path)
    return None


def _parts(library: Path) -> dict[str, bytes]:
    """The files of a library, by the end of their names."""
    parts = {library.suffix: library.read_bytes()}
    with suppress(FileNotFoundError):
        parts[EXTRA] = library.with_suffix(EXTRA).read_bytes()
    return parts


def _sum(parts: Mapping[str, bytes]) -> str:
    return digest({end: sha256(content).hexdigest() for end, content in parts.items()})


def _library(path: Path) -> Run:
    runner = torch._C._aoti.AOTIModelContainerRunnerCpu(str(path), 1)
    return cast("Run", runner.run)


def _as_library(one: _Wanted, path: Path | None) -> Run:
    """Compile a graph, and keep it at ``path``, if it can be kept."""
    _tell()
    with _refusing(), _inductor():
        from torch._inductor import aot_compile

        with _patient_with_waiting():
            answer = aot_compile(one.graph(), tuple(one.given))
        assert isinstance(answer, str)
        made = Path(answer)
        if path is None:
            return _library(made)
        try:
            parts = _parts(made)
            for end, content in parts.items():
                replace_file(path.with_suffix(end), content)
            # Last, so that what is not whole has none.
            replace_file(path.with_suffix(SUM), _sum(parts).encode())
            run = _library(path)
        except (OSError, RecordError):
            return _library(made)
        shutil.rmtree(made.parent, ignore_errors=True)
        return run


@contextmanager
def _inductor() -> Iterator[None]:
    """Inductor, set up: all in this process, its own files among what can be made again."""
    name = "TORCHINDUCTOR_CACHE_DIR"
    before = os.environ.get(name)
    with suppress(RuntimeError):  # no home folder: torch keeps them where it would
        # By what decides code, so that no two processes write one file for two libraries.
        os.environ[name] = str(cache_home() / "compiled" / surroundings()[:16])
    import torch._inductor.config

    # Helpers of their own would outlive a worker that is killed.
    torch._inductor.config.compile_threads = 1
    if hasattr(torch._inductor.config, "deterministic"):  # of later torch
        torch._inductor.config.deterministic = torch.are_deterministic_algorithms_enabled()
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


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


def _in_this_process(one: _Wanted) -> Run:
    """Compile a graph with Python between its kernels, which a card does not wait for."""
    _tell()
    with _refusing(), _inductor():
        from torch._guards import TracingContext, tracing
        from torch._inductor.compile_fx import compile_fx
        from torch._subclasses import FakeTensorMode
        from torch.fx.experimental.symbolic_shapes import ShapeEnv

        # Inductor keeps on disk only what it has made knowing where shapes come from.
        shapes = FakeTensorMode(shape_env=ShapeEnv(), static_shapes=True)
        with tracing(TracingContext(shapes)):
            program = cast("Callable[..., Any]", compile_fx(one.graph(), list(one.given)))
        return lambda tensors: program(*tensors)


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
