"""Scripts can be loaded: what they take from lrbench is there, whether or not they are run here."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).resolve().parents[2] / "scripts").glob("*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_finds_what_it_needs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(path.parent))
    assert runpy.run_path(str(path), run_name="loaded")["__doc__"]


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) > 10
