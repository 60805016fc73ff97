"""docs/schedules.md: current, complete, and true where it writes formulas of its own."""

from __future__ import annotations

import importlib
import math
import re
from pathlib import Path
from types import ModuleType
from typing import get_args
from xml.etree import ElementTree

import pytest

from lrbench.config.home import options
from lrbench.schedules.compose import WarmupForm, ramp
from lrbench.schedules.shapes import Shape, curve

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("schedules_page")


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("curve_svg")


def points(svg: str) -> list[tuple[float, float]]:
    line = ElementTree.fromstring(svg).find(f"{SVG}polyline")
    assert line is not None
    pairs = (point.split(",") for point in line.attrib["points"].split())
    return [(float(x), float(y)) for x, y in pairs]


def test_the_page_and_its_pictures_are_current(script: ModuleType) -> None:
    wanted = script.pages()
    there = {
        path: path.read_bytes().decode() if path.exists() else ""
        for path in {*wanted, *(ROOT / "docs" / "schedules").glob("*")}
    }
    stale = sorted(
        path.name for path in there.keys() | wanted if there.get(path) != wanted.get(path)
    )
    assert not stale, f"make docs, then look at {stale}"


def test_check_says_what_is_not_current_and_changes_nothing(
    script: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    monkeypatch.setattr(script, "DOCS", docs)
    monkeypatch.setattr("sys.argv", ["schedules_page.py"])
    assert script.main() == 0
    monkeypatch.setattr("sys.argv", ["schedules_page.py", "--check"])
    capsys.readouterr()
    assert (script.main(), capsys.readouterr().out) == (0, "")
    (docs / "schedules" / "gone.svg").write_text("a schedule that is no more")
    (docs / "schedules.md").write_text("old")
    assert script.main() == 1
    assert capsys.readouterr().out.splitlines() == [
        "not current: docs/schedules.md",
        "not current: docs/schedules/gone.svg",
    ]
    assert (docs / "schedules.md").read_text() == "old"
    monkeypatch.setattr("sys.argv", ["schedules_page.py"])
    assert script.main() == 0
    assert not (docs / "schedules" / "gone.svg").exists()


def test_every_schedule_has_a_section_that_the_contents_lead_to(script: ModuleType) -> None:
    page = script.pages()[script.DOCS / "schedules.md"]
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    anchors = [heading.lower().replace(" ", "-").replace(",", "") for heading in headings]
    assert len(set(anchors)) == len(anchors)
    assert set(options("schedule")) <= set(headings)
    linked = re.findall(r"\]\(#([^)]*)\)", page)
    assert set(linked) <= set(anchors)
    assert set(options("schedule")) <= set(linked)


def test_every_table_of_the_page_has_as_many_cells_in_each_row(script: ModuleType) -> None:
    page = script.pages()[script.DOCS / "schedules.md"]
    tables = re.findall(r"(?:^\|.*\|\n)+", page, re.MULTILINE)
    assert len(tables) > len(options("schedule"))
    for table in tables:
        cells = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(cells) == 1, table


def test_the_warmup_forms_are_all_there_and_their_formulas_hold(script: ModuleType) -> None:
    assert tuple(script.WARMUP_FORMS) == get_args(WarmupForm)
    for form, formula in script.WARMUP_FORMS.items():
        for t in range(7):
            value = eval(formula, {**vars(math), "t": t, "W": 7})
            assert ramp(t, 7, form) == pytest.approx(value, rel=1e-12, abs=1e-15), form


def test_the_shapes_are_all_there_and_their_formulas_hold(script: ModuleType) -> None:
    assert tuple(script.SHAPES) == get_args(Shape)
    for shape, formula in script.SHAPES.items():
        found = curve(shape, power=3.0, final_factor=0.2)
        for q in (0.1, 0.3, 0.5, 0.9):
            value = eval(formula, {**vars(math), "q": q, "e": 0.2, "a": 3.0})
            assert found(1.0, 0.2, q) == pytest.approx(value, rel=1e-12), shape


def test_names_of_other_libraries_stand_beside_settings_there_are(script: ModuleType) -> None:
    from lrbench.schedules.catalog import SCHEDULES

    known = {key for entry in SCHEDULES.values() for key in entry.parameters}
    for row in script.OTHER_NAMES:
        assert len(row) == len(script.LIBRARIES) + 1
        names = row[0].partition(" (")[0].partition(", form")[0].split(", ")
        assert set(names) <= known, row[0]
        if " (" in row[0]:
            entry = SCHEDULES[row[0].partition(" (")[2].rstrip(")")]
            assert set(names) <= set(entry.parameters), row[0]


def test_a_picture_shows_the_values_in_their_places(draw: ModuleType) -> None:
    found = points(draw.curve_svg("fall", [1.0, 0.75, 0.5, 0.25]))
    left, right = draw.LEFT, draw.WIDTH - draw.RIGHT
    top, floor = draw.TOP, draw.HEIGHT - draw.BOTTOM
    assert [x for x, _ in found] == [left + (right - left) * part for part in (0, 0.25, 0.5, 0.75)]
    assert [y for _, y in found] == pytest.approx(
        [floor - (floor - top) * value for value in (1.0, 0.75, 0.5, 0.25)], abs=0.05
    )


def test_a_jump_is_drawn_upright_and_a_level_stretch_by_its_ends(draw: ModuleType) -> None:
    found = points(draw.curve_svg("drop", [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]))
    assert len(found) == 4
    assert found[1][0] == found[2][0] == (found[0][0] + draw.WIDTH - draw.RIGHT) / 2
    assert (found[0][1], found[3][1]) == (found[1][1], found[2][1])


def test_a_picture_marks_the_restarts_and_says_what_it_shows(draw: ModuleType) -> None:
    root = ElementTree.fromstring(draw.curve_svg("a < b", [1.0, 0.5] * 4, [2, 6]))
    assert root.findtext(f"{SVG}title") == "a < b"
    rules = [line.attrib["x1"] for line in root.findall(f"{SVG}line")]
    span = draw.WIDTH - draw.RIGHT - draw.LEFT
    assert [float(x) for x in rules] == [draw.LEFT + span / 4, draw.LEFT + span * 3 / 4]
