"""The house: who may import whom, read from the syntax tree and held against the plan."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "lrbench"

FLOORS = {
    "errors": 0,
    "streams": 0,
    "schedules": 0,
    "triggers": 0,
    "spec": 0,
    "tasks": 1,
    "record": 1,
    "adapters": 1,
    "restarts": 1,
    "engine": 2,
    "stats": 2,
    "checks": 3,
    "config": 3,
    "launchers": 3,
    "report": 3,
    "workflows": 4,
    "cli": 5,
    "__main__": 6,
}
"""Imports only go down; rooms on one floor do not import each other."""

OPEN_TO_ALL = {"errors"}
"""What may be imported from its own floor too."""

HOMES = {
    "hydra": {"config"},
    "omegaconf": {"config"},
    "pandas": {"report"},
    "altair": {"report"},
    "vl_convert": {"report"},
    "mpmath": {"checks"},
    "typer": {"cli"},
    "rich": {"cli"},
    "yaml": {"config", "cli"},
    "sklearn": {"tasks"},
    "scipy": {"stats"},
    "torch": {"adapters", "tasks", "engine", "checks", "workflows", "config"},
    "pydantic": {"spec", "tasks", "engine", "config", "report"},
    "multiprocessing": {"launchers"},
}
"""The only rooms in which a library may be imported."""

STANDARD_LIBRARY_ONLY = {"schedules", "triggers", "errors"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path, *, only_at_the_top: bool = False) -> Iterator[str]:
    """Dotted names of what a module imports; ``if TYPE_CHECKING`` blocks do not count."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    nodes = tree.body if only_at_the_top else list(ast.walk(tree))
    for node in nodes:
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            if node.module == "lrbench":
                yield from (f"lrbench.{alias.name}" for alias in node.names)


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_only_go_down(path: Path) -> None:
    here = room(path)
    if here == "__init__":
        assert not [name for name in imports(path) if name.startswith("lrbench")]
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "lrbench" or len(parts) == 1 or parts[1] in (here, "__version__"):
            continue
        there = parts[1]
        assert there in FLOORS, f"{name_of(path)} imports {name}, which is on no floor"
        lower = FLOORS[there] < FLOORS[here]
        beside = FLOORS[there] == FLOORS[here] and there in OPEN_TO_ALL
        assert lower or beside, f"{name_of(path)} (floor {FLOORS[here]}) imports {name}"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_each_library_stays_in_its_home(path: Path) -> None:
    for name in imports(path):
        library = name.split(".")[0]
        if library in HOMES:
            assert room(path) in HOMES[library], f"{name_of(path)} imports {name}"


@pytest.mark.parametrize(
    "path", [p for p in modules() if room(p) in STANDARD_LIBRARY_ONLY], ids=name_of
)
def test_schedules_need_the_standard_library_alone(path: Path) -> None:
    for name in imports(path):
        library = name.split(".")[0]
        assert library == "lrbench" or library in sys.stdlib_module_names, name


@pytest.mark.parametrize("path", [p for p in modules() if room(p) == "cli"], ids=name_of)
def test_commands_import_their_work_inside_the_command(path: Path) -> None:
    allowed = ("lrbench.cli", "lrbench.errors", "lrbench.__version__", "typer", "rich.cells")
    for name in imports(path, only_at_the_top=True):
        is_light = name.startswith(allowed) or name.split(".")[0] in sys.stdlib_module_names
        assert is_light or name == "lrbench", f"{name_of(path)} imports {name} at its top"


def test_every_room_has_a_floor() -> None:
    rooms = {room(path) for path in modules()} - {"__init__"}
    assert rooms == set(FLOORS)


def test_the_check_sees_an_import_that_goes_up(tmp_path: Path) -> None:
    module = tmp_path / "bad.py"
    module.write_text("def f():\n    from lrbench.cli.app import main\n")
    assert list(imports(module)) == ["lrbench.cli.app"]
