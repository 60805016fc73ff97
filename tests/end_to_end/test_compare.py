"""Conclusions on real records: none where there is nothing to conclude."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrbench.stats.contrast import contrast, contrast_family

Command = Callable[..., Any]

SMALL = ("dataset=digits", "model=linear", "train.epochs=1", "--jobs", "1", "--results", "r")
SEEDS = 32


@pytest.mark.slow
def test_one_schedule_under_two_names_gets_no_verdict(lrbench: Command, here: Path) -> None:
    # A cosine that ends where it begins is constant.
    for schedule in (("schedule=constant",), ("schedule=cosine", "schedule.final_factor=1.0")):
        done = lrbench("sweep", *schedule, *SMALL, "--seeds", str(SEEDS))
        assert done.code == 0, done.err
    told = json.loads(lrbench("compare", "r", "--json").out)
    (task,) = told["tasks"]
    assert task["differing"] == ["schedule"]
    assert "the first weights, the first batch, the batches" in told["inputs"]
    for basis in task["bases"]:
        for row in basis["rows"]:
            assert row["found"]["verdict"] == row["beside"]["verdict"] == "identical"
            assert set(row["found"]["differences"]) == {0.0}

    # With luck of their own, two arms of one schedule differ as seldom as is said.
    losses = np.array(task["contenders"][0]["arms"][0]["finals"]["val_loss"])
    draw = np.random.default_rng(0)
    false = []
    for _ in range(300):
        arms = draw.permutation(losses).reshape(4, -1)
        found = contrast_family([contrast(arms[0], other) for other in arms[1:]])
        false.append(any(one.verdict != "undecided" for one in found))
    # Three standard errors above 5 % of 300 families.
    assert np.mean(false) <= 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5
