"""Runs of one seed share what their settings claim, or are not to be compared."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from lrbench.record.pairing import Pairing
from lrbench.record.reader import read_record

OTHER = "f" * 64


@pytest.fixture
def run(golden_record):
    """Makes a run from a real record: other settings, other statements."""
    record = read_record(golden_record)

    def make(name, spec=(), inputs=(), **result):
        run = replace(
            record,
            path=record.path.with_name(name),
            spec=copy.deepcopy(record.spec),
            result=copy.deepcopy(record.result),
        )
        for keys, value in dict(spec).items():
            *above, last = keys.split(".")
            place = run.spec
            for key in above:
                place = place[key]
            place[last] = value
        run.result["inputs"].update(inputs)
        run.result.update(result)
        return run

    return make


def told(*runs):
    pairing = Pairing()
    for one in runs:
        pairing.add(one)
    return pairing.mismatches()


def test_arms_that_share_everything_match(run):
    assert told(run("a"), run("b", {"schedule.name": "constant"}, {"schedule": OTHER})) == []
    assert told(run("a"), run("b", {"optimizer.lr": 0.5}, weights_digest=OTHER)) == []


@pytest.mark.parametrize("what", ["data", "split", "init", "first_batch"])
def test_an_input_that_differs_is_named_with_the_runs(what, run):
    runs = [run("a"), run("b"), run("c", {"optimizer.lr": 0.5}, {what: OTHER})]
    for order in (runs, runs[::-1]):
        (found,) = told(*order)
        assert (found.what, found.seed) == (what, 0)
        assert found.runs[1] == "c"
        assert found.runs[0] in "ab"
        assert "seed 0" in str(found)
        assert "c differ" in str(found)


def test_batches_that_differ_late_are_found_by_their_chain(run):
    (found,) = told(run("a"), run("b", batch_chain=OTHER))
    assert found.what == "batches"


@pytest.mark.parametrize("purpose", ["dropout", "augmentation"])
def test_a_stream_that_differs_is_named(purpose, run):
    streams = {**run("a").result["inputs"]["streams"], purpose: OTHER[:32]}
    (found,) = told(run("a"), run("b", inputs={"streams": streams}))
    assert found.what == purpose


def test_only_the_first_cause_of_a_seed_is_told(run):
    others = dict.fromkeys(("data", "split", "init", "first_batch"), OTHER)
    (found,) = told(run("a"), run("b", inputs=others, batch_chain=OTHER))
    assert found.what == "data"


@pytest.mark.parametrize(
    ("settings", "inputs", "result"),
    [
        ({"seed": 1}, {"init": OTHER, "first_batch": OTHER}, {"batch_chain": OTHER}),
        ({"model.params": {"hidden": [9]}}, {"init": OTHER}, {}),
        ({"streams.init": 7}, {"init": OTHER}, {}),
        ({"streams.order": 7}, {"first_batch": OTHER}, {"batch_chain": OTHER}),
        ({"train.batch_size": 8}, {"first_batch": OTHER}, {"batch_chain": OTHER}),
        ({"train.steps": 99}, {}, {"batch_chain": OTHER}),
        ({}, {}, {"batch_chain": OTHER, "diverged_at": 3}),
        ({"dataset.name": "iris"}, {"data": OTHER, "split": OTHER, "init": OTHER}, {}),
        ({"compute.precision": "float64"}, {"init": OTHER}, {}),
    ],
)
def test_settings_that_change_an_input_claim_nothing_of_it(settings, inputs, result, run):
    if "dataset.name" in settings:
        inputs = {**inputs, "first_batch": OTHER}
        result = {"batch_chain": OTHER}
    assert told(run("a"), run("b", settings, inputs, **result)) == []


def test_a_record_of_an_earlier_lrbench_claims_nothing(run):
    old = run("old", inputs={"data": OTHER})
    del old.result["inputs"]
    assert told(run("a"), old) == []
