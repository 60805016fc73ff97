"""Schedules of every origin, as typed: the library's, a file's, the user's own, torch's."""

from __future__ import annotations

import csv
import importlib
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

from lrbench.schedules.annealing import cosine
from lrbench.schedules.decay import linear
from lrbench.schedules.one_cycle import one_cycle_momentum
from lrbench.schedules.restarts import sgdr

STEPS = 40
OWN = """
def saw(step, total_steps, low: float = 0.1):
    return low + (1 - low) * (1 - step / total_steps)

def rising(*, up_steps: "Steps", total_steps):
    return lambda step: min(1.0, (step + 1) / up_steps)

def broken(step):
    return 1 / (20 - step)

def factory(optimizer, gamma):
    from torch.optim.lr_scheduler import ExponentialLR
    return ExponentialLR(optimizer, gamma=gamma)

from lrbench.schedules.base import Steps
"""


def factors_of(lrbench: Any, *words: str) -> list[float]:
    done = lrbench("preview", *words, f"train.steps={STEPS}", "--format", "csv")
    assert done.code == 0, done.err
    return [float(row["factor"]) for row in csv.DictReader(done.out.splitlines())]


def steps_of(lrbench: Any, *words: str) -> list[dict[str, str]]:
    """The rows of ``steps.csv`` of a run."""
    done = lrbench("run", *words, f"train.steps={STEPS}", "model=linear", "--json")
    assert done.code == 0, done.err
    with (Path(json.loads(done.out)["path"]) / "steps.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def own(here: Path) -> None:
    (here / "ownmod.py").write_text(OWN)


@pytest.mark.usefixtures("own")
def test_a_function_of_the_step_is_a_schedule(lrbench: Any) -> None:
    expected = [0.2 + 0.8 * (1 - t / STEPS) for t in range(STEPS)]
    assert factors_of(lrbench, "schedule=python:ownmod:saw", "schedule.low=0.2") == expected
    assert factors_of(lrbench, "schedule._target_=ownmod:saw", "schedule.low=0.2") == expected


@pytest.mark.usefixtures("own")
def test_a_builder_of_ones_own_gets_lengths_in_updates_and_a_warmup(lrbench: Any) -> None:
    words = ("schedule=python:ownmod:rising", "schedule.up=25%", "schedule.warmup=2")
    expected = [0.05, 0.1, *(min(1.0, (t + 1) / 10) for t in range(STEPS - 2))]
    assert factors_of(lrbench, *words) == pytest.approx(expected, rel=1e-15)


@pytest.mark.usefixtures("own")
def test_what_ones_own_schedule_does_wrong_is_said(lrbench: Any) -> None:
    done = lrbench("preview", "schedule=python:ownmod:saw", "schedule.lo=1", "train.steps=9")
    assert (done.code, "try   schedule.low=" in done.err) == (2, True)
    done = lrbench("run", "schedule=python:ownmod:broken", "train.steps=30")
    assert done.code == 2
    assert "ZeroDivisionError" in done.err
    done = lrbench("preview", "schedule=python:ownmod:rising", "train.steps=30")
    assert "schedule.up must be given" in done.err


@pytest.mark.usefixtures("own")
def test_a_run_with_ones_own_schedule_is_another_when_its_factors_change(
    lrbench: Any, here: Path
) -> None:
    """Wherever the code lies that made them; a remark in it changes nothing."""
    (here / "low.py").write_text("LOW = 0.1\n")
    (here / "far.py").write_text(
        "from low import LOW\n\n"
        "def saw(step, total_steps):\n    return 1 - LOW * step / total_steps\n"
    )

    def path() -> str:
        for name in ("far", "low"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        words = ("schedule=python:far:saw", "train.steps=3", "model=linear", "--json")
        return json.loads(lrbench("show", *words).out)["run_id"]

    first = path()
    assert "saw-s0" in first
    (here / "far.py").write_text((here / "far.py").read_text() + "\n# a remark\n")
    assert path() == first
    (here / "low.py").write_text("LOW = 0.25\n")
    assert path() != first


def test_a_schedule_that_is_no_function_of_the_step_is_not_trained(
    lrbench: Any, here: Path
) -> None:
    (here / "impure.py").write_text(
        "seen = []\ndef f(step):\n    seen.append(1)\n    return 1 / len(seen)\n"
    )
    done = lrbench("run", "schedule=python:impure:f", "train.steps=3")
    assert done.code == 2
    assert "must be a function of the step alone; step 0 gave 0." in done.err
    assert list(here.glob("results/*")) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["schedule=python:bad:zero"], "(step 0 raised ZeroDivisionError"),
        (["schedule=python:bad:parts", "schedule.period=20%"], "schedule.period must be a number"),
        (["schedule=python:bad:t"], "must have a parameter named step"),
        (["schedule=python:bad:negative"], "must be finite and not negative at every step; step 3"),
    ],
)
def test_what_a_function_does_wrong_is_told_without_a_traceback(
    lrbench: Any, here: Path, words: list[str], told: str
) -> None:
    (here / "bad.py").write_text(
        "def zero(step): return 1 / step\n"
        "def parts(step, period): return step % period\n"
        "def t(t): return 1.0\n"
        "def negative(step): return 1.0 if step < 3 else -1.0\n"
    )
    done = lrbench("preview", *words, "train.steps=10")
    assert done.code == 2
    assert told in done.err


