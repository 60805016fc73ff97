"""What stands in the pictures is what stands in the comparison, for every arm and every seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lrbench.report.charts.curves import MOST_BANDS, curves
from lrbench.report.charts.differences import differences
from lrbench.report.charts.layers import layers
from lrbench.report.charts.look import cast
from lrbench.report.charts.parts import extent, value_axis, value_scale
from lrbench.report.charts.picture import Picture
from lrbench.report.charts.seeds import seeds
from lrbench.report.charts.sensitivity import sensitivity
from lrbench.report.comparison.values import ArmResult, Basis, Contender, Row, Task
from lrbench.report.traces.bands import Curve, band
from lrbench.report.traces.layers import LayersAtRestart
from lrbench.report.traces.read import ArmTrace, RunTrace, Traces
from lrbench.stats.aggregate import describe
from lrbench.stats.contrast import contrast

BASE = {0.1: [0.50, 0.60, 0.55], 0.3: [0.40, 0.48, 0.41]}
OTHER: dict[float, list[float | None]] = {0.1: [0.45, 0.52, 0.50], 0.3: [0.30, None, 0.35]}


def arm(name: str, lr: float, finals: list[float | None]) -> ArmResult:
    known = [value for value in finals if value is not None]
    return ArmResult(
        lr=lr,
        steps=4,
        seeds=(0, 1, 2),
        runs=tuple(f"{name}-{lr}-{seed}" for seed in range(3)),
        finals={"val_loss": tuple(finals)},
        estimates={"val_loss": describe(known)},
        diverged=len(finals) - len(known),
        divergence=None,
        unfinished=(),
    )


def contender(name: str, arms: dict[float, Any], own: int) -> Contender:
    results = tuple(arm(name, lr, finals) for lr, finals in arms.items())
    order = (own, *(place for place in range(len(results)) if place != own))
    return Contender(name, {}, results, order, results[own].estimates, "high", None)


def row(a: Contender, b: Contender, place: int, lr: float) -> Row:
    values = [one.arms[place].finals["val_loss"] for one in (a, b)]
    return Row(
        baseline=a.label,
        other=b.label,
        baseline_lr=lr,
        other_lr=lr,
        trials=None,
        seeds=(0, 1, 2),
        left_out={},
        found=contrast(*values),
        beside=None,
        values=tuple(zip(*values, strict=True)),
    )


@pytest.fixture(scope="module")
def task() -> Task:
    a, b = contender("constant", BASE, 1), contender("sgdr <b>", OTHER, 0)
    rows = tuple(row(a, b, place, lr) for place, lr in enumerate((0.1, 0.3)))
    bases = (
        Basis("own_lr", "each at its own best learning rate", rows[:1], "", ()),
        Basis("equal_lr", "at equal learning rate", rows, "", ()),
        Basis("equal_cost", "at equal tuning cost", rows[:1], "", ()),
    )
    return Task("", {}, ("val_loss",), a.label, (a, b), ("schedule",), (), bases, (), (), (), ())


LOOKS = cast(["constant", "sgdr <b>"])


@pytest.fixture(scope="module")
def drawn(task: Task) -> dict[str, Picture]:
    """One of each kind: it takes a while to make them."""
    forest = differences(task, "val_loss", LOOKS, level=0.95)
    assert forest is not None
    return {
        "curves": curves(traces(steps=6), LOOKS),
        "seeds": seeds(task, "val_loss", LOOKS, level=0.95),
        "sensitivity": sensitivity(task, "val_loss", LOOKS, level=0.95),
        "differences": forest,
    }


def marks(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Every layer that draws something, of any panel."""
    parts = [part for key in ("vconcat", "concat") for part in spec.get(key, [])] or [spec]
    return [layer for part in parts for layer in part.get("layer", [part])]


def colours(picture: Picture) -> dict[str, str]:
    """Colour by contender, wherever one is given."""
    found: dict[str, str] = {}
    for layer in marks(picture.static()):
        scale = layer.get("encoding", {}).get("color", {}).get("scale")
        if scale and "range" in scale:
            found |= dict(zip(scale["domain"], scale["range"], strict=True))
    return found


