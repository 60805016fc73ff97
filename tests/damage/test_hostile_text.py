"""Text from records of strangers is shown as text: it drives no terminal, page or spreadsheet."""

from __future__ import annotations

import csv
import html.parser
import io
import json
import shutil
import unicodedata
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from damage.damaging import edit
from lrbench.cli.app import app
from lrbench.record import layout
from lrbench.record.notes import Note, add_note
from lrbench.report.charts.files import save
from lrbench.report.charts.steps import Series, step_chart
from lrbench.spec.canonical import canonical, digest, sealed
from lrbench.workflows.plot import KINDS

HOSTILE = {
    "html": "</script><img src=x onerror=alert(1)>",
    "entity": "&lt;b&gt;{{7*7}}",
    "link": "[x](javascript:alert(1))",
    "right to left": "abc\u202egpj.exe",
    "bells": "a\x07\x08\x00\x7fb",
    "escape": "\x1b[2J\x1b]0;mine\x07",
    "C1": "\x9b31m\x85",
    "lines": "a\ncomplete     wine-mlp-sgdr-s0-00000000\r\nb\u2028c",
    "formula": "=cmd|' /C calc'!A0",
    "at": "@SUM(1+1)",
    "plus": "+1+1",
    "minus": "-2+3",
    "tab": "\t=1+1",
    "latex": "\\input{/etc/passwd}$x_1^2$ %",
    "cell": "a | b \\\\ & c",
    "lone": "\ud800",
}
ALL = " ".join(value for name, value in HOSTILE.items() if name != "lone")