def test_lengths_of_torchs_schedulers_may_be_parts_and_other_numbers_may_not(lrbench: Any) -> None:
    found = factors_of(lrbench, "schedule=torch:MultiStepLR", "schedule.milestones=[50%,75%]")
    assert found == pytest.approx([1.0] * 20 + [0.1] * 10 + [0.01] * 10, rel=1e-12)
    words = ("schedule=torch:StepLR", "schedule.step_size=10", "schedule.gamma=50%")
    done = lrbench("preview", *words, "train.steps=40")
    assert done.code == 2
    assert "schedule.gamma is no number of steps" in done.err


@pytest.mark.parametrize(
    "words",
    [
        ("schedule=torch:CosineAnnealingLR", "schedule.T_max=100%"),
        (
            "schedule=torch_adapter",
            "schedule.scheduler=torch.optim.lr_scheduler:CosineAnnealingLR",
            f"schedule.T_max={STEPS}",
        ),
        ("schedule._target_=torch.optim.lr_scheduler:CosineAnnealingLR", f"schedule.T_max={STEPS}"),
    ],
)
def test_a_torch_scheduler_is_tabulated(lrbench: Any, words: tuple[str, ...]) -> None:
    expected = [cosine(decay_steps=STEPS)(t) for t in range(STEPS)]
    assert factors_of(lrbench, *words) == pytest.approx(expected, rel=0, abs=1e-12)


@pytest.mark.usefixtures("own")
def test_a_factory_of_a_scheduler_will_do(lrbench: Any) -> None:
    found = factors_of(lrbench, "schedule=python:ownmod:factory", "schedule.gamma=0.9")
    assert found == pytest.approx([0.9**t for t in range(STEPS)], rel=1e-12)


def test_a_torch_adapter_without_a_scheduler_says_what_to_type(lrbench: Any) -> None:
    done = lrbench("preview", "schedule=torch_adapter", "train.steps=10")
    assert done.code == 2
    assert "schedule.scheduler must be the import path" in done.err