def test_a_contender_has_one_colour_in_every_picture(drawn: dict[str, Picture]) -> None:
    wanted = {look.label: look.colour for look in LOOKS}
    for picture in drawn.values():
        assert colours(picture).items() <= wanted.items()
        assert colours(picture)["sgdr <b>"] == wanted["sgdr <b>"]


def test_differences_are_those_of_the_contrasts_to_five_digits(
    task: Task, drawn: dict[str, Picture]
) -> None:
    picture = drawn["differences"]
    found = task.bases[1].rows[0].found
    assert found.difference is not None
    shown = next(
        one for one in picture.data["rows"] if one["basis"] == "equal_lr" and "0.1" in one["row"]
    )
    for key, value in zip(
        ("mean", "low", "high"),
        (found.difference.value, found.difference.low, found.difference.high),
        strict=True,
    ):
        assert shown[key] == pytest.approx(value, rel=1e-4)
    assert shown["verdict"] == found.verdict
    ticks = [
        one["value"]
        for one in picture.data["ticks"]
        if one["basis"] == "equal_lr" and one["row"] == shown["row"]
    ]
    assert ticks == pytest.approx(found.differences, rel=1e-4)


def test_a_pair_with_a_diverged_run_has_words_and_no_mean(drawn: dict[str, Picture]) -> None:
    picture = drawn["differences"]
    shown = picture.data["rows"][-1]
    assert (shown["mean"], shown["low"]) == (None, None)
    assert "diverged" in shown["said"]
    assert all(np.isfinite(one["value"]) for one in picture.data["ticks"])


def test_a_footing_that_only_repeats_another_is_not_drawn_twice(drawn: dict[str, Picture]) -> None:
    picture = drawn["differences"]
    assert {one["basis"] for one in picture.data["rows"]} == {"own_lr", "equal_lr"}


def test_every_arm_and_every_seed_is_in_the_picture_of_seeds(drawn: dict[str, Picture]) -> None:
    picture = drawn["seeds"]
    assert len(picture.data["arms"]) == 4
    finals = [value for arms in (BASE, OTHER) for some in arms.values() for value in some]
    assert sorted(one["value"] for one in picture.data["seeds"]) == sorted(
        value for value in finals if value is not None
    )
    assert [one["said"] for one in picture.data["arms"] if one["diverged"]] == ["1 of 3 diverged"]


def test_sensitivity_rings_the_own_best_and_marks_divergence(drawn: dict[str, Picture]) -> None:
    picture = drawn["sensitivity"]
    own = {(one["arm"], one["lr"]) for one in picture.data["arms"] if one["own"]}
    assert own == {("constant", 0.3), ("sgdr <b>", 0.1)}
    assert [one["lr"] for one in picture.data["arms"] if one["diverged"]] == [0.3]
    assert "diverged" in picture.caption
    # Beside its rate, so that none hides another, but by less than half of the way to the next.
    assert all(1 / 3 < (one["at"] / one["lr"]) ** 2 < 3 for one in picture.data["arms"])


def traces(arms: int = 2, steps: int = 4, runs: int = 2) -> Traces:
    found = []
    for place in range(arms):
        line = np.arange(float(steps))
        rate = Curve(line, np.linspace(0.1, 0.0, steps))
        losses = [Curve(line, np.exp(-line) + 0.1 * (run + 1)) for run in range(runs)]
        label = LOOKS[place].label if place < 2 else f"s{place}"
        found.append(
            ArmTrace(
                contender=label,
                lr=0.1,
                is_own=True,
                rate=band([rate] * runs, 0.95),
                train_loss=band(losses, 0.95),
                metric=band(losses, 0.95),
                restarts=(),
                runs=tuple(
                    RunTrace(f"{label}-{run}", run, loss, loss) for run, loss in enumerate(losses)
                ),
            )
        )
    return Traces("val_loss", 0.95, (steps,), tuple(found), 1, 1, False, ())


