"""``lrbench preview`` as typed: the values a run computes with, and what is said of them."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

SGDR = ("schedule=sgdr", "schedule.first_cycle=10", "train.steps=50", "optimizer.lr=0.3")
"""Cycles of 10, 20 and 40 steps, of which the last is cut at 20."""


def sgdr_factor(step: int) -> float:
    """The paper's formula, for :data:`SGDR`."""
    begin, length = next((b, n) for b, n in ((30, 40), (10, 20), (0, 10)) if step >= b)
    return (1 + math.cos(math.pi * (step - begin) / length)) / 2


@pytest.fixture
def described(lrbench: Command) -> Callable[..., list[dict[str, Any]]]:
    """What ``preview --json`` says of these words."""

    def call(*words: str) -> list[dict[str, Any]]:
        done = lrbench("preview", "--json", *words)
        assert done.code == 0, done.err
        found: list[dict[str, Any]] = json.loads(done.out)["schedules"]
        return found

    return call


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_csv_has_a_row_a_step_with_the_values_of_the_formula(lrbench: Command) -> None:
    done = lrbench("preview", *SGDR, "--format", "csv")
    assert done.code == 0, done.err
    assert done.out.splitlines()[0] == "step,factor,lr,cycle"
    rows = rows_of(done.out)
    assert [int(row["step"]) for row in rows] == list(range(50))
    for step, row in enumerate(rows):
        assert float(row["factor"]) == pytest.approx(sgdr_factor(step), rel=1e-12, abs=1e-15)
        assert float(row["lr"]) == float(row["factor"]) * 0.3
        assert repr(float(row["lr"])) == row["lr"]
    assert [int(row["cycle"]) for row in rows] == [0] * 10 + [1] * 20 + [2] * 20


def test_the_csv_of_several_schedules_names_them_first(lrbench: Command) -> None:
    done = lrbench("preview", "schedule=cosine,constant", "train.steps=7", "--format", "csv")
    assert done.out.splitlines()[0] == "schedule,step,factor,lr,cycle"
    rows = rows_of(done.out)
    assert [row["schedule"] for row in rows] == ["cosine"] * 7 + ["constant"] * 7
    assert [float(row["factor"]) for row in rows[7:]] == [1.0] * 7
    assert float(rows[1]["factor"]) == pytest.approx((1 + math.cos(math.pi / 7)) / 2, rel=1e-12)


def test_json_has_the_facts_and_the_same_values_as_the_csv(
    lrbench: Command, described: Callable[..., list[dict[str, Any]]]
) -> None:
    (one,) = described(*SGDR)
    rows = rows_of(lrbench("preview", *SGDR, "--format", "csv").out)
    for name in ("factor", "lr", "cycle"):
        assert [repr(value) for value in one[name]] == [row[name] for row in rows]
    assert one["first"] == {"step": 0, "factor": 1.0, "lr": 0.3}
    assert one["last"] == {"step": 49, "factor": one["factor"][49], "lr": one["lr"][49]}
    assert one["peak"] == one["first"]
    assert one["area"] == pytest.approx(sum(map(sgdr_factor, range(50))) / 50, rel=1e-12)
    assert one["restarts"] == [10, 30]
    assert [(c["step"], c["length"], c["full_length"]) for c in one["cycles"]] == [
        (0, 10, 10),
        (10, 20, 20),
        (30, 20, 40),
    ]
    assert [c["before"] for c in one["cycles"]] == [None, one["factor"][9], one["factor"][29]]
    assert [c["after"] for c in one["cycles"]] == [1.0, 1.0, 1.0]
    assert one["conventions"]


def test_the_json_flag_is_the_json_format(lrbench: Command) -> None:
    words = ("preview", "schedule=cosine", "train.steps=5")
    assert lrbench(*words, "--json").out == lrbench(*words, "--format", "json").out


def test_the_peak_after_a_warmup_is_the_first_step_that_has_it(
    described: Callable[..., list[dict[str, Any]]],
) -> None:
    (one,) = described("schedule=cosine", "schedule.warmup=4", "train.steps=20")
    assert one["factor"][:4] == [0.25, 0.5, 0.75, 1.0]
    assert one["peak"]["step"] == 3
    assert any("warmup" in sentence.lower() for sentence in one["conventions"])


