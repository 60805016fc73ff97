"""A repetition elsewhere: what must be exact is told from what must be near."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lrbench.record import layout
from lrbench.record.logs import format_row
from lrbench.record.reader import Record, Status, read_record
from lrbench.workflows.closeness import Closeness, closeness, losses_of_siblings

SIBLINGS = [0.5, 0.7, 0.9]


def make(path: Path, losses: list[float], final: float | None = 0.6, **changes: Any) -> Record:
    """A record of as many updates; ``changes`` are columns of its last row, or digests."""
    path.mkdir()
    rows = []
    for step, loss in enumerate(losses):
        row = dict.fromkeys(layout.STEP_COLUMNS, 0.5) | {"step": step, "train_loss": loss}
        row |= {"batch_digest": f"{step:016x}"}
        if step == len(losses) - 1:
            row |= {name: value for name, value in changes.items() if name in row}
        rows.append(format_row(row.values()))
    (path / "steps.csv").write_text(",".join(layout.STEP_COLUMNS) + "\n" + "".join(rows))
    digests = {"data": "d", "split": "s", "init": "i", "schedule": "c"} | changes
    manifest = {
        "data": {"digest": digests["data"], "split_digest": digests["split"]},
        "init": {"digest": digests["init"]},
        "schedule": {"digest": digests["schedule"]},
    }
    (path / layout.MANIFEST).write_text(json.dumps(manifest))
    spec = {"train": {"steps": changes.get("steps", 20)}}
    return Record(path, Status.COMPLETE, spec, {"final": {"val_loss": final}})


LOSSES = [2.0 - t / 20 for t in range(20)]
INPUTS = ["data", "split", "init", "schedule"]
COLUMNS = ["batches and their order", "rates of the updates"]
NEAR = ["loss of step 0", "losses of the first 10 updates", "last val_loss"]


def failing(found: Closeness) -> list[str]:
    return [verdict.what for verdict in found.verdicts if verdict.holds is False]


def test_the_same_run_is_close_and_every_verdict_states_its_tolerance(tmp_path: Path) -> None:
    one, two = make(tmp_path / "one", LOSSES), make(tmp_path / "two", LOSSES)
    found = closeness(one, two, SIBLINGS)
    assert found.is_close
    assert [verdict.what for verdict in found.verdicts] == [
        *INPUTS,
        "outcome of the run",
        *COLUMNS,
        *NEAR,
    ]
    assert all(verdict.holds and verdict.tolerance for verdict in found.verdicts)


def test_a_run_that_diverged_is_not_close_to_one_that_did_not(tmp_path: Path) -> None:
    one, two = make(tmp_path / "one", LOSSES), make(tmp_path / "two", LOSSES)
    diverged = replace(two, status=Status.DIVERGED)
    assert "outcome of the run" in failing(closeness(one, diverged, SIBLINGS))
    begun = closeness(one, replace(two, status=Status.INTERRUPTED), SIBLINGS)
    assert "outcome of the run" not in failing(begun)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        *(({name: "other"}, name) for name in INPUTS),
        ({"batch_digest": "f"}, COLUMNS[0]),
        ({"lr": 0.75}, COLUMNS[1]),
        ({"momentum": 0.75}, COLUMNS[1]),
        ({"weight_decay": 0.75}, COLUMNS[1]),
        ({"final": 0.8}, NEAR[2]),
    ],
)
def test_what_is_not_as_it_must_be_is_the_only_verdict_that_fails(
    tmp_path: Path, changes: dict[str, Any], what: str
) -> None:
    one = make(tmp_path / "one", LOSSES)
    found = closeness(one, make(tmp_path / "two", LOSSES, **changes), SIBLINGS)
    assert failing(found) == [what]
    assert not found.is_close


def test_losses_that_drift_apart_by_rounding_alone_are_close(tmp_path: Path) -> None:
    drifted = [loss * (1 + 1e-6 * 2**step) for step, loss in enumerate(LOSSES)]
    one, two = make(tmp_path / "one", LOSSES), make(tmp_path / "two", drifted, grad_norm=9.0)
    assert closeness(one, two, SIBLINGS).is_close
    far = make(tmp_path / "far", [loss * 1.002 for loss in LOSSES])
    assert failing(closeness(one, far, SIBLINGS)) == NEAR[:2]


def test_a_shorter_run_is_held_against_as_many_updates_and_its_end_not_judged(
    tmp_path: Path,
) -> None:
    one, two = make(tmp_path / "one", LOSSES), make(tmp_path / "two", LOSSES[:6], steps=6)
    *_, early, last = closeness(one, two, SIBLINGS).verdicts
    assert (early.holds, early.what) == (True, "losses of the first 6 updates")
    assert (last.holds, last.why) == (None, "one of the runs has none")
    assert failing(closeness(one, two, SIBLINGS)) == []


def test_what_is_not_recorded_is_not_judged(tmp_path: Path) -> None:
    one, two = make(tmp_path / "one", LOSSES), make(tmp_path / "two", LOSSES, final=None)
    (two.path / "steps.csv").unlink()
    (two.path / layout.MANIFEST).write_text("{}")
    found = closeness(one, replace(two, status=Status.INTERRUPTED), SIBLINGS)
    assert all(verdict.holds is None and verdict.why for verdict in found.verdicts)


def test_siblings_are_the_complete_runs_that_differ_by_seed_alone(results: Any) -> None:
    for seed, loss in enumerate([0.5, 0.6, 0.7, 0.8]):
        path = results.add(results.spec(seed=seed))
        closing = json.loads((path / layout.RESULT).read_text())
        closing["final"]["val_loss"] = loss
        if seed == 3:
            closing["outcome"] = "diverged"
        (path / layout.RESULT).write_text(json.dumps(closing))
    results.add(results.spec(seed=5, lr=0.2))
    results.add(results.spec(seed=6), outcome=None)
    record = read_record(results.path / results.spec(seed=1).run_id)
    assert sorted(losses_of_siblings(record)) == [0.5, 0.7]