def test_a_curve_is_the_mean_with_its_interval_and_single_seeds_are_there_to_be_asked_for(
    drawn: dict[str, Picture],
) -> None:
    found = traces(steps=6)
    picture = drawn["curves"]
    shown = picture.data["metric"][0]
    assert shown["mean"] == pytest.approx(found.arms[0].metric.mean.tolist(), rel=1e-4)
    assert shown["high"] == pytest.approx(found.arms[0].metric.high.tolist(), rel=1e-4)
    assert len(picture.data["metric_of_runs"]) == 4
    spec = picture.static()
    parameters = {one["name"]: one for one in spec["params"]}
    assert parameters["chosen"]["value"] == []
    asked = {one["name"]: one for one in curves(found, LOOKS, each_seed=True).static()["params"]}
    assert asked["chosen"]["value"] == ["constant", "sgdr <b>"]


def test_all_panels_have_one_zoom_over_the_same_steps(drawn: dict[str, Picture]) -> None:
    spec = drawn["curves"].static()
    zoom = next(one for one in spec["params"] if one["name"] == "zoom")
    names = [layer["name"] for layer in marks(spec) if "name" in layer]
    assert zoom["views"] == names
    assert len(names) == 3
    domains = {
        tuple(layer["encoding"]["x"]["scale"]["domain"])
        for layer in marks(spec)
        if "x" in layer["encoding"]
    }
    assert domains == {(0, 6)}


def test_early_and_late_phase_are_the_outer_thirds(drawn: dict[str, Picture]) -> None:
    spec = drawn["curves"].static()
    (phases,) = {
        tuple(sorted((row["phase"], row["step"], row["end"]) for row in rows))
        for rows in spec["datasets"].values()
        if rows and "phase" in rows[0]
    }
    assert phases == (("first third", 0, 2.0), ("last third", 4.0, 6))


def test_intervals_of_more_arms_than_can_be_told_apart_are_shown_when_asked_for() -> None:
    looks = cast([look.label for look in LOOKS] + [f"s{n}" for n in range(2, 9)])
    few = curves(traces(MOST_BANDS), looks)
    many = curves(traces(MOST_BANDS + 1), looks)
    assert "chosen in the legend" not in few.caption
    assert "chosen in the legend" in many.caption


def test_a_static_picture_has_no_marks_for_the_pointer_and_a_page_no_legend_of_its_own(
    drawn: dict[str, Picture],
) -> None:
    picture = drawn["curves"]
    assert not [layer for layer in marks(picture.static()) if layer["mark"].get("opacity") == 0]
    on_page = marks(picture.for_page())
    assert [layer for layer in on_page if layer["mark"].get("opacity") == 0]
    assert all(layer["encoding"].get("color", {}).get("legend") is None for layer in on_page)
    assert any(
        layer["encoding"].get("color", {}).get("legend") for layer in marks(picture.static())
    )


def test_layers_are_cells_of_medians_with_their_ratio_to_the_last_update_before() -> None:
    offsets = np.array([-1, 0])
    found = LayersAtRestart(
        1, "gradient norm", offsets, ("in", "out"), np.array([[1.0, 4.0], [2.0, np.nan]]), 5
    )
    picture = layers([found], "sgdr", total=4)
    assert picture is not None
    cells = next(rows for name, rows in picture.data.items() if name.startswith("layers"))
    assert [(one["layer"], one["offset"], one["value"], one["ratio"]) for one in cells] == [
        ("in", -1, 1.0, 1.0),
        ("in", 0, 4.0, 4.0),
        ("out", -1, 2.0, 1.0),
    ]
    assert "first 1 of 4 restarts" in picture.caption
    assert "no update / weight norm, root 2nd moment" in picture.caption


@pytest.mark.parametrize("is_log", [False, True])
def test_a_wild_interval_does_not_stretch_an_axis(is_log: bool) -> None:
    low, high = extent([1.0, 2.0], [1e-9, 1e9], is_log=is_log)
    assert (0.6 < low < 1.0, 2.0 < high < 2.7) == (True, True)
    assert extent([1.0, 2.0], [0.95, None, 2.1], is_log=is_log) == [0.95, 2.1]


def test_a_logarithmic_axis_has_few_lines_at_round_numbers() -> None:
    def values(low: float, high: float) -> list[float]:
        return list(value_axis(value_scale(low, high, is_log=True)).to_dict()["values"])

    assert values(0.1, 0.5) == [0.1, 0.15, 0.2, 0.3, 0.5]
    assert values(0.1, 9.0) == [0.1, 0.2, 0.5, 1.0, 2.0, 5.0]
    assert len(values(1e-3, 1e30)) <= 7
