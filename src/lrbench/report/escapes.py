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
    "\0": r"{\kern0pt}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
_LIGATURES = re.compile(r"-(?=-)|`(?=`)|'(?=')|,(?=,)|[?!](?=`)")
"""Characters that LaTeX would draw as one with the next: ``--seeds`` has two dashes."""
_BEYOND_LATEX = re.compile(r"(?![¡-ſ–—‘’“”„†‡•…‰€™])[^ -~]|[\u00adĦħĸĿŀŉŦŧſ]")
"""What pdfLaTeX stops at for want of a letter: all but European ones and a few signs."""


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
    """``text`` as itself in LaTeX's text mode; what its T1 fonts have not, as Python writes it."""
    known = _BEYOND_LATEX.sub(lambda match: ascii(match[0])[1:-1], printable(text))
    apart = _LIGATURES.sub(lambda match: f"{match[0]}\0", known)
    return "".join(_LATEX.get(character, character) for character in apart)


def latex_line(text: str) -> str:
    r"""The same after ``\\`` or ``\item``, which would take a [ or * for their own."""
    return f"{{}}{latex(text)}" if text.startswith(("[", "*")) else latex(text)


def latex_typed(text: str) -> str:
    """The same of a line in typewriter: with the quotes of a shell, broken at commas too."""
    shown = latex_line(text).replace("'", r"\textquotesingle{}").replace("`", r"\textasciigrave{}")
    return shown.replace(",", r",\allowbreak{}")
