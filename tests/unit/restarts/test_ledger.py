"""The ledger of a made-up run whose logs are a formula, against that formula."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.record.layout import (
    LAYER_COLUMNS,
    RESTART_COLUMNS,
    RESTART_LAYER_COLUMNS,
    STEP_COLUMNS,
)
from lrbench.restarts.facts import LayerFacts, Moved, Opened, StateFacts
from lrbench.restarts.ledger import Ledger
from lrbench.restarts.metrics import loss_response

LAYERS = (
    LayerFacts("in", "linear", 0, False, 9),
    LayerFacts("middle", "attention", 1, True, 16),
    LayerFacts("out", "linear", 2, False, 4),
)
PARTS = ("", "in", "middle", "out")
SIZES = (29, 9, 16, 4)
RESTARTS = (30, 75, 83)
"""Cycles of 30, 45, 8 and 17 updates."""
TOTAL = 100
EVERY = 4
WINDOW = 12


def loss(step):
    return 1 + math.sin(step) + 20 / (1 + (step - max((0, *(r for r in RESTARTS if r <= step)))))


def rate(step):
    return 0.01 * (1 + step % 7)


def is_logged(step):
    return step % EVERY == 0 or any(-WINDOW <= step - r < WINDOW for r in RESTARTS)


def norm(name, part, step):
    """Something of every column and layer that no other has, and that changes with every step."""
    return 1.5 + part + len(name) / 16 + math.cos((part + 1) * step + len(name))


def step_row(step):
    row = dict.fromkeys(STEP_COLUMNS) | {
        "step": step,
        "lr": rate(step),
        "train_loss": loss(step),
    }
    return tuple(row[name] for name in STEP_COLUMNS)


def layer_row(part, step):
    row = {name: norm(name, part, step) for name in LAYER_COLUMNS}
    if part == 2:
        row["root_second_moment_mean"] = None
    row |= {"step": step, "layer": PARTS[part]}
    return tuple(row[name] for name in LAYER_COLUMNS)


def facts(shift):
    return tuple(
        StateFacts(1.0 + n + shift, 2.0 + n + shift, 3 + n, 4.0 + n + shift) for n in range(4)
    )


def opened(r):
    return Opened(
        step=r,
        epoch=r / 10,
        cycle=1 + RESTARTS.index(r),
        cause="plateau",
        statistic=0.25,
        threshold=0.5,
        planned_length=440,
        lr_before=rate(r - 1),
        lr_after=rate(r),
        momentum=0.9,
        policy="keep",
        audit="kept",
        before=facts(0),
        after=facts(0.5),
    )


def moved(r):
    return [Moved(r + n, r + n + 0.25, None if r == RESTARTS[0] else 0.5) for n in range(4)]


def new_ledger():
    return Ledger(LAYERS, STEP_COLUMNS, LAYER_COLUMNS)


def again(ledger):
    """The ledger put away and taken out again."""
    known, arrays = ledger.state()
    text = json.dumps(known, allow_nan=False)
    assert all(values.dtype == np.float64 for values in arrays.values())
    copies = {
        name: np.frombuffer(values.tobytes()).reshape(values.shape)
        for name, values in arrays.items()
    }
    restored = new_ledger()
    restored.restore(json.loads(text), copies)
    return restored


def look(step):
    return 3 + math.sin(step)


def lambda_max(step):
    return 5 + math.cos(step)


LOOKS = {0, 20, *RESTARTS, 31, 34, 50, 70, 74, 92, TOTAL}


def follow(cuts=frozenset(), restores=frozenset()):
    """The ledger's rows of the whole run, told in blocks that end at ``cuts``."""
    ledger, rows, block = new_ledger(), [], []
    for done in range(TOTAL + 1):
        is_end = done in RESTARTS or done == TOTAL
        if block and (is_end or done in cuts or done in restores):
            logged = [step for step in block if is_logged(step)]
            ledger.updates(
                [step_row(step) for step in block],
                [layer_row(part, step) for step in logged for part in (1, 2, 3)],
                [layer_row(0, step) for step in logged],
            )
            block = []
        if done in LOOKS:
            ledger.look(done, look(done))
            ledger.curvature(done, lambda_max(done))
        if is_end and ledger.is_open:
            start = max(r for r in RESTARTS if r < done)
            rows.append(ledger.close(done, moved(start)))
        if done in RESTARTS:
            ledger.open(opened(done))
        if done in restores:
            ledger = again(ledger)
        block.append(done)
    return rows


