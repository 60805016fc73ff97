import numpy as np
import pytest

from lrbench.errors import DataError
from lrbench.tasks.data.arrays import from_arrays
from lrbench.tasks.data.catalog import entry_of, prepare

FEATURES = np.arange(12.0).reshape(6, 2)
LABELS = np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize(
    ("inputs", "targets", "kind", "standardise", "vocab_size", "num_outputs"),
    [
        (FEATURES, LABELS, "classification", "features", None, 3),
        (FEATURES, LABELS / 2, "regression", "features", None, 1),
        (FEATURES, FEATURES, "regression", "features", None, 2),
        (FEATURES.astype(int), LABELS, "classification", "none", 12, 3),
        (
            FEATURES.astype(np.uint8).reshape(6, 1, 1, 2),
            LABELS,
            "classification",
            "pixels",
            None,
            3,
        ),
        (FEATURES > 3, LABELS, "classification", "features", None, 3),
        (FEATURES, LABELS == 1, "classification", "features", None, 2),
        (FEATURES.tolist(), LABELS.tolist(), "classification", "features", None, 3),
    ],
)
def test_the_kind_follows_from_dtypes_and_shapes(
    inputs, targets, kind, standardise, vocab_size, num_outputs
):
    source = from_arrays((inputs, targets))
    assert (source.kind, source.standardise) == (kind, standardise)
    assert (source.vocab_size, source.num_outputs) == (vocab_size, num_outputs)


def spoilt(array, sample, value):
    array = np.array(array, dtype=np.float64)
    array[sample] = value
    return array


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (FEATURES, "must return the pair"),
        ((FEATURES, LABELS, LABELS), "must return the pair"),
        ((FEATURES, LABELS[:5]), "got '6 inputs, 5 targets'"),
        ((FEATURES[:0], LABELS[:0]), "at least one sample of inputs"),
        ((FEATURES.astype(object), LABELS), "real or integer numbers, got 'dtype object'"),
        ((FEATURES, np.array(list("abcabc"))), "targets of real or integer numbers"),
        (([[1, 2], [3]], [0, 1]), "inputs of one shape"),
        ((spoilt(FEATURES, 4, np.nan), LABELS), "inputs that are finite in float32, and sample 4"),
        ((spoilt(FEATURES, 3, 1e300), LABELS), "sample 3 is not"),
        (
            (FEATURES, spoilt(LABELS, 2, -np.inf)),
            "targets that are finite in float32, and sample 2",
        ),
        ((FEATURES, LABELS + 1), "labels 0 to 2 for 3 classes, got '1, 2, 3'"),
        ((FEATURES, LABELS * 2), "labels 0 to 2 for 3 classes, got '0, 2, 4'"),
        ((FEATURES, LABELS - 1), "got '-1, 0, 1'"),
        ((FEATURES, LABELS[:, None]), r"integer targets of shape \(n,\)"),
        ((FEATURES, FEATURES[:, :, None]), r"real targets of shape"),
        ((FEATURES.astype(int) - 1, LABELS), "tokens from 0 upwards, got -1"),
        ((FEATURES[:, 0], LABELS), r"inputs of shape .* got \(6,\)"),
    ],
)
def test_arrays_that_cannot_be_data_are_refused(returned, says):
    with pytest.raises(DataError, match=says) as raised:
        from_arrays(returned)
    assert raised.value.problems[0].key == "_target_"


def moons(*, num_samples: int = 40, gap: float = 1.0):
    labels = np.arange(num_samples) % 2
    return np.stack([labels * gap, np.arange(num_samples) / 7], axis=1), labels


def test_a_users_function_is_prepared_like_any_dataset(cache_folder):
    prepared = prepare("moons", {"num_samples": 50, "val_fraction": 0.1}, builder=moons)
    assert [len(part) for part in (prepared.train, prepared.val, prepared.test)] == [35, 5, 10]
    assert prepared.train.inputs.dtype == np.float32
    assert prepared.provenance["name"] == "moons"
    assert not cache_folder.exists()


def test_the_settings_of_a_users_function_are_its_parameters_and_the_fractions():
    parameters = entry_of("moons", moons).parameters.parameters
    assert list(parameters) == ["num_samples", "gap", "val_fraction", "test_fraction"]
    assert parameters["num_samples"].annotation is int
