"""``lrbench plan`` as typed, and the same answer in ``sweep --dry-run``."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lrbench.stats.power import least_effect, seeds_for

Command = Callable[..., Any]

SMALL = ("dataset=two_spirals", "model=linear", "train.steps=20")
ARMS = ("schedule=constant,cosine,linear", *SMALL)


def answer(done: Any) -> dict[str, Any]:
    assert done.code == 0, done
    found = json.loads(done.out)
    assert isinstance(found, dict)
    return found


def test_without_records_it_says_what_is_not_known_and_how_to_learn_it(
    lrbench: Command, here: Path
) -> None:
    done = lrbench("plan", *ARMS, "--effect", "0.01")
    assert done.code == 0
    assert "how far differences spread is not\n  known" in done.out
    assert "2 comparisons on shared seeds, judged together at 95 % (Holm)" in done.out
    row = next(line for line in done.out.splitlines() if "seeds for 80 %" in line)
    assert row.split()[-7:] == [
        str(seeds_for(d, level=0.975)) for d in (0.5, 0.75, 1, 1.25, 1.5, 2, 3)
    ]
    assert max(map(len, done.out.splitlines()[:-1])) <= 80
    assert list(here.iterdir()) == []


def test_a_dry_run_of_a_new_sweep_says_what_its_seeds_can_show(lrbench: Command) -> None:
    done = lrbench("sweep", *ARMS, "--seeds", "8", "--dry-run")
    assert "no two arms of this sweep share two seeds" in done.out
    assert f"minimum detectable effect is d = {least_effect(8, level=0.975):.3g}" in done.out


@pytest.mark.slow
def test_the_pilot_that_is_proposed_answers_the_question(lrbench: Command, here: Path) -> None:
    words = ("plan", *ARMS, "--effect", "0.01")
    pilot = shlex.split(lrbench(*words).out.splitlines()[-1])
    assert lrbench(*pilot[1:], "--jobs", "1").code == 0
    after = lrbench(*words)
    assert "find a difference of 0.01 in val_loss in 80 %" in after.out.replace("\n  ", " ")
    assert "of this sweep in results" in after.out.replace("\n  ", " ")
    assert max(map(len, after.out.splitlines())) <= 80


@pytest.fixture
def pilot(lrbench: Command) -> None:
    # One by one in this process: a sweep's workers take longer to start.
    for schedule in ("constant", "cosine", "linear"):
        for seed in range(3):
            assert lrbench("run", f"schedule={schedule}", *SMALL, f"seed={seed}").code == 0


@pytest.mark.slow
def test_a_dry_run_of_a_sweep_that_is_complete_promises_no_training(
    lrbench: Command, pilot: None
) -> None:
    done = lrbench("sweep", *ARMS, "--seeds", "3", "--dry-run")
    assert "nothing to train: every run is complete" in done.out
    assert "of training with" not in done.out
    more = lrbench("sweep", *ARMS, "--seeds", "4", "--dry-run")
    assert "of training with" in more.out


@pytest.mark.slow
def test_it_learns_from_the_arms_of_the_sweep_or_says_that_it_does_not(
    lrbench: Command, pilot: None
) -> None:
    own = answer(lrbench("plan", *ARMS, "--seeds", "8", "--json"))
    assert (own["learned_from"], own["comparisons"]) == ("sweep", 2)
    assert [(p["baseline"], p["other"]) for p in own["spread"]["pairs"]] == [
        ("constant", "cosine"),
        ("constant", "linear"),
    ]
    assert own["least_effect"] == pytest.approx(
        least_effect(8, level=0.975) * own["spread"]["bound"]
    )
    # With a rate nobody has trained only the others are left, all their pairs.
    words = (*ARMS, "optimizer.lr=0.07")
    others = answer(lrbench("plan", *words, "--seeds", "8", "--effect", "0.1", "--json"))
    assert (others["learned_from"], len(others["spread"]["pairs"])) == ("others", 3)
    told = lrbench("plan", *words, "--seeds", "8").out.replace("\n  ", " ")
    assert "3 pairs of arms that are not this sweep's in results" in told
    assert others["seeds_needed"] == seeds_for(0.1 / others["spread"]["bound"], level=0.975)


@pytest.mark.slow
def test_a_dry_run_of_the_sweep_says_the_same(lrbench: Command, pilot: None) -> None:
    asked = answer(lrbench("plan", *ARMS, "--seeds", "8", "--json"))
    dry = answer(lrbench("sweep", *ARMS, "--seeds", "8", "--dry-run", "--json"))["power"]
    for name in ("least_effect", "least_by_estimate", "spread", "comparisons", "judged_at"):
        assert dry[name] == asked[name]
    line = "with 8 seeds the minimum detectable difference in val_loss is"
    assert line in lrbench("sweep", *ARMS, "--seeds", "8", "--dry-run").out
    assert line in lrbench("plan", *ARMS, "--seeds", "8").out
    alone = answer(lrbench("sweep", *SMALL, "--seeds", "8", "--dry-run", "--json"))
    assert alone["power"] is None
