from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ledgers import layer, restart, three_restarts, write_ledger
from lrbench.cli.app import app
from lrbench.record import layout

_source = Path(__file__).parents[1] / "unit" / "workflows" / "conftest.py"
_module = importlib.util.spec_from_file_location("synthetic_results", _source)
synthetic = importlib.util.module_from_spec(_module)
_module.loader.exec_module(synthetic)

FIXTURES = Path(__file__).parents[1] / "fixtures" / "records"
GOLDEN = Path(__file__).with_name("three_restarts.txt")


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return synthetic.Results(Path("results"))


def typed(*words):
    return CliRunner().invoke(app, ["restarts", *map(str, words)])


def sgdr(results, seed=0, **changes):
    return results.add(results.spec("sgdr", steps=1248, seed=seed), **changes)


def test_the_ledger_of_three_restarts_reads_as_designed(results):
    run = write_ledger(sgdr(results), *three_restarts())
    answer = typed(run)
    assert answer.exit_code == 0, answer.stderr
    assert answer.stderr == ""
    assert answer.stdout == GOLDEN.read_text()


def test_json_has_every_cell_of_the_ledger_exactly(results):
    restarts, layers = three_restarts()
    told = json.loads(typed(write_ledger(sgdr(results), restarts, layers), "--json").stdout)
    for row, expected in zip(told["run"]["restarts"], restarts, strict=True):
        found = row.pop("layers")
        assert row == expected
        assert found == [x | {"residual": False} for x in layers if x["step"] == row["step"]]


def test_json_of_a_folder_has_runs_and_arms(results):
    for seed, gain in enumerate((1.0, 2.0, 6.0)):
        write_ledger(sgdr(results, seed), [restart(1, gain=gain)], [layer(1, 0, "in")])
    told = json.loads(typed(results.path, "--json").stdout)
    (arm,) = told["arms"]
    assert [run["restarts"][0]["gain"] for run in arm["runs"]] == [1.0, 2.0, 6.0]
    assert arm["restarts"][0]["columns"]["gain"]["variance"] == 7.0
    assert arm["restarts"][0]["layers"][0]["columns"]["gradient_peak"]["n"] == 3
    assert set(arm["restarts"][0]["columns"]) == set(layout.RESTART_COLUMNS) - {
        "cause",
        "policy",
        "audit",
    }


def test_no_layers_and_every_layer_can_be_asked_for(results):
    layers = [layer(1, depth, f"l{depth}") for depth in range(30)]
    run = write_ledger(sgdr(results), [restart(1)], layers)
    assert "by depth" not in typed(run, "--no-layers").stdout
    assert "0-3" in typed(run).stdout
    assert " l29 " not in typed(run).stdout
    assert " l29 " in typed(run, "--layers").stdout


def test_a_run_without_restarts_says_why(results):
    run = write_ledger(results.add(results.spec("cosine", steps=7)), [])
    answer = typed(run)
    assert answer.exit_code == 0
    assert "no restarts: the schedule cosine has none in 7 updates" in answer.stdout
    spec = results.spec("cosine", steps=7, trigger={"name": "plateau", "params": {}})
    answer = typed(write_ledger(results.add(spec), []))
    assert answer.exit_code == 0
    assert "no restarts: the trigger plateau never fired in 7 updates" in answer.stdout


def test_an_interrupted_run_shows_its_finished_cycles_and_names_the_open_one(results):
    run = write_ledger(sgdr(results, outcome=None), [restart(1)])
    planned = {"schedule": {"restarts": [312, 624, 936]}}
    (run / layout.MANIFEST).write_text(json.dumps(planned))
    (run / "steps.csv").write_text("step\n" + "".join(f"{step},\n" for step in range(700)))
    answer = typed(run)
    assert answer.exit_code == 0, answer.stderr
    told = " ".join(answer.stdout.split())
    assert "interrupted, 1 restart in the ledger" in told
    assert "700 of 1248 updates made" in told
    assert (
        "the restart after 624 updates is not in the ledger yet; the next one is due after 936"
        in told
    )
    assert "Restart 1 came after 312 updates" in told


def test_an_earlier_record_is_shown_as_far_as_it_goes():
    (run,) = (FIXTURES / "without_seals").iterdir()
    answer = typed(run)
    assert answer.exit_code == 0, answer.stderr
    told = " ".join(answer.stdout.split())
    assert "an earlier lrbench made this record" in told
    assert "Restart 1 came after 4 updates" in told
    assert "lrbench twin" not in told


def test_a_folder_counts_what_is_in_no_figure_and_names_it(results):
    for seed in range(3):
        write_ledger(sgdr(results, seed), [restart(1)])
    write_ledger(sgdr(results, 3, outcome="diverged"), [restart(1, gain=-99.0)])
    sgdr(results, 4, outcome=None)
    damaged = write_ledger(sgdr(results, 5), [restart(1)])
    (damaged / "restarts.csv").write_text(
        (damaged / "restarts.csv").read_text().replace("0.52614", "0.52615")
    )
    answer = typed(results.path)
    assert answer.exit_code == 1
    told = " ".join(answer.stdout.split())
    assert (
        "3 complete runs (seeds 0-2); 1 restart each; in no figure: 1 diverged, 1 unfinished"
        in told
    )
    assert "-99" not in told
    assert f"1 corrupt: {damaged.name} (restarts.csv must have the digest" in answer.stderr
    assert "1 interrupted" in answer.stderr


def test_a_damaged_record_is_an_error_by_itself(results):
    run = write_ledger(sgdr(results), [restart(1)])
    (run / "restarts.csv").write_text((run / "restarts.csv").read_text().replace("0.526", "0.527"))
    answer = typed(run)
    assert answer.exit_code == 3
    assert answer.stdout == ""
    assert "must have the digest" in answer.stderr


def test_arms_are_named_by_what_tells_them_apart(results):
    for lr in (0.1, 0.2):
        for seed in range(2):
            spec = results.spec("sgdr", steps=1248, lr=lr, seed=seed)
            write_ledger(results.add(spec), [restart(1, gain=lr)])
    told = typed(results.path).stdout
    assert told.index("lr=0.1: 2 complete runs") < told.index("lr=0.2: 2 complete runs")


def test_what_a_record_holds_drives_no_terminal(results):
    row = restart(1, cause="a\x1b[2J\nb", policy="c\x07", audit="d\u202e")
    run = write_ledger(sgdr(results), [row], [layer(1, 0, "e\x1b]0;f", "g\r\nh")])
    for words in ((run,), (results.path,), (run, "--json"), (results.path, "--json")):
        answer = typed(*words)
        assert answer.exit_code == 0, answer.stderr
        assert all(c.isprintable() or c == "\n" for c in answer.stdout)
