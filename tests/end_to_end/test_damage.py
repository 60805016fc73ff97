"""What stands in the results folder and is not as it should be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promised import bytes_of

Command = Callable[..., Any]

SMALL = ("dataset=two_spirals", "model=linear", "train.steps=20")


def record(folder: Path) -> Path:
    (found,) = (path.parent for path in folder.glob("*/spec.json"))
    return found


def change_one_digit(path: Path) -> None:
    """Same size, another number."""
    data = path.read_bytes()
    place = data.rindex(b".") + 2
    other = b"3" if data[place : place + 1] != b"3" else b"4"
    path.write_bytes(data[:place] + other + data[place + 1 :])


@pytest.mark.parametrize("log", ["steps.csv", "evals.csv"])
def test_one_changed_digit_is_damage_and_not_a_complete_run(
    lrbench: Command, here: Path, log: str
) -> None:
    lrbench("run", *SMALL)
    path = record(here / "results")
    golden = (path / log).read_bytes()
    change_one_digit(path / log)
    assert len((path / log).read_bytes()) == len(golden)
    refused = lrbench("run", *SMALL)
    assert refused.code == 1
    assert f"is damaged ({log} must have the digest its closing file states)" in refused.err
    assert lrbench("run", *SMALL, "--force").code == 0
    assert (path / log).read_bytes() == golden


def test_a_sweep_names_a_damaged_record_and_mends_it_when_told_to(
    lrbench: Command, here: Path
) -> None:
    sweep = ("sweep", *SMALL, "schedule=constant,linear", "--seeds", "1", "--jobs", "1")
    assert lrbench(*sweep).code == 0
    damaged = next(here.glob("results/*constant*"))
    golden = bytes_of(damaged)
    (damaged / "steps.csv").write_bytes(golden["steps.csv"][:-9])
    again = lrbench(*sweep)
    assert again.code == 1
    assert "--force-damaged" in again.err
    mended = lrbench(*sweep, "--force-damaged", "--json")
    answer = json.loads(mended.out)
    assert (answer["trained"], answer["complete_before"], answer["failed"]) == (1, 1, [])
    assert bytes_of(damaged) == golden


def test_a_folder_of_something_else_is_not_taken_over(lrbench: Command, here: Path) -> None:
    lrbench("run", *SMALL)
    path = record(here / "results")
    for file in [*path.rglob("*")][::-1]:
        file.rmdir() if file.is_dir() else file.unlink()
    (path / "steps.csv").write_text("mine\n")
    refused = lrbench("run", *SMALL)
    assert refused.code == 1
    assert "holds files that are no record of lrbench" in refused.err
    assert (path / "steps.csv").read_text() == "mine\n"


@pytest.mark.slow
def test_a_damaged_file_of_a_sweep_is_written_again(lrbench: Command, here: Path) -> None:
    sweep = ("sweep", *SMALL, "--seeds", "1", "--jobs", "1", "--json")
    path = here / json.loads(lrbench(*sweep).out)["sweep"]
    golden = path.read_bytes()
    path.write_bytes(golden[:100])
    assert lrbench(*sweep).code == 0
    assert path.read_bytes() == golden


def test_every_record_of_a_sweep_holds_its_own_configuration(lrbench: Command, here: Path) -> None:
    lrbench("sweep", *SMALL, "--seeds", "3,8", "--jobs", "1", "--note", "why not")
    for path in here.glob("results/*/config.yaml"):
        seed = json.loads((path.parent / "spec.json").read_text())["seed"]
        text = path.read_text()
        assert f"seed: {seed}\n" in text
        assert "note: why not\n" in text
        assert "epochs: null\n" in text


def test_a_length_typed_in_two_ways_is_one_run(lrbench: Command) -> None:
    def run_id(*words: str) -> str:
        return json.loads(lrbench("show", *SMALL, *words, "--json").out)["run_id"]

    assert run_id("schedule.decay=null") == run_id("schedule.decay=20") == run_id()
    assert run_id("schedule.warmup=5") == run_id("schedule.warmup=25%", "schedule.decay=15")
    assert run_id("schedule.decay=19") != run_id()


def test_show_says_what_the_settings_come_to(lrbench: Command) -> None:
    shown = lrbench("show", *SMALL, "schedule=sgdr", "schedule.first_cycle=6").out
    assert "# 20 updates, evaluated every" in shown
    assert "# warm restarts at updates 6, 18\n" in shown
    assert "# cycle 2 is cut short at 2 steps\n" in shown


def test_a_name_of_the_papers_leads_to_the_setting(lrbench: Command) -> None:
    refused = lrbench("run", "schedule=sgdr", "schedule.T_0=10", "learning_rate=3")
    assert refused.code == 2
    assert "try   schedule.first_cycle=…" in refused.err
    assert "try   optimizer.lr=…" in refused.err


def test_an_optimizer_that_changes_the_rate_is_stopped(lrbench: Command, here: Path) -> None:
    (here / "own.py").write_text(
        "import torch\n"
        "class Sly(torch.optim.SGD):\n"
        "    def step(self, closure=None):\n"
        "        for group in self.param_groups: group['lr'] *= 10\n"
        "        return super().step(closure)\n"
    )
    refused = lrbench("run", *SMALL, "optimizer._target_=own:Sly", "optimizer.lr=0.1")
    assert refused.code == 1
    assert "must leave the learning rate to the schedule" in refused.err
