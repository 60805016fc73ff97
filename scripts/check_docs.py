"""Run the commands the documents show, and check that their links lead somewhere.

In README.md and docs/, every line of a fenced block marked ``console`` that begins with ``$ `` is a
command. Those of lrbench are run, in order, in one temporary folder; ``make``, ``git`` and ``cd``
lines are what CI does anyway. A line ``# exit N`` before a command states another exit code than 0.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r"^```(\w*)\s*$")
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def documents() -> list[Path]:
    """Every Markdown file a reader is sent to."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def commands(document: Path) -> Iterator[tuple[int, str, int]]:
    """Line number, command and expected exit code, in the order of the document."""
    language, expected = None, 0
    for number, line in enumerate(document.read_text().splitlines(), start=1):
        if fence := FENCE.match(line):
            language = fence[1] if language is None else None
        elif language == "console" and line.startswith("# exit "):
            expected = int(line.removeprefix("# exit "))
        elif language == "console" and line.startswith("$ lrbench"):
            yield number, line.removeprefix("$ "), expected
            expected = 0


def broken_links(document: Path) -> Iterator[str]:
    """Relative links to files that are not there."""
    for target in LINK.findall(document.read_text()):
        if "://" not in target and not (document.parent / target).exists():
            yield target


def main() -> int:
    """Print what fails; the exit code says whether anything did."""
    failures = [
        f"{d.relative_to(ROOT)}: no {link}" for d in documents() for link in broken_links(d)
    ]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    count = 0
    for document in documents():
        with tempfile.TemporaryDirectory() as folder:
            for number, command, expected in commands(document):
                count += 1
                done = subprocess.run(
                    shlex.split(command, comments=True),
                    cwd=folder,
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if done.returncode != expected:
                    where = f"{document.relative_to(ROOT)}:{number}"
                    failures.append(f"{where}: {command}\n  exit {done.returncode}\n{done.stderr}")
    for failure in failures:
        print(failure)
    print(f"{count} documented commands run, {len(failures)} problems")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
