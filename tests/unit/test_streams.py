"""Random numbers: the scheme stands still, and no two purposes share a number."""

import hashlib
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lrbench.streams import PURPOSES, SCHEME, Stream, Streams, stream

unhurried = settings(deadline=None)  # a busy machine is no failure

FROZEN = {
    (0, "init", ("output.weight",)): [
        15834210598710195607,
        15782159662094097972,
        11312482592595152629,
    ],
    (0, "order", (0,)): [17099284393335361974, 7972031743415393809, 12315127423141028961],
    (0, "order", (1,)): [10757148224699425779, 17303532050943776869, 18435523484883582778],
    (42, "noise", ("two_spirals", "jitter")): [
        641221552592248318,
        3654507482215685384,
        4122479556263558163,
    ],
    (2**63 - 1, "dropout", (7,)): [
        17580865174509748229,
        11703365417763636150,
        17267318006263762719,
    ],
}
FROZEN_TORCH_SEED = 3616314865
FROZEN_UNIFORM = ["0x1.a99f0e1677ba8p-3", "0x1.eb4c539c24190p-1"]
FROZEN_NORMAL = ["0x1.01e3951f85971p-1", "-0x1.00a683f0ac8d2p+1", "-0x1.d7bfc4e8e2723p-2"]
FROZEN_PERMUTATION = [4, 0, 3, 7, 5, 2, 1, 6]


@pytest.mark.parametrize("key", FROZEN, ids=str)
def test_the_scheme_draws_the_numbers_it_always_drew(key):
    root, purpose, counters = key
    assert SCHEME == "lrbench/stream/v1"
    assert stream(root, purpose, *counters).raw(3).tolist() == FROZEN[key]


def test_everything_made_from_the_raw_numbers_stands_still_too():
    drawn = stream(5, "bootstrap", "figure")
    assert drawn.torch_seed == FROZEN_TORCH_SEED
    assert [x.hex() for x in drawn.uniform(2).tolist()] == FROZEN_UNIFORM
    assert [x.hex() for x in drawn.normal(3).tolist()] == FROZEN_NORMAL
    assert drawn.permutation(8).tolist() == FROZEN_PERMUTATION


def test_every_purpose_seed_and_counter_has_numbers_of_its_own():
    keys = [
        (root, purpose, counters)
        for root in (0, 1, 2**32, 2**32 + 1, 2**62)
        for purpose in PURPOSES
        for counters in ((), (0,), (1,), ("1",), (1, 1), (11,), ("1/1",), ("1", "1"), (-1,))
    ]
    drawn = [stream(*key[:2], *key[2]) for key in keys]
    assert len({s.key for s in drawn}) == len(keys)
    assert len({tuple(s.raw(2).tolist()) for s in drawn}) == len(keys)
    assert len({s.torch_seed for s in drawn}) == len(keys)


def test_numbers_of_two_purposes_are_not_correlated():
    size = 4096
    drawn = np.array([stream(3, purpose, 0).uniform(size) for purpose in PURPOSES])
    correlations = np.corrcoef(drawn)[np.triu_indices(len(PURPOSES), 1)]
    assert abs(correlations).max() < 4 / math.sqrt(size)  # 21 pairs, four standard errors each


@unhurried
@given(root=st.integers(0, 2**63 - 1))
def test_a_seed_and_its_neighbour_2_to_the_32_away_differ(root):
    far = root + 2**32
    assert stream(root, "dropout", 3).torch_seed != stream(far, "dropout", 3).torch_seed
    assert stream(root, "order", 3).raw(4).tolist() != stream(far, "order", 3).raw(4).tolist()


@unhurried
@given(short=st.integers(0, 50), longer=st.integers(0, 50))
def test_fewer_numbers_are_the_first_of_more(short, longer):
    drawn = stream(9, "split")
    whole = short + longer
    assert drawn.raw(whole)[:short].tolist() == drawn.raw(short).tolist()
    assert drawn.uniform(whole)[:short].tolist() == drawn.uniform(short).tolist()


def test_drawing_leaves_no_trace_in_the_next_draw():
    drawn = stream(1, "noise")
    first = drawn.raw(5).tolist()
    drawn.normal(100)
    drawn.permutation(100)
    assert drawn.raw(5).tolist() == first


