"""The report and a picture in a real browser: drawn, asking for nothing, alive, readable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from browser.chromium import Page
from lrbench.cli.app import app

pytestmark = pytest.mark.slow

SWEEP = (
    *("schedule=constant,cosine,sgdr", "optimizer.lr=0.03,0.3", "dataset=wine", "model=linear"),
    *("train.steps=60", "train.eval_every=10"),
)
TICKS = (
    "[...document.querySelectorAll('#curves-0 .role-axis-label text')]"
    ".map((text) => text.textContent).sort()"
)
WIDTHS = {"desk": 1200, "tablet": 768, "phone": 390}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LRBENCH_CACHE", str(folder / "cache"))
        words = ["sweep", *SWEEP, "--seeds", "3", "--report", "--results", str(folder / "r")]
        words += ["--note", "<img src=x onerror=document.title='mine'>"]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.stderr
        yield folder / "r" / "report.html"


@pytest.fixture
def opened(page: Page, report: Path) -> Page:
    page.complaints.clear()
    page.requests.clear()
    page.open(report)
    return page


def count(page: Page, selector: str) -> int:
    return int(page.run(f"document.querySelectorAll({selector!r}).length"))


def test_every_picture_is_drawn_without_a_complaint(opened: Page) -> None:
    assert count(opened, "figure") == count(opened, "figure .chart > svg.marks, figure .chart svg")
    sizes = opened.run(
        "[...document.querySelectorAll('figure .chart svg')]"
        ".map((svg) => [svg.getBoundingClientRect().width, svg.querySelectorAll('path').length])"
    )
    assert len(sizes) >= 5
    assert all(width > 300 and paths > 5 for width, paths in sizes), sizes
    assert opened.complaints == []


def test_no_request_leaves_the_page_and_no_text_of_a_record_runs(
    opened: Page, report: Path
) -> None:
    assert {url.partition("#")[0] for url in opened.requests} == {report.resolve().as_uri()}
    assert opened.run("document.title") == "Report on r"
    assert count(opened, "img") == 0
    assert "onerror" in opened.run("document.body.innerText")


def test_a_script_that_is_not_ours_does_not_run(opened: Page) -> None:
    ran = opened.run(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
        "document.body.append(s); return window.ran ?? 0; })()"
    )
    assert ran == 0


@pytest.mark.parametrize("name", WIDTHS)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_is_wider_than_the_screen(page: Page, report: Path, name: str, dark: bool) -> None:
    width = WIDTHS[name]
    page.open(report, width, dark=dark)
    assert page.run("document.documentElement.scrollWidth") <= width
    inside = page.run(
        "[...document.querySelectorAll('.chart')]"
        ".every((chart) => chart.querySelector('svg').getBoundingClientRect().width"
        " <= chart.clientWidth + 1)"
    )
    assert inside


def luminance(rgb: str) -> float:
    channels = [int(part) / 255 for part in re.findall(r"\d+", rgb)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_texts_are_readable_in_both_schemes_those_of_the_pictures_too(
    page: Page, report: Path, dark: bool
) -> None:
    page.open(report, dark=dark)
    ground = page.run("getComputedStyle(document.body).backgroundColor")
    assert (luminance(ground) < 0.1) == dark
    inks = page.run(
        "[...document.querySelectorAll('p, li, td, th, figcaption, .chip, a')].map((one) =>"
        "getComputedStyle(one).color).concat([...document.querySelectorAll('.chart svg text')]"
        ".map((one) => getComputedStyle(one).fill))"
    )
    assert len(inks) > 100
    # WCAG 2.2, 1.4.3.
    assert min(contrast(ink, ground) for ink in set(inks)) >= 4.5


def test_a_name_in_the_legend_brings_its_seeds_in_every_picture(opened: Page) -> None:
    def lines() -> int:
        return count(opened, "#curves-0 .mark-line path")

    before = lines()
    opened.run("document.querySelector('.chip[data-label=\"sgdr\"]').click()")
    pressed = ".chip[data-label='sgdr'][aria-pressed='true']"
    settled(opened, f"document.querySelectorAll({pressed!r}).length > 3")
    settled(opened, f"document.querySelectorAll('#curves-0 .mark-line path').length > {before}")
    opened.run("document.querySelector('.chip[data-label=\"sgdr\"]').click()")
    settled(opened, f"document.querySelectorAll('#curves-0 .mark-line path').length === {before}")
    assert opened.complaints == []


def test_another_learning_rate_can_be_brought_to_the_front(opened: Page) -> None:
    before = opened.run(TICKS)
    opened.run(
        "(() => { const s = document.querySelector('#curves-0 select'); s.value = '0.03';"
        "s.dispatchEvent(new Event('change')); })()"
    )
    settled(opened, f"JSON.stringify({TICKS}) !== {as_text(before)}")
    assert opened.complaints == []


def test_the_pointer_on_a_restart_tells_what_the_ledger_says(opened: Page) -> None:
    place = opened.run(
        "(() => { document.querySelector('#curves-0').scrollIntoView();"
        "const marks = [...document.querySelectorAll('#curves-0 .mark-symbol path')]"
        ".filter((path) => path.getAttribute('opacity') !== '0');"
        "const box = marks[0].getBoundingClientRect();"
        "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
    )
    opened.hover(*place)
    settled(opened, "document.querySelector('#vg-tooltip-element.visible') !== null")
    told = opened.run("document.querySelector('#vg-tooltip-element').innerText")
    for words in ("sgdr", "cycle length", "learning rate before", "updates until back", "gain"):
        assert words in told
    assert opened.complaints == []


def test_all_panels_zoom_together_and_come_back(opened: Page) -> None:
    before = opened.run(TICKS)
    paths = (
        "[...document.querySelectorAll('#curves-0 .mark-line path')]"
        ".map((path) => path.getAttribute('d'))"
    )
    drawn = opened.run(paths)
    box = opened.run(
        "(() => { document.querySelector('#curves-0').scrollIntoView();"
        "const box = document.querySelector('#curves-0 .chart svg').getBoundingClientRect();"
        "return [box.x + box.width / 2, box.y + 60]; })()"
    )
    # What is below the pointer follows the scrolling a frame later.
    opened.run("new Promise((done) => setTimeout(done, 300))")
    opened.hover(*box)
    for _ in range(5):
        opened.call(
            "Input.dispatchMouseEvent",
            type="mouseWheel",
            x=box[0],
            y=box[1],
            modifiers=2,  # Ctrl
            deltaX=0,
            deltaY=-120,
        )
    settled(opened, f"JSON.stringify({TICKS}) !== {as_text(before)}")
    changed = opened.run(paths)
    # Lines in the upper, the middle and the lower panel.
    assert all(a != b for a, b in zip(drawn, changed, strict=True) if a)
    for kind in ("mousePressed", "mouseReleased") * 2:
        opened.call(
            "Input.dispatchMouseEvent",
            type=kind,
            x=box[0],
            y=box[1],
            button="left",
            clickCount=2,
        )
    settled(opened, f"JSON.stringify({TICKS}) === {as_text(before)}")


def test_it_can_be_printed(opened: Page, tmp_path: Path) -> None:
    opened.paper(tmp_path / "report.pdf")
    data = (tmp_path / "report.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    assert opened.run("[...document.querySelectorAll('details')].every((one) => one.open)")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", data)) <= 30
    assert opened.complaints == []


def test_a_single_picture_is_such_a_page_too(page: Page, report: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.html"
    words = ["plot", str(report.parent), "--kind", "layers", "-o", str(path)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.stderr
    page.complaints.clear()
    page.requests.clear()
    page.open(path, 390)
    assert page.run("document.querySelector('.chart svg').querySelectorAll('path').length") > 50
    assert page.complaints == []
    assert set(page.requests) == {path.resolve().as_uri()}


def as_text(value: Any) -> str:
    import json

    return f"JSON.stringify({json.dumps(value)})"


def settled(page: Page, condition: str) -> None:
    """Wait until something is so."""
    met = page.run(
        "(async () => { for (let n = 0; n < 200; n += 1) {"
        f"if ({condition}) return true;"
        "await new Promise((done) => setTimeout(done, 50)); } return false; })()"
    )
    assert met, condition
