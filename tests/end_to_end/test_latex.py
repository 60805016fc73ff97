"""What is written as LaTeX goes through pdfLaTeX, whatever text is in it."""

from __future__ import annotations

import shutil
import subprocess
from itertools import product
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lrbench.cli.app import app
from lrbench.report.document.blocks import (
    Bullets,
    Commands,
    Document,
    Heading,
    Listing,
    Paragraph,
)
from lrbench.report.document.latex import to_latex
from lrbench.report.tables import Column

pytestmark = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="there is no pdflatex to compile with"
)

TEXTS = (
    '\\input{/etc/passwd} $x_1^2$ 50 % #1 & {~} | <b> "q"',
    "[x](javascript:alert(1))",
    "[0.1, 0.2]",
    "*starred",
    "a -- b --- c ``d'' ,,e !` ?`",
    "Größe, façade, Łódź, naïve – “quoted” … ½ × ±",
    "θ η → ∞ Ħ ſ 日本 \N{GRINNING FACE} \ud800 \u202e \x1b[2J \u00ad",
    "",
    "word " * 200,
    "x" * 300,
)


def compiled(text: str, folder: Path) -> str:
    """The log of a pass without errors; no file is written but it."""
    (folder / "it.tex").write_text(text)
    words = ["pdflatex", "-draftmode", "-interaction=nonstopmode", "-halt-on-error"]
    done = subprocess.run([*words, "-no-shell-escape", "it.tex"], cwd=folder, capture_output=True)
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said[-2000:]
    return said


def test_any_text_goes_anywhere(tmp_path: Path) -> None:
    rows = Column("words", TEXTS, is_label=True), Column("numbers", TEXTS)
    blocks = [
        *(Heading(text, level) for text in TEXTS[:7] for level in (2, 3)),
        *(Paragraph(text, manner) for text in TEXTS for manner in ("plain", "lead")),
        Bullets(TEXTS),
        Commands(TEXTS[:7]),
        Listing("title [x]", rows, TEXTS),
        Listing(TEXTS[0], (), ("a note",)),
        Listing("long", (Column("n", tuple(map(str, range(100)))),)),
    ]
    compiled(to_latex(Document(TEXTS[0], blocks)), tmp_path)


def test_a_real_report_and_real_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRBENCH_CACHE", str(tmp_path / "cache"))
    results = str(tmp_path / "r")

    def typed(*words: str) -> str:
        done = CliRunner().invoke(app, list(words))
        assert done.exit_code == 0, done.output
        return done.stdout

    for schedule, lr, seed in product(("constant", "sgdr"), ("0.03", "0.3"), range(2)):
        one = (f"schedule={schedule}", f"optimizer.lr={lr}", f"seed={seed}", "dataset=wine")
        size = ("model=linear", "train.steps=24", "train.eval_every=8")
        typed("run", *one, *size, "--note", TEXTS[0], "--tag", "pilot", "--results", results)
    said = compiled(typed("report", results, "--latex"), tmp_path)
    assert "Overfull" not in said
    for words in (("summarize", results), ("compare", results)):
        tables = typed(*words, "--format", "latex")
        packages = "\\usepackage[T1]{fontenc}\\usepackage{booktabs}"
        body = f"\\begin{{document}}\n{tables}\n\\end{{document}}\n"
        compiled(f"\\documentclass{{article}}{packages}{body}", tmp_path)
