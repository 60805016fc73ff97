from __future__ import annotations

import math
import re
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgers import layer, restart, three_restarts
from lrbench.report.restarts import layers as by_layer
from lrbench.report.restarts.arms import describe_arm
from lrbench.report.restarts.grid import Line, folded, side_by_side
from lrbench.report.restarts.ledger import Ledger
from lrbench.report.restarts.measures import SECTIONS, number, percent, three, times
from lrbench.report.restarts.overview import tell as tell_arms
from lrbench.report.restarts.story import lines, sentences, tell

MEASURES = [measure for section in SECTIONS for measure in section.measures]


def ledger_of(rows, layers=(), *, status="complete", seed=0, remarks=()):
    rows = [row | {"layers": [x for x in layers if x["step"] == row["step"]]} for row in rows]
    return Ledger(f"run-s{seed}", status, seed, tuple(rows), is_earlier=False, remarks=remarks)


def numbers_in(text):
    return [float(found) for found in re.findall(r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?", text)]


@given(
    value=st.floats(1e-12, 1e12) | st.floats(-1e12, -1e-12),
    column=st.sampled_from([m.column for m in MEASURES if m.show in (number, three, times)]),
)
def test_every_number_in_a_cell_is_that_of_the_ledger_rounded(value, column):
    measure = next(measure for measure in MEASURES if measure.column == column)
    (shown,) = numbers_in(measure.cell(restart(1, **{column: value})).removeprefix("x"))
    assert isclose(shown, value, rel_tol=5.001e-4 if measure.show is number else 5.001e-3)


@given(value=st.floats(-1e6, 1e6).filter(lambda x: abs(x) > 1e-9))
def test_fractions_are_shown_in_percent(value):
    assert isclose(numbers_in(percent(value))[0], 100 * value, rel_tol=5.001e-3)


def test_every_column_of_numbers_has_a_line_of_its_own():
    row = restart(1, statistic=1.0, threshold=2.0, recovery_censored_at=None)
    told = {measure.column for measure in MEASURES}
    in_sentences = {"policy", "audit", "gradient_depth_trend", "second_moment_depth_trend"}
    assert set(row) - told == in_sentences | {"recovery_censored_at"}
    labels = [line for line in lines([row]) if line.cells]
    assert len(labels) == len(MEASURES)


def test_a_line_that_no_restart_has_is_left_out_with_its_section():
    absent = dict.fromkeys(("lambda_max_before", "lambda_max_after", "lambda_max_end"))
    labels = [line.label for line in lines([restart(1, **absent), restart(2, **absent)])]
    assert not any("sharpness" in label for label in labels)
    labels = [line.label for line in lines([restart(1, **absent), restart(2)])]
    assert sum("sharpness" in label for label in labels) == 1


def test_a_loss_that_did_not_come_back_is_shown_as_a_bound_and_said_in_words():
    row = restart(1, recovery_steps=None, recovery_censored_at=77)
    (line,) = [line for line in lines([row]) if "until back" in line.label]
    assert line.cells == (">= 77",)
    assert "not back within the cycle (>= 77 updates)" in " ".join(sentences(1, row))
    assert "back after 146" in " ".join(sentences(1, restart(1)))


@pytest.mark.parametrize(
    ("gain", "said"), [(0.25, "0.2500 lower"), (-0.25, "0.2500 higher"), (0.0, "the same")]
)
def test_a_gain_is_said_with_its_direction(gain, said):
    assert f"({said})" in " ".join(sentences(1, restart(1, gain=gain)))


def test_a_loss_that_never_rose_is_not_told_of_as_a_rise():
    told = " ".join(sentences(1, restart(1, spike=-0.01, spike_relative=-0.02)))
    assert "never rose above its level before, 0.5261" in told


def test_a_trigger_is_told_with_what_it_held_against_what():
    told = " ".join(sentences(1, restart(1, cause="stall", statistic=0.031, threshold=0.05)))
    assert "when the trigger stall fired (statistic 0.031, threshold 0.05)" in told


@pytest.mark.parametrize("width", [60, 80, 132])
@pytest.mark.parametrize("count", [1, 3, 11])
def test_the_text_fits_the_width_and_hides_no_restart(width, count):
    rows = [restart(place) for place in range(1, count + 1)]
    layers = [
        layer(place, depth, f"blocks.{depth}.attention.to_queries_and_keys", "normalisation")
        for place in range(1, count + 1)
        for depth in range(3)
    ]
    told = list(tell(ledger_of(rows, layers), width, "twin", whole_model=True))
    assert max(map(len, told)) <= width
    heads = " ".join(
        line for line in told if line.lstrip().startswith("restart ") and "by" not in line
    )
    assert re.findall(r"restart (\d+)", heads) == [str(place) for place in range(1, count + 1)]


def test_columns_without_room_stand_below():
    told = list(side_by_side(["a", "b", "c"], [Line("x", ("1111", "2222", "3333"))], 14))
    assert told == [
        "      a     b",
        "x  1111  2222".replace("x  ", "x  "),
        "",
        "      c",
        "x  3333",
    ]


def test_names_are_folded_at_their_dots():
    assert folded("blocks.0.attention.query", 12) == ["blocks.0.", "attention.", "query"]
    assert folded("abcdefghij", 4) == ["abcd", "efgh", "ij"]


@pytest.mark.parametrize(("slope", "where"), [(0.1, "output"), (-0.1, "input")])
def test_a_trend_is_told_as_its_slope_has_it_and_as_a_factor(slope, where):
    (told,) = by_layer.trends(
        restart(1, gradient_depth_trend=slope, second_moment_depth_trend=None)
    )
    assert f"grows towards the {where}" in told
    factor, given = numbers_in(told)
    assert (round(math.log(factor), 2), given) == (slope, slope)


def test_a_trend_that_comes_to_nothing_over_the_model_is_told_as_none():
    for slope, depths in ((0.0, 3), (0.012, 3), (-0.0012, 30)):
        layers = [layer(1, depth, f"l{depth}") for depth in range(depths)]
        row = restart(1, gradient_depth_trend=slope) | {"layers": layers}
        told = next(iter(by_layer.trends(row)))
        assert told == "The gradient's response is much the same at every depth."
    row["layers"] = [layer(1, depth, f"l{depth}") for depth in range(60)]
    assert "grows towards the input" in next(iter(by_layer.trends(row)))


def test_bands_and_kinds_are_medians_of_their_layers():
    kinds = ("convolution", "normalisation")
    layers = [
        layer(
            1, depth, f"l{depth}", kinds[depth % 2], residual=depth > 19, gradient_peak=1.0 + depth
        )
        for depth in range(40)
    ]
    row = restart(1) | {"layers": layers}
    told = list(by_layer.tell(row, 80, whole_model=None))
    assert told[2].split()[:3] == ["0-4", "5", "x3.00"]
    cells = [line.split() for line in told]
    assert ["convolution", "20", "x20.0"] in [cell[:3] for cell in cells]
    assert ["normalisation", "20", "x21.0"] in [cell[:3] for cell in cells]
    assert "on a residual branch      20     x30.5" in "\n".join(told)
    every = list(by_layer.tell(row, 80, whole_model=True))
    assert sum(bool(re.match(r" *\d+  l\d+ ", line)) for line in every) == 40
    assert any("convolution*" in line for line in every)


def test_an_arm_is_described_over_its_complete_runs_alone():
    ledgers = [
        ledger_of([restart(1, gain=gain, steps_to_peak=steps)], seed=seed)
        for seed, (gain, steps) in enumerate([(1.0, 10), (2.0, 20), (6.0, 90)])
    ]
    lost = ledger_of([restart(1, gain=100.0)], status="diverged", seed=7)
    running = ledger_of([], status="running", seed=8)
    arm = describe_arm("sgdr", [*ledgers, lost, running])
    assert (arm.seeds, arm.diverged, arm.unfinished) == ((0, 1, 2), 1, 1)
    (one,) = arm.restarts
    assert (one.n, one.columns["gain"].mean, one.columns["gain"].variance) == (3, 3.0, 7.0)
    told = "\n".join(tell_arms([arm], 80, "twin", whole_model=None))
    assert "3 complete runs (seeds 0-2); 1 restart each" in told
    assert "in no figure: 1 diverged, 1 unfinished" in told.replace("\n ", "")
    assert "+3.00 (2.6)" in told
    assert "20 [10-90]" in told


def test_a_loss_that_never_rose_has_nothing_to_come_back_from():
    calm = restart(1, spike=-0.1, recovery_steps=20)
    (line,) = [line for line in lines([calm, restart(2)]) if "until back" in line.label]
    assert line.cells == ("-", "146")
    arm = describe_arm("a", [ledger_of([calm], seed=0), ledger_of([restart(1)], seed=1)])
    assert (arm.restarts[0].recovery.n, arm.restarts[0].recovery.median) == (1, 146.0)
    assert describe_arm("a", [ledger_of([calm])]).restarts[0].recovery is None


def test_what_is_no_more_than_noise_or_cannot_be_seen_is_said():
    assert "no more than batches differ" in " ".join(sentences(1, restart(1, spike_z=1.9)))
    assert "no more than batches differ" not in " ".join(sentences(1, restart(1, spike_z=2.1)))
    short = restart(1, recovery_steps=None, recovery_censored_at=17, window=20)
    told = " ".join(sentences(1, short))
    assert "cannot be seen to come back in a cycle of 17 updates" in told
    assert "not back" not in told


def test_a_restart_from_rate_zero_has_no_ratio_and_says_why():
    told = " ".join(sentences(1, restart(1, lr_before=0.0, lr_ratio=None)))
    assert "0 before, 0.12 after (from 0, so there is no ratio)" in told


def test_every_layer_is_told_with_its_state_its_way_and_its_directions():
    row = restart(1) | {"layers": [layer(1, d, f"l{d}", counter_after=7 + d) for d in range(3)]}
    told = "\n".join(by_layer.tell(row, 100, whole_model=True))
    for value in ("0.513", "0.00322", "312", "34.7 %", "+0.37", "-0.05", "+0.22", "0.0123"):
        assert value in told
    assert " 9" in next(x for x in told.splitlines() if x.startswith("l2") and "312" in x)
    assert "+0.37" not in "\n".join(by_layer.tell(row, 100, whole_model=None))


def test_names_are_not_folded_for_the_sizes_of_the_steps():
    names = [f"blocks.{depth}.attention.project_of_it" for depth in range(3)]
    row = restart(1) | {"layers": [layer(1, d, name) for d, name in enumerate(names)]}
    narrow, wide = (list(by_layer.tell(row, width, whole_model=None)) for width in (86, 120))
    assert "upd./rate" not in narrow[0]
    assert "upd./rate" in wide[0]
    assert all(name in "".join(narrow) for name in names)


def test_runs_that_did_not_recover_push_the_median_past_the_cycle():
    def arm_of(*recoveries):
        rows = [
            restart(1, recovery_steps=steps, recovery_censored_at=None if steps else 312)
            for steps in recoveries
        ]
        return describe_arm("a", [ledger_of([row], seed=seed) for seed, row in enumerate(rows)])

    (one,) = arm_of(40, 60, None).restarts
    assert (one.recovery.median, one.recovery.reached, one.recovery.n) == (60.0, 2, 3)
    assert "60 (2 of 3)" in "\n".join(tell_arms([arm_of(40, 60, None)], 80, "", whole_model=None))
    told = "\n".join(tell_arms([arm_of(40, None, None)], 80, "", whole_model=None))
    assert ">= 312 (1 of 3)" in told


def test_restarts_of_a_trigger_are_matched_by_number_and_their_causes_counted():
    ledgers = [
        ledger_of([restart(1, cause="plateau", step=step), *more], seed=seed)
        for seed, (step, more) in enumerate([(100, [restart(2, cause="plateau")]), (140, [])])
    ]
    ledgers.append(ledger_of([restart(1, cause="stall", step=90)], seed=2))
    arm = describe_arm("adaptive", ledgers)
    assert arm.counts == {1: 2, 2: 1}
    assert [one.n for one in arm.restarts] == [3, 1]
    told = "\n".join(tell_arms([arm], 80, "", whole_model=None))
    assert "100 [90-140]" in told
    assert "restart 1, cause: plateau in 2, stall in 1" in told
    assert "restarts are matched by their number" in told


def test_layers_of_an_arm_are_matched_by_name():
    ledgers = []
    for seed, peak in enumerate((2.0, 3.0, 10.0)):
        layers = [layer(1, 0, "in", gradient_peak=peak), layer(1, 1, "out", gradient_peak=2 * peak)]
        ledgers.append(ledger_of([restart(1)], layers, seed=seed))
    told = list(tell_arms([describe_arm("sgdr", ledgers)], 80, "", whole_model=None))
    assert [line.split()[3] for line in told if re.match(r" +\d  (in|out) ", line)] == [
        "x3.00",
        "x6.00",
    ]


def test_three_restarts_are_told_apart_in_their_sentences():
    rows, _ = three_restarts()
    told = [" ".join(sentences(place, row)) for place, row in enumerate(rows, start=1)]
    assert ["as the schedule says" in one for one in told] == [True, True, False]
    assert [one.split("updates on and ")[1].split(".")[0] for one in told] == [
        "back after 146",
        "back after 171",
        "was not back within the cycle (>= 312 updates)",
    ]
