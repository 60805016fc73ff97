"""What a pilot says of the spread of differences, by hand and against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from lrbench.stats.pilot import spread_of
from lrbench.stats.power import sd_bound


def test_the_spread_is_pooled_over_pairs_with_the_freedom_of_one() -> None:
    draw = np.random.default_rng(0)
    values = {name: draw.normal(size=6) for name in "abc"}
    arms = {name: dict(enumerate(row.tolist())) for name, row in values.items()}
    found = spread_of(arms, [("a", "b"), ("a", "c")])
    assert found is not None
    sds = [np.std(values["a"] - values[other], ddof=1) for other in "bc"]
    assert [pair.sd for pair in found.pairs] == pytest.approx(sds)
    assert found.sd == pytest.approx((np.square(sds).mean()) ** 0.5)
    assert found.freedom == 5
    assert found.bound == pytest.approx(sd_bound(found.sd, 5))
    assert found.pairs[1].correlation == pytest.approx(np.corrcoef(values["a"], values["c"])[0, 1])


def test_only_seeds_that_both_have_are_paired_and_diverged_ones_are_counted() -> None:
    arms = {
        "a": {0: 1.0, 1: 2.0, 2: 4.0, 3: None, 9: 7.0},
        "b": {2: 1.0, 1: 1.5, 0: 0.5, 3: 1.0, 8: 3.0},
    }
    found = spread_of(arms, [("a", "b")])
    assert found is not None
    (pair,) = found.pairs
    assert (pair.n, pair.diverged) == (3, 1)
    assert pair.sd == pytest.approx(np.std([0.5, 0.5, 3.0], ddof=1))


def test_arms_that_say_nothing_of_a_spread_have_none() -> None:
    arms = {
        "a": {0: 1.0, 1: 2.0},
        "same": {0: 1.0, 1: 2.0},
        "other": {1: 1.0},
        "b": {0: 2.0, 1: 5.0},
    }
    assert spread_of(arms, [("a", "same"), ("a", "other")]) is None
    assert spread_of(arms, []) is None
    found = spread_of(arms, [("a", "same"), ("a", "b")])
    assert found is not None
    assert [pair.other for pair in found.pairs] == ["b"]
    assert found.pairs[0].correlation is None
