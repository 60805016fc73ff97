"""The ledger of a real run, worked out once more from its other logs and its kept weights.

Definitions are written out again here, in the slow and obvious way.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from safetensors.numpy import load

from lrbench.record.checkpoint import read_checkpoint
from lrbench.record.reader import read_record
from lrbench.workflows.run import resolve_overrides, run

STARTS = [25, 55, 95]
STEPS = 120
RUNS = {
    "sgd": ["optimizer.lr=0.1", "restart=reset_momentum"],
    "adamw": ["optimizer=adamw", "optimizer.lr=0.02", "diagnostics.curvature.every=30"],
}


@pytest.fixture(scope="module", params=RUNS)
def made(request, data_cache, tmp_path_factory):
    words = [
        "dataset=wine",
        "model.hidden=[7,6]",
        "train.batch_size=10",
        "train.eval_every=9",
        f"train.steps={STEPS}",
        "schedule=sgdr",
        "schedule.cycle_lengths=[25,30,40,25]",
        "diagnostics=curvature",
        "diagnostics.curvature.samples=30",
        "diagnostics.layers_every=1",
        "restart.keep_checkpoints=true",
        *RUNS[request.param],
    ]
    return read_record(run(resolve_overrides(words), tmp_path_factory.mktemp("runs")).path)


def table(record, name):
    log = record.log(name)
    return [dict(zip(log.columns, row, strict=True)) for row in log.rows]


def weights_after(record, updates):
    """By layer; of the untrained model nothing is kept."""
    body = load(read_checkpoint(record.kept()[updates]).body)
    layers = {}
    for name, values in sorted(body.items()):
        if name.startswith("model/"):
            layer = name.removeprefix("model/").rpartition(".")[0]
            layers.setdefault(layer, []).append(values.astype(np.float64).ravel())
    return {layer: np.concatenate(parts) for layer, parts in layers.items()}


def places(record):
    ledger = table(record, "restarts.csv")
    assert [row["step"] for row in ledger] == STARTS
    return list(zip(ledger, STARTS, [*STARTS[1:], STEPS], strict=True))


def close(found, expected, rel=2e-5):
    assert found == pytest.approx(expected, rel=rel, abs=1e-9)


def test_when_and_how_are_those_of_the_updates_around_it(made):
    steps = table(made, "steps.csv")
    for place, (row, start, end) in enumerate(places(made), start=1):
        before, after = steps[start - 1], steps[start]
        assert (row["cycle"], row["cause"]) == (place, "schedule")
        assert row["planned_length"] == row["length"] == end - start
        assert (row["epoch"], row["lr_before"], row["lr_after"]) == (
            after["epoch"],
            before["lr"],
            after["lr"],
        )
        assert row["lr_ratio"] == after["lr"] / before["lr"] > 10
        assert row["momentum"] == after["momentum"] == 0.9
        close(row["momentum_norm_before"], before["momentum_norm"])
        is_sgd = made.spec["optimizer"]["name"] == "sgd"
        assert row["policy"] == ("reset_momentum" if is_sgd else "keep")
        assert row["audit"] == "kept"
        close(row["momentum_norm_after"], 0.0 if is_sgd else before["momentum_norm"])
        close(row["weight_norm_before"], before["weight_norm"])
        assert row["weight_norm_after"] == row["weight_norm_before"]
        assert row["counter_before"] == row["counter_after"] == (None if is_sgd else start)


def test_the_loss_is_measured_as_it_is_defined(made):
    losses = [row["train_loss"] for row in table(made, "steps.csv")]
    kinds = set()
    for row, start, end in places(made):
        w = max(20, math.ceil((end - start) / 20))
        assert row["window"] == w
        before = losses[max([0, *[s for s in STARTS if s < start]]) : start][-w:]
        level, sd = np.mean(before), np.std(before, ddof=1)
        smooth = [
            np.mean(losses[max(start, start + k - w + 1) : start + k + 1])
            for k in range(end - start)
        ]
        peak = int(np.argmax(smooth))
        close(row["loss_before"], level)
        close(row["loss_sd_before"], sd)
        close(row["spike"], smooth[peak] - level, rel=1e-4)
        close(row["spike_relative"], (smooth[peak] - level) / level, rel=1e-4)
        close(row["spike_z"], (smooth[peak] - level) / sd * math.sqrt(w), rel=1e-4)
        assert row["steps_to_peak"] == peak
        back = [k for k in range(max(peak, w), end - start) if smooth[k] <= level]
        assert row["recovery_steps"] == (back[0] if back else None)
        assert row["recovery_censored_at"] == (None if back else end - start)
        kinds.add(bool(back))
        close(row["overshoot_area"], sum(max(0.0, s - level) for s in smooth), rel=1e-4)
    assert True in kinds


def test_the_gain_is_that_between_the_looks_at_the_ends_of_cycles(made):
    looks = {row["step"]: row["val_loss"] for row in table(made, "evals.csv")}
    for row, start, end in places(made):
        assert (row["val_loss_before"], row["val_loss_end"]) == (looks[start], looks[end])
        assert row["gain"] == looks[start] - looks[end]


def test_the_response_of_each_layer_is_that_of_its_rows(made):
    steps, every = table(made, "steps.csv"), table(made, "layers.csv")
    ledger = table(made, "restart_layers.csv")
    for row, start, end in places(made):
        layers = [layer for layer in ledger if layer["step"] == start]
        assert [layer["depth"] for layer in layers] == [0, 1, 2]
        assert {layer["kind"] for layer in layers} == {"linear"}
        assert [layer["size"] for layer in layers] == [13 * 7 + 7, 7 * 6 + 6, 6 * 3 + 3]
        for layer in layers:
            series = [x for x in every if x["layer"] == layer["layer"]]
            assert [x["step"] for x in series] == list(range(STEPS))
            response(layer, series, [x["lr"] for x in steps], layer["size"], start, end)
        sizes = {layer["layer"]: layer["size"] for layer in layers}
        whole = [
            together(steps[t], [x for x in every if x["step"] == t], sizes) for t in range(STEPS)
        ]
        response(row, whole, [x["lr"] for x in steps], sum(sizes.values()), start, end)
        for name in ("gradient", "second_moment"):
            peaks = [layer[f"{name}_peak"] for layer in layers]
            if None not in peaks:
                slope = np.polyfit([0, 1, 2], np.log(peaks), 1)[0]
                close(row[f"{name}_depth_trend"], slope, rel=1e-6)


def together(step, layers, sizes):
    """A row of the whole model from those of its layers."""
    whole = {**step, "momentum_cosine": None}
    products = [x["update_cosine"] * x["grad_norm"] * x["update_norm"] for x in layers]
    whole["update_cosine"] = sum(products) / (step["grad_norm"] * step["update_norm"])
    roots = [x["root_second_moment_mean"] for x in layers]
    whole["root_second_moment_mean"] = None
    if None not in roots:
        weighted = sum(root * sizes[x["layer"]] for root, x in zip(roots, layers, strict=True))
        whole["root_second_moment_mean"] = weighted / sum(sizes.values())
    return whole


def response(row, series, rates, size, start, end):
    before = series[start - 1]
    for name, column in (
        ("gradient", "grad_norm"),
        ("second_moment", "root_second_moment_mean"),
    ):
        if before[column] is None:
            assert row[f"{name}_peak"] is row[f"{name}_peak_at"] is None
            continue
        ratios = [series[t][column] / before[column] for t in range(start, end)]
        close(row[f"{name}_peak"], max(ratios))
        assert row[f"{name}_peak_at"] == int(np.argmax(ratios))
    for when, step in (("before", start - 1), ("after", start)):
        expected = series[step]["update_norm"] / (rates[step] * math.sqrt(size))
        close(row[f"effective_step_{when}"], expected)
    cosines = [series[t]["update_cosine"] for t in range(start, start + 11)]
    close(row["update_cosine"], np.mean(cosines), rel=1e-4)
    known = [series[t]["momentum_cosine"] for t in range(start, start + 11)]
    if any(known):
        close(row["momentum_cosine"], np.mean([x for x in known if x is not None]), rel=1e-5)
        if before["root_second_moment_mean"] is not None:
            close(row["root_second_moment_before"], before["root_second_moment_mean"])


def test_the_way_is_that_between_the_weights_at_the_ends_of_cycles(made):
    ends = [*STARTS, STEPS]
    weights = [weights_after(made, end) for end in ends]
    layers = table(made, "restart_layers.csv")
    for place, (row, start, _) in enumerate(places(made)):
        told = {layer["layer"]: layer for layer in layers if layer["step"] == start}
        for name in [*told, None]:
            first, last = (_vector(weights[place + k], name) for k in (0, 1))
            cells = told[name] if name else row
            close(cells["distance"], np.linalg.norm(last - first) / np.linalg.norm(first))
            assert cells["excursion"] >= cells["distance"] * (1 - 1e-6)
            if place:
                way = first - _vector(weights[place - 1], name)
                cosine = (last - first) @ way
                cosine /= np.linalg.norm(last - first) * np.linalg.norm(way)
                close(cells["direction_cosine"], cosine, rel=1e-4)


def _vector(weights, name):
    return weights[name] if name else np.concatenate([weights[one] for one in sorted(weights)])


def test_the_sharpness_is_that_of_the_looks_around_it(made):
    looks = table(made, "curvature.csv")
    for row, start, end in places(made):
        by_step = {look["step"]: look["lambda_max"] for look in looks}
        assert row["lambda_max_before"] == by_step[start]
        around = [by_step[s] for s in by_step if start < s <= start + row["window"]]
        assert len(around) >= 2
        assert row["lambda_max_after"] == max(around)
        assert row["lambda_max_end"] == by_step[end]