def test_a_preview_written_as_a_table_is_the_same_schedule(lrbench: Any, here: Path) -> None:
    words = ("schedule=sgdr", "schedule.first_cycle=7", f"train.steps={STEPS}")
    (here / "rates.csv").write_text(lrbench("preview", *words, "--format", "csv").out)
    expected = sgdr(first_cycle_steps=7, total_steps=STEPS)
    table = ("schedule=table", "schedule.file=rates.csv")
    assert factors_of(lrbench, *table) == [expected(t) for t in range(STEPS)]
    done = lrbench("preview", *table, f"train.steps={STEPS}", "--json")
    told = json.dumps(json.loads(done.out))
    assert all(str(step) in told for step in expected.restarts(STEPS))
    # The values are part of the run: the file may go.
    shown = lrbench("show", *table, f"train.steps={STEPS}", "--json")
    assert json.loads(shown.out)["spec"]["schedule"]["params"]["factors"][1] == expected(1)


def test_a_bad_table_is_refused_with_its_line(lrbench: Any, here: Path) -> None:
    (here / "bad.csv").write_text("step,factor\n0,1.0\n1,high\n")
    done = lrbench("preview", "schedule=table", "schedule.file=bad.csv", "train.steps=4")
    assert done.code == 2
    assert "schedule.file must hold numbers (line 3" in done.err


def test_pieces_see_their_own_steps_and_lengths(lrbench: Any) -> None:
    found = factors_of(
        lrbench,
        "schedule=sequence",
        "schedule.pieces=[{name: linear, decay: 50%, final_factor: 0.5}, cosine]",
        "schedule.boundaries=[40%]",
    )
    first, second = linear(decay_steps=8, final_factor=0.5), cosine(decay_steps=24)
    assert found == [*(first(t) for t in range(16)), *(second(t) for t in range(24))]


def test_a_wrong_setting_of_a_piece_is_named(lrbench: Any) -> None:
    words = ("schedule=sequence", "schedule.boundaries=[50%]", "train.steps=10")
    done = lrbench("preview", *words, "schedule.pieces=[linear, {name: cosine, final_factor: 2}]")
    assert "schedule.pieces.1.final_factor must lie in [0, 1], got 2" in done.err
    done = lrbench("preview", *words, "schedule.pieces=[linear, {name: cosine, finl: 2}]")
    assert "schedule.pieces.1.finl is not a setting here" in done.err
    done = lrbench("preview", *words, "schedule.pieces=[linear, cosin]")
    assert "schedule.pieces.1 must be one of" in done.err
    done = lrbench("preview", *words, "schedule.pieces=[linear]")
    assert "schedule.boundaries must name a step between every two of 1 pieces" in done.err


def test_a_scaled_schedule_is_a_multiple(lrbench: Any) -> None:
    found = factors_of(
        lrbench, "schedule=scaled", "schedule.of={name: linear}", "schedule.scale_factor=0.5"
    )
    assert found == [0.5 * linear(decay_steps=STEPS)(t) for t in range(STEPS)]


def test_momentum_goes_by_the_clock_of_the_learning_rate(lrbench: Any) -> None:
    rows = steps_of(
        lrbench,
        "schedule=one_cycle",
        "schedule.peak=10",
        "schedule.warmup=4",
        "optimizer.momentum=0.95",
        "optimizer.momentum_schedule=one_cycle_momentum",
    )
    lowest = min(rows, key=lambda row: float(row["momentum"]))
    highest = max(rows, key=lambda row: float(row["lr"]))
    assert lowest["step"] == highest["step"] == "14"
    assert [float(row["momentum"]) for row in rows[:4]] == [0.95] * 4
    expected = one_cycle_momentum(peak_steps=10, total_steps=STEPS - 4)
    assert [float(row["momentum"]) for row in rows[4:]] == [
        0.95 * expected(t) for t in range(STEPS - 4)
    ]


