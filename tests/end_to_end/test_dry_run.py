"""``lrbench run --dry-run``: what would be trained, and nothing written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

SMALL = ("dataset=two_spirals", "model=linear", "train.steps=20", "train.eval_every=10")


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def planned(lrbench: Command, *words: str) -> dict[str, Any]:
    done = lrbench("run", *SMALL, *words, "--dry-run", "--json")
    assert done.code == 0, done
    answer = json.loads(done.out)
    assert isinstance(answer, dict)
    return answer


def test_a_dry_run_names_the_run_and_writes_nothing(lrbench: Command, here: Path) -> None:
    done = lrbench("run", *SMALL, "--dry-run")
    assert done.code == 0
    run_id, updates, *_, path = done.out.splitlines()
    assert updates == "20 updates, evaluated every 10"
    assert "there is no record of it yet" in done.out
    assert "nothing was written" in done.out
    assert path == f"results/{run_id}"
    assert contents(here) == {}


def test_the_run_is_the_one_that_is_trained_afterwards(lrbench: Command, here: Path) -> None:
    before = planned(lrbench)
    assert (before["steps"], before["eval_every"], before["status"]) == (20, 10, None)
    assert before["would_train"]
    trained = json.loads(lrbench("run", *SMALL, "--json").out)
    assert trained["path"] == before["path"]
    files = contents(here)
    after = planned(lrbench)
    assert (after["run_id"], after["status"]) == (before["run_id"], "complete")
    assert not after["would_train"]
    assert planned(lrbench, "--force")["would_train"]
    assert contents(here) == files


def test_a_damaged_record_is_named_with_the_reason(lrbench: Command, here: Path) -> None:
    path = here / json.loads(lrbench("run", *SMALL, "--json").out)["path"]
    with (path / "steps.csv").open("ab") as file:
        file.write(b"x")
    answer = planned(lrbench)
    assert (answer["status"], answer["would_train"]) == ("corrupt", False)
    assert "steps.csv" in answer["reason"]
    assert "steps.csv" in lrbench("run", *SMALL, "--dry-run").out
    assert planned(lrbench, "--force")["would_train"]


def test_an_unfinished_record_would_be_trained(lrbench: Command, here: Path) -> None:
    path = here / json.loads(lrbench("run", *SMALL, "--json").out)["path"]
    (path / "result.json").unlink()
    answer = planned(lrbench)
    assert (answer["status"], answer["would_train"]) == ("interrupted", True)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["optimizer.lr=0"], "optimizer.lr must be greater than 0.0"),
        (["--results", "file"], "--results must be a folder"),
    ],
)
def test_what_a_run_refuses_a_dry_run_refuses(
    lrbench: Command, here: Path, words: list[str], part: str
) -> None:
    (here / "file").touch()
    done = lrbench("run", *SMALL, *words, "--dry-run")
    assert (done.code, done.out) == (2, "")
    assert part in done.err
    assert contents(here) == {"file": b""}
