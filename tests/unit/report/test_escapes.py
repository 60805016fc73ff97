from __future__ import annotations

import pytest

from lrbench.report.escapes import latex, markdown, printable


@pytest.mark.parametrize("text", ["\x1b[31mred", "two\nlines", "\u202eright", "\udcff"])
def test_no_control_character_comes_through(text):
    for escape in (printable, markdown, latex):
        assert escape(text).isprintable()


def test_latex_specials_are_text():
    assert latex(r"50%_a & b$#{}~^\x") == (
        r"50\%\_a \& b\$\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}x"
    )


def test_markdown_specials_are_text():
    assert markdown("a|b_c*<i>") == r"a\|b\_c\*\<i\>"
