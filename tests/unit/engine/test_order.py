"""Batches: every sample once an epoch, and a digest that sees contents and order."""

import hashlib

import numpy as np
import pytest
import torch

from lrbench.engine.order import BatchChain, BatchOrder
from lrbench.streams import Streams

CPU = torch.device("cpu")


def digests_of(size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (size, 32), dtype=np.uint8)


def epoch_of(order, number):
    steps = range(number * order.steps_per_epoch, (number + 1) * order.steps_per_epoch)
    return [order.batch(step)[0].tolist() for step in steps]


@pytest.mark.parametrize(("size", "batch_size"), [(10, 1), (10, 3), (10, 5), (10, 10), (7, 4)])
def test_an_epoch_has_no_sample_twice_and_leaves_out_only_the_remainder(size, batch_size):
    order = BatchOrder(Streams(0), digests_of(size), batch_size, CPU)
    assert order.steps_per_epoch == size // batch_size
    for number in range(5):
        batches = epoch_of(order, number)
        assert {len(batch) for batch in batches} == {batch_size}
        seen = [sample for batch in batches for sample in batch]
        assert len(set(seen)) == len(seen) == size - size % batch_size
        assert set(seen) <= set(range(size))


def test_epochs_differ_and_leave_out_different_samples():
    order = BatchOrder(Streams(0), digests_of(10), 4, CPU)
    epochs = [epoch_of(order, number) for number in range(30)]
    assert len({str(epoch) for epoch in epochs}) == 30
    left_out = {s for e in epochs for s in set(range(10)) - {x for b in e for x in b}}
    assert left_out == set(range(10))


def test_a_batch_is_a_function_of_the_step_alone():
    asked = BatchOrder(Streams(1), digests_of(20), 3, CPU)
    forward = [asked.batch(step) for step in range(40)]
    again = BatchOrder(Streams(1), digests_of(20), 3, CPU)
    for step in reversed(range(40)):
        indices, digest = again.batch(step)
        assert indices.tolist() == forward[step][0].tolist()
        assert digest == forward[step][1]


def test_the_order_is_the_permutation_of_the_order_stream():
    streams = Streams(5, {"order": 8})
    order = BatchOrder(streams, digests_of(12), 4, CPU)
    for number in range(3):
        wanted = Streams(8)("order", number).permutation(12).reshape(3, 4).tolist()
        assert epoch_of(order, number) == wanted


def test_a_batch_digest_is_sha256_over_its_samples_digests_in_order():
    samples = digests_of(12)
    order = BatchOrder(Streams(0), samples, 4, CPU)
    for step in range(7):
        indices, digest = order.batch(step)
        rows = b"".join(samples[index].tobytes() for index in indices.tolist())
        assert digest == hashlib.sha256(rows).digest()


def test_one_other_sample_changes_exactly_its_batches():
    samples = digests_of(12)
    changed = samples.copy()
    changed[5, 31] ^= 1
    ours, theirs = (BatchOrder(Streams(0), s, 4, CPU) for s in (samples, changed))
    for step in range(9):
        indices, digest = ours.batch(step)
        assert (digest == theirs.batch(step)[1]) is (5 not in indices.tolist())


def test_the_chain_covers_every_sealed_batch_and_their_order():
    a, b = b"a" * 32, b"b" * 32

    def chain(*digests):
        chain = BatchChain()
        for digest in digests:
            chain.add([digest])
        return str(chain)

    assert len({chain(), chain(a), chain(b), chain(a, b), chain(b, a), chain(a, a)}) == 6
    whole = BatchChain()
    whole.add([a, b])
    assert str(whole) == chain(a, b)
    first = hashlib.sha256(a).digest()
    assert str(whole) == hashlib.sha256(first + b).hexdigest()
    gone_on = BatchChain(chain(a))
    gone_on.add([b])
    assert str(gone_on) == str(whole)
