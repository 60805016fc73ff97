"""Test data: nothing that trains, looks, fires or selects ever touches them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from lrbench.engine.base import State
from lrbench.engine.quarantine import evaluate_on_test
from lrbench.engine.snapshots import measure
from lrbench.engine.state import restore_model
from lrbench.errors import RecordError
from lrbench.record.checkpoint import read_checkpoint
from lrbench.record.reader import read_record
from lrbench.tasks.base import Prepared, Split
from lrbench.workflows import training
from lrbench.workflows.plan import load_data, make_plan
from lrbench.workflows.run import resolve_overrides, run

SMALL = ["dataset=wine", "model=linear", "train.batch_size=16", "optimizer.lr=0.05"]
RESTARTS = [
    *SMALL,
    "train.steps=40",
    "train.eval_every=5",
    "restart.keep_checkpoints=true",
    "restart.weights=rewind_best",
]
FIRING = [
    "schedule=constant",
    "trigger=plateau",
    "trigger.watch=val",
    "trigger.patience=1",
    "trigger.rtol=0.9",
    "trigger.gate=null",
    "trigger.refractory=1",
]


class Untouchable:
    """A test split that whoever touches is told on."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(f"the test split was asked for its {name}")


def with_test(data: Prepared, test: object) -> Prepared:
    return replace(data, test=test)  # type: ignore[arg-type]


def promised(path: Path) -> dict[str, bytes]:
    names = ("steps.csv", "evals.csv", "restarts.csv", "layers.csv", "result.json")
    return {name: (path / name).read_bytes() for name in names}


@pytest.mark.parametrize(
    "overrides",
    [["schedule=sgdr"], FIRING, ["schedule=cosine", "diagnostics=curvature"]],
    ids=["sgdr", "trigger", "curvature"],
)
def test_a_whole_run_comes_out_the_same_though_the_test_split_cannot_be_touched(
    tmp_path, monkeypatch, overrides
):
    resolved = resolve_overrides([*RESTARTS, *overrides])
    usual = run(resolved, tmp_path / "usual").path
    if "diagnostics=curvature" not in overrides:
        assert len(read_record(usual).log("restarts.csv").rows) > 0
    real = load_data(resolved)
    blocked = with_test(real, Untouchable())
    monkeypatch.setattr(training, "load_data", lambda run: blocked)
    # The manifest counts the samples of each part, and that is all.
    monkeypatch.setattr(Untouchable, "__len__", lambda self: len(real.test), raising=False)
    quarantined = run(resolved, tmp_path / "quarantined").path
    assert promised(quarantined) == promised(usual)


def kept_state(path: Path) -> tuple[State, str]:
    record = read_record(path)
    checkpoint = read_checkpoint(record.kept()[record.spec["train"]["steps"]])
    state = State(checkpoint.step, checkpoint.facts, checkpoint.body)
    return state, record.result["weights_digest"]


@pytest.mark.parametrize("schedule", ["constant", "sgdr"])
def test_final_weights_are_kept_where_checkpoints_are_and_evaluate_as_by_hand(tmp_path, schedule):
    resolved = resolve_overrides([*RESTARTS, f"schedule={schedule}"])
    state, digest = kept_state(run(resolved, tmp_path).path)
    data = load_data(resolved)
    plan = make_plan(resolved.spec, data)
    loss, accuracy = evaluate_on_test(plan, state, digest)

    model = plan.build_model(plan.lanes[0].streams)
    restore_model(state, model)
    outputs = model.eval()(torch.as_tensor(data.test.inputs)).detach()
    targets = torch.as_tensor(data.test.targets)
    assert loss == pytest.approx(float(cross_entropy(outputs, targets)), rel=1e-6)
    assert accuracy == float((outputs.argmax(1) == targets).double().mean())
    # And not the validation split's.
    assert loss != measure(plan, [state]).singles[0].loss


@pytest.mark.parametrize("precision", ["float32", "bf16", "float64"])
def test_the_test_split_is_evaluated_as_the_validation_split_was(tmp_path, precision):
    settings = ["schedule=constant", f"compute.precision={precision}"]
    resolved = resolve_overrides([*RESTARTS, *settings])
    path = run(resolved, tmp_path).path
    data = load_data(resolved)
    plan = make_plan(resolved.spec, with_test(data, data.val))
    loss, accuracy = evaluate_on_test(plan, *kept_state(path))
    final = read_record(path).result["final"]
    assert (loss, accuracy) == (final["val_loss"], final["val_accuracy"])


def test_other_weights_than_the_recorded_ones_are_not_evaluated(tmp_path):
    resolved = resolve_overrides([*RESTARTS, "schedule=constant"])
    state, _ = kept_state(run(resolved, tmp_path).path)
    plan = make_plan(resolved.spec, load_data(resolved))
    with pytest.raises(RecordError, match="final weights"):
        evaluate_on_test(plan, state, "0" * 64)


def test_snapshots_are_measured_without_the_test_split(tmp_path):
    resolved = resolve_overrides([*RESTARTS, "schedule=sgdr"])
    state, _ = kept_state(run(resolved, tmp_path).path)
    data = load_data(resolved)
    nonsense = Split(data.test.inputs * np.nan, data.test.targets)
    found = measure(make_plan(resolved.spec, data), [state])
    assert measure(make_plan(resolved.spec, with_test(data, nonsense)), [state]) == found
    assert measure(make_plan(resolved.spec, with_test(data, Untouchable())), [state]) == found
