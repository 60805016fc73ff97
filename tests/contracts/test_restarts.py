"""What every engine promises of restarts: the state operation, what is told, and in which order."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load

import by_hand
from lrbench.engine.base import Adaptive, Course, Restart, State
from lrbench.record.layout import CURVATURE_COLUMNS, RESTART_LAYER_COLUMNS
from lrbench.restarts.policy import PRESETS
from lrbench.spec.restart import RestartSpec
from lrbench.triggers.base import Decision
from triggering import EVERY_ONE

# Fixtures and helpers of the contract of rows.
_source = Path(__file__).parent / "test_engines.py"
_module = importlib.util.spec_from_file_location("contract_of_rows", _source)
rows = importlib.util.module_from_spec(_module)
sys.modules["contract_of_rows"] = rows
_module.loader.exec_module(rows)

data_cache, engine, optimizer_path = rows.data_cache, rows.engine, rows.optimizer_path
trained = rows.trained

SGDR: dict[str, Any] = {
    "schedule": ("sgdr", {"first_cycle": 12, "cycle_mult": 1.0}),
    "steps": 40,
    "eval_every": 5,
    "precision": "float64",
}
STARTS = [12, 24, 36]
PARAMETERS = ["hidden1", "output"]
"""The layers of the model of these tests."""


# ----------------------------------------------------------------------------- the state operation


def each(change: Callable[[dict[str, Any]], Any]) -> by_hand.Policy:
    """A policy that changes what the optimizer keeps of each parameter."""

    def policy(run: by_hand.Run, step: int) -> None:
        for entry in run.entries():
            change(entry)

    return policy


def fresh(entry: dict[str, Any]) -> None:
    for name in ("exp_avg", "exp_avg_sq", "step"):
        entry[name].zero_()


def largest(run: by_hand.Run, step: int) -> None:
    for place, entry in enumerate(run.entries()):
        now = entry["exp_avg_sq"]
        if place in run.memory:
            now.copy_(torch.where(run.memory[place] > now, run.memory[place], now))
        run.memory[place] = now.clone()


def rewound(is_end_of_cycle: bool) -> by_hand.Policy:
    def policy(run: by_hand.Run, step: int) -> None:
        looks = [look for look in run.looks if look[0] in run.restarts or not is_end_of_cycle]
        _, _, weights = min(looks, key=lambda look: look[1])
        for name, parameter in run.model.named_parameters():
            parameter.copy_(weights[name])

    return policy


def shrunk(run: by_hand.Run, step: int) -> None:
    parameters = list(run.model.parameters())
    sizes = [parameter.numel() for parameter in parameters]
    numbers = run.plan.lanes[0].streams("noise", "restart", step).normal(sum(sizes))
    for parameter, part in zip(parameters, torch.from_numpy(numbers).split(sizes), strict=True):
        parameter.copy_(0.7 * parameter + 0.05 * part.view(parameter.shape))


@dataclass(frozen=True)
class Case:
    """A policy, and what it means."""

    optimizer: str
    restart: Mapping[str, Any]
    by_hand: by_hand.Policy
    settings: Mapping[str, Any] = field(default_factory=dict)


def preset(name: str) -> dict[str, Any]:
    return dict(PRESETS[name].switches)


def nothing(run: by_hand.Run, step: int) -> None:
    pass


zeroed = each(lambda entry: entry["momentum_buffer"].zero_())
CASES = {
    "sgd keep": Case("sgd", preset("keep"), nothing),
    "sgd reset_momentum": Case("sgd", preset("reset_momentum"), zeroed),
    "sgd full_reset": Case("sgd", preset("full_reset"), zeroed),
    "sgd momentum halved": Case(
        "sgd", {"momentum": 0.5}, each(lambda e: e["momentum_buffer"].mul_(0.5))
    ),
    "sgd momentum zeroed, dampened": Case("sgd", {"momentum": "reset"}, zeroed, {"dampening": 0.5}),
    "sgd momentum deleted, dampened": Case(
        "sgd",
        {"momentum": "delete"},
        each(lambda entry: entry.pop("momentum_buffer")),
        {"dampening": 0.5},
    ),
    "sgd rewarm": Case("sgd", {"rewarm": 4}, nothing),
    "sgd rewind_best": Case("sgd", {"weights": "rewind_best"}, rewound(False)),
    "sgd rewind_cycle_end": Case("sgd", {"weights": "rewind_cycle_end"}, rewound(True)),
    "sgd shrink_perturb": Case(
        "sgd", {"weights": "shrink_perturb", "shrink": 0.7, "perturb": 0.05}, shrunk
    ),
    "adam keep": Case("adam", preset("keep"), nothing),
    "adam full_reset": Case("adam", preset("full_reset"), each(fresh)),
    "adam adam_rel": Case("adam", preset("adam_rel"), each(lambda e: e["step"].zero_())),
    "adam rewarm": Case("adam", {"rewarm": 4}, nothing),
    "adamw first moment reset, tied": Case(
        "adamw",
        {"first_moment": "reset"},
        each(lambda e: (e["exp_avg"].zero_(), e["step"].zero_())),
    ),
    "adam moments reset, counter kept": Case(
        "adam",
        {"first_moment": "reset", "second_moment": "reset", "counter": "keep"},
        each(lambda e: (e["exp_avg"].zero_(), e["exp_avg_sq"].zero_())),
    ),
    "adam second moment reset, counter kept": Case(
        "adam",
        {"second_moment": "reset", "counter": "keep"},
        each(lambda e: e["exp_avg_sq"].zero_()),
    ),
    "adamw moments scaled": Case(
        "adamw",
        {"first_moment": 0.25, "second_moment": 0.5},
        each(lambda e: (e["exp_avg"].mul_(0.25), e["exp_avg_sq"].mul_(0.5))),
    ),
    "adam second moment at its largest": Case("adam", {"second_moment": "max"}, largest),
    "own, its momentum mapped": Case(
        "RMSprop",
        {"momentum": "reset", "second_moment": 0.5, "state_names": {"second_moment": "square_avg"}},
        each(lambda e: (e["momentum_buffer"].zero_(), e["square_avg"].mul_(0.5))),
        {"momentum": 0.9},
    ),
    "own, its average of the weights": Case(
        "ASGD",
        {"averages": "reset"},
        lambda run, step: [
            run.optimizer.state[p]["ax"].copy_(p.data) for p in run.model.parameters()
        ],
        {"t0": 0.0},
    ),
}
KINDS: dict[str, Any] = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
KINDS |= {"adamw": torch.optim.AdamW, "RMSprop": torch.optim.RMSprop, "ASGD": torch.optim.ASGD}
RATES = {"sgd": 0.4, "adam": 0.05, "adamw": 0.05, "RMSprop": 0.01, "ASGD": 0.2}
DEFAULTS: dict[str, dict[str, Any]] = {"sgd": {"momentum": 0.9}, "adamw": {"weight_decay": 0.01}}


def plan_of(engine: str, optimizer: str, settings: Mapping[str, Any], **changes: Any) -> Any:
    is_own = optimizer[0].isupper()
    return rows.plan_of(
        engine,
        optimizer=("own" if is_own else optimizer, dict(settings)),
        target=f"torch.optim:{optimizer}" if is_own else None,
        lr=RATES[optimizer],
        **SGDR | changes,
    )


def by_plain_torch(
    plan: Any, optimizer: str, settings: Mapping[str, Any], policy: by_hand.Policy
) -> by_hand.Run:
    both = DEFAULTS.get(optimizer, {}) | dict(settings)
    return by_hand.train(
        plan, lambda weights: KINDS[optimizer](weights, lr=RATES[optimizer], **both), policy
    )


@pytest.mark.parametrize("name", CASES)
def test_a_restart_does_to_the_state_what_its_policy_says_and_nothing_else(engine, name):
    if name.startswith("own"):
        rows.takes_what_is_the_users_own(engine)
    case = CASES[name]
    plan = plan_of(engine, case.optimizer, case.settings, restart=case.restart)
    run = rows.train(engine, plan)
    hand = by_plain_torch(plan, case.optimizer, case.settings, case.by_hand)
    assert hand.restarts == STARTS
    assert run.column("lr") == hand.rates
    # A policy that were left out, or carried out an update late, is seen in the first decimals.
    assert run.column("train_loss") == pytest.approx(hand.losses, rel=1e-9)
    assert run.evaluated("step") == sorted(hand.val_losses)
    looks = [hand.val_losses[step] for step in run.evaluated("step")]
    assert run.evaluated("val_loss") == pytest.approx(looks, rel=1e-9)
    for when, told in (("before", hand.before), ("after", hand.after)):
        for row, facts in zip(run.ledger, told, strict=True):
            assert row[f"weight_norm_{when}"] == pytest.approx(facts.weight_norm, rel=1e-9)
            assert row[f"momentum_norm_{when}"] == close(facts.momentum_norm)
            if case.optimizer.startswith("adam"):
                assert row[f"root_second_moment_{when}"] == close(facts.root_second_moment)
                assert row[f"counter_{when}"] == facts.counter


def close(value: float | None) -> Any:
    return None if value is None else pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.by_hand != nothing])
def test_every_policy_of_these_tests_changes_what_follows(engine, name):
    if name.startswith("own"):
        rows.takes_what_is_the_users_own(engine)
    case = CASES[name]
    settings = (case.optimizer, case.settings)
    run = rows.train(engine, plan_of(engine, *settings, restart=case.restart))
    keeping = rows.train(engine, plan_of(engine, *settings))
    first = next(
        (
            step
            for step, pair in enumerate(zip(run.step_rows, keeping.step_rows, strict=True))
            if repr(pair[0]) != repr(pair[1])
        ),
        None,
    )
    if "averages" in case.restart:
        # No update depends on them; they stand in the state.
        assert first is None
        hand = by_plain_torch(plan_of(engine, *settings), *settings, case.by_hand)
        for averages in (entry["ax"] for entry in hand.entries()):
            assert holds(run.kept[40], averages)
            assert not holds(keeping.kept[40], averages)
        return
    # At the first restart there is nothing to go back to, and none larger from the one before.
    is_from_second = case.restart.get("second_moment") == "max" or "rewind" in name
    assert first in (STARTS[1:] if is_from_second else STARTS[:1])


def holds(state: State, wanted: torch.Tensor) -> bool:
    """Whether a state has a tensor of these numbers in it."""
    found = [t for t in load(state.body).values() if t.shape == wanted.shape]
    return any(torch.allclose(tensor, wanted.detach(), rtol=1e-9, atol=0) for tensor in found)


NAMES = {
    "sgd keep": ("keep", "kept"),
    "sgd reset_momentum": ("reset_momentum", "kept"),
    "sgd rewarm": ("rewarm=4", "kept"),
    "sgd shrink_perturb": ("weights=shrink_perturb+shrink=0.7+perturb=0.05", "kept"),
    "adam full_reset": ("full_reset", "kept"),
    "adam adam_rel": ("adam_rel", "kept"),
    "adam moments reset, counter kept": (
        "first_moment=reset+second_moment=reset+counter=keep",
        "kept, but first moment zeroed, second moment zeroed, counter kept: "
        "update 1 times 3.16, update 12 times 6.57",
    ),
    "adam second moment reset, counter kept": (
        "second_moment=reset+counter=keep",
        "kept, but first moment kept, second moment zeroed, counter kept: update 1 times 31.6",
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_the_ledger_names_the_policy_and_the_multiplier_it_hides(engine, name):
    case = CASES[name]
    run = rows.train(engine, plan_of(engine, case.optimizer, case.settings, restart=case.restart))
    policy, audit = NAMES[name]
    assert {row["policy"] for row in run.ledger} == {policy}
    assert {row["audit"] for row in run.ledger} == {audit}


@pytest.mark.parametrize("name", ["sgd reset_momentum", "adam full_reset"])
def test_the_layers_of_a_restart_add_up_to_its_row(engine, name):
    case = CASES[name]
    run = rows.train(engine, plan_of(engine, case.optimizer, case.settings, restart=case.restart))
    for row in run.ledger:
        layers = [
            dict(zip(RESTART_LAYER_COLUMNS, cells, strict=True))
            for cells in run.restart_layer_rows
            if cells[0] == row["step"]
        ]
        assert [layer["layer"] for layer in layers] == PARAMETERS
        assert [layer["depth"] for layer in layers] == [0, 1]
        assert {layer["kind"] for layer in layers} == {"linear"}
        assert [layer["size"] for layer in layers] == [13 * 6 + 6, 6 * 3 + 3]
        for when in ("before", "after"):
            norms = [layer[f"momentum_norm_{when}"] for layer in layers]
            assert math.hypot(*norms) == pytest.approx(row[f"momentum_norm_{when}"], rel=1e-12)
            if case.optimizer == "adam" and when == "before":
                means = [layer["size"] * layer["root_second_moment_before"] for layer in layers]
                whole = row["root_second_moment_before"] * sum(layer["size"] for layer in layers)
                assert sum(means) == pytest.approx(whole, rel=1e-12)
        assert row["momentum_norm_before"] > 0
        assert row["momentum_norm_after"] == 0


def test_a_restart_that_keeps_all_under_a_rate_that_stays_changes_no_update(engine):
    schedule = ("sgdr", {"first_cycle": 12, "cycle_mult": 1.0, "final_factor": 1.0})
    changes = {"optimizer": ("adam", {}), "lr": 0.01, "layers_every": 4}
    run = trained(engine, **SGDR | {"schedule": schedule, **changes})
    without = trained(engine, **SGDR | {"schedule": ("constant", {}), **changes})
    assert [row["step"] for row in run.ledger] == STARTS
    assert run.step_rows == without.step_rows
    assert run.outcome.weights == without.outcome.weights


def test_where_a_twin_has_no_restart_the_run_is_looked_at_all_the_same(engine):
    plan = plan_of(engine, "sgd", {}, restart=preset("reset_momentum"))
    policies = [restart.policy for restart in plan.lanes[0].restarts]
    none = tuple(replace(restart, policy=None) for restart in plan.lanes[0].restarts)
    run = rows.train(engine, replace(plan, lanes=(replace(plan.lanes[0], restarts=none),)))
    with_them = rows.train(engine, plan)
    assert all(policies)
    assert run.restart_rows == run.restart_layer_rows == []
    assert sorted(run.kept) == sorted(with_them.kept) == [*STARTS, 40]
    assert run.evaluated("step") == with_them.evaluated("step")
    assert [row[0] for row in run.layer_rows] == [row[0] for row in with_them.layer_rows]
    # It is the run whose restarts keep all.
    keeping = rows.train(engine, plan_of(engine, "sgd", {}))
    assert run.step_rows == keeping.step_rows
    assert run.step_rows != with_them.step_rows


# ------------------------------------------------------------------------ what is told, and when


def test_everything_about_a_restart_is_told_in_its_order(engine):
    plan = rows.plan_of(
        engine, **SGDR, layers_every=10, restart_window=2, curvature={"every": 30, "samples": 20}
    )
    sink = rows.Delivered(saves_at=frozenset({24}))
    rows.ENGINES[engine](plan, [sink])
    at = sink.events.index
    assert sink.events[:3] == [("begin", None), ("eval", 0), ("curvature", 0)]
    assert at(("step", 23)) < at(("layer", 23)) < at(("eval", 24)) < at(("curvature", 24))
    # A checkpoint is of the state before the restart, and so is what is kept.
    assert at(("curvature", 24)) < at(("save", 24)) < at(("keep", 24))
    assert at(("keep", 24)) < at(("restart", 12)) < at(("restart layer", 12)) < at(("step", 24))
    assert sink.kept[24] == sink.states[24]
    # The last cycle ends with the run.
    assert sink.events[-4:] == [
        ("keep", 40),
        ("restart", 36),
        *[("restart layer", 36)] * len(PARAMETERS),
    ]
    assert [event for event in sink.events if event[0] == "keep"] == [
        ("keep", step) for step in (*STARTS, 40)
    ]


@pytest.mark.parametrize("window", [0, 1, 3, 50])
@pytest.mark.parametrize("every", [None, 5])
def test_layers_are_logged_at_every_update_near_a_restart_and_at_the_interval_elsewhere(
    engine, window, every
):
    run = trained(engine, **SGDR, layers_every=every, restart_window=window)
    near = {t for t in range(40) for start in STARTS if start - window <= t < start + window}
    wanted = near | set(range(0, 40, every or 40) if every else ())
    assert [row[:2] for row in run.layer_rows] == [
        (step, name) for step in sorted(wanted) for name in PARAMETERS
    ]
    # Where none are near, the responses of the ledger are of what there is.
    if not window and not every:
        assert {row["gradient_peak"] for row in run.ledger} == {None}
    if window == 50:
        assert all(row["gradient_peak"] > 0 for row in run.ledger)
        assert all(0 <= row["gradient_peak_at"] < row["length"] for row in run.ledger)


def test_the_window_changes_no_update(engine):
    narrow, wide = (trained(engine, **SGDR, restart_window=window) for window in (0, 50))
    assert narrow.step_rows == wide.step_rows
    assert narrow.outcome == wide.outcome


def test_the_curvature_is_looked_at_at_its_interval_and_around_restarts(engine):
    changes = SGDR | {"schedule": ("sgdr", {"first_cycle": 30, "cycle_mult": 1.0}), "steps": 61}
    run = trained(engine, **changes, curvature={"every": 7, "samples": 20})
    found = [dict(zip(CURVATURE_COLUMNS, row, strict=True)) for row in run.curvature_rows]
    occasions = dict.fromkeys(range(7, 61, 7), "interval") | {
        0: "start",
        30: "before_restart",
        31: "after_restart",
        45: "half_cycle",
        50: "window",
        60: "before_restart",
        61: "end",
    }
    assert {row["step"]: row["occasion"] for row in found} == occasions
    assert [row["step"] for row in found] == sorted(occasions)
    by_step = {row["step"]: row for row in found}
    first, last = run.ledger
    assert first["lambda_max_before"] == by_step[30]["lambda_max"]
    near = [by_step[step]["lambda_max"] for step in (31, 35, 42, 49, 50)]
    assert first["lambda_max_after"] == max(near)
    assert first["lambda_max_end"] == last["lambda_max_before"] == by_step[60]["lambda_max"]
    assert last["lambda_max_after"] == last["lambda_max_end"] == by_step[61]["lambda_max"]


def test_lanes_look_at_the_curvature_in_the_middle_of_a_stretch():
    schedule = ("sgdr", {"first_cycle": 12, "cycle_mult": 1.0})
    changes = SGDR | {"schedule": schedule, "steps": 25, "eval_every": 25}
    run = trained("lanes", **changes, curvature={"every": 10, "samples": 20})
    found = [(row[0], row[2]) for row in run.curvature_rows]
    assert found == [
        (0, "start"),
        (10, "interval"),
        (12, "before_restart"),
        (13, "after_restart"),
        (18, "half_cycle"),
        (20, "interval"),
        (24, "before_restart"),
        (25, "end"),
    ]


@pytest.mark.parametrize("model", [("mlp", {"hidden": [6], "dropout": 0.3}), ("cnn", {})])
def test_looking_at_the_curvature_changes_no_update(engine, model):
    changes: dict[str, Any] = {"steps": 9, "eval_every": 4, "model": model, "lr": 0.02}
    if model[0] == "cnn":
        changes |= {"dataset": ("digits", {})}
    plain = trained(engine, **changes)
    looked = trained(engine, **changes, curvature={"every": 1, "samples": 20, "iterations": 3})
    assert len(looked.curvature_rows) == 10
    assert looked.step_rows == plain.step_rows
    assert looked.eval_rows == plain.eval_rows
    assert looked.outcome == plain.outcome


# ----------------------------------------------------------------------------------- adaptive runs


ADAPTIVE: dict[str, Any] = {
    "steps": 100,
    "eval_every": 1,
    "precision": "float64",
    "schedule": ("constant", {}),
    "restart": {"momentum": "reset"},
    "lr": 0.5,
    "restart_window": 4,
}
OFTEN: dict[str, Any] = {"refractory": 8, "final_fraction": 0.2}
ANYWHERE = OFTEN | {"gate": None}
TRIGGERS: dict[str, tuple[str, dict[str, Any]]] = {
    "plateau": ("plateau", ANYWHERE),
    "plateau of the validation loss": ("plateau", OFTEN | {"gate": None, "watch": "val"}),
    "plateau, decay": ("plateau", ANYWHERE | {"on_plateau": "decay"}),
    "plateau, decay then restart": ("plateau", ANYWHERE | {"on_plateau": "decay_then_restart"}),
    "plateau_slope": ("plateau_slope", ANYWHERE),
    "grad_norm": ("grad_norm", ANYWHERE | {"fraction": 0.9}),
    "snr": ("snr", ANYWHERE | {"noise_ratio": 0.2}),
    "stall": ("stall", ANYWHERE | {"threshold": 0.97, "window": 4}),
    "function_scheme": ("function_scheme", OFTEN | {"margin": 0.1, "consecutive": 1}),
    "gradient_scheme": ("gradient_scheme", OFTEN | {"margin": 0.1, "consecutive": 1}),
}


def adaptive_plan(engine: str, name: str, **changes: Any) -> Any:
    trigger, settings = TRIGGERS[name]
    settings = EVERY_ONE[trigger] | settings
    if settings.get("watch") == "val":
        settings = {key: value for key, value in settings.items() if key != "every"}
    return rows.plan_of(engine, trigger=(trigger, settings), **ADAPTIVE | changes)


@pytest.mark.parametrize("name", TRIGGERS)
def test_a_trigger_is_told_of_everything_and_what_it_decides_is_done(engine, name):
    plan = adaptive_plan(engine, name)
    run = rows.train(engine, plan)
    zero_momentum = each(lambda entry: entry["momentum_buffer"].zero_())
    hand = by_plain_torch(plan, "sgd", {}, zero_momentum)
    events = run.outcome.events
    assert [(e.step, e.action, e.cause) for e in events] == [
        (e.step, e.action, e.cause) for e in hand.events
    ]
    assert len(events) > 0
    for found, expected in zip(events, hand.events, strict=True):
        assert found.statistic == pytest.approx(expected.statistic, rel=1e-6)
        assert found.threshold == pytest.approx(expected.threshold, rel=1e-6)
    assert run.column("lr") == hand.rates
    assert run.column("train_loss") == pytest.approx(hand.losses, rel=1e-9)
    # Every event but a decay is a restart, with its cause, and looked at closely from there on.
    starts = [event.step for event in events if event.action != "decay"]
    assert hand.restarts == starts == [row["step"] for row in run.ledger]
    for row, event in zip(run.ledger, (e for e in events if e.action != "decay"), strict=True):
        assert (row["cause"], row["statistic"], row["threshold"]) == (
            event.cause,
            event.statistic,
            event.threshold,
        )
        assert row["audit"] == "kept"
        assert row["momentum_norm_after"] == 0
        assert row["gradient_peak"] is not None
        assert row["lr_after"] == run.column("lr")[row["step"]]
    logged = {row[0] for row in run.layer_rows}
    assert logged == {t for start in starts for t in range(start - 1, min(start + 4, 100))}
    assert [row[0] for row in run.layer_rows] == sorted(row[0] for row in run.layer_rows)


@pytest.mark.parametrize("name", ["plateau", "plateau, decay then restart", "gradient_scheme"])
def test_what_was_decided_is_the_plan_of_a_run_with_the_same_bits(engine, name):
    plan = adaptive_plan(engine, name)
    run = rows.train(engine, plan)
    (lane,) = plan.lanes
    course = lane.adaptive.course(run.outcome.events)
    planned = replace(lane, restarts=course.restarts, adaptive=None)
    again = rows.train(
        engine, replace(plan, rates=course.rates[:, np.newaxis], lanes=(planned,), restart_window=0)
    )
    assert again.step_rows == run.step_rows
    assert again.outcome.weights == run.outcome.weights
    assert again.outcome.events is None
    told = ("cause", "statistic", "threshold", "spike", "recovery_steps", "gain", "planned_length")
    assert [[row[n] for n in told] for row in again.ledger] == [
        [row[n] for n in told] for row in run.ledger
    ]


def test_the_weights_are_evaluated_before_every_restart_that_a_trigger_decides_on(engine):
    run = rows.train(engine, adaptive_plan(engine, "plateau", eval_every=13))
    starts = [event.step for event in run.outcome.events]
    assert starts
    assert any(step % 13 for step in starts)
    assert set(starts) <= set(run.evaluated("step"))
    for row in run.ledger:
        place = run.evaluated("step").index(row["step"])
        assert row["val_loss_before"] == run.evaluated("val_loss")[place]
    for step in starts:
        at = run.events.index
        assert at(("step", step - 1)) < at(("eval", step)) < at(("keep", step))
        assert at(("keep", step)) < at(("step", step))


@dataclass
class Always:
    """A trigger that restarts whenever it is asked, and remembers what it was told."""

    every: int
    needs: frozenset[str] = frozenset()
    name: str = "always"
    after: Any = None
    told: list[Any] = field(default_factory=list)

    def start(self) -> dict[str, int]:
        return {"asked": 0}

    def observe(self, state: Any, seen: Any) -> Any:
        self.told.append(seen)
        return {"asked": state["asked"] + 1}, Decision("restart", float(len(self.told)), 0.5)


def always(plan: Any, every: int, needs: frozenset[str] = frozenset()) -> tuple[Any, Always]:
    """The plan with such a trigger; the rate goes on as it is."""
    trigger = Always(every, needs)

    def course(events: Any) -> Course:
        return Course(
            plan.rates[:, 0],
            tuple(
                Restart(e.step, cycle, every, RestartSpec(), e.cause, e.statistic, e.threshold)
                for cycle, e in enumerate(events, start=1)
            ),
        )

    lane = replace(plan.lanes[0], adaptive=Adaptive(trigger, RestartSpec(), course), restarts=())
    return replace(plan, lanes=(lane,)), trigger


def test_a_trigger_is_asked_at_its_interval_and_never_of_the_last_update(engine):
    plan, trigger = always(rows.plan_of(engine, steps=30, eval_every=10), 6)
    run = rows.train(engine, plan)
    assert [seen.step for seen in trigger.told] == [6, 12, 18, 24]
    assert [event.step for event in run.outcome.events] == [6, 12, 18, 24]
    assert [row["length"] for row in run.ledger] == [6, 6, 6, 6]
    assert all(len(seen.train_losses) == len(seen.grad_norms) == 6 for seen in trigger.told)
    whole = [loss for seen in trigger.told for loss in seen.train_losses]
    assert whole == run.column("train_loss")[:24]
    # An evaluation that is there only because of a restart is none that a trigger is told of.
    assert [seen.val_loss is None for seen in trigger.told] == [True] * 4
    assert {seen.heat for seen in trigger.told} == {
        run.column("lr")[seen.step - 1] / run.column("lr")[seen.step - 6] for seen in trigger.told
    }


@pytest.mark.parametrize("every", [1, 7])
def test_a_loss_that_is_not_finite_is_divergence_and_never_a_restart(engine, every):
    changes = rows.DIVERGING | {"schedule": ("constant", {})}
    plain = trained(engine, **changes)
    at = plain.outcome.diverged_at
    plan, trigger = always(rows.plan_of(engine, **changes), every)
    run = rows.train(engine, plan)
    assert run.outcome.diverged_at == at
    assert run.outcome.weights_digest is None
    assert all(math.isfinite(loss) for seen in trigger.told for loss in seen.train_losses)
    decided = [event.step for event in run.outcome.events]
    assert decided == list(range(every, at // every * every + 1, every))
    # Weights whose validation loss is not finite are not restarted from.
    happened = decided if math.isfinite(run.evaluated("val_loss")[-1]) else decided[:-1]
    assert [row["step"] for row in run.ledger] == happened
    # The cycle it diverges in has a row all the same, and what is not finite is empty there.
    assert run.ledger[-1]["length"] == at - happened[-1]
    numbers = [cell for row in run.restart_rows for cell in row if isinstance(cell, float)]
    assert all(map(math.isfinite, numbers))
    assert run.ledger[-1]["distance"] is None


def test_two_adaptive_lanes_each_follow_their_own_trigger(engine):
    plans = [adaptive_plan(engine, name, seed=seed) for seed, name in enumerate(("plateau", "snr"))]
    both = replace(
        plans[0],
        rates=np.concatenate([plan.rates for plan in plans], axis=1),
        lanes=tuple(lane for plan in plans for lane in plan.lanes),
    )
    sinks = [rows.Delivered(), rows.Delivered()]
    outcomes = rows.ENGINES[engine](both, sinks)
    for sink, outcome, plan in zip(sinks, outcomes, plans, strict=True):
        alone = rows.train(engine, plan)
        steps = [(event.step, event.action) for event in outcome.events]
        assert steps == [(event.step, event.action) for event in alone.outcome.events]
        assert steps
        assert sink.column("lr") == alone.column("lr")
        assert sink.column("train_loss") == pytest.approx(alone.column("train_loss"), rel=1e-9)
    assert outcomes[0].events != outcomes[1].events


# --------------------------------------------------------------------------- one engine and another


@pytest.mark.parametrize("name", ["sgd reset_momentum", "adam full_reset", "sgd rewind_best"])
def test_every_engine_says_the_same_of_a_restart(engine, name):
    case = CASES[name]
    changes = {"restart": case.restart, "layers_every": 7}
    run = rows.train(engine, plan_of(engine, case.optimizer, case.settings, **changes))
    other = rows.train("loop", plan_of("loop", case.optimizer, case.settings, **changes))
    if engine == "loop":
        assert run.text == other.text
    assert run.start == other.start
    for ours, theirs in zip(run.rows, other.rows, strict=True):
        # Engines agree to rounding; what is no number of a measurement agrees exactly.
        assert len(ours) == len(theirs)
        for row, expected in zip(ours, theirs, strict=True):
            assert list(row) == [
                cell if not isinstance(cell, float) else pytest.approx(cell, rel=1e-6, abs=1e-12)
                for cell in expected
            ]