ROWS = follow()


def test_rows_have_the_columns_of_the_record():
    for row, layer_rows in ROWS:
        assert set(row) == set(RESTART_COLUMNS)
        assert all(set(layer) == set(RESTART_LAYER_COLUMNS) for layer in layer_rows)
        assert [layer["layer"] for layer in layer_rows] == list(PARTS[1:])


def test_a_row_says_what_the_restart_was():
    for r, (row, layer_rows) in zip(RESTARTS, ROWS, strict=True):
        assert (row["step"], row["cycle"], row["epoch"]) == (r, 1 + RESTARTS.index(r), r / 10)
        assert (row["cause"], row["statistic"], row["threshold"]) == ("plateau", 0.25, 0.5)
        assert (row["policy"], row["audit"], row["momentum"]) == ("keep", "kept", 0.9)
        assert (row["lr_before"], row["lr_after"]) == (rate(r - 1), rate(r))
        assert row["lr_ratio"] == rate(r) / rate(r - 1)
        assert (row["weight_norm_before"], row["weight_norm_after"]) == (4.0, 4.5)
        for n, cells in enumerate((row, *layer_rows)):
            assert cells["momentum_norm_before"] == 1.0 + n
            assert cells["momentum_norm_after"] == 1.5 + n
            assert cells["root_second_moment_before"] == 2.0 + n
            assert cells["root_second_moment_after"] == 2.5 + n
            assert cells["counter_before"] == cells["counter_after"] == 3 + n
            assert (cells["distance"], cells["excursion"]) == (r + n, r + n + 0.25)
            assert cells["direction_cosine"] == (None if r == RESTARTS[0] else 0.5)
        residual = [(c["depth"], c["kind"], c["residual"], c["size"]) for c in layer_rows]
        assert residual == [(0, "linear", 0, 9), (1, "attention", 1, 16), (2, "linear", 0, 4)]


def test_the_losses_of_a_cycle_are_held_against_those_of_the_cycle_before_alone():
    edges = (0, *RESTARTS, TOTAL)
    for place, (row, _) in enumerate(ROWS):
        start, r, end = edges[place : place + 3]
        # A twentieth of the planned 440 updates.
        assert (row["window"], row["planned_length"], row["length"]) == (22, 440, end - r)
        before = np.array([loss(step) for step in range(start, r)])
        expected = loss_response(before, np.array([loss(step) for step in range(r, end)]), 22)
        assert row["loss_before"] == pytest.approx(np.mean(before[-22:]), rel=1e-14)
        assert row["loss_before"] == expected.level
        assert row["loss_sd_before"] == expected.sd
        assert row["spike"] == expected.height
        assert row["spike_relative"] == expected.relative
        assert row["spike_z"] == expected.z
        assert row["steps_to_peak"] == expected.steps_to_peak
        assert row["recovery_steps"] == expected.recovery_steps
        assert row["recovery_censored_at"] == expected.recovery_censored_at
        assert row["overshoot_area"] == expected.overshoot_area
    assert ROWS[1][0]["recovery_censored_at"] == 8


def test_a_gain_is_of_the_looks_at_both_ends_of_the_cycle():
    for r, end, (row, _) in zip(RESTARTS, (*RESTARTS[1:], TOTAL), ROWS, strict=True):
        assert (row["val_loss_before"], row["val_loss_end"]) == (look(r), look(end))
        assert row["gain"] == look(r) - look(end)


