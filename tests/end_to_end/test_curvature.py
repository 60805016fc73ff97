"""What looks at the curvature cost is said at the end of a run, and is no part of its numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lrbench.cli.app import app

WORDS = ["run", "dataset=wine", "model.hidden=[5]", "train.steps=20", "train.batch_size=16"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LRBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


def typed(*words):
    answer = CliRunner().invoke(app, [*WORDS, *words])
    assert answer.exit_code == 0, answer.stderr
    return answer, Path(answer.stdout.splitlines()[-1])


def test_the_cost_of_the_curvature_is_told_and_is_part_of_no_promise(folder):
    curvature = ["diagnostics=curvature", "diagnostics.curvature.samples=32"]
    answer, record = typed(*curvature)
    (told,) = [line for line in answer.stderr.splitlines() if line.startswith("curvature: ")]
    assert " of the run, " in told
    assert told.endswith(" Hessian products")
    attempt = json.loads((record / "attempts" / "0001.json").read_text())
    assert attempt["remarks"] == [told]
    looks = (record / "curvature.csv").read_text().splitlines()[1:]
    assert f", {len(looks)} looks x " in told
    assert "curvature: " not in (record / "result.json").read_text()
    # A record that is there already cost nothing this time.
    assert "curvature: " not in typed(*curvature)[0].stderr


def test_without_looks_nothing_is_said_of_their_cost(folder):
    answer, record = typed()
    assert "curvature" not in answer.stderr
    assert json.loads((record / "attempts" / "0001.json").read_text())["remarks"] == []
