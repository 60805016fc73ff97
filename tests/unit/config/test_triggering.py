"""The trigger of a run: settings of the right types, lengths in updates, errors that help."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from lrbench.config.findings import Findings
from lrbench.config.home import options
from lrbench.config.lengths import Lengths
from lrbench.config.triggering import checked_settings, fit_trigger, read_trigger
from lrbench.errors import ConfigError, Problem
from lrbench.spec.run import Component, DiagnosticsSpec, TrainSpec
from lrbench.triggers.catalog import TRIGGERS


def lengths(
    steps: int = 200, *, per_epoch: int = 10, eval_every: int = 10, batch_size: int = 32
) -> Lengths:
    train = TrainSpec(steps=steps, batch_size=batch_size, eval_every=eval_every)
    return Lengths(train, DiagnosticsSpec(), None, per_epoch)


def told(name: str, **settings: Any) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        checked_settings(name, settings)
    return caught.value.problems


def component(name: str, **settings: Any) -> Component:
    return Component(name=name, params=checked_settings(name, settings))


@pytest.mark.parametrize("name", TRIGGERS)
def test_the_file_of_a_trigger_has_all_its_settings_with_the_defaults_of_its_function(
    name: str,
) -> None:
    values = yaml.safe_load(options("trigger")[name].read_text())
    assert values.pop("name") == name
    known = TRIGGERS[name].parameters
    assert list(values) == list(known)
    assert {k: (v, type(v)) for k, v in values.items()} == {
        k: (p.default, type(p.default)) for k, p in known.items()
    }


def test_what_is_left_out_has_its_default_and_a_whole_number_becomes_one_with_a_point() -> None:
    checked = checked_settings("plateau", {"patience": 3, "gate": 1, "every": "10ep"})
    assert (checked["patience"], checked["every"]) == (3, "10ep")
    assert (checked["gate"], type(checked["gate"])) == (1.0, float)
    assert (checked["watch"], checked["max_restarts"]) == ("train", 3)


def test_everything_of_another_type_is_told_at_once() -> None:
    found = told("plateau", patience=2.5, every="soon", watch="test", gate=True, half_life=1.5)
    assert [problem.key for problem in found] == ["patience", "every", "watch", "gate", "half_life"]
    assert found[0].relation == "must be a whole number"
    assert found[0].remedy == ".patience=null"
    assert found[2].relation == "must be one of: train, val"
    # Of a setting whose usual value is a number, null is none.
    assert found[3].remedy is None
    assert found[4].got == 1.5


def test_an_unknown_setting_is_told_with_its_neighbour() -> None:
    (problem,) = told("stall", threshhold=0.1)
    assert (problem.key, problem.got) == ("threshhold", 0.1)
    assert problem.remedy == ".threshold=…"
    assert "on_stall, threshold, patience" in problem.relation


def test_a_number_that_is_none_is_refused() -> None:
    assert told("plateau", rtol=float("nan"))[0].key == "rtol"
    assert told("plateau", spike_factor=float("inf"))[0].key == "spike_factor"


@pytest.mark.parametrize(
    ("typed", "steps"), [(30, 30), ("3ep", 30), ("15%", 30), ("2.5ep", 25), (None, None)]
)
def test_lengths_come_out_in_updates(typed: object, steps: int | None) -> None:
    fitted = fit_trigger(component("stall", window=typed), lengths(), 0)
    assert fitted.component.params["window"] == steps
    assert fitted.trigger.every == (steps or 10)


def test_a_length_that_does_not_fit_is_told_as_it_was_typed() -> None:
    with pytest.raises(ConfigError) as caught:
        fit_trigger(component("stall", window="30ep"), lengths(), 0)
    (problem,) = caught.value.problems
    assert (problem.key, problem.got) == ("window", "30ep")
    assert problem.relation == "must be shorter than the run (200 steps)"
    assert problem.remedy == ".window=5%"


def test_a_patience_that_does_not_fit_names_the_longest_that_does() -> None:
    with pytest.raises(ConfigError) as caught:
        fit_trigger(component("plateau", patience=149), lengths(), 0)
    assert caught.value.problems[0].remedy == ".patience=148"
    assert fit_trigger(component("plateau", patience=148), lengths(), 0)


def test_a_held_out_loss_is_watched_where_there_is_one() -> None:
    watching = component("plateau", watch="val", every=15, patience=2)
    with pytest.raises(ConfigError, match=r"multiple of train.eval_every \(10 steps\)"):
        fit_trigger(watching, lengths(), 0)
    assert fit_trigger(watching, lengths(eval_every=5), 0).trigger.every == 15
    usual = component("plateau", watch="val", patience=2)
    assert fit_trigger(usual, lengths(eval_every=20), 0).trigger.every == 20


def test_the_refractory_period_is_longer_by_the_rise() -> None:
    def refractory(rewarm: int) -> int:
        trigger: Any = fit_trigger(component("plateau"), lengths(), rewarm).trigger
        return int(trigger.rules.refractory)

    assert refractory(17) == refractory(0) + 17


def test_no_trigger_is_none_and_takes_no_settings() -> None:
    findings = Findings({"trigger": "mine/trigger/calm.yaml"})
    assert read_trigger({"name": "none"}, findings) is None
    findings.raise_if_any()
    assert read_trigger({"name": "none", "patience": 3, "window": 5}, findings) is None
    with pytest.raises(ConfigError) as caught:
        findings.raise_if_any()
    first, second = caught.value.problems
    assert (first.key, first.remedy) == ("trigger.patience", "trigger=plateau")
    assert (second.key, second.remedy) == ("trigger.window", "trigger=stall")
    assert first.origin == second.origin == "mine/trigger/calm.yaml"


def test_a_name_that_a_file_mistypes_is_told_with_its_neighbour() -> None:
    findings = Findings({})
    assert read_trigger({"name": "platau"}, findings) is None
    with pytest.raises(ConfigError) as caught:
        findings.raise_if_any()
    assert caught.value.problems[0].remedy == "trigger=plateau"
