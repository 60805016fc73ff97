import numpy as np
import pytest

from lrbench.tasks.data.assemble import assemble
from lrbench.tasks.data.source import Source
from lrbench.tasks.data.splits import Parts

PARTS = Parts(np.arange(6), np.arange(6, 8), np.arange(8, 10))
DRAWS = np.random.Philox(key=1).random_raw(10 * 2 * 3 * 4) % 97 / 7.0


def prepared(inputs, targets, kind, standardise):
    return assemble(Source(inputs, targets, kind, standardise), PARTS, {})


def test_each_feature_has_mean_zero_and_deviation_one_over_the_training_part():
    inputs = DRAWS[:30].reshape(10, 3)
    result = prepared(inputs, np.arange(10) % 2, "classification", "features")
    assert result.train.inputs.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-6)
    assert result.train.inputs.std(axis=0) == pytest.approx(np.ones(3), rel=1e-6)
    seen = inputs[:6]
    expected = (inputs[9] - seen.mean(axis=0)) / seen.std(axis=0)
    assert result.test.inputs[1] == pytest.approx(expected, rel=1e-6)


def test_pixels_share_one_mean_and_deviation_for_each_channel():
    images = DRAWS.reshape(10, 2, 3, 4) * np.array([1.0, 50.0])[:, None, None]
    train = prepared(images, np.arange(10) % 2, "classification", "pixels").train.inputs
    assert train.mean(axis=(0, 2, 3)) == pytest.approx(np.zeros(2), abs=1e-6)
    assert train.std(axis=(0, 2, 3)) == pytest.approx(np.ones(2), rel=1e-6)
    assert abs(train[:, 0, 0, 0].mean()) > 1e-3


def test_a_constant_feature_is_centred_exactly_and_not_blown_up():
    inputs = np.stack([np.full(10, 0.1), np.arange(10.0)], axis=1)
    inputs[7, 0] = 0.6
    result = prepared(inputs, np.arange(10) % 2, "classification", "features")
    assert result.train.inputs[:, 0].tolist() == [0.0] * 6
    assert result.val.inputs[:, 0].tolist() == [0.0, 0.5]


def test_regression_targets_are_standardised_by_the_training_part():
    targets = DRAWS[:10, None] * 40
    result = prepared(DRAWS[:20].reshape(10, 2), targets, "regression", "none")
    assert result.train.targets.mean() == pytest.approx(0, abs=1e-6)
    assert result.train.targets.std() == pytest.approx(1, rel=1e-6)
    expected = (targets[6, 0] - targets[:6].mean()) / targets[:6].std()
    assert result.val.targets[0, 0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_held_out_samples_have_no_say_in_the_training_data(kind):
    inputs = DRAWS[:30].reshape(10, 3)
    targets = np.arange(10) % 2 if kind == "classification" else DRAWS[:10, None]
    disturbed = inputs.copy()
    disturbed[6:] += 1000.0
    before, after = (prepared(x, targets, kind, "features") for x in (inputs, disturbed))
    assert before.train.inputs.tobytes() == after.train.inputs.tobytes()
    assert np.array_equal(before.sample_digests, after.sample_digests)
    assert before.digest != after.digest
    assert before.split_digest == after.split_digest


def test_a_training_sample_does_have_a_say():
    inputs = DRAWS[:30].reshape(10, 3)
    disturbed = inputs.copy()
    disturbed[5] += 1.0
    before, after = (
        prepared(x, np.arange(10) % 2, "classification", "features") for x in (inputs, disturbed)
    )
    assert before.train.inputs[0].tobytes() != after.train.inputs[0].tobytes()


def test_samples_that_occur_in_two_parts_are_counted_in_words():
    inputs = np.arange(20.0).reshape(10, 2)
    inputs[6] = inputs[0]
    inputs[1] = inputs[0]
    inputs[9] = inputs[5]
    targets = np.zeros(10, dtype=np.int64)
    targets[9] = 1
    notices = prepared(inputs, targets, "classification", "none").notices
    assert notices == (
        "2 training inputs occur in validation as well",
        "1 training input occurs in test as well",
        "1 input occurs with different labels",
    )
