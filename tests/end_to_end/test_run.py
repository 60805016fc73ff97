"""``lrbench run`` as typed."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promised import bytes_of as bits

Command = Callable[..., Any]

SMALL = ("dataset=two_spirals", "model=linear", "train.steps=20")

NETS = """
from torch import nn
class Raises(nn.Linear):
    def __init__(self, input_shape, num_outputs):
        super().__init__(input_shape[0], num_outputs)
        self.calls = 0
    def forward(self, inputs):
        self.calls += 1
        if self.calls > 9:
            raise RuntimeError("out of\\nluck \\x1b[31m")
        return super().forward(inputs)
"""


def record(folder: Path) -> Path:
    (found,) = (path.parent for path in folder.glob("*/spec.json"))
    return found


def attempts(path: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted((path / "attempts").glob("*.json"))]


def test_a_run_ends_with_its_metrics_and_its_path(lrbench: Command, here: Path) -> None:
    done = lrbench("run", *SMALL)
    assert done.code == 0
    *_, metrics, path = done.out.splitlines()
    assert metrics.startswith("complete: step 20, val_loss 0.")
    assert "val_accuracy 0." in metrics
    assert here / path == record(here / "results")


def test_a_complete_record_is_reported_and_not_trained_again(lrbench: Command, here: Path) -> None:
    first = json.loads(lrbench("run", *SMALL, "--json").out)
    path = here / first["path"]
    before = {file: file.stat().st_mtime_ns for file in path.rglob("*")}
    again = lrbench("run", *SMALL, "--json")
    answer = json.loads(again.out)
    assert answer["was_there"]
    assert not first["was_there"]
    keys = ("path", "status", "metrics", "diverged_at")
    assert all(answer[key] == first[key] for key in keys)
    assert {file: file.stat().st_mtime_ns for file in path.rglob("*")} == before
    assert "--force trains it again" in lrbench("run", *SMALL).err
    assert len(attempts(path)) == 1


def test_force_trains_it_again_to_the_same_bytes(lrbench: Command, here: Path) -> None:
    lrbench("run", *SMALL)
    path = record(here / "results")
    before = bits(path)
    done = lrbench("run", *SMALL, "--force", "--json")
    assert not json.loads(done.out)["was_there"]
    assert bits(path) == before
    assert [one["outcome"] for one in attempts(path)] == ["complete", "complete"]


@pytest.mark.parametrize("words", [["--note", "why not"], ["note='why not'"]])
def test_a_note_is_kept_and_is_no_part_of_the_identity(
    lrbench: Command, here: Path, words: list[str]
) -> None:
    lrbench("run", *SMALL, *words)
    path = record(here / "results")
    assert json.loads((path / "manifest.json").read_text())["note"] == "why not"
    assert json.loads(lrbench("run", *SMALL, "--json").out)["was_there"]


def test_two_notes_are_one_too_many(lrbench: Command, here: Path) -> None:
    done = lrbench("run", *SMALL, "note=a", "--note", "b")
    assert (done.code, done.out) == (2, "")
    assert "--note cannot be given together with note=…, got 'b'" in done.err
    assert not (here / "results").exists()


def test_the_same_command_twice_gives_the_same_bytes(
    lrbench: Command, shell: Command, here: Path
) -> None:
    words = ("model=mlp", "model.dropout=0.5", "optimizer=adam", "schedule=sgdr")
    typed = ("run", "dataset=two_spirals", "train.steps=60", "train.eval_every=7", *words)
    assert lrbench(*typed, "--results", "one").code == 0
    # In a process of its own, another folder, another locale and with other hashes.
    done = shell(*typed, "--results", "two", PYTHONHASHSEED="7", TZ="Asia/Tokyo", LC_ALL="C")
    assert done.code == 0, done.err
    one, two = record(here / "one"), record(here / "two")
    assert one.name == two.name
    assert bits(one) == bits(two)
    assert len((one / "restarts.csv").read_text().splitlines()) == 3


def test_divergence_is_an_outcome(lrbench: Command, here: Path) -> None:
    words = ("dataset=diabetes", "model=mlp", "train.steps=40", "optimizer.lr=1e9")
    done = lrbench("run", *words)
    assert done.code == 0
    assert done.out.startswith("diverged at step ")
    path = record(here / "results")
    with (path / "steps.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[-1]["train_loss"] in ("nan", "inf")
    assert json.loads((path / "result.json").read_text())["diverged_at"] == int(rows[-1]["step"])
    again = lrbench("run", *words, "--json")
    answer = json.loads(again.out)
    assert (answer["status"], answer["was_there"]) == ("diverged", True)


def test_a_model_that_raises_fails_its_run_and_says_why(lrbench: Command, here: Path) -> None:
    (here / "raising_nets.py").write_text(NETS)
    typed = ("run", "dataset=wine", "train.steps=20", "model._target_=raising_nets:Raises")
    done = lrbench(*typed)
    assert (done.code, done.out) == (1, "")
    (error,) = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert error.startswith("error: wine-raises-cosine-s0-")
    assert error.endswith("failed: RuntimeError: out of luck \\x1b[31m")
    assert "Traceback" not in done.err
    path = record(here / "results")
    (attempt,) = attempts(path)
    assert attempt["outcome"] == "failed"
    assert "out of luck" in attempt["message"]
    assert not (path / "result.json").exists()
    assert "failed" in lrbench("summarize", "results").err
    # It is tried again, not reported as done.
    assert lrbench(*typed).code == 1
    assert len(attempts(path)) == 2


def test_a_damaged_record_is_kept_until_forced(lrbench: Command, here: Path) -> None:
    lrbench("run", *SMALL)
    path = record(here / "results")
    good = bits(path)
    (path / "result.json").write_text('{"half": ')
    done = lrbench("run", *SMALL)
    assert done.code == 1
    assert "is damaged" in done.err
    assert "--force" in done.err
    assert (path / "result.json").read_text() == '{"half": '
    assert lrbench("run", *SMALL, "--force").code == 0
    assert bits(path) == good
