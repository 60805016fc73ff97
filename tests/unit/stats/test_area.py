from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.stats.area import mean_height
from lrbench.stats.best_of import best_of_k, best_shares

CURVES = st.lists(
    st.tuples(st.integers(0, 10_000), st.floats(0, 100)), min_size=2, max_size=9, unique_by=min
).map(lambda points: sorted(dict(points).items()))


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_a_level_curve_is_as_high_as_it_is(scale):
    assert mean_height([0, 7, 100], [0.3, 0.3, 0.3], scale=scale) == pytest.approx(0.3)


@pytest.mark.parametrize("scale", ["linear", "log"])
@given(curve=CURVES.filter(lambda points: len(points) > 1), factor=st.floats(0.1, 10))
def test_it_lies_between_the_ends_and_grows_with_the_values(curve, factor, scale):
    steps, values = zip(*curve, strict=True)
    found = mean_height(steps, values, scale=scale)
    assert min(values) - 1e-9 <= found <= max(values) + 1e-9
    scaled = mean_height(steps, [factor * value for value in values], scale=scale)
    assert scaled == pytest.approx(factor * found, abs=1e-9)


def test_over_the_logarithm_the_early_updates_count_for_more():
    steps, values = range(101), [1.0] * 10 + [0.0] * 91
    assert mean_height(steps, values) == pytest.approx(9.5 / 100)
    log = mean_height(steps, values, scale="log")
    middle = (math.log(10) + math.log(11)) / 2
    assert log == pytest.approx(middle / math.log(101))


@given(n=st.integers(1, 12), data=st.data())
def test_shares_are_those_of_the_best_of_all_subsets(n, data):
    k = data.draw(st.integers(1, n))
    shares = best_shares(n, k)
    values = sorted(data.draw(st.lists(st.floats(0, 1), min_size=n, max_size=n)))
    assert sum(shares) == pytest.approx(1)
    assert list(shares) == sorted(shares, reverse=True)
    assert np.dot(shares, values) == pytest.approx(best_of_k(values)[k - 1])
