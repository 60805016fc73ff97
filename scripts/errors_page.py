"""docs/errors.md: what lrbench says to wrong inputs, from the table of tests/bad_inputs.

    python scripts/errors_page.py [--check]

With ``--check`` nothing is written, and the exit code is 1 if the page is not current.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))

from typer.testing import CliRunner, Result  # noqa: E402

from bad_inputs import CHAPTERS  # noqa: E402
from bad_inputs.row import CONFIG, LONGEST_LINE, Row, common  # noqa: E402
from lrbench.cli.app import app  # noqa: E402

PAGE = ROOT / "docs" / "errors.md"

INTRODUCTION = """\
# Errors

<!-- Made by scripts/errors_page.py from the table in tests/bad_inputs; make docs makes it anew. -->

What lrbench says to wrong inputs; the tests type every one of them.

A problem is told in one to three lines: what must hold and what was given, where that came from,
and something to try. All problems of a configuration come at once, nothing has been written, and
the exit code is 2. `lrbench --debug …` shows the traceback.

The number of cores and the devices differ from one machine to another; `…` stands for what is too
long to be shown.
"""


def page(said: Callable[[Row], str]) -> str:
    """The whole page, from what lrbench says to each row."""
    return "\n".join([INTRODUCTION, *_contents(), *_chapters(said)])


def block(row: Row, told: str) -> str:
    """A row as the page has it: the folder, what was typed before, what is typed, the answer."""
    lines: list[str] = []
    for name, content in row.files.items():
        lines += _file(name, content)
    lines += [f"$ lrbench {command}" for command in row.after]
    lines += [f"$ lrbench {_shown(row.typed)}", *map(_shown, common(told).splitlines())]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the page, or only say whether it is current; the exit code is 1 if it was not."""
    check = sys.argv[1:] == ["--check"]
    text = page(_said)
    if PAGE.exists() and PAGE.read_bytes().decode() == text:
        return 0
    print(f"{'not current' if check else 'written'}: {PAGE.relative_to(ROOT)}")
    if not check:
        PAGE.write_text(text, encoding="utf-8", newline="\n")
    return int(check)


def _contents() -> Iterator[str]:
    for chapter, sections in CHAPTERS.items():
        links = " · ".join(f"[{one.title}](#{_anchor(one.title)})" for one in sections)
        yield f"- **{chapter}**: {links}"
    yield ""


def _chapters(said: Callable[[Row], str]) -> Iterator[str]:
    for chapter, sections in CHAPTERS.items():
        yield f"## {chapter}\n"
        for one in sections:
            yield f"### {one.title}\n"
            yield "```text"
            yield "\n".join(block(row, said(row)) for row in one.rows).rstrip("\n")
            yield "```\n"


def _anchor(title: str) -> str:
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")


def _file(name: str, content: str | bytes) -> Iterator[str]:
    text = content.decode(errors="backslashreplace") if isinstance(content, bytes) else content
    if name.endswith("config.yaml"):
        yield f"$ diff conf/config.yaml {name}"
        for line in difflib.ndiff(CONFIG.splitlines(), text.splitlines()):
            if line[0] in "+-":
                yield f"{'>' if line[0] == '+' else '<'} {line[2:]}".rstrip()
    else:
        yield f"$ cat {name}"
        yield from (_shown(line.replace("\t", "\\t")) for line in text.splitlines())


def _shown(line: str) -> str:
    """A line, shortened and inert, as the page has it."""
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…"


def _said(row: Row) -> str:
    """What lrbench says to a row, typed in a folder of its own."""

    def lrbench(*words: str) -> Result:
        return CliRunner().invoke(app, list(words), env={"COLUMNS": "80"})

    path, modules = list(sys.path), set(sys.modules)
    try:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            row.prepare(lrbench, Path(folder))
            return lrbench(*row.words).stderr.replace(f"{os.path.realpath(folder)}/", "")
    finally:
        # Rows have modules of the same name.
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(folder):
                del sys.modules[name]


if __name__ == "__main__":
    sys.exit(main())
