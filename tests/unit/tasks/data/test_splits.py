import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.errors import DataError
from lrbench.tasks.data.source import Source
from lrbench.tasks.data.splits import divide


def classes_of(sizes):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return Source(np.arange(len(labels), dtype=float)[:, None], labels, "classification", "none")


@given(
    sizes=st.lists(st.integers(3, 40), min_size=1, max_size=8),
    val=st.sampled_from([0.1, 0.2, 0.45]),
    test=st.sampled_from([0.1, 0.2, 0.45]),
    root=st.integers(0, 5),
)
def test_parts_are_disjoint_and_cover_every_sample_once(sizes, val, test, root):
    source = classes_of([size + 20 for size in sizes])
    parts = divide(source, root, val_fraction=val, test_fraction=test)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(source)))


# From four samples up, so that a quarter is a sample at least and no class needs a favour.
@given(sizes=st.lists(st.integers(4, 40), min_size=2, max_size=8))
def test_each_class_is_divided_in_proportion_to_within_one_sample(sizes):
    source = classes_of(sizes)
    parts = divide(source, 0, val_fraction=0.25, test_fraction=0.25)
    for part in (parts.val, parts.test):
        counts = np.bincount(source.targets[part], minlength=len(sizes))
        assert np.all(np.abs(counts - np.array(sizes) / 4) < 1)
        assert abs(len(part) - sum(sizes) / 4) <= 0.5


def test_a_tenth_of_ten_is_one_of_each_class_and_not_what_floats_make_of_it():
    parts = divide(classes_of([10, 10, 10]), 0, val_fraction=0.3, test_fraction=0.1)
    assert [len(part) for part in parts] == [18, 9, 3]


def test_left_over_seats_go_to_the_largest_remainders():
    # Quotas of a fifth: 2.8, 1.2, 1.0. The one seat beyond 2, 1, 1 belongs to the first class.
    source = classes_of([14, 6, 5])
    parts = divide(source, 0, val_fraction=0.2, test_fraction=0.2)
    assert np.bincount(source.targets[parts.test]).tolist() == [3, 1, 1]
    assert np.bincount(source.targets[parts.val]).tolist() == [3, 1, 1]


def test_a_class_of_three_is_in_every_part_though_its_share_is_less_than_one():
    source = classes_of([200, 3])
    parts = divide(source, 0, val_fraction=0.1, test_fraction=0.1)
    counts = [np.bincount(source.targets[part]).tolist() for part in parts]
    assert counts == [[162, 1], [19, 1], [19, 1]]


def test_a_class_of_one_is_trained_on():
    source = classes_of([50, 1])
    assert 1 in source.targets[divide(source, 0).train]


def test_another_root_gives_another_split_of_the_same_sizes():
    source = classes_of([50, 30])
    first, again, other = divide(source, 0), divide(source, 0), divide(source, 1)
    assert first.val.tolist() == again.val.tolist() != other.val.tolist()
    assert [len(part) for part in first] == [len(part) for part in other]


def test_the_split_follows_the_samples_and_not_only_their_number():
    source = classes_of([50, 30])
    changed = Source(source.inputs + 1, source.targets, "classification", "none")
    assert divide(source, 0).val.tolist() != divide(changed, 0).val.tolist()


def test_a_regression_is_divided_in_exact_fractions():
    source = Source(np.arange(10.0)[:, None], np.arange(10.0)[:, None], "regression", "none")
    assert [len(part) for part in divide(source, 3)] == [6, 2, 2]


def test_a_fixed_test_part_is_left_alone_and_the_rest_divided():
    whole = classes_of([40, 40])
    fixed = np.arange(30, 50)
    source = Source(whole.inputs, whole.targets, "classification", "none", parts={"test": fixed})
    parts = divide(source, 0, val_fraction=0.5, test_fraction=0.4)
    assert parts.test.tolist() == fixed.tolist()
    assert np.bincount(source.targets[parts.val]).tolist() == [15, 15]
    assert not set(fixed.tolist()) & set(np.concatenate([parts.train, parts.val]).tolist())


def test_fractions_that_leave_nothing_to_train_on_are_refused():
    with pytest.raises(DataError, match=r"val_fraction must leave a share .* \(0\.5\), got 0\.5"):
        divide(classes_of([9, 9]), 0, val_fraction=0.5, test_fraction=0.5)


@pytest.mark.parametrize(("sizes", "part"), [([2], "val"), ([1, 1], "val"), ([2, 1], "val")])
def test_an_empty_part_is_refused_by_name(sizes, part):
    with pytest.raises(DataError, match=f"with {sum(sizes)} samples the {part} part is"):
        divide(classes_of(sizes), 0)
