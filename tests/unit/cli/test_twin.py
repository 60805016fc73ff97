from __future__ import annotations

from pathlib import Path

from lrbench.cli.twin import _left_out
from lrbench.workflows.twin import _too_few


def test_runs_left_out_for_one_reason_are_one_line():
    none = [(f"run-{i}", f"--restart must be there (run-{i} has no restarts)") for i in range(20)]
    lines = list(_left_out([*none, ("other", "must be finished")]))
    assert lines == [
        "left out: 20 runs, such as run-0: --restart must be there (it has no restarts)",
        "left out: other must be finished",
    ]


def test_a_restart_that_no_run_has_names_how_many_there_are():
    told = str(_too_few(Path("results"), 3, [0, 0, 2, 2]))
    assert "2 of its 4 runs have 2 restarts, the others none" in told
    assert "--restart 2" in told
    assert "1 to 2 restarts" in str(_too_few(Path("results"), 3, [1, 2]))
    assert "no run there has a restart" in str(_too_few(Path("results"), 3, [0, 0]))
