from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path

import pytest
import typer
from rich.cells import cell_len
from typer.testing import CliRunner

from lrbench.cli.console import reports_errors
from lrbench.cli.summarize import summarize

# Fixtures are seen only below their folder, and this one is the workflow's.
_source = Path(__file__).parents[1] / "unit" / "workflows" / "conftest.py"
_module = importlib.util.spec_from_file_location("synthetic_results", _source)
synthetic = importlib.util.module_from_spec(_module)
_module.loader.exec_module(synthetic)

app = typer.Typer()
app.command()(reports_errors(summarize))


@pytest.fixture
def results(tmp_path):
    results = synthetic.Results(tmp_path / "results")
    for lr in (0.03, 0.1):
        results.add_arm("constant", [0.3561 + lr, 0.3712, 0.3443, 0.3598, 0.3667], lr=lr)
        results.add_arm("sgdr", [0.2561, 0.2712 + lr, 0.2443, 0.2598, 0.2667], lr=lr)
    return results


def typed(*arguments, width=80):
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": str(width)})


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_fits_the_terminal_and_shortens_no_number(results, width):
    answer = typed(results.path, "--target", 0.3, width=width)
    assert answer.exit_code == 0
    assert max(map(cell_len, answer.stdout.splitlines())) <= width
    assert "…" not in answer.stdout
    assert "..." not in answer.stdout
    assert {"reached", "4/5", "steps", ">100"} <= set(answer.stdout.split())


def test_the_table_at_80_columns_reads_as_designed(results):
    lines = typed(results.path).stdout.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("val_loss"))
    assert [line.rstrip() for line in lines[start : start + 7]] == [
        "val_loss, last evaluation of each run (best: its best evaluation)",
        "schedule  lr    n   mean   95 % interval      sd  best mean  median    min",
        "--------------------------------------------------------------------------",
        "sgdr      0.03  5  0.266  [0.239, 0.292]  0.0215      0.266   0.260  0.244",
        "sgdr      0.1   5  0.280  [0.215, 0.344]  0.0518      0.280   0.260  0.244",
        "constant  0.03  5  0.366  [0.347, 0.385]  0.0153      0.366   0.367  0.344",
        "constant  0.1   5  0.380  [0.325, 0.434]  0.0440      0.380   0.367  0.344",
    ]
    assert "differing: schedule optimizer.lr" in lines
    assert any(line.startswith("val_accuracy") for line in lines)


def test_columns_without_room_are_named(results):
    narrow, wide = typed(results.path, width=80), typed(results.path, width=200)
    assert "variance" in narrow.stderr
    assert "variance" not in narrow.stdout
    assert "variance" in wide.stdout
    assert wide.stderr == ""


def test_many_differing_settings_become_one_label_that_is_folded(tmp_path):
    results = synthetic.Results(tmp_path / "results")
    for first, mult in ((10, 1), (20, 2)):
        params = {"first_cycle": first, "cycle_mult": mult, "final_factor": 0.001 * mult}
        results.add_arm("sgdr", [0.2, 0.3], lr=0.1 * mult, params=params)
    lines = typed(results.path).stdout.splitlines()
    assert any(line.startswith("lr=0.1 ") for line in lines)
    assert max(map(cell_len, lines)) <= 80


@pytest.mark.parametrize("flag", [("--json",), ("--format", "json")])
def test_json_is_one_object_with_every_number(results, flag):
    results.add(results.spec("constant", seed=7), [2.0, math.nan], outcome="diverged")
    answer = json.loads(typed(results.path, *flag, "--target", 0.3).stdout)
    arm = next(arm for arm in answer["arms"] if arm["settings"]["schedule"] == "sgdr")
    assert arm["final_val_loss"]["n"] == arm["steps_to_target"]["n"] == 5
    assert arm["final_val_loss"]["low"] < arm["final_val_loss"]["mean"]
    assert answer["differing"] == ["schedule", "optimizer.lr"]
    assert answer["equal"]["train.steps"] == 100


def test_csv_has_only_the_rows_on_standard_output(results):
    (results.path / "notes.txt").write_text("mine")
    answer = typed(results.path, "--format", "csv")
    assert len(answer.stdout.splitlines()) == 5
    assert "notes.txt" in answer.stderr


def test_markdown_and_latex_have_a_table_a_metric(results):
    markdown = typed(results.path, "--format", "md").stdout
    assert markdown.count("| ---: |") > 0
    assert markdown.count("| schedule | lr | n |") == 2
    latex = typed(results.path, "--format", "latex").stdout
    assert latex.count(r"\begin{tabular}{llr") == latex.count(r"\end{tabular}") == 2
    assert r"95 \% interval" in latex


def test_hostile_text_in_settings_and_names_is_inert(tmp_path):
    results = synthetic.Results(tmp_path / "results")
    for note in ("\x1b[2J\n|", "[red]x[/red] \u202e \\input{/etc/passwd}"):
        results.add_arm("sgdr", [0.2, 0.3], params={"note": note})
    (results.path / "bad\x1b[31m\nname").write_text("")
    for form in ("table", "csv", "md", "latex", "json"):
        answer = typed(results.path, "--format", form, width=120)
        assert answer.exit_code == 0, answer.output
        text = answer.stdout + answer.stderr
        assert "\x1b" not in text
        assert form == "json" or "\u202e" not in text
    assert "[red]" in typed(results.path, width=120).stdout
    assert r"\input" not in typed(results.path, "--format", "latex").stdout


def test_damage_is_named_and_is_exit_code_1(results):
    broken = next(path for path in results.path.iterdir() if "sgdr" in path.name)
    (broken / "spec.json").write_text("{")
    answer = typed(results.path)
    assert answer.exit_code == 1
    assert broken.name in answer.stderr
    assert "lacks seed" in answer.stderr
    assert "val_loss" in answer.stdout


def test_usage_errors_are_exit_code_2_and_leave_standard_output_empty(results, tmp_path):
    (tmp_path / "empty").mkdir()
    for arguments in (
        (tmp_path / "nowhere",),
        (tmp_path / "empty",),
        (results.path, "--metric", "loss"),
        (results.path, "--json", "--format", "csv"),
    ):
        answer = typed(*arguments)
        assert (answer.exit_code, answer.stdout) == (2, "")
        assert answer.stderr.startswith("error: ")


def test_a_sweep_with_no_run_finished_has_its_rows(tmp_path):
    results = synthetic.Results(tmp_path / "results")
    results.add(results.spec("sgdr"), outcome=None)
    answer = typed(results.path)
    assert answer.exit_code == 0
    assert "sgdr" in answer.stdout
    assert "1 interrupted" in answer.stderr