def test_without_a_look_at_both_ends_there_is_no_gain():
    for looks in ((29, 75), (30, 74), (30,)):
        ledger = new_ledger()
        ledger.look(looks[0], 3.0)
        ledger.open(opened(30))
        for step in looks[1:]:
            ledger.look(step, 2.0)
        row, _ = ledger.close(75, moved(30))
        assert row["gain"] is None
        assert row["val_loss_before"] == (3.0 if looks[0] == 30 else None)
        assert row["val_loss_end"] == (2.0 if looks[-1] == 75 else None)


def test_sharpness_is_of_right_before_right_after_and_the_end():
    first, second, third = (row for row, _ in ROWS)
    assert (first["lambda_max_before"], first["lambda_max_end"]) == (lambda_max(30), lambda_max(75))
    # Of 31, 34 and 50, all within the window.
    assert first["lambda_max_after"] == max(map(lambda_max, (31, 34, 50))) == lambda_max(50)
    assert second["lambda_max_before"] == lambda_max(75)
    assert third["lambda_max_after"] == max(map(lambda_max, (92, 100)))


def test_sharpness_past_the_window_or_long_before_does_not_count():
    ledger = new_ledger()
    ledger.curvature(28, 9.0)
    ledger.open(opened(30))
    ledger.curvature(30, 8.0)
    ledger.curvature(30 + 22, 2.0)
    ledger.curvature(30 + 23, 7.0)
    row, _ = ledger.close(75, moved(30))
    assert row["lambda_max_before"] is None
    assert row["lambda_max_after"] == 2.0
    assert row["lambda_max_end"] is None


def test_the_look_of_the_update_before_a_restart_counts_where_there_is_none_later():
    ledger = new_ledger()
    ledger.curvature(29, 9.0)
    ledger.open(opened(30))
    assert ledger.close(75, moved(30))[0]["lambda_max_before"] == 9.0


def test_responses_are_ratios_to_the_last_update_before_the_restart():
    for r, end, (row, layer_rows) in zip(RESTARTS, (*RESTARTS[1:], TOTAL), ROWS, strict=True):
        logged = [step for step in range(r, end) if is_logged(step)]
        for part, cells in enumerate((row, *layer_rows)):
            for name, column in (
                ("gradient", "grad_norm"),
                ("second_moment", "root_second_moment_mean"),
            ):
                if part == 2 and name == "second_moment":
                    assert cells["second_moment_peak"] is None
                    assert cells["second_moment_peak_at"] is None
                    continue
                values = {step: norm(column, part, step) for step in logged}
                highest = max(values, key=values.__getitem__)
                assert cells[f"{name}_peak"] == values[highest] / norm(column, part, r - 1)
                assert cells[f"{name}_peak_at"] == highest - r
            for when, step in (("before", r - 1), ("after", r)):
                expected = norm("update_norm", part, step) / (rate(step) * SIZES[part] ** 0.5)
                assert cells[f"effective_step_{when}"] == pytest.approx(expected, rel=1e-14)
            for name in ("update_cosine", "momentum_cosine"):
                early = [norm(name, part, step) for step in logged if step - r <= 10]
                assert cells[name] == pytest.approx(np.mean(early), rel=1e-14)


def test_trends_are_over_the_layers_and_need_three_of_them():
    for row, layer_rows in ROWS:
        logs = [math.log(layer["gradient_peak"]) for layer in layer_rows]
        assert row["gradient_depth_trend"] == pytest.approx((logs[2] - logs[0]) / 2)
        assert row["second_moment_depth_trend"] is None


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(1, TOTAL)), st.sets(st.integers(0, TOTAL - 1), max_size=5))
def test_rows_depend_neither_on_blocks_nor_on_interruptions(cuts, restores):
    assert follow(cuts, restores) == ROWS


