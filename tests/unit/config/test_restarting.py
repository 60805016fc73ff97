"""Restarts and triggers of a run, against the optimizer and the batches that it has."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrbench.config.compose import compose
from lrbench.config.overrides import parse
from lrbench.config.resolve import Resolved, resolve_run
from lrbench.errors import ConfigError, Problem

SMALL = ("dataset=two_spirals", "model=linear", "train.steps=200")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def resolved(*words: str, folder: Path | None = None) -> Resolved:
    (arm,) = parse([*SMALL, *words])
    return resolve_run(compose(arm, folder))


def refused(*words: str) -> dict[str, Problem]:
    with pytest.raises(ConfigError) as caught:
        resolved(*words)
    return {problem.key or "": problem for problem in caught.value.problems}


def test_a_trigger_is_part_of_the_run_with_its_lengths_in_updates() -> None:
    found = resolved("trigger=stall", "trigger.window=5%", "trigger.refractory=20%")
    trigger = found.spec.trigger
    assert trigger is not None
    assert (trigger.name, trigger.params["window"], trigger.params["refractory"]) == (
        "stall",
        10,
        40,
    )
    assert trigger.params["gate"] == 0.1
    assert found.spec.digest != resolved().spec.digest
    assert found.spec.digest == resolved(*found_words("10", "40")).spec.digest
    assert resolved("trigger=none").spec.trigger is None


def found_words(window: str, refractory: str) -> tuple[str, ...]:
    """The same in other words."""
    return "trigger=stall", f"trigger.window={window}", f"trigger.refractory={refractory}"


def test_an_error_names_the_override_or_the_file_it_comes_from(here: Path) -> None:
    problem = refused("trigger=plateau", "trigger.patience=400")["trigger.patience"]
    assert problem.origin == "override trigger.patience=400"
    (here / "mine" / "trigger").mkdir(parents=True)
    file = here / "mine" / "trigger" / "late.yaml"
    file.write_text("name: plateau\npatience: 400\n")
    with pytest.raises(ConfigError) as caught:
        resolved("trigger=late", folder=Path("mine"))
    assert caught.value.problems[0].origin == "mine/trigger/late.yaml"
    file.write_text("name: plateau\npatience: 20\n")
    found = resolved("trigger=late", folder=Path("mine"))
    assert found.spec.digest == resolved("trigger=plateau", "trigger.patience=20").spec.digest


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["optimizer.momentum=0"], "optimizer.momentum=0.9"),
        (["optimizer._target_=torch.optim:RMSprop", "optimizer.lr=0.1"], "optimizer=sgd"),
    ],
)
def test_a_trigger_that_watches_momentum_needs_some(words: list[str], remedy: str) -> None:
    scheme = ("trigger=gradient_scheme", "restart.weights=rewind_best")
    problem = refused(*scheme, *words)["trigger"]
    assert (problem.got, problem.remedy) == ("gradient_scheme", remedy)
    # That of the loss has no need of it, nor has one whose optimizer keeps it by another name.
    assert resolved("trigger=function_scheme", "restart.weights=rewind_best", *words)
    assert resolved(*scheme, "optimizer=adam")


def test_momentum_of_an_optimizer_of_your_own_is_found() -> None:
    assert resolved(
        "trigger=gradient_scheme",
        "restart=reset_momentum",
        "optimizer._target_=torch.optim:RMSprop",
        "optimizer.lr=0.1",
        "optimizer.momentum=0.5",
    )


def test_noise_is_estimated_from_two_samples_at_least() -> None:
    assert refused("trigger=snr", "train.batch_size=1")["trigger"].remedy == "train.batch_size=32"
    assert resolved("trigger=snr", "train.batch_size=2")


@pytest.mark.parametrize(
    ("optimizer", "remedy"), [("sgd", "reset_momentum"), ("adamw", "full_reset")]
)
def test_a_scheme_that_would_do_nothing_is_refused_with_a_policy_that_works(
    optimizer: str, remedy: str
) -> None:
    words = ("trigger=function_scheme", f"optimizer={optimizer}")
    problem = refused(*words)["trigger"]
    assert problem.remedy == f"restart={remedy}"
    assert resolved(*words, str(problem.remedy))
    # A rise is none either: the rate goes on.
    assert "trigger" in refused(*words, "restart=rewarm")


def test_state_of_an_optimizer_of_your_own_goes_by_the_names_it_has(here: Path) -> None:
    (here / "heavy.py").write_text(
        "import torch\n"
        "class Heavy(torch.optim.SGD):\n"
        "    def step(self, closure=None):\n"
        "        for s in self.state.values():\n"
        "            s['momentum_buffer'] = s.pop('ball', None)\n"
        "        super().step(closure)\n"
        "        for s in self.state.values():\n"
        "            s['ball'] = s.pop('momentum_buffer')\n"
    )
    words = (
        "optimizer._target_=heavy:Heavy",
        "optimizer.lr=0.1",
        "optimizer.momentum=0.9",
        "schedule=sgdr",
        "restart=reset_momentum",
    )
    problem = refused(*words)["restart.momentum"]
    assert "Heavy keeps ball" in problem.relation
    assert problem.remedy == "'restart.state_names={momentum: ball}'"
    found = resolved(*words, problem.remedy.strip("'"))
    assert found.spec.restart.state_names == {"momentum": "ball"}


def test_a_hidden_multiplier_is_refused_and_named_where_it_is_allowed() -> None:
    words = ("schedule=sgdr", "optimizer=adam", "restart.second_moment=reset")
    words += ("restart.counter=keep",)
    problem = refused(*words)["restart.counter"]
    assert problem.remedy == "restart.allow_mismatch=true"
    allowed = resolved(*words, problem.remedy)
    assert "times 31.6" in allowed.mismatch
    (note,) = [note for note in allowed.notes if "hide" in note]
    assert allowed.mismatch in note
    assert resolved("schedule=sgdr", "optimizer=adam", "restart=adam_rel").mismatch == ""


@pytest.mark.parametrize(
    ("words", "note"),
    [
        (["restart=reset_momentum"], "restart has no effect: the schedule never restarts"),
        (
            ["trigger=plateau", "trigger.on_plateau=decay", "restart=reset_momentum"],
            "restart has no effect: plateau only lowers the rate",
        ),
        (
            ["trigger=function_scheme", "restart=reset_momentum", "restart.rewarm=5"],
            "restart.rewarm has no effect: function_scheme never lets the rate jump",
        ),
        (
            ["trigger=plateau", "schedule=constant"],
            "plateau never restarts with this schedule: its rate is above trigger.gate (0.1",
        ),
    ],
)
def test_what_has_no_effect_is_said(words: list[str], note: str) -> None:
    assert [one for one in resolved(*words).notes if one.startswith(note)]


@pytest.mark.parametrize(
    "words",
    [
        ["schedule=sgdr", "restart=reset_momentum"],
        ["trigger=plateau", "restart=reset_momentum"],
        ["trigger=plateau", "schedule=constant", "trigger.gate=null"],
        ["trigger=plateau", "schedule=constant", "trigger.on_plateau=decay_then_restart"],
    ],
)
def test_nothing_is_said_of_what_has_one(words: list[str]) -> None:
    assert not [note for note in resolved(*words).notes if "no effect" in note or "never" in note]
