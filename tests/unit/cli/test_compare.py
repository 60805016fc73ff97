from __future__ import annotations

import csv
import importlib.util
import io
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lrbench.cli.app import app

_source = Path(__file__).parents[1] / "workflows" / "conftest.py"
_module = importlib.util.spec_from_file_location("synthetic_results", _source)
synthetic = importlib.util.module_from_spec(_module)
_module.loader.exec_module(synthetic)

CONSTANT = [0.50, 0.52, 0.61, 0.55]


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    found = synthetic.Results(Path("results"))
    for lr, worse in ((0.03, 0.1), (0.1, 0.0), (0.3, 0.2)):
        found.add_arm("constant", [v + worse for v in CONSTANT], lr=lr)
        found.add_arm("cosine", [v - 0.1 - i / 99 + worse for i, v in enumerate(CONSTANT)], lr=lr)
        params = {"first_cycle": 20}
        found.add_arm("sgdr", [v - worse for v in reversed(CONSTANT)], lr=lr, params=params)
    return found


def typed(*words):
    return CliRunner().invoke(app, ["compare", "results", *map(str, words)])


def test_the_text_fits_into_80_columns_and_says_the_verdicts(results):
    answer = typed("--target", "0.6", "--margin", "0.01", "--all-pairs", "--full")
    assert answer.exit_code == 0, answer.stderr
    lines = answer.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    text = " ".join(answer.stdout.split())
    told = "cosine (lr 0.1) is better than constant (lr 0.1): val_loss lower, so better: +0.115"
    assert told in text
    for title in ("own best learning rate", "equal learning rate", "equal tuning cost"):
        assert f"val_loss, {'each at its ' if 'own' in title else 'at '}{title}" in text
    assert "sgdr: its best learning rate, 0.3, is the largest tried" in text
    assert answer.stderr == ""


def test_numbers_in_every_format_are_the_same(results):
    told = json.loads(typed("--json").stdout)
    assert json.loads(typed("--format", "json").stdout) == told
    (cosine, _) = told["tasks"][0]["bases"][0]["rows"]
    table = list(csv.DictReader(io.StringIO(typed("--format", "csv").stdout)))
    assert float(table[0]["difference"]) == cosine["found"]["difference"]["value"]
    for form in ("markdown", "latex"):
        text = typed("--format", form).stdout
        assert "+0.115" in text
        assert cosine["found"]["verdict"] in text


def test_what_records_say_cannot_drive_markdown_or_latex(results):
    results.add_arm("cosine", [0.4, 0.5, 0.6, 0.7], params={"text": "|`\x1b[2J$\\input{x}"})
    for form, bad in (("markdown", ("\x1b", "| |`")), ("latex", ("\x1b", "\\input{x}"))):
        text = typed("--format", form).stdout
        assert text
        assert not any(word in text for word in bad)


def test_damaged_records_are_named_and_the_exit_code_says_so(results):
    damaged = results.add(results.spec("linear", seed=0))
    (damaged / "evals.csv").write_text("x")
    answer = typed()
    assert answer.exit_code == 1
    assert damaged.name in answer.stderr
    assert "cosine is better" in " ".join(answer.stdout.split())


def test_the_answer_is_the_first_paragraph_and_all_is_on_one_screen(results):
    for seed, wall in ((0, 61.0), (1, 59.0), (2, 60.0), (3, 60.0)):
        attempts = results.path / results.spec("cosine", seed=seed).run_id / "attempts"
        attempts.mkdir()
        (attempts / "0001.json").write_text(json.dumps({"wall_s": wall}))
    answer = typed()
    lines = answer.stdout.splitlines()
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 80
    said = " ".join(answer.stdout.split("\n\n")[0].split())
    (row,) = [line for line in lines if re.search(r"^cosine.*\] .* better ", line)]
    size, low, high = row.split()[3:6]
    told = f"cosine is better (lower): {size} {low} {high}"
    assert told in said
    assert "paired over 4 seeds; 95 % intervals" in said
    assert "by Holm over 2 comparisons" in said
    assert "--full adds" in answer.stdout
    assert json.loads(typed("--json").stdout)["answer"][0] in said
    # All of its runs but those at other learning rates say what they took.
    assert "4.00 min" in answer.stdout


def test_undecided_stands_in_the_answer_with_what_could_have_been_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = synthetic.Results(Path("results"))
    found.add_arm("constant", CONSTANT)
    found.add_arm("cosine", [0.6, 0.5, 0.6, 0.5])
    said = " ".join(typed().stdout.split("\n\n")[0].split())
    (row,) = [line for line in typed().stdout.splitlines() if line.startswith("cosine ")][:1]
    assert said.startswith("no difference was found that 4 seeds can be sure of, in val_loss")
    assert f"minimum detectable effect {row.split()[-1]}, up to " in said
    # One orientation: the very characters of the table.
    assert " ".join(re.search(r"\S+ +\[\S+ \S+\]", row)[0].split()) in said
    assert "next: lrbench plan --from results --effect" in said
    assert "best" not in said.replace("own best learning rate", "")


def test_what_it_cost_is_that_of_all_learning_rates_tried(results):
    results.add_arm("sgdr", CONSTANT, lr=1.0, params={"first_cycle": 20})
    results.add(results.spec("cosine", seed=9), [2.0], outcome=None)
    told = json.loads(typed("--json").stdout)["tasks"][0]["contenders"]
    assert {one["label"]: one["cost"]["updates"] for one in told} == {
        "constant": 3 * 4 * 100,
        "cosine": 3 * 4 * 100,
        "sgdr": 4 * 4 * 100,
    }
    text = " ".join(typed().stdout.split())
    assert "tuning cost is not equal: 3 to 4 learning rates and 1200 to 1600 updates" in text
    assert "not finished have cost too, and are not in it: cosine seed 9" in text


def test_json_and_another_format_exclude_each_other(results):
    answer = typed("--json", "--format", "csv")
    assert answer.exit_code == 2
    assert "--format must not be given together with --json" in answer.output