def test_weight_decay_has_a_schedule_of_its_own(lrbench: Any) -> None:
    rows = steps_of(
        lrbench,
        "optimizer=adamw",
        "optimizer.decay_follows_lr=false",
        "optimizer.weight_decay_schedule={name: linear, final_factor: 0.5, decay: 50%}",
    )
    expected = linear(decay_steps=STEPS // 2, final_factor=0.5)
    assert [float(row["weight_decay"]) for row in rows] == [
        expected(t) * 0.01 for t in range(STEPS)
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["optimizer.momentum_schedule=liner"], "try   optimizer.momentum_schedule=linear"),
        (["optimizer.momentum_schedule=3"], "optimizer.momentum_schedule must be the name"),
        (
            ["optimizer.momentum_schedule={name: linear, decay: 1.5}"],
            "optimizer.momentum_schedule.decay must be whole updates",
        ),
        (
            ["optimizer.momentum_schedule={name: noam, scale_factor: 3}"],
            "must keep the momentum between 0 and 1; step",
        ),
        (
            ["optimizer.weight_decay_schedule=linear"],
            "optimizer.weight_decay_schedule needs an optimizer with one weight_decay above 0",
        ),
    ],
)
def test_a_schedule_of_momentum_that_cannot_be_is_refused(
    lrbench: Any, words: list[str], told: str
) -> None:
    done = lrbench("run", *words, "train.steps=10")
    assert done.code == 2
    assert told in done.err


def test_runs_that_differ_in_momentum_alone_are_different(lrbench: Any) -> None:
    words = ("train.steps=5", "--json")
    plain = json.loads(lrbench("show", *words).out)
    scheduled = json.loads(lrbench("show", "optimizer.momentum_schedule=linear", *words).out)
    assert plain["run_id"] != scheduled["run_id"]
    assert math.isclose(plain["spec"]["optimizer"]["lr"], scheduled["spec"]["optimizer"]["lr"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["schedule.T_max=9"], "try   schedule.decay=…"),
        (["schedule=triangular", "schedule.base_lr=0.01"], "try   schedule.min_factor=…"),
        (["schedule=one_cycle", "schedule.div_factor=25"], "try   schedule.start_factor=…"),
        (["schedule=wsd", "schedule.decay_steps=9"], "try   schedule.cooldown=…"),
        (["schedule.start_factor=0.1"], "try   schedule.warmup_start=…"),
        (["schedule.eta_min=0.001"], "try   schedule.final_factor=0.01, a fraction of"),
        (["schedule.max_lr=0.5"], "try   optimizer.lr=…"),
        (["schedule.cycle_decay=0.5"], "is not a setting of schedule=cosine"),
        (
            ["optimizer.momentum_schedule.warmup=3"],
            "try   optimizer.momentum_schedule={name: …, warmup: …}",
        ),
        (["schedule=CosineAnnealingWarmRestarts"], "schedule=sgdr, or schedule=torch:CosineAnn"),
        (["schedule=poly"], "try   schedule=polynomial"),
        (["schedule=mine:saw"], "try   schedule=python:mine:saw"),
        (["sgdr"], "try   schedule=sgdr"),
    ],
)
def test_names_of_other_programs_lead_to_ours(lrbench: Any, words: list[str], told: str) -> None:
    done = lrbench("preview", *words, "train.steps=20")
    assert done.code == 2
    assert told in done.err


def test_cycles_that_end_before_the_run_have_their_own_length(lrbench: Any) -> None:
    words = ("schedule=sgdr", "schedule.first_cycle=10", "schedule.num_cycles=2")
    done = lrbench("preview", *words, "train.steps=100", "--json")
    (one,) = json.loads(done.out)["schedules"]
    assert [cycle["length"] for cycle in one["cycles"]] == [10, 20]
    assert one["cycle"] == [0] * 10 + [1] * 90


def test_a_schedule_of_momentum_is_not_passed_over_in_silence(lrbench: Any) -> None:
    words = ("optimizer.momentum_schedule=linear", "train.steps=9")
    for command in ("preview", "check-schedule"):
        done = lrbench(command, *words)
        assert "the schedule of the momentum is not looked at" in done.err