def test_a_ledger_restored_at_any_update_goes_on_as_if_nothing_had_been():
    assert follow(restores=range(TOTAL)) == ROWS


def test_layers_of_the_update_before_a_restart_may_come_late():
    rows = []
    for is_late, is_restored in ((False, False), (True, False), (True, True)):
        ledger, steps = new_ledger(), [step_row(step) for step in range(30)]
        logged = [layer_row(part, 29) for part in (1, 2, 3)], [layer_row(0, 29)]
        if is_late:
            ledger.updates(steps, [], [])
            ledger = again(ledger) if is_restored else ledger
            ledger.updates([], *logged)
        else:
            ledger.updates(steps, *logged)
        ledger.open(opened(30))
        ledger.updates([step_row(30)], [layer_row(p, 30) for p in (1, 2, 3)], [layer_row(0, 30)])
        rows.append(ledger.close(31, moved(30)))
    assert rows[0] == rows[1] == rows[2]
    assert rows[0][0]["effective_step_before"] is not None


def test_a_state_is_not_changed_by_what_comes_after_it():
    ledger = new_ledger()
    ledger.open(opened(30))
    known, arrays = ledger.state()
    kept = {name: values.copy() for name, values in arrays.items()}
    text = json.dumps(known)
    ledger.updates([step_row(30)], [layer_row(part, 30) for part in (1, 2, 3)], [layer_row(0, 30)])
    ledger.curvature(31, 4.0)
    ledger.close(31, moved(30))
    assert json.dumps(known) == text
    for name, values in kept.items():
        np.testing.assert_array_equal(arrays[name], values)


def test_a_run_that_diverges_has_a_row_without_a_number_that_is_none():
    ledger = new_ledger()
    steps = [step_row(step) for step in range(34)]
    lost = dict(zip(STEP_COLUMNS, step_row(34), strict=True)) | {"train_loss": math.inf}
    steps.append(tuple(lost.values()))
    rows = [[layer_row(part, step) for part in range(4)] for step in range(29, 35)]
    rows[-1] = [(34, name, *[math.nan] * (len(LAYER_COLUMNS) - 2)) for name in PARTS]
    ledger.updates(steps[:30], rows[0][1:], rows[0][:1])
    ledger.look(30, 3.0)
    ledger.open(opened(30))
    ledger.updates(
        steps[30:], [row for four in rows[1:] for row in four[1:]], [four[0] for four in rows[1:]]
    )
    ledger.look(35, math.nan)
    ledger.curvature(35, math.inf)
    row, layer_rows = ledger.close(35, [Moved(math.nan, math.inf, math.nan)] * 4)
    for cells in (row, *layer_rows):
        numbers = [value for value in cells.values() if isinstance(value, float)]
        assert all(math.isfinite(number) for number in numbers)
        assert cells["distance"] is cells["excursion"] is cells["direction_cosine"] is None
    assert (row["length"], row["recovery_censored_at"]) == (5, 4)
    assert row["spike"] == pytest.approx(loss(30) - row["loss_before"])
    assert row["val_loss_before"] == 3.0
    assert row["val_loss_end"] is row["gain"] is row["lambda_max_end"] is None
    assert row["gradient_peak"] is not None


def test_without_rows_of_the_update_before_it_a_restart_has_no_response_to_speak_of():
    ledger = new_ledger()
    rows = [layer_row(part, 28) for part in (1, 2, 3)]
    ledger.updates([step_row(step) for step in range(30)], rows, [layer_row(0, 28)])
    ledger.open(opened(30))
    ledger.updates([step_row(30)], [layer_row(part, 30) for part in (1, 2, 3)], [layer_row(0, 30)])
    row, _ = ledger.close(31, moved(30))
    assert row["gradient_peak"] is row["gradient_peak_at"] is row["effective_step_before"] is None
    assert row["effective_step_after"] is not None
    assert row["gain"] is None
