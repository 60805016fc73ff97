import hashlib
import struct

import numpy as np
import pytest

from lrbench.tasks.data.fingerprint import row_digests, whole_digest


def test_a_samples_digest_is_sha256_of_its_input_bytes_and_then_its_target_bytes():
    inputs = np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32)
    digests = row_digests(inputs, np.array([7, 8]))
    assert digests.shape == (2, 32)
    expected = hashlib.sha256(struct.pack("<ffq", 3.0, 4.0, 8)).digest()
    assert digests[1].tobytes() == expected


def test_memory_layout_and_byte_order_do_not_change_a_digest():
    inputs = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    strange = np.asfortranarray(inputs).astype(">f4")
    assert np.array_equal(row_digests(inputs), row_digests(strange))
    assert whole_digest("x", [inputs]) == whole_digest("x", [strange])


def test_one_changed_value_changes_its_own_sample_digest_alone():
    inputs = np.arange(12, dtype=np.float32).reshape(4, 3)
    changed = inputs.copy()
    changed[2, 1] = np.nextafter(changed[2, 1], np.float32(99))
    differs = (row_digests(inputs) != row_digests(changed)).any(axis=1)
    assert differs.tolist() == [False, False, True, False]


BASE = np.arange(6, dtype=np.int64).reshape(3, 2)


@pytest.mark.parametrize(
    ("about", "arrays"),
    [
        ("regression", [BASE]),
        ("classification", [BASE[::-1]]),
        ("classification", [BASE.reshape(2, 3)]),
        ("classification", [BASE.view(np.uint64)]),
        ("classification", [BASE[:2], BASE[2:]]),
        ("classification", [BASE ^ 1]),
        ("classification", [BASE, BASE[:0]]),
    ],
    ids=["kind", "order", "shape", "dtype", "division", "bits", "empty array"],
)
def test_a_whole_digest_changes_with(about, arrays):
    assert whole_digest("classification", [BASE]) != whole_digest(about, arrays)
