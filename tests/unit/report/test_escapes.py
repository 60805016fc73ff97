from __future__ import annotations

import pytest

from lrbench.report.escapes import latex, latex_line, latex_typed, markdown, printable


@pytest.mark.parametrize("text", ["\x1b[31mred", "two\nlines", "\u202eright", "\udcff"])
def test_no_control_character_comes_through(text):
    for escape in (printable, markdown, latex):
        assert escape(text).isprintable()


def test_latex_specials_are_text():
    assert latex(r"50%_a & b$#{}~^\x") == (
        r"50\%\_a \& b\$\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}x"
    )


def test_latex_joins_no_characters_and_takes_none_for_its_own():
    assert latex("a --seeds ---") == r"a -{\kern0pt}-seeds -{\kern0pt}-{\kern0pt}-"
    assert latex("``x''") == r"`{\kern0pt}`x'{\kern0pt}'"
    assert latex_line("[1, 2]") == "{}[1, 2]"
    assert latex_line("*x") == "{}*x"
    assert latex_typed("'a,b'") == r"\textquotesingle{}a,\allowbreak{}b\textquotesingle{}"


def test_what_latex_has_no_letter_for_is_written_as_python_writes_it():
    assert latex("naïve – Łódź × ½") == "naïve – Łódź × ½"
    assert latex("θ∞") == r"\textbackslash{}u03b8\textbackslash{}u221e"
    assert latex("\N{GRINNING FACE}") == r"\textbackslash{}U0001f600"


def test_markdown_specials_are_text():
    assert markdown("a|b_c*<i>") == r"a\|b\_c\*\<i\>"