@unhurried
@given(size=st.integers(0, 300), root=st.integers(0, 10))
def test_a_permutation_has_every_number_once(size, root):
    order = stream(root, "order", 0).permutation(size)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(size))


def test_every_number_is_equally_likely_at_every_position():
    size, rounds = 6, 3000
    counts = np.zeros((size, size))
    for epoch in range(rounds):
        counts[np.arange(size), stream(0, "order", epoch).permutation(size)] += 1
    expected = rounds / size
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert stats.chi2.sf(statistic, (size - 1) ** 2) > 1e-3


def test_permutations_reach_every_order_equally_often():
    rounds = 2400
    seen: dict[tuple[int, ...], int] = {}
    for epoch in range(rounds):
        order = tuple(stream(1, "order", epoch).permutation(4).tolist())
        seen[order] = seen.get(order, 0) + 1
    assert len(seen) == 24
    assert stats.chisquare(list(seen.values())).pvalue > 1e-3


def test_uniform_numbers_fill_0_to_1_evenly_and_never_reach_1():
    drawn = stream(0, "bootstrap").uniform(100_000)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert stats.kstest(drawn, "uniform").pvalue > 1e-3
    assert np.array_equal(drawn * 2.0**53, np.floor(drawn * 2.0**53))


def test_the_largest_raw_number_stays_below_1(monkeypatch):
    monkeypatch.setattr(Stream, "raw", lambda self, size: np.full(size, 2**64 - 1, np.uint64))
    assert Stream(0).uniform(1)[0] == 1 - 2.0**-53
    assert np.isfinite(Stream(0).normal(2)).all()
    monkeypatch.setattr(Stream, "raw", lambda self, size: np.zeros(size, np.uint64))
    assert Stream(0).uniform(1)[0] == 0
    assert Stream(0).normal(2).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("size", [100_000, 100_001])
def test_normal_numbers_have_the_moments_of_the_normal_law(size):
    drawn = stream(0, "noise").normal(size)
    assert len(drawn) == size
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        error = math.sqrt(variance / size)
        assert abs((drawn**power).mean() - moment) < 4 * error, power
    assert stats.kstest(drawn, "norm").pvalue > 1e-3
    # Box and Muller make two numbers of each pair: they lie in different halves.
    half = size // 2
    assert abs(np.corrcoef(drawn[:half], drawn[half : 2 * half])[0, 1]) < 4 / math.sqrt(half)


def test_normal_numbers_are_those_of_box_and_muller_as_the_mathematics_has_them():
    drawn = stream(2, "noise")
    first, second = np.split(drawn.uniform(2000), 2)
    for i, (u, v) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        radius = math.sqrt(-2 * math.log1p(-u))
        # Both round a few times, so they agree to a few units in the last place of the radius.
        bound = 1e-15 * max(radius, 1) * 8
        assert abs(drawn.normal(2000)[i] - radius * math.cos(2 * math.pi * v)) < bound
        assert abs(drawn.normal(2000)[1000 + i] - radius * math.sin(2 * math.pi * v)) < bound


def test_a_processor_without_avx_draws_the_same_bits():
    script = (
        "from lrbench.streams import stream; import hashlib; s = stream(0, 'noise');"
        "print(hashlib.sha256(s.normal(20_001).tobytes() + s.permutation(9).tobytes()).hexdigest())"
    )
    drawn = stream(0, "noise")
    here = hashlib.sha256(drawn.normal(20_001).tobytes() + drawn.permutation(9).tobytes())
    # Names this numpy was not built with are ignored with a warning.
    features = "AVX512F AVX512CD AVX512_SKX AVX512_ICL AVX512_SPR X86_V4 X86_V3 AVX2 FMA3"
    environment = os.environ | {"NPY_DISABLE_CPU_FEATURES": features}
    there = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.strip() == here.hexdigest()


def test_a_pinned_purpose_draws_from_its_own_root_and_the_others_do_not():
    free, pinned = Streams(4), Streams(4, {"order": 9})
    assert pinned("order", 2) == stream(9, "order", 2)
    assert pinned.root_of("order") == 9
    for purpose in PURPOSES:
        if purpose != "order":
            assert pinned(purpose, 2) == free(purpose, 2) == stream(4, purpose, 2)


def test_a_purpose_pinned_to_0_does_not_follow_the_seed():
    assert Streams(4, {"init": 0})("init") == stream(0, "init") != stream(4, "init")