OPTIMIZERS = """
import torch

class Split(torch.optim.SGD):
    "Large tensors are decayed more than small ones."
    def __init__(self, params, lr, **settings):
        params = list(params)
        large = [p for p in params if p.numel() > 10]
        groups = [{"params": large, "weight_decay": 0.5}]
        groups.append({"params": [p for p in params if p.numel() <= 10], "weight_decay": 0.1})
        super().__init__([group for group in groups if group["params"]], lr=lr, **settings)

class Fast(torch.optim.SGD):
    "Its rate is not the one it was given."
    def __init__(self, params, lr):
        super().__init__(params, lr=10 * lr)
"""


def test_one_schedule_moves_no_groups_that_differ(lrbench: Any, here: Path) -> None:
    (here / "opts.py").write_text(OPTIMIZERS)
    words = ("optimizer._target_=opts:Split", "optimizer.lr=0.1", "model=linear", "train.steps=3")
    assert lrbench("run", *words).code == 0
    done = lrbench("run", *words, "optimizer.weight_decay_schedule=linear")
    assert done.code == 2
    assert "one weight_decay above 0 in all its parameter groups" in done.err


def test_an_optimizer_with_another_rate_than_it_was_given_is_refused(
    lrbench: Any, here: Path
) -> None:
    (here / "opts.py").write_text(OPTIMIZERS)
    words = ("optimizer._target_=opts:Fast", "optimizer.lr=0.1", "model=linear", "train.steps=3")
    done = lrbench("run", *words)
    assert done.code == 2
    assert "must give all its parameter groups optimizer.lr (0.1)" in done.err


EDGES = """
import sys
from math import inf

def leaves(step):
    sys.exit(0)

def odd(optimizer, horizon=inf, tag="50%"):
    assert horizon == inf and tag == "50%"
    from torch.optim.lr_scheduler import StepLR
    return StepLR(optimizer, 5)

def far(step, horizon: float = inf):
    return 1.0 if horizon == inf else 0.0
"""


@pytest.mark.parametrize("command", ["run", "preview"])
def test_a_function_that_leaves_the_program_is_an_error(
    lrbench: Any, here: Path, command: str
) -> None:
    (here / "edges.py").write_text(EDGES)
    done = lrbench(command, "schedule=python:edges:leaves", "train.steps=3")
    assert done.code == 2
    assert "raised SystemExit" in done.err


@pytest.mark.parametrize("name", ["odd", "far"])
def test_defaults_that_are_no_settings_are_left_to_the_function(
    lrbench: Any, here: Path, name: str
) -> None:
    (here / "edges.py").write_text(EDGES)
    done = lrbench("preview", f"schedule=python:edges:{name}", "train.steps=3", "--format", "csv")
    assert done.code == 0, done.err
    assert done.out.splitlines()[1].startswith("0,1.0,")


def test_what_has_no_signature_is_refused(lrbench: Any) -> None:
    done = lrbench("preview", "schedule=python:functools:partial", "train.steps=3")
    assert done.code == 2
    assert "must have parameters that can be read" in done.err


def test_a_remedy_inside_a_piece_is_told_as_part_of_it(lrbench: Any) -> None:
    words = ("schedule=sequence", "schedule.boundaries=[50%]", "train.steps=20")
    done = lrbench("preview", *words, "schedule.pieces=[linear,{name: cosine, decay: 1%}]")
    assert "schedule.pieces.1.decay must come to at least one update" in done.err
    assert "try   {name: …, decay: 1} there" in done.err
    done = lrbench("preview", *words, "schedule.pieces=[linear,{name: cosine, wrmup: 1}]")
    assert "try   {name: …, warmup: …} there" in done.err


def test_a_torch_scheduler_moves_the_momentum_by_name_and_as_a_mapping(lrbench: Any) -> None:
    settings = "{name: 'torch:LinearLR', start_factor: 1.0, end_factor: 0.5, total_iters: 50%}"
    rows = steps_of(lrbench, f"optimizer.momentum_schedule={settings}")
    expected = [0.9 * max(0.5, 1 - 0.5 * t / 20) for t in range(STEPS)]
    assert [float(row["momentum"]) for row in rows] == pytest.approx(expected, rel=1e-12)