def test_cycles_without_a_jump_are_no_restarts(
    lrbench: Command, described: Callable[..., list[dict[str, Any]]]
) -> None:
    words = ("schedule=triangular", "train.steps=40")
    (one,) = described(*words)
    assert len(one["cycles"]) > 1
    assert one["restarts"] == []
    assert not any(cycle["is_restart"] for cycle in one["cycles"])
    assert f"no warm restarts, {len(one['cycles'])} cycles" in lrbench("preview", *words).out


def test_the_table_says_what_there_is_to_know_in_80_columns(lrbench: Command) -> None:
    done = lrbench("preview", *SGDR)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in done.out
    assert "sgdr, 50 steps, factor of optimizer.lr 0.3" in lines[0]
    facts = {line.split()[0]: line.split()[1:] for line in lines if line.startswith("  ")}
    assert facts["first"] == ["0", "1", "0.3"]
    assert facts["last"] == ["49", f"{sgdr_factor(49):.6g}", f"{0.3 * sgdr_factor(49):.6g}"]
    assert facts["peak"] == ["0", "1", "0.3"]
    area = sum(map(sgdr_factor, range(50))) / 50
    assert facts["area"] == ["mean", f"{area:.6g}", f"{0.3 * area:.6g}"]
    assert "  2 warm restarts, 3 cycles:" in lines
    assert facts["1"] == ["10", "20", f"{sgdr_factor(9):.6g}", "->", "1"]
    assert facts["2"] == ["30", "20", "of", "40", f"{sgdr_factor(29):.6g}", "->", "1"]


def test_the_table_has_every_convention(
    lrbench: Command, described: Callable[..., list[dict[str, Any]]]
) -> None:
    (one,) = described(*SGDR)
    said = " ".join(lrbench("preview", *SGDR).out.split())
    for sentence in (*one["conventions"], *one["notes"]):
        assert " ".join(sentence.split()) in said


def test_several_schedules_are_drawn_with_marks_that_are_explained(lrbench: Command) -> None:
    lines = lrbench("preview", "schedule=constant,cosine", "train.steps=100").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "o constant" in lines
    assert "x cosine" in lines
    chart = lines[2:15]
    assert "oxo" in chart[0]
    assert "x" in chart[-1]
    assert "o" not in chart[-1]


def test_rates_are_drawn_where_their_bases_differ(lrbench: Command) -> None:
    done = lrbench("preview", "schedule=constant", "optimizer.lr=0.2,0.1", "train.steps=100")
    lines = done.out.splitlines()
    assert lines[0] == "2 schedules, 100 steps, learning rate"
    assert "o" in lines[2]
    assert "x" not in lines[2]
    assert "x" in lines[8]


def test_many_cycles_are_counted(lrbench: Command) -> None:
    words = ("schedule=sgdr", "schedule.first_cycle=2", "schedule.cycle_mult=1", "train.steps=100")
    out = lrbench("preview", *words).out
    assert "49 warm restarts, 50 cycles:" in out
    assert "and 38 more, see --format json" in out


@pytest.mark.parametrize("name", ["c.png", "c.SVG", "c.html"])
def test_a_plot_is_written_and_its_path_said_on_standard_error(
    lrbench: Command, here: Path, name: str
) -> None:
    words = ("preview", "schedule=sgdr,cosine", "train.steps=60")
    done = lrbench(*words, "--plot", name)
    assert done.code == 0, done.err
    assert done.err.splitlines()[-1] == name
    assert (here / name).stat().st_size > 1000
    assert done.out == lrbench(*words).out


def test_the_plot_names_the_schedules(lrbench: Command, here: Path) -> None:
    lrbench("preview", "schedule=sgdr,cosine", "train.steps=60", "--plot", "c.svg")
    text = (here / "c.svg").read_text()
    for words in ("sgdr", "cosine", "60 steps", "step"):
        assert f">{words}</text>" in text


def test_output_that_takes_no_dots_gets_plain_characters(shell: Command) -> None:
    done = shell("preview", "schedule=cosine", "train.steps=60", PYTHONIOENCODING="ascii")
    assert done.code == 0, done.err
    assert done.out.isascii()
    assert "  1 |o" in done.out


def test_neither_torch_nor_altair_is_loaded_without_a_plot() -> None:
    code = (
        "import sys; from lrbench.cli.app import app\n"
        "try: app(['preview', 'schedule=sgdr', 'train.steps=9', '--format', 'csv'])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    heavy = {"torch", "pandas", "altair", "vl_convert", "scipy", "sklearn", "hydra", "omegaconf"}
    assert "yaml" in loaded
    assert not loaded & heavy
