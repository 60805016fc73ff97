"""Which runs share a plan of the lanes engine, and in which slot."""

from __future__ import annotations

import json

import pytest

from lrbench.record.layout import MANIFEST
from lrbench.workflows.packing import pack, slot_of_same
from lrbench.workflows.run import resolve_overrides

WIDTH = 4
LANES = ("model=linear", "train.steps=4", "compute.engine=lanes", f"compute.lanes={WIDTH}")


def runs(*arms: str, seeds: int = 1, common: tuple[str, ...] = LANES):
    return [
        resolve_overrides([*common, *arm.split(), f"seed={seed}"])
        for arm in arms
        for seed in range(seeds)
    ]


def test_every_run_of_the_loop_is_a_plan_of_its_own(tmp_path):
    packs = pack(runs("optimizer.lr=0.1", seeds=3, common=("train.steps=4",)))
    assert [(one.places, one.slots) for one in packs] == [((n,), (0,)) for n in range(3)]


def test_every_run_is_in_one_plan_and_no_slot_is_taken_twice(tmp_path):
    found = runs("optimizer.lr=0.1", "optimizer.lr=0.2", "schedule=constant", seeds=3)
    packs = pack(found)
    assert sorted(place for one in packs for place in one.places) == list(range(9))
    for one in packs:
        assert len(set(one.slots)) == len(one.slots) == len(one.places)
        assert set(one.slots) <= set(range(WIDTH))
    assert [len(one.places) for one in packs] == [WIDTH, WIDTH, 1]


def test_runs_of_a_seed_are_together(tmp_path):
    """They have their batches in common, which are then put together once."""
    found = runs("optimizer.lr=0.1", "optimizer.lr=0.2", "optimizer.lr=0.3", seeds=4)
    seeds = [[found[place].spec.seed for place in one.places] for one in pack(found)]
    assert sorted(seed for one in seeds for seed in one) == sorted([*range(4)] * 3)
    # In steps of four from 000 111 222 333.
    assert [set(one) for one in seeds] == [{0, 1}, {1, 2}, {2, 3}]


@pytest.mark.parametrize(
    "other",
    ["model=cnn", "train.eval_every=2", "train.batch_size=8", "optimizer=adam"],
)
def test_runs_that_need_another_program_have_another_plan(other, tmp_path):
    found = runs("optimizer.lr=0.1", other, common=LANES[1:])
    assert len(pack(found)) == 2


def test_a_run_that_must_stand_in_a_slot_does_and_the_others_fill_what_is_left():
    found = runs("optimizer.lr=0.1", seeds=5)
    packs = pack(found, [None, 2, None, 2, 0])
    assert [(one.places, one.slots) for one in packs] == [
        ((4, 0, 1, 2), (0, 1, 2, 3)),
        ((3,), (2,)),
    ]


def test_runs_that_are_not_alike_in_what_else_is_said_of_them_share_no_plan():
    found = runs("optimizer.lr=0.1", seeds=3)
    assert [one.places for one in pack(found, alike=["a", "b", "a"])] == [(0, 2), (1,)]


def test_a_run_and_its_copy_share_no_plan():
    (found,) = runs("optimizer.lr=0.1")
    assert [one.places for one in pack([found, found])] == [(0,), (1,)]


@pytest.mark.parametrize(
    ("lanes", "slot"),
    [
        ({"slot": 3, "level": "L1"}, 3),
        ({"slot": 3, "level": "L2"}, None),
        ({"slot": 3, "level": "L4"}, None),
        ({"slot": 3, "level": "?"}, 3),
        ({"slot": 3}, 3),
        ({}, None),
    ],
)
def test_the_bits_of_a_record_are_had_in_its_slot_unless_others_were_measured_to_do(
    lanes, slot, tmp_path
):
    (tmp_path / MANIFEST).write_text(json.dumps({"lanes": lanes}))
    assert slot_of_same(tmp_path) == slot


def test_the_numbers_that_schedules_multiply_may_differ(tmp_path):
    arms = ["optimizer.lr=0.1", "optimizer.momentum=0.5", "optimizer.weight_decay=0.1"]
    assert len(pack(runs(*arms, "schedule=sgdr"))) == 1
