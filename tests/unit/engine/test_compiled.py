"""Programs compiled for a processor, and how they are kept: with a stand-in for the compiler, and
slowly with the real one.
"""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path

import pytest
import torch

from lrbench.engine import compiled
from lrbench.engine.compiled import SUM, Compiled, prepare, told_of_compiling
from lrbench.errors import ConfigError
from lrbench.record.lock import Lock


def moved(parts, scale):
    """Moves two parts of a row in place, and gives their sum and the product."""
    for part in parts.values():
        part.sub_(0.5 * part * scale)
    return parts["a"].sum() + parts["b"].sum(), parts["a"] * scale


def arguments():
    row = torch.arange(1.0, 11.0)
    return row, {"a": row[:4], "b": row[4:9]}, torch.tensor(0.25)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LRBENCH_CACHE", str(tmp_path))
    return tmp_path / "programs"


@pytest.fixture
def made(monkeypatch):
    """Graphs that were given to a compiler, which runs them as they are."""
    graphs: list[str] = []
    functions = {}

    def library(path: Path):
        if path.read_bytes() == b"of another system":
            raise RuntimeError("cannot open")
        assert path.read_bytes() == b"a library"
        return functions[path.stem]

    def as_library(one, path):
        graph = one.graph()
        graphs.append(graph.code)
        function = lambda tensors: graph(*tensors)  # noqa: E731
        if path is None:
            return function
        functions[path.stem] = function
        path.write_bytes(b"a library")
        path.with_suffix(SUM).write_text(compiled._sum({".so": b"a library"}))
        return library(path)

    monkeypatch.setattr(compiled, "_library", library)
    monkeypatch.setattr(compiled, "_as_library", as_library)
    return graphs


def check(function: Compiled):
    row, parts, scale = arguments()
    total, product = function(parts, scale)
    expected_row, expected_parts, _ = arguments()
    expected = moved(expected_parts, scale)
    assert torch.allclose(row, expected_row)
    assert row[9] == 10
    assert torch.allclose(total, expected[0])
    assert torch.allclose(product, expected[1])


def test_a_program_is_compiled_once_and_then_found(cache, made):
    first = Compiled(moved)
    check(first)
    check(first)
    check(Compiled(moved))
    assert len(made) == 1
    assert len(list(cache.glob("*.so"))) == 1


def test_preparing_changes_no_number(cache, made):
    row, parts, scale = arguments()
    prepare([(Compiled(moved), (parts, scale))])
    assert torch.equal(row, arguments()[0])


def test_another_function_shape_type_or_constant_is_another_program(cache, made):
    row, parts, scale = arguments()
    double = {name: part.double() for name, part in parts.items()}
    short = {"a": row[:3], "b": row[4:9]}
    apart = {"a": row[0:8:2], "b": row[4:9]}
    shift = torch.ones(4)

    def shifted(parts, scale):
        return parts["a"] + shift * scale

    prepare([(Compiled(moved), (one, scale)) for one in (parts, short, apart)])
    prepare([(Compiled(moved), (double, scale.double()))])
    prepare([(Compiled(shifted), (parts, scale))])
    shift.mul_(2)
    prepare([(Compiled(shifted), (parts, scale))])
    assert len(list(cache.glob("*.so"))) == len(made) == 6


def test_a_damaged_library_is_made_anew(cache, made):
    check(Compiled(moved))
    (path,) = cache.glob("*.so")
    path.write_bytes(b"")
    check(Compiled(moved))
    assert len(made) == 2


def test_a_library_that_the_system_refuses_is_made_anew(cache, made):
    check(Compiled(moved))
    (path,) = cache.glob("*.so")
    path.write_bytes(b"of another system")
    path.with_suffix(SUM).write_text(compiled._sum({".so": b"of another system"}))
    check(Compiled(moved))
    assert len(made) == 2


def test_arguments_of_another_form_are_compiled_for_anew(cache, made):
    """A library would read them as if they were of the first form."""
    own = Compiled(lambda x: x[:, 0] * 2)
    rows = torch.arange(6.0).reshape(2, 3)
    columns = torch.arange(6.0).reshape(3, 2).T
    for given in (rows, columns, rows):
        prepare([(own, (given,))])
        assert torch.equal(own(given), given[:, 0] * 2)
    assert len(made) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda: setattr(torch.backends.mkldnn, "enabled", not torch.backends.mkldnn.enabled),
        lambda: torch.set_num_threads(torch.get_num_threads() % 2 + 1),
        lambda: torch.use_deterministic_algorithms(
            not torch.are_deterministic_algorithms_enabled()
        ),
    ],
    ids=["onednn", "threads", "deterministic"],
)
def test_other_switches_are_other_programs(cache, made, change):
    before = (
        torch.backends.mkldnn.enabled,
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
    )
    check(Compiled(moved))
    try:
        change()
        check(Compiled(moved))
    finally:
        torch.backends.mkldnn.enabled = before[0]
        torch.set_num_threads(before[1])
        torch.use_deterministic_algorithms(before[2])
    check(Compiled(moved))
    assert len(made) == 2


