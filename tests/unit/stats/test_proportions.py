"""Intervals of probabilities cover what they say."""

from __future__ import annotations

from math import comb

import pytest

from lrbench.stats.proportions import clopper_pearson


@pytest.mark.parametrize(("count", "n"), [(1, 20), (7, 20), (19, 20), (3, 400)])
def test_at_each_bound_the_count_is_as_unlikely_as_the_level_says(count: int, n: int) -> None:
    low, high = clopper_pearson(count, n)

    def at_most(p: float, k: int) -> float:
        return sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))

    assert 1 - at_most(low, count - 1) == pytest.approx(0.025, rel=1e-9)
    assert at_most(high, count) == pytest.approx(0.025, rel=1e-9)


def test_never_and_always_have_one_sided_bounds() -> None:
    low, high = clopper_pearson(0, 59)
    assert low == 0.0
    assert (1 - high) ** 59 == pytest.approx(0.025, rel=1e-9)
    low, high = clopper_pearson(59, 59, level=0.9)
    assert high == 1.0
    assert low**59 == pytest.approx(0.05, rel=1e-9)
