from __future__ import annotations

import io

import pytest

from lrbench.cli import console

LONG = "a note whose words are not broken: exponential decay, and a path " + "/x" * 30 + " whole"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_what_is_said_is_broken_at_blanks(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stderr", Terminal())
    console.say(f"short\n  {LONG}")
    lines = console.sys.stderr.getvalue().splitlines()
    assert lines[0] == "short"
    assert " ".join(line.strip() for line in lines[1:]) == LONG
    assert all(line.startswith("  ") for line in lines[1:])
    assert [line.strip() for line in lines if len(line) > 40] == ["/x" * 30]


def test_where_it_is_piped_it_is_unchanged(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stderr", io.StringIO())
    console.say(LONG)
    assert console.sys.stderr.getvalue() == f"{LONG}\n"


@pytest.mark.parametrize("text", ["", "\n", "   ", "x" * 90, " " * 90])
def test_nothing_is_lost_by_wrapping(text):
    assert console.wrapped(text, 40).split() == text.split()
