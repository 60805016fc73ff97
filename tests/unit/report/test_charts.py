"""Charts: what is in them, that it is all, and what is written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.errors import ConfigError
from lrbench.report.charts.files import save
from lrbench.report.charts.look import COLOURS, WIDTH
from lrbench.report.charts.steps import MOST_RULES, Series, step_chart
from lrbench.report.charts.thinning import thin

LOADING_TAG = re.compile(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)\s*=", re.IGNORECASE)


def spec_of(*series: Series) -> dict[str, Any]:
    return step_chart(series, title="sgdr", subtitle="6 steps", y_title="factor").static()


def curves_in(spec: dict[str, Any]) -> dict[str, list[tuple[int, float]]]:
    """The points of each series, in order, from the layer of the lines."""
    (layer,) = [layer for layer in spec["layer"] if layer["mark"]["type"] == "line"]
    found: dict[str, list[tuple[int, float]]] = {}
    for point in rows_of(spec, layer):
        found.setdefault(point["series"], []).append((point["step"], point["value"]))
    return found


def rules_in(spec: dict[str, Any]) -> list[int]:
    layers = [layer for layer in spec["layer"] if layer["mark"]["type"] == "rule"]
    return [row["step"] for layer in layers for row in rows_of(spec, layer)]


def rows_of(spec: dict[str, Any], layer: dict[str, Any]) -> list[dict[str, Any]]:
    data = layer.get("data") or spec["data"]
    rows = data["values"] if "values" in data else spec["datasets"][data["name"]]
    return list(rows)


def test_every_value_of_a_short_series_is_drawn_and_the_last_one_has_its_own_width() -> None:
    spec = spec_of(Series("a", [1.0, 0.5, 0.25]), Series("b", [0.1, 0.2]))
    assert curves_in(spec) == {
        "a": [(0, 1.0), (1, 0.5), (2, 0.25), (3, 0.25)],
        "b": [(0, 0.1), (1, 0.2), (2, 0.2)],
    }


def test_values_are_stairs_over_the_whole_run_from_zero() -> None:
    spec = spec_of(Series("a", [1.0, 0.5, 0.25]))
    (layer,) = spec["layer"]
    x, y = layer["encoding"]["x"], layer["encoding"]["y"]
    assert layer["mark"]["interpolate"] == "step-after"
    assert x["scale"]["domain"] == [0, 3]
    assert (x["title"], y["title"], y["scale"]["zero"]) == ("step", "factor", True)


def test_marked_steps_are_rules_once_each() -> None:
    assert rules_in(spec_of(Series("a", [1.0] * 6, (2, 4)), Series("b", [1.0] * 6, (2,)))) == [2, 4]


def test_more_rules_than_can_be_told_apart_are_left_out() -> None:
    marked = tuple(range(1, MOST_RULES + 2))
    assert rules_in(spec_of(Series("a", [1.0] * 100, marked))) == []
    assert rules_in(spec_of(Series("a", [1.0] * 100, marked[1:]))) == list(marked[1:])


def test_twice_as_many_series_as_colours_all_look_different() -> None:
    many = [Series(f"s{index}", [1.0]) for index in range(2 * len(COLOURS))]
    encoding = spec_of(*many)["layer"][0]["encoding"]
    colours, dashes = (encoding[channel]["scale"]["range"] for channel in ("color", "strokeDash"))
    looks = {(colour, tuple(dash)) for colour, dash in zip(colours, dashes, strict=True)}
    assert len(looks) == len(many)
    assert encoding["color"]["scale"]["domain"] == [one.label for one in many]


def test_only_several_series_have_a_legend() -> None:
    one, two = spec_of(Series("a", [1.0])), spec_of(Series("a", [1.0]), Series("b", [1.0]))
    assert one["layer"][0]["encoding"]["color"]["legend"] is None
    assert two["layer"][0]["encoding"]["color"]["legend"]["orient"] == "bottom"


def test_a_long_series_is_drawn_with_a_few_points_that_keep_a_peak_of_one_step() -> None:
    values = [0.1] * 1_000_000
    values[654_321] = 1.0
    points = curves_in(spec_of(Series("a", values)))["a"]
    assert len(points) <= 4 * WIDTH + 1
    assert (654_321, 1.0) in points
    assert points[0] == (0, 0.1)
    assert points[-1] == (1_000_000, 0.1)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=300), st.integers(1, 20))
def test_thinning_keeps_first_last_smallest_and_largest_of_every_part(
    values: list[float], buckets: int
) -> None:
    kept = thin(values, buckets)
    assert kept == sorted(set(kept))
    assert len(kept) <= 4 * buckets
    for bucket in range(buckets):
        first, end = bucket * len(values) // buckets, (bucket + 1) * len(values) // buckets
        part, inside = values[first:end], [step for step in kept if first <= step < end]
        if part:
            assert (inside[0], inside[-1]) == (first, end - 1)
            assert min(values[step] for step in inside) == min(part)
            assert max(values[step] for step in inside) == max(part)


def test_a_series_short_enough_is_not_thinned() -> None:
    assert thin([0.0] * 40, 10) == list(range(40))
    assert len(thin([0.0] * 41, 10)) < 41


@pytest.fixture
def chart() -> Any:
    series = [Series("sgdr", [1.0, 0.5, 1.0, 0.75], (2,)), Series("<b>&", [1.0, 0.0])]
    return step_chart(series, title="sgdr", subtitle="4 steps", y_title="factor")


@pytest.mark.parametrize(
    ("name", "start"), [("c.png", b"\x89PNG"), ("c.svg", b"<svg"), ("c.html", b"<!DOCTYPE html>")]
)
def test_the_ending_says_what_is_written_and_the_same_bytes_twice(
    chart: Any, tmp_path: Path, name: str, start: bytes
) -> None:
    path, again = tmp_path / name, tmp_path / f"again-{name}"
    path.write_text("what was there before")
    save(chart, path)
    save(chart, again)
    assert path.read_bytes().lstrip().startswith(start)
    assert path.read_bytes() == again.read_bytes()


def test_the_page_holds_all_it_needs(chart: Any, tmp_path: Path) -> None:
    path = tmp_path / "c.html"
    save(chart, path)
    text = path.read_text()
    markup = re.sub(r"(<script\b[^>]*>).*?</script>", r"\1", text, flags=re.DOTALL)
    assert len(re.sub(r"<style>.*?</style>", "", markup, flags=re.DOTALL)) < 5_000
    assert not LOADING_TAG.search(markup)
    assert "@import" not in markup
    assert "cdn" not in text.lower()
    assert len(text) > 500_000


def test_the_picture_names_its_series_axes_and_title(chart: Any, tmp_path: Path) -> None:
    path = tmp_path / "c.svg"
    save(chart, path)
    words = set(re.findall(r">([^<>]+)</text>", path.read_text()))
    assert {"sgdr", "4 steps", "step", "factor", "&lt;b&gt;&amp;"} <= words


@pytest.mark.parametrize(
    ("name", "relation"),
    [
        ("c.pdf", "must end in .png, .svg or .html"),
        ("c", "must end in"),
        ("none/c.png", "must lie in a folder that exists"),
        ("folder.png", "must be a file, not a folder"),
    ],
)
def test_what_cannot_be_written_is_refused(
    chart: Any, tmp_path: Path, name: str, relation: str
) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ConfigError, match=relation):
        save(chart, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]
