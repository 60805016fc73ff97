"""``lrbench freeze`` as typed: what fired becomes a schedule, which makes the same run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

Command = Callable[..., Any]

SMALL = ("dataset=two_spirals", "model=linear", "train.steps=120", "train.eval_every=15", "seed=3")
ADAPTIVE = (*SMALL, "trigger=plateau", "trigger.gate=null", "trigger.patience=4")


@dataclass(frozen=True)
class Frozen:
    run: Path
    file: Path
    events: list[dict[str, Any]]
    command: list[str]
    said: str


@pytest.fixture
def frozen(lrbench: Command, here: Path) -> Callable[..., Frozen]:
    """An adaptive run, and what ``freeze`` makes of it."""

    def call(*words: str) -> Frozen:
        run = json.loads(lrbench("run", *words, "--json").out)["path"]
        answer = lrbench("freeze", run, "--json")
        assert answer.code == 0, answer
        found = json.loads(answer.out)
        (command,) = found["commands"]
        return Frozen(
            here / run,
            here / found["path"],
            found["events"],
            shlex.split(command)[1:],
            " ".join(found["remarks"]),
        )

    return call


def replayed(lrbench: Command, here: Path, one: Frozen, seeds: str) -> list[Path]:
    """The records of the command that was shown, with these seeds in place of its own."""
    words = one.command[: one.command.index("--seeds")]
    done = lrbench(*words, "--seeds", seeds, "--jobs", "1", "--results", "again")
    assert done.code == 0, done
    return sorted((here / "again").glob("*-frozen-*"))


KINDS = {
    "restarts": [*ADAPTIVE, "restart=reset_momentum", "restart.rewarm=null"],
    "decays": [
        *ADAPTIVE,
        "schedule=constant",
        "trigger.on_plateau=decay_then_restart",
        "trigger.final_fraction=0",
        "optimizer=adamw",
        "restart=full_reset",
    ],
    "resets": [
        *SMALL,
        "schedule=constant",
        "trigger=gradient_scheme",
        "trigger.deterministic=true",
        "restart=reset_momentum",
        "optimizer.lr=0.5",
    ],
    "curvature": [
        *ADAPTIVE,
        "diagnostics=curvature",
        "diagnostics.curvature.every=40",
        "diagnostics.curvature.samples=32",
        "optimizer.momentum_schedule={name: linear, final_factor: 0.5}",
    ],
}


@pytest.mark.parametrize("words", KINDS.values(), ids=KINDS)
def test_a_frozen_run_has_the_bytes_of_the_adaptive_one(
    lrbench: Command, here: Path, frozen: Callable[..., Frozen], words: list[str]
) -> None:
    one = frozen(*words)
    assert [event for event in one.events if event["action"] != "decay"], one.events
    (again,) = replayed(lrbench, here, one, "3,")
    logs = {path.name for path in one.run.glob("*.csv")} - {"timing.csv"}
    assert {"steps.csv", "layers.csv", "evals.csv", "restarts.csv", "restart_layers.csv"} <= logs
    for name in logs:
        assert (again / name).read_bytes() == (one.run / name).read_bytes(), name
    results = [json.loads((run / "result.json").read_text()) for run in (one.run, again)]
    assert results[0]["weights"] == results[1]["weights"]
    assert "events" not in results[1]


def test_new_seeds_restart_where_the_run_did(
    lrbench: Command, here: Path, frozen: Callable[..., Frozen]
) -> None:
    one = frozen(*ADAPTIVE)
    assert one.command[-2:] == ["--seeds", "4,5,6"]
    steps = [event["step"] for event in one.events]
    runs = replayed(lrbench, here, one, "4,5")
    assert len(runs) == 2
    for run in runs:
        rows = (run / "restarts.csv").read_text().splitlines()[1:]
        assert [int(row.split(",")[0]) for row in rows] == steps
        assert [row.split(",")[3] for row in rows] == ["plateau"] * len(steps)


def test_the_file_says_what_fired_and_what_followed(frozen: Callable[..., Frozen]) -> None:
    one = frozen(*ADAPTIVE, "trigger.peak_decay=0.7", "schedule.warmup=10%")
    values = yaml.safe_load(one.file.read_text())
    result = json.loads((one.run / "result.json").read_text())
    assert values["name"] == "frozen"
    assert values["events"] == result["events"] == one.events
    assert {"step", "action", "cause", "statistic", "threshold"} == set(one.events[0])
    # As it was made for every cycle: a part of the cycle.
    assert (values["of"]["name"], values["of"]["warmup"]) == ("cosine", "10%")
    assert values["num_cycles"] == 4
    assert (values["peak_decay"], values["final_fraction"]) == (0.7, 0.25)
    assert one.file.parent.name == "schedule"
    assert one.file.stem == one.run.name
    assert f"What plateau decided in {one.run.name}" in one.file.read_text()


def test_a_trigger_that_never_fired_makes_a_schedule_that_never_restarts(
    lrbench: Command, here: Path, frozen: Callable[..., Frozen]
) -> None:
    one = frozen(*SMALL, "trigger=plateau", "schedule=constant")
    assert one.events == []
    assert "never fired: the schedule never restarts" in one.said
    (again,) = replayed(lrbench, here, one, "3,")
    for name in ("steps.csv", "layers.csv", "evals.csv", "restarts.csv"):
        assert (again / name).read_bytes() == (one.run / name).read_bytes(), name


def test_a_file_elsewhere_comes_with_the_way_to_where_it_is_chosen(
    lrbench: Command, here: Path
) -> None:
    run = json.loads(lrbench("run", *ADAPTIVE, "--json").out)["path"]
    done = lrbench("freeze", run, "-o", "schedule.yaml")
    assert (done.code, done.out) == (0, "schedule.yaml\n")
    *_, move, sweep = done.err.splitlines()
    assert move == "  mkdir -p mine/schedule && mv schedule.yaml mine/schedule/"
    (here / "mine" / "schedule").mkdir(parents=True)
    (here / "schedule.yaml").rename(here / "mine" / "schedule" / "schedule.yaml")
    assert lrbench(*shlex.split(sweep)[1:], "--dry-run").code == 0


def test_nothing_is_overwritten(
    lrbench: Command, here: Path, frozen: Callable[..., Frozen]
) -> None:
    one = frozen(*ADAPTIVE)
    before = one.file.read_bytes()
    done = lrbench("freeze", str(one.run))
    assert (done.code, done.out) == (2, "")
    assert "must not be there yet; nothing is overwritten" in done.err
    assert one.file.read_bytes() == before


def test_a_damaged_record_is_not_frozen(lrbench: Command, here: Path) -> None:
    run = here / json.loads(lrbench("run", *ADAPTIVE, "--json").out)["path"]
    text = (run / "result.json").read_text()
    (run / "result.json").write_text(text.replace('"restart"', '"rastert"'))
    done = lrbench("freeze", str(run))
    assert (done.code, done.out) == (3, "")
    assert "is damaged" in done.err
    assert not (here / "mine").exists()


def test_a_schedule_of_your_own_stays_code(lrbench: Command, here: Path) -> None:
    (here / "rates.py").write_text("def even(step, total_steps):\n    return 1.0\n")
    words = (*ADAPTIVE, "schedule=python:rates:even")
    run = json.loads(lrbench("run", *words, "--json").out)["path"]
    done = lrbench("freeze", run)
    assert (done.code, done.out) == (2, "")
    assert "a file of a schedule cannot hold other code, got 'rates:even'" in done.err