def respecified(record: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The record of another specification, sealed as if lrbench had written it."""
    spec = json.loads((record / layout.SPEC).read_text())
    change(spec)
    (record / layout.SPEC).write_text(canonical(spec))
    identity = digest(spec)
    edit(record / layout.RESULT, lambda result: result.update(spec_digest=identity))
    return record.rename(record.with_name(f"wine-mlp-sgdr-s{spec['seed']}-{identity[:8]}"))


@pytest.fixture
def results(copied: Callable[[Path], Path], finished: Path) -> Path:
    """Runs whose every free text is hostile: finished, failed, running elsewhere, damaged."""
    first = copied(finished)
    folder = first.parent
    for index, text in enumerate(HOSTILE.values()):
        copy = Path(shutil.copytree(finished, folder / f"copy{index}"))
        edit(copy / layout.MANIFEST, lambda manifest, text=text: manifest.update(note=text))
        respecified(
            copy,
            lambda spec, text=text: (
                spec["model"]["params"].update(activation=text),
                spec["dataset"].update(target=text),
                spec["schedule"]["params"].update({text: 1}),
            ),
        )
    failed = Path(shutil.copytree(finished, folder / "failed"))
    edit(
        failed / layout.ATTEMPTS / "0002.json",
        lambda attempt: attempt.update(outcome="failed", message=ALL, reason=ALL, remarks=[ALL]),
    )
    failed = respecified(failed, lambda spec: spec.update(seed=7))
    (failed / layout.RESULT).unlink()
    broken = folder / "wine-\x1b[31m=1\n<b>\u202e-00000000"
    broken.mkdir()
    (broken / layout.SPEC).write_bytes(b'{"' + ALL.encode() + b'": 1, ')
    (folder / "=cmd()\x1b[0m\n<b>").mkdir()
    sweeps = folder / layout.SWEEPS
    sweeps.mkdir()
    (sweeps / "=1\x1b[31m\n<b>\u202e.json").write_text(
        canonical(sealed({"arms": [{"runs": [{}]}]}))
    )
    (sweeps / "2=1\x1b[31m\n<b>\u202e.json").write_text('{"')
    return folder


def call(*words: object) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def obeyed(text: str) -> list[str]:
    """The characters a terminal would obey instead of showing."""
    return [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") and c != "\n"]


def pairs(folder: Path) -> Iterator[tuple[Path, Path]]:
    records = sorted(path.parent for path in folder.glob("wine-mlp-*/spec.json"))
    return pairwise(records)


def commands(folder: Path) -> Iterator[tuple[object, ...]]:
    for form in ("table", "csv", "md", "latex", "json"):
        yield "summarize", folder, "--format", form
    yield "summarize", folder, "--by", "model"
    for flags in ((), ("--all",), ("--json",)):
        yield "status", folder, *flags
    for flags in ((), ("--json",)):
        yield "verify", folder, "--files", *flags
    for first, second in pairs(folder):
        yield "diff", first, second
    yield "diff", first, second, "--json"
    for flags in (("-o", folder.parent / "r.html"), ("--markdown",), ("--latex",), ("--json",)):
        yield "report", folder, *flags
    for kind in KINDS:
        yield "plot", folder, "--kind", kind, "-o", folder.parent / "p.html"
    yield "resume", folder
    yield "bundle", folder, "--out", folder.parent / "out.lrbundle"
    yield "bundle", folder, "--out", folder.parent / "out.lrbundle", "--without-damaged"


@pytest.mark.slow
def test_no_command_passes_on_what_a_terminal_would_obey(results: Path) -> None:
    for words in commands(results):
        said = call(*words)
        assert obeyed(said.stdout + said.stderr) == [], words
        assert "\ud800" not in said.stdout


def test_a_line_of_a_stranger_does_not_pass_for_one_of_ours(results: Path) -> None:
    for words in (("status", results, "--all"), ("verify", results, "--files")):
        lines = call(*words).stdout.splitlines()
        assert "complete     wine-mlp-sgdr-s0-00000000" not in [line.strip() for line in lines]
        assert not any(line.startswith("<b>") for line in lines)


def test_json_keeps_the_text_as_it_is(results: Path) -> None:
    told = json.loads(call("status", results, "--json").stdout)
    reasons = [run["reason"] for run in told["runs"] if run["status"] == "failed"]
    assert reasons == [ALL]
    assert any("\x1b[31m" in run["run_id"] for run in told["runs"])
    rows = json.loads(call("summarize", results, "--format", "json").stdout)
    found = {arm["settings"].get("model.activation") for arm in rows["arms"]}
    assert {text for name, text in HOSTILE.items() if name != "lone"} <= found


def test_no_cell_of_a_csv_file_is_a_formula(results: Path) -> None:
    text = call("summarize", results, "--format", "csv").stdout
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert any("cmd" in cell for cell in cells)
    for cell in cells:
        try:
            float(cell)
        except ValueError:
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), cell


class Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)


def test_markdown_and_latex_show_it_as_text(results: Path) -> None:
    md = call("summarize", results, "--format", "md").stdout
    unescaped = md.replace("\\<", "").replace("\\[", "").replace("\\|", "")
    tags = Tags()
    tags.feed(unescaped)
    assert tags.found == []
    assert "](javascript" not in unescaped.replace("\\]", "")
    assert len({line.count("|") for line in unescaped.splitlines() if line.startswith("|")}) == 1
    latex = call("summarize", results, "--format", "latex").stdout
    assert "\\input{/etc" not in latex
    assert "textbackslash{}input" in latex


@pytest.fixture
def contenders(copied: Callable[[Path], Path], finished: Path) -> Path:
    """Runs of schedules with hostile settings, compared with each other, in a hostile folder."""
    folder = copied(finished).parent / "=1 <b>\x1b[31m\u202e$x_1$"
    shutil.copytree(finished, folder / finished.name)
    for index, text in enumerate(HOSTILE.values()):
        copy = Path(shutil.copytree(finished, folder / f"copy{index}"))
        edit(copy / layout.MANIFEST, lambda manifest, text=text: manifest.update(note=text))
        settings = {"shape": text, text: text}
        record = respecified(
            copy, lambda spec, new=settings: spec["schedule"]["params"].update(new)
        )
        if text.isascii():
            add_note(record, Note("2026-11-01T10:00:00.000+00:00", text))
    return folder


def strings(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for key, inner in value.items():
                yield from (key, *strings(inner))
        case list():
            for inner in value:
                yield from strings(inner)


class Page(Tags):
    """The tags of a page, its text, and the texts of what its script draws."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.drawn: list[str] = []
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        super().handle_starttag(tag, attrs)
        self._inside = "json" if ("type", "application/json") in attrs else tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "json":
            self.drawn += strings(json.loads(data))
        elif self._inside not in ("script", "style"):
            self.text += data


PAGE = {
    *("html", "head", "meta", "title", "style", "body", "main", "script", "noscript"),
    *("h1", "h2", "h3", "nav", "a", "p", "ul", "li", "pre", "details", "summary", "div", "table"),
    *("thead", "tbody", "tr", "th", "td", "svg", "path", "figure", "figcaption", "span"),
    *("button", "label", "select", "option"),
}
"""Tags that reports have; a new one of ours is to be added."""


def test_a_report_shows_it_as_text(contenders: Path) -> None:
    path = contenders.parent / "report.html"
    said = call("report", contenders, "-o", path)
    assert path.exists(), said.output
    page = Page(path.read_text())
    assert set(page.found) <= PAGE
    assert page.found.count("script") == 3
    assert "alert(1)" in page.text
    assert "{{7*7}}" in page.text
    assert obeyed(page.text) == []
    assert [text for text in page.drawn if obeyed(text)] == []
    assert any("onerror=alert" in text for text in page.drawn)

    md = call("report", contenders, "--markdown").stdout
    assert obeyed(md) == []
    outside = "\n".join(line for line in md.splitlines() if not line.startswith("    "))
    tags = Tags()
    tags.feed(outside.replace("\\<", "").replace("\\[", ""))
    assert tags.found == []
    tex = call("report", contenders, "--latex").stdout
    assert obeyed(tex) == []
    assert "\\input{/etc" not in tex
    assert "$x_1" not in tex


def test_a_report_of_one_run_of_each_shows_it_as_text(results: Path) -> None:
    path = results.parent / "report.html"
    call("report", results, "-o", path)
    page = Page(path.read_text())
    assert set(page.found) <= PAGE
    assert obeyed(page.text) == []
    assert [text for text in page.drawn if obeyed(text)] == []


@pytest.mark.parametrize("kind", ["curves", "differences", "seeds", "layers"])
def test_a_plot_shows_it_as_text(kind: str, contenders: Path) -> None:
    for ending in ("svg", "html", "png"):
        path = contenders.parent / f"p.{ending}"
        said = call("plot", contenders, "--kind", kind, "-o", path)
        assert path.exists(), said.output
        assert obeyed(said.output) == []
        if ending == "html":
            page = Page(path.read_text())
            assert set(page.found) <= PAGE
            assert [text for text in page.drawn if obeyed(text)] == []
        if ending == "svg":
            drawn = path.read_text()
            kinds = {one.tag.rpartition("}")[2] for one in ElementTree.fromstring(drawn).iter()}
            assert kinds <= {
                *("svg", "g", "path", "text", "rect", "defs", "clipPath", "line", "title"),
                *("linearGradient", "stop", "tspan"),
            }
            assert obeyed(drawn) == []


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("ending", ["svg", "html"])
def test_a_picture_shows_it_as_text(kind: str, ending: str, tmp_path: Path) -> None:
    text = HOSTILE[kind]
    path = tmp_path / f"chart.{ending}"

    def draw(text: str) -> str:
        lines = [Series(text, [1.0, 0.5]), Series("other", [1.0, 2.0])]
        save(step_chart(lines, title=text, subtitle=text, y_title="factor"), path)
        return path.read_text()

    tags = Tags()
    tags.feed(draw("plain"))
    plain = tags.found
    drawn = draw(text)
    assert not {"\x00", "\x1b", "\x07", "\u202e", "\x9b"} & set(drawn)
    if ending == "svg":
        kinds = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(drawn).iter()}
        assert kinds <= {"svg", "g", "path", "text", "rect", "defs", "clipPath", "line", "title"}
    tags = Tags()
    tags.feed(drawn)
    assert set(tags.found) == set(plain)
