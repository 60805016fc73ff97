"""Arms whose runs of a seed do not start equal are not compared without a word."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Command = Callable[..., Any]

RANDOM_MODEL = """
import os
import torch

class Luck(torch.nn.Linear):
    def __init__(self):
        super().__init__(13, 3)
        with torch.no_grad():
            self.weight.fill_(int.from_bytes(os.urandom(2), "big") / 65536)
"""


def test_first_weights_that_differ_between_arms_are_an_error_that_names_them(
    lrbench: Command, here: Path
) -> None:
    (here / "nets.py").write_text(RANDOM_MODEL)
    small = ("dataset=wine", "model._target_=nets:Luck", "train.steps=5", "schedule=cosine,linear")
    done = lrbench("sweep", *small, "--seeds", "1", "--jobs", "1", "--results", "r")
    assert done.code == 3
    assert "not comparable: seed 0: the first weights of wine-luck-" in done.err
    summary = lrbench("summarize", "r", "--json")
    assert summary.code == 3
    assert "not comparable, the inputs of runs with one seed differ" in summary.err
    (mismatch,) = json.loads(summary.out)["mismatches"]
    assert mismatch.startswith("seed 0: the first weights of ")
    comparison = lrbench("compare", "r", "--by", "schedule")
    assert comparison.code == 3
    assert comparison.out == ""
    assert "must have had the same inputs to be compared: seed 0: the first" in comparison.err