def test_a_setting_of_inductor_is_another_program(cache, made, monkeypatch):
    check(Compiled(moved))
    monkeypatch.setenv("TORCHINDUCTOR_EMULATE_PRECISION_CASTS", "1")
    check(Compiled(moved))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "elsewhere")
    check(Compiled(moved))
    assert len(made) == 2


def test_two_that_are_one_program_are_compiled_once(cache, made):
    _, parts, scale = arguments()
    both = [Compiled(moved), Compiled(moved)]
    prepare([(one, (parts, scale)) for one in both])
    for one in both:
        check(one)
    assert len(made) == 1


def test_where_there_are_no_locks_it_is_compiled_all_the_same(cache, made, monkeypatch):
    def refuse(self):
        raise OSError("not supported")

    monkeypatch.setattr(Lock, "acquire", refuse)
    check(Compiled(moved))
    assert len(made) == 1


def test_without_a_folder_nothing_is_kept(monkeypatch, made):
    def homeless():
        raise RuntimeError("no home")

    monkeypatch.setattr(compiled, "cache_home", homeless)
    check(Compiled(moved))
    check(Compiled(moved))
    assert len(made) == 2


def test_what_another_process_compiles_is_left_to_it(cache, made):
    _, parts, scale = arguments()
    check(Compiled(moved))
    (path,) = cache.glob("*.so")
    made.clear()
    path.rename(cache / "away")
    other = Lock(path.with_suffix(".lock"))
    assert other.acquire()

    def negative(parts, scale):
        return -parts["a"] * scale

    waiting, own = Compiled(moved), Compiled(negative)
    thread = threading.Thread(
        target=prepare, args=([(one, (parts, scale)) for one in (waiting, own)],)
    )
    thread.start()
    while own.run is None:
        time.sleep(0.01)
    time.sleep(3 * compiled.PAUSE_S)
    assert waiting.run is None
    (cache / "away").rename(path)
    other.release()
    thread.join(timeout=10)
    check(waiting)
    assert len(made) == 1


def test_a_function_that_does_something_else_at_each_call_is_kept_under_no_name(cache, made):
    """Else a function that is what it was at first would get what it has become."""
    calls = []

    def fickle(x):
        calls.append(1)
        return x * (1.0 if len(calls) == 1 else 5.0)

    with pytest.raises(RuntimeError, match="other operations at each call"):
        Compiled(fickle)(torch.ones(3))
    assert made == []
    assert not list(cache.glob("*.so"))
    assert torch.equal(Compiled(lambda x: x * 1.0)(torch.ones(3)), torch.ones(3))


def test_a_function_that_asks_for_numbers_is_refused(cache, made):
    def fickle(x):
        return x if x.sum() > 0 else -x

    with pytest.raises(ConfigError, match=r"compute\.compile must be a program that torch can"):
        Compiled(fickle)(torch.ones(3))
    assert made == []


@pytest.mark.slow
def test_the_real_compiler_gives_the_same_to_this_process_and_the_next(cache):
    heard = []
    with told_of_compiling(lambda: heard.append(1)):
        check(Compiled(moved))
        check(Compiled(moved))
    assert heard == [1]
    (path,) = cache.glob("*.so")
    library = path.read_bytes()
    path.unlink()  # this process still runs the file itself
    path.write_bytes(library[:1000])
    check(Compiled(moved))
    assert path.read_bytes() == library


@pytest.mark.slow
def test_an_operation_that_a_library_leaves_to_torch(cache):
    matrix = torch.eye(3) * 2 + 0.1
    for _ in range(2):
        assert torch.allclose(Compiled(torch.linalg.inv)(matrix), torch.linalg.inv(matrix))
    assert len(list(cache.glob("*.json"))) == 1


@pytest.mark.slow
def test_a_library_that_cannot_be_kept_serves_this_process(cache, monkeypatch):
    def full(*arguments, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compiled, "replace_file", full)
    check(Compiled(moved))
    assert list(cache.glob("*.so")) == []


@pytest.mark.slow
def test_a_buffer_that_somebody_only_waits_for_is_compiled(cache):
    """Small parts whose sums are taken while they are written: inductor alone fails at these."""

    def update(parts, moments, grads, numbers):
        rate, momentum = numbers.unsqueeze(-1)
        sums = []
        for name, part in parts.items():
            moment = momentum * moments[name] + grads[name] + 0.1 * part
            after = part - rate * moment
            sums.append([(row * row).sum(1) for row in (grads[name], part - after, after, moment)])
            part.copy_(after)
            moments[name].copy_(moment)
        return torch.stack([sum(same) for same in zip(*sums, strict=True)], dim=1)

    def given():
        rows = torch.randn(3, 4, 6000, generator=torch.Generator().manual_seed(0))
        ends = [0, 144, 160, 4768, 4800]
        named = [{f"p{a}": row[:, a:b] for a, b in itertools.pairwise(ends)} for row in rows]
        named[2] = {name: part.contiguous() for name, part in named[2].items()}
        return rows, (*named, torch.rand(2, 4, generator=torch.Generator().manual_seed(1)))

    rows, own = given()
    others, same = given()
    assert torch.allclose(Compiled(update)(*own), update(*same), rtol=1e-4)
    assert torch.allclose(rows, others, atol=1e-5)
