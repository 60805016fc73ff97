from __future__ import annotations

import importlib
import os
import sys
from functools import partial
from pathlib import Path

import pytest

from lrbench.errors import ConfigError
from lrbench.spec.imports import code_digest, resolve_import


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "import_me", raising=False)
    path = tmp_path / "import_me.py"
    path.write_text("class Outer:\n    class Inner: pass\nnumber = 3\n")
    return path


@pytest.mark.parametrize("path", ["import_me:Outer", "import_me.Outer", "import_me:Outer.Inner"])
def test_a_path_leads_into_the_current_folder(module: Path, path: str) -> None:
    assert resolve_import(path, key="k").__name__ == path[-5:]


@pytest.mark.parametrize(
    "path",
    ["", " ", ":", "import_me", "import_me:", "import_me:Nobody", "import_me:number",
     "nobody:Outer", "../import_me:Outer", "import_me:Outer()", "os.system('ls')",
     "import me:Outer"],
)  # fmt: skip
def test_any_other_path_is_refused(module: Path, path: str) -> None:
    with pytest.raises(ConfigError, match=r"^error: model\._target_ must") as caught:
        resolve_import(path, key="model._target_")
    assert caught.value.problems[0].got == path


@pytest.mark.parametrize("line", ["1 / 0", "raise SystemExit(0)", "import nobody_here", "def ("])
def test_a_module_that_raises_is_refused(module: Path, line: str) -> None:
    module.write_text(line)
    with pytest.raises(ConfigError, match=r"^error: k must be"):
        resolve_import("import_me:Net", key="k")


def test_the_digest_follows_the_code(module: Path) -> None:
    found = resolve_import("import_me:Outer", key="k")
    first = code_digest(found)
    assert first is not None
    assert code_digest(found) == first
    module.write_text(module.read_text() + "# a remark\n")
    assert code_digest(found) != first


def test_what_has_no_file_has_no_digest() -> None:
    assert code_digest(len) is None


def test_partials_and_objects_have_the_digest_of_what_they_are_made_of() -> None:
    class Callable:
        def __call__(self) -> None:
            pass

    here = code_digest(test_partials_and_objects_have_the_digest_of_what_they_are_made_of)
    assert here is not None
    assert code_digest(partial(partial(code_of_this_file, 1), 2)) == here
    assert code_digest(Callable()) == code_digest(Callable) == here


def code_of_this_file() -> None:
    pass


def test_code_changed_within_a_second_is_the_changed_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    source = tmp_path / "quickly_changed.py"
    for answer in (1, 2):
        source.write_text(f"def tell():\n    return {answer}\n")
        os.utime(source, (10**9, 10**9))
        importlib.invalidate_caches()
        sys.modules.pop("quickly_changed", None)
        assert resolve_import("quickly_changed:tell", "k")() == answer
