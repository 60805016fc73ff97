"""The frame of a page: head, style, the pictures' figures, and the scripts that draw them.

All of it is in the file. The page's policy lets a browser run the two scripts of ours and nothing
else, and fetch nothing; text of records is escaped all the same.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from importlib import resources

from lrbench import __version__
from lrbench.report.charts.look import Look
from lrbench.report.charts.picture import Picture
from lrbench.report.escapes import printable
from lrbench.report.page.bundle import vega_script


def page(title: str, body: str, pictures: Sequence[Picture]) -> str:
    """A whole page.

    Parameters
    ----------
    title : str
        Of the browser's window; any text.
    body : str
        HTML, with a :func:`figure` for each picture.
    pictures : sequence of Picture, with different names
    """
    scripts = [vega_script(), _file("page.js")] if pictures else []
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts) or "'none'"
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f'<meta name="generator" content="lrbench {__version__}">',
            f"<title>{text(title)}</title>",
            f"<style>\n{_file('page.css')}</style>",
            "</head>",
            "<body>",
            body,
            *([_data(pictures)] if pictures else []),
            *(f"<script>{script}</script>" for script in scripts),
            "</body>",
            "</html>",
            "",
        ]
    )


def picture_page(picture: Picture) -> str:
    """A page with one picture."""
    body = f"<main>\n<h1>{text(picture.title)}</h1>\n{figure(picture)}\n</main>"
    return page(picture.title, body, [picture])


def figure(picture: Picture) -> str:
    """The place of a picture in a page's body, with its legend and caption; no heading."""
    parts = [f'<figure id="{picture.name}">']
    if picture.looks:
        parts.append(chips(picture.looks, picture.rates))
    parts += [
        '<div class="chart"><noscript>The picture is drawn by a script of this page.</noscript>'
        "</div>",
        f"<figcaption>{text(picture.caption)}",
    ]
    if picture.hint:
        parts.append(f'<span class="hint">{text(picture.hint)}</span>')
    return "\n".join([*parts, "</figcaption>", "</figure>"])


def chips(looks: Iterable[Look], rates: Sequence[float] = ()) -> str:
    """A legend of buttons, and a choice of learning rates."""
    parts = ['<div class="chips">']
    for look in looks:
        label = text(look.label)
        parts.append(
            f'<button type="button" class="chip" aria-pressed="false" data-label="{label}">'
            f"{swatch(look)}{label}</button>"
        )
    if rates:
        options = "".join(f'<option value="{rate!r}">{rate:g}</option>' for rate in rates)
        parts.append(
            '<label class="rate">learning rate <select><option value="">each at its own best'
            f"</option>{options}</select></label>"
        )
    return "\n".join([*parts, "</div>"])


def swatch(look: Look) -> str:
    """A short line in the look of a contender."""
    dashes = " ".join(map(str, look.dash))
    dashed = "" if look.dash == (1, 0) else f' stroke-dasharray="{dashes}"'
    return (
        '<svg class="swatch" width="26" height="10" aria-hidden="true">'
        f'<path d="M1 5H25" stroke="{look.colour}" stroke-width="3"{dashed}/></svg>'
    )


def text(anything: object) -> str:
    """Any text as text in HTML, between tags or in an attribute."""
    return escape(printable(str(anything)))


def _data(pictures: Sequence[Picture]) -> str:
    value = [
        {
            "name": picture.name,
            "description": f"{picture.title}. {picture.caption}",
            "panel": picture.panel,
            "columns": picture.columns,
            "spec": picture.for_page(),
        }
        for picture in pictures
    ]
    # "</script>" in some label must not end it.
    inert = json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="pictures">{inert}</script>'


@cache
def _file(name: str) -> str:
    return (resources.files("lrbench.report.page") / name).read_text(encoding="utf-8")


@cache
def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
