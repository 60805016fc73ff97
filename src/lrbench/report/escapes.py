"""Text from records made inert, whatever is in it, where it is shown."""

from __future__ import annotations

import re

_MARKDOWN = re.compile(r"[\\`*_{}\[\]<>#|~$&]")
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def printable(text: str) -> str:
    """Control characters, line ends and lone surrogates written as Python writes them."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def cell(text: str) -> str:
    """``text`` for a CSV file: a spreadsheet takes none of it for a formula."""
    shown = printable(text)
    return f"'{shown}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else shown


def markdown(text: str) -> str:
    """``text`` as itself in a cell of a Markdown table."""
    return _MARKDOWN.sub(lambda match: f"\\{match[0]}", printable(text))


def latex(text: str) -> str:
    """``text`` as itself in LaTeX's text mode."""
    return "".join(_LATEX.get(character, character) for character in printable(text))
