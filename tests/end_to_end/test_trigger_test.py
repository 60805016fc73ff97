"""``lrbench trigger-test`` as typed: when triggers fire, and how seldom by mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from lrbench.stats.proportions import clopper_pearson
from lrbench.triggers.catalog import TRIGGERS

Command = Callable[..., Any]


@pytest.fixture
def tested(lrbench: Command) -> Callable[..., list[dict[str, Any]]]:
    """What ``trigger-test --json`` says to these words."""

    def call(*words: str) -> list[dict[str, Any]]:
        done = lrbench("trigger-test", "--json", *words)
        assert (done.code, done.err) == (0, "")
        found: list[dict[str, Any]] = json.loads(done.out)["triggers"]
        return found

    return call


def fires(one: dict[str, Any], curve: str) -> list[tuple[int, int]]:
    (found,) = [each for each in one["curves"] if each["curve"] == curve]
    return [(firing["evaluation"], firing["step"]) for firing in found["firings"]]


def test_a_plateau_fires_at_the_evaluation_of_its_patience(
    tested: Callable[..., list[dict[str, Any]]],
) -> None:
    words = ("trigger=plateau", "train.steps=400", "trigger.every=4", "--trials", "20")
    (one,) = tested(*words, "trigger.patience=17", "trigger.max_restarts=1")
    assert (one["total_steps"], one["every"]) == (400, 4)
    assert fires(one, "constant") == fires(one, "worsening") == [(17, 72)]
    assert fires(one, "improving") == fires(one, "spike") == []
    (one,) = tested(*words, "trigger.patience=18", "trigger.max_restarts=1")
    assert fires(one, "constant") == [(18, 76)]
    diverging = one["curves"][-1]
    # Not a number from update 200 on, seen after update 204.
    assert (diverging["curve"], diverging["refused_at"]) == ("diverging", 204)


def test_lengths_are_those_of_the_run(tested: Callable[..., list[dict[str, Any]]]) -> None:
    # digits has 1079 samples to train on: 33 updates of 32 an epoch.
    words = ("trigger=stall", "train.epochs=10", "train.batch_size=32", "trigger.window=1ep")
    (one,) = tested(*words, "--trials", "1")
    assert (one["total_steps"], one["every"]) == (330, 33)
    (one,) = tested(*words[:1], "train.steps=330", "trigger.window=10%", "--trials", "1")
    assert (one["total_steps"], one["every"], one["settings"]["window"]) == (330, 33, 33)


def test_the_answer_is_the_same_every_time_and_follows_the_seed(
    tested: Callable[..., list[dict[str, Any]]],
) -> None:
    words = ("trigger=plateau", "train.steps=300", "trigger.patience=10", "--trials", "60")
    first, again, other = tested(*words), tested(*words), tested(*words, "seed=1")
    assert first == again
    assert first != other
    assert fires(first[0], "constant") == fires(other[0], "constant")
    assert fires(first[0], "noise floor") != fires(other[0], "noise floor")


def test_the_defaults_of_every_trigger_keep_the_promise(
    tested: Callable[..., list[dict[str, Any]]],
) -> None:
    found = tested(f"trigger={','.join(TRIGGERS)}", "train.steps=500", "--trials", "120")
    assert [one["label"] for one in found] == list(TRIGGERS)
    for one in found:
        assert one["is_default"], one["label"]
        assert one["verdict"] == "holds", one["label"]
        assert [fires["trials"] for fires in one["false_fires"]] == [120, 120]


def test_an_impatient_trigger_breaks_it_and_is_told_so(
    lrbench: Command, tested: Callable[..., list[dict[str, Any]]]
) -> None:
    words = ("trigger=plateau", "train.steps=500", "trigger.patience=4", "--trials", "40")
    (one,) = tested(*words)
    start, after = one["false_fires"]
    assert one["verdict"] == "broken"
    assert start["trials"] == after["trials"] == 40
    assert start["fired"] > 30
    assert start["share"] == start["fired"] / 40
    assert [start["low"], start["high"]] == list(clopper_pearson(start["fired"], 40))
    assert after["fired"] > 20
    assert not one["is_default"]
    text = lrbench("trigger-test", *words).out
    assert "the promise is broken: more than 5 % in a tenth of the run" in text
    assert "it is made of the default settings only, and these are not" in text
    assert f"{start['fired']} of 40, {100 * start['share']:.2f} % (95 % interval" in text


def test_few_trials_decide_nothing(tested: Callable[..., list[dict[str, Any]]]) -> None:
    (one,) = tested("trigger=stall", "train.steps=500", "--trials", "5")
    assert one["verdict"] == "undecided"


def test_people_see_curves_and_what_the_trigger_may_do(lrbench: Command) -> None:
    done = lrbench("trigger-test", "trigger=grad_norm", "train.steps=400", "--trials", "90")
    text = " ".join(done.out.split())
    assert done.code == 0
    assert (
        "trigger grad_norm watches the norm of the gradient every 2 updates; it may restart at "
        "most 3 times, only before update 300 and where the rate is at most 0.25 of its cycle's"
    ) in text
    assert "never; refused as divergence" in text
    assert "step 202" in text
    assert "false fires in a tenth of the run, 40 steps of stationary noise" in text
    assert "the promise holds: at most 5 % in a tenth of a run" in text


def test_a_rise_delays_what_comes_after_a_firing(
    tested: Callable[..., list[dict[str, Any]]],
) -> None:
    words = ("trigger=plateau", "train.steps=400", "trigger.every=4", "trigger.patience=17")
    jumps = fires(tested(*words, "--trials", "1")[0], "constant")
    rises = fires(tested(*words, "restart.rewarm=20", "--trials", "1")[0], "constant")
    assert jumps[0] == rises[0] == (17, 72)
    assert rises[1][1] == jumps[1][1] + 20


def test_it_needs_neither_torch_nor_hydra() -> None:
    code = (
        "from lrbench.workflows.trigger_test import trigger_tests\n"
        "trigger_tests(['trigger=plateau', 'train.steps=200'], trials=1)\n"
        "import sys; print({'torch', 'hydra', 'pandas', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
