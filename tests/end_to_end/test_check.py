"""``lrbench check`` and the flags in ``lrbench summarize``, as typed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from rich.cells import cell_len

import lrbench.report.sanity
from lrbench.record.test_uses import TestUse, add_test_use
from studies import Made, spec_of, sweep

NAMES = ("constant", "cosine", "sgdr")
FLAGS_PAGE = Path(__file__).parents[2] / "docs" / "flags.md"


def planted(run: Made) -> Made:
    """One rate in a log that is not the schedule's."""
    if run.spec.schedule.name == "cosine" and run.spec.seed == 1:
        run.lr[30] *= 1.5
    return run


def test_nothing_found_is_said_in_a_line(lrbench, tmp_path):
    folder = sweep(tmp_path / "results", schedules=NAMES, lrs=(0.4,), seeds=range(6))
    done = lrbench("check", "results")
    assert (done.code, done.err) == (0, "")
    assert done.out == "18 finished runs in results: no serious flags, no cautions\n"
    assert json.loads(lrbench("check", str(folder), "--json").out)["flags"] == []


def test_a_serious_flag_is_told_with_its_runs_and_exit_code_3(lrbench, tmp_path):
    sweep(tmp_path / "results", planted, schedules=NAMES, lrs=(0.4,), seeds=range(6))
    done = lrbench("check", "results")
    assert done.code == 3
    assert "1 serious flag, no cautions" in done.out
    assert "  lr-unlike-schedule\n" in done.out
    assert spec_of("cosine", seed=1).run_id in done.out
    assert all(cell_len(line) <= 80 for line in done.out.splitlines())
    answer = json.loads(lrbench("check", "results", "--json").out)
    (flag,) = answer["flags"]
    assert answer["is_serious"] is flag["is_serious"] is True
    assert flag["evidence"]["step"] == 30


def test_a_summary_tells_serious_flags_and_counts_cautions(lrbench, tmp_path):
    def both(run: Made) -> Made | None:
        return None if run.spec.seed == 2 else planted(run)

    sweep(tmp_path / "results", both, schedules=NAMES, lrs=(0.4,), seeds=range(6))
    done = lrbench("summarize", "results")
    assert done.code == 0
    assert "serious: lr-unlike-schedule: cosine: the learning rate in the log" in done.err
    assert "1 caution (picked-seeds): lrbench check results" in done.err
    codes = [
        flag["code"] for flag in json.loads(lrbench("summarize", "results", "--json").out)["flags"]
    ]
    assert codes == ["lr-unlike-schedule", "picked-seeds"]


def test_a_summary_of_many_updates_says_that_it_has_not_read_them(lrbench, tmp_path, monkeypatch):
    monkeypatch.setattr("lrbench.workflows.check.QUICK_UPDATES", 100)
    sweep(tmp_path / "results", planted, schedules=NAMES, lrs=(0.4,), seeds=range(6))
    done = lrbench("summarize", "results")
    assert "no flags, the logs of updates not looked into: lrbench check results" in done.err


def test_looks_at_the_test_split_are_counted_in_a_summary(lrbench, tmp_path):
    folder = sweep(tmp_path / "results", schedules=("constant",), lrs=(0.4,), seeds=range(2))
    assert "test split" not in lrbench("summarize", "results").err
    for place, day in enumerate(("2026-01-05", "2026-01-06")):
        for run in folder.iterdir():
            use = TestUse(f"{day}T10:00:00.000+00:00", 0.3, 0.9, 100, "0" * 64)
            add_test_use(run, use)
        told = lrbench("summarize", "results").err
        assert f"looked at {('once', '2 times')[place]}, last {day}" in told
        assert ("it no longer tells" in told) is (place == 1)


@pytest.mark.parametrize("words", [["--trust"], ["--jobs", "2"], ["--data", "."]])
def test_what_only_computing_needs_is_refused_without_it(lrbench, tmp_path, words):
    sweep(tmp_path / "results", schedules=("constant",), lrs=(0.4,), seeds=range(1))
    done = lrbench("summarize", "results", *words)
    assert done.code == 2
    assert "--final-test" in done.err


def test_the_page_of_flags_names_every_flag_there_is():
    folder = Path(lrbench.report.sanity.__file__).parent
    known = {
        code
        for path in folder.glob("*.py")
        for code in re.findall(r'Flag\(\s*"([a-z-]+)"|code = "([a-z-]+)"', path.read_text())
        for code in code
        if code
    } | {"changed-data", "unequal-inputs"}
    told = set(re.findall(r"^\| `([a-z-]+)` \|", FLAGS_PAGE.read_text(), re.MULTILINE))
    assert told == known
