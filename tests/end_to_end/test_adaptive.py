"""Adaptive runs and restarts as typed: what is said of them before, while and after."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lrbench.cli.completion import complete_override
from lrbench.config.home import options
from lrbench.spec.canonical import pretty, sealed
from lrbench.triggers.catalog import TRIGGERS

Command = Callable[..., Any]

SMALL = ("dataset=two_spirals", "model=linear", "train.steps=120", "train.eval_every=15")
ADAPTIVE = (*SMALL, "trigger=plateau", "trigger.gate=null", "trigger.patience=4")


def lines(lrbench: Command, *words: str) -> list[str]:
    done = lrbench(*words)
    assert done.code == 0, done
    text: str = done.out
    return text.splitlines()


def test_what_a_trigger_decides_stands_in_the_record(lrbench: Command, here: Path) -> None:
    path = here / json.loads(lrbench("run", *ADAPTIVE, "--json").out)["path"]
    events = json.loads((path / "result.json").read_text())["events"]
    rows = list(csv.DictReader(io.StringIO((path / "restarts.csv").read_text())))
    assert events
    assert [(str(e["step"]), e["cause"], repr(e["statistic"])) for e in events] == [
        (row["step"], row["cause"], row["statistic"]) for row in rows
    ]
    assert json.loads((path / "spec.json").read_text())["trigger"]["params"]["patience"] == 4
    done = lrbench("verify", str(path), "--inputs")
    assert done.code == 0, done


def test_an_event_that_did_not_happen_is_found(lrbench: Command, here: Path) -> None:
    path = here / json.loads(lrbench("run", *ADAPTIVE, "--json").out)["path"]
    file = path / "result.json"
    result = json.loads(file.read_text())
    result["events"][0]["step"] += 1
    del result["digest"]
    file.write_text(pretty(sealed(result)))
    done = lrbench("verify", str(path), "--inputs")
    assert done.code == 3
    first = json.loads((path / "result.json").read_text())["events"][0]["step"]
    assert f"schedule, at step {first - 1}: lr is" in done.out


def test_the_same_run_again_is_the_record_that_is_there(lrbench: Command, here: Path) -> None:
    first = json.loads(lrbench("run", *ADAPTIVE, "--json").out)
    again = json.loads(lrbench("run", *ADAPTIVE, "trigger.every=null", "--json").out)
    assert (again["path"], again["was_there"]) == (first["path"], True)


def test_a_dry_run_says_what_decides_on_restarts_and_what_they_do(lrbench: Command) -> None:
    words = ("run", *SMALL, "--dry-run")
    said = lines(lrbench, *words, "trigger=plateau", "restart=reset_momentum")
    assert said[2] == (
        "trigger plateau watches the train loss every update; it may restart at most 3 times, only "
        "before update 90 and where the rate is at most 0.1 of its cycle's peak"
    )
    assert said[3] == "what a restart does: reset_momentum"
    said = lines(lrbench, *words, "schedule=sgdr", "schedule.first_cycle=30", "restart=rewarm")
    assert said[2:4] == ["warm restarts at updates 30, 90", "what a restart does: rewarm=3"]
    assert lines(lrbench, *words)[2] == "no warm restarts"
    decays = lines(lrbench, *words, "trigger=snr", "trigger.max_restarts=1")
    assert decays[2] == (
        "trigger snr watches the noise of the gradient every update; it may lower the rate at most "
        "once, only before update 90"
    )
    assert not [line for line in decays if line.startswith("what a restart")]
    resets = lines(lrbench, *words, "trigger=gradient_scheme", "restart=reset_momentum")
    assert "watches the cosine of gradient and momentum every 20 updates" in resets[2]
    assert resets[3] == "what a restart does: reset_momentum"
    answer = json.loads(lrbench(*words, "trigger=plateau", "--json").out)
    assert answer["restarts"][1] == "what a restart does: keep"


def test_show_says_the_same_and_where_settings_come_from(lrbench: Command) -> None:
    said = lines(lrbench, "show", *ADAPTIVE, "restart=reset_momentum")
    assert "# what a restart does: reset_momentum" in said
    assert [line for line in said if line.startswith("# trigger plateau watches the train loss")]
    assert "trigger:" in [line.partition(" ")[0] for line in said]
    (patience,) = [line for line in said if line.startswith("  patience:")]
    assert patience.endswith("# override trigger.patience=4")
    heading = next(line for line in said if line.startswith("restart:"))
    assert heading.endswith("# conf/restart/reset_momentum.yaml")


def test_a_preview_shows_the_rate_that_is_trained_with_its_rises(
    lrbench: Command, here: Path
) -> None:
    words = (*SMALL, "schedule=sgdr", "schedule.first_cycle=30", "restart.rewarm=6")
    path = here / json.loads(lrbench("run", *words, "--json").out)["path"]
    trained = csv.DictReader(io.StringIO((path / "steps.csv").read_text()))
    shown = csv.DictReader(io.StringIO(lrbench("preview", *words, "--format", "csv").out))
    rates = [row["lr"] for row in shown]
    assert rates == [row["lr"] for row in trained]
    jumps = json.loads(lrbench("preview", *words[:-1], "--json").out)["schedules"][0]
    assert [repr(rate) for rate in jumps["lr"]] != rates
    (one,) = json.loads(lrbench("preview", *words, "--json").out)["schedules"]
    assert one["restarts"] == jumps["restarts"] == [30, 90]
    assert "re-warm: over 6 steps after a restart" in " ".join(one["conventions"])


def test_a_preview_with_a_trigger_shows_what_is_trained_if_nothing_fires(
    lrbench: Command, here: Path
) -> None:
    words = (*SMALL, "trigger=plateau", "trigger.atol=100")
    never = (*words, "trigger.patience=88")
    path = here / json.loads(lrbench("run", *never, "--json").out)["path"]
    if json.loads((path / "result.json").read_text())["events"]:
        trained = list(csv.DictReader(io.StringIO((path / "steps.csv").read_text())))[:89]
    else:
        trained = list(csv.DictReader(io.StringIO((path / "steps.csv").read_text())))
    (one,) = json.loads(lrbench("preview", *never, "--json").out)["schedules"]
    assert [repr(rate) for rate in one["lr"][: len(trained)]] == [row["lr"] for row in trained]
    told = " ".join(one["notes"])
    assert "trigger plateau watches the train loss" in told
    assert "shown is the schedule while nothing fires" in told


def test_previews_of_several_triggers_are_told_apart(lrbench: Command) -> None:
    answer = json.loads(lrbench("preview", *SMALL, "trigger=none,plateau", "--json").out)
    labels = [one["label"] for one in answer["schedules"]]
    assert labels == ["cosine trigger=none", "cosine trigger=plateau"]
    assert answer["schedules"][0]["lr"] != answer["schedules"][1]["lr"]


def test_a_check_says_what_it_does_not_see(lrbench: Command) -> None:
    done = lrbench("check-schedule", *SMALL, "trigger=plateau")
    assert done.code == 0
    assert "plateau decides in the run where its cycles begin" in " ".join(done.out.split())
    words = ("schedule=sgdr", "schedule.first_cycle=30")
    done = lrbench("check-schedule", *SMALL, *words, "restart.rewarm=6")
    assert "rise over 6 updates after each restart" in " ".join(done.out.split())
    assert "remark: re-warmup" not in lrbench("check-schedule", *SMALL, *words).out


@pytest.mark.slow
def test_arms_that_differ_in_trigger_and_restart_are_told_apart(
    lrbench: Command, here: Path
) -> None:
    words = (*ADAPTIVE[:-3], "trigger=none,plateau", "restart=keep,reset_momentum")
    done = lrbench("sweep", *words, "--seeds", "1", "--jobs", "1")
    assert done.code == 0, done
    rows = csv.DictReader(io.StringIO(lrbench("summarize", "results", "--format", "csv").out))
    assert sorted({(row["trigger"], row["restart"]) for row in rows}) == [
        (trigger, restart)
        for trigger in ("none", "plateau")
        for restart in ("keep", "reset_momentum")
    ]


def test_triggers_and_restarts_are_completed() -> None:
    assert complete_override("trigger=pl") == ["trigger=plateau", "trigger=plateau_slope"]
    assert "restart=adam_rel" in complete_override("restart=")
    assert "trigger.on_plateau=" in complete_override("trigger.on_")
    assert complete_override("restart.rew") == ["restart.rewarm="]
    assert complete_override("trigger._") == []


def test_triggers_are_listed_with_every_setting(lrbench: Command) -> None:
    entries = json.loads(lrbench("list", "triggers", "--json").out)["triggers"]
    assert [entry["name"] for entry in entries] == [*TRIGGERS, "none"]
    assert set(options("trigger")) == {entry["name"] for entry in entries}
    for entry in entries[:-1]:
        known = TRIGGERS[entry["name"]].parameters
        assert list(entry["settings"]) == list(known)
        for key, about in entry["settings"].items():
            assert about["default"] == known[key].default
            assert about["meaning"], (entry["name"], key)
            assert about["kind"], (entry["name"], key)
        assert "schedules.md" not in entry["source"]


def test_a_trigger_is_shown_in_full(lrbench: Command) -> None:
    done = lrbench("list", "triggers", "plateau", "stall")
    text = " ".join(done.out.split())
    for part in (
        "trigger=plateau When a loss has stopped getting better",
        "when An evaluation is better if s < best - max(atol, rtol * abs(best))",
        "trigger.on_plateau=restart (choice: restart, decay, decay_then_restart)",
        "trigger.patience=null (int: [1, inf))",
        "trigger.every=null (length) length between two evaluations",
        "lrbench trigger-test trigger=plateau",
        "trigger.threshold=null (float: (0, 1)",
    ):
        assert part in text, part
    assert max(map(len, done.out.splitlines())) <= 80
    assert "grad_norm" not in text


def test_a_restart_is_shown_in_full(lrbench: Command) -> None:
    text = " ".join(lrbench("list", "restart", "adam_rel").out.split())
    assert text.startswith("restart=adam_rel Only Adam's counter restarts")
    assert "restart.counter=reset of Adam's bias correction: tied" in text
    assert "full_reset" not in text


@pytest.mark.parametrize("kind", ["models", "datasets", "optimizers"])
def test_only_those_with_more_to_tell_take_names(lrbench: Command, kind: str) -> None:
    assert lrbench("list", kind, "x").code == 2
