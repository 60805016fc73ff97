"""Curves of many runs as one, against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from lrbench.report.traces.bands import Curve, band, binned, finite, geometric_band
from lrbench.report.traces.layers import MEASURES, _around, _measured

STEPS = np.arange(4.0)


def curve(*values: float) -> Curve:
    return Curve(np.arange(len(values), dtype=float), np.array(values))


def test_the_interval_is_scipys_student_t_at_every_step() -> None:
    values = np.random.default_rng(0).normal(1.0, 0.3, (5, 4))
    found = band([Curve(STEPS, row) for row in values], 0.9)
    low, high = scipy_stats.t.interval(
        0.9, 4, loc=values.mean(axis=0), scale=scipy_stats.sem(values, axis=0)
    )
    assert found.mean == pytest.approx(values.mean(axis=0), rel=1e-12)
    assert found.low == pytest.approx(low, rel=1e-12)
    assert found.high == pytest.approx(high, rel=1e-12)
    assert found.n.tolist() == [5, 5, 5, 5]


def test_a_run_that_ends_early_is_in_the_mean_as_long_as_it_goes() -> None:
    found = band([curve(1.0, 1.0), curve(3.0, 3.0, 3.0)], 0.95)
    assert found.mean.tolist() == [2.0, 2.0, 3.0]
    assert found.n.tolist() == [2, 2, 1]
    assert np.isnan(found.low).tolist() == [False, False, True]


def test_equal_runs_have_an_interval_of_exactly_no_width() -> None:
    found = band([curve(0.1, 0.7)] * 3, 0.95)
    assert found.low.tolist() == found.mean.tolist() == found.high.tolist() == [0.1, 0.7]


def test_geometric_means_are_those_of_logarithms() -> None:
    found = geometric_band([curve(1.0), curve(100.0)], 0.95)
    assert found.mean == pytest.approx([10.0], rel=1e-12)
    assert (found.low < 1.0).all()
    assert found.low * found.high == pytest.approx([100.0], rel=1e-12)


def test_nothing_at_all_is_an_empty_band() -> None:
    assert len(band([], 0.95).steps) == 0


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60), st.integers(1, 9))
def test_bins_are_means_of_so_many_updates_at_the_mean_of_their_steps(
    values: list[float], width: int
) -> None:
    found = binned(curve(*values), width)
    parts = [range(a, min(a + width, len(values))) for a in range(0, len(values), width)]
    assert found.steps.tolist() == pytest.approx([np.mean(part) for part in parts])
    wanted = [np.mean([values[step] for step in part]) for part in parts]
    assert found.values.tolist() == pytest.approx(wanted, abs=1e-9)


def test_what_is_not_finite_is_left_out() -> None:
    found = finite(np.arange(3.0), np.array([1.0, np.inf, np.nan]))
    assert (found.steps.tolist(), found.values.tolist()) == ([0.0], [1.0])


def test_around_a_restart_every_update_counts_and_no_other_cycle() -> None:
    steps = np.array([0, 10, 18, 19, 20, 21, 22, 30])
    table = np.arange(8.0)[None, :]
    offsets, values = _around(steps, table, 20, -1, np.inf)
    assert offsets.tolist() == [-2, -1, 0, 1, 2]
    assert values.tolist() == [[2.0, 3.0, 4.0, 5.0, 6.0]]
    offsets, _ = _around(steps, table, 20, 19, 22)
    assert offsets.tolist() == [-1, 0, 1]
    assert _around(steps, table, 25, -1, np.inf) is None


def test_an_update_is_told_in_parts_of_the_weights_and_what_was_not_measured_is_not() -> None:
    columns = {
        "update_norm": np.array([1.0, 2.0]),
        "weight_norm": np.array([10.0, 10.0]),
        "root_second_moment_mean": np.array([np.nan, np.nan]),
    }
    found = _measured(columns, MEASURES["update / weight norm"])
    assert found is not None
    assert found.tolist() == [0.1, 0.2]
    assert _measured(columns, MEASURES["root 2nd moment"]) is None
    assert _measured(columns, MEASURES["gradient norm"]) is None
