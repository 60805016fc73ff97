"""Wrong labels on purpose: as many as were asked for, in training alone, the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.config.compose import compose
from lrbench.config.overrides import parse
from lrbench.config.resolve import resolve_run
from lrbench.errors import ConfigError
from lrbench.tasks.data.catalog import prepare
from lrbench.tasks.data.noise import relabelled
from lrbench.tasks.data.source import Source


def source(n: int = 600, classes: int = 10) -> Source:
    targets = np.arange(n) % classes
    return Source(np.arange(2.0 * n).reshape(n, 2), targets, "classification", "none")


@given(share=st.floats(0, 0.99), root=st.integers(0, 2**32), classes=st.integers(2, 12))
def test_exactly_so_many_training_labels_are_wrong_and_no_other_is(share, root, classes):
    whole, train = source(240, classes), np.arange(0, 240, 3)
    noisy = relabelled(whole, train, root, label_noise=share)
    changed = np.flatnonzero(noisy != whole.targets)
    assert abs(len(changed) - share * len(train)) <= 0.5 + 1e-9
    assert set(changed) <= set(train)
    assert set(noisy) <= set(range(classes))


def test_every_other_class_is_as_likely():
    whole = source(60_000)
    noisy = relabelled(whole, np.arange(60_000), 3, label_noise=0.9)
    shift = (noisy - whole.targets) % 10
    counts = np.bincount(shift[shift > 0], minlength=10)[1:]
    # Nine equal counts: chi-squared with 8 degrees of freedom, 99.9 % below 26.1.
    expected = counts.sum() / 9
    assert ((counts - expected) ** 2 / expected).sum() < 26.1


def test_which_labels_are_wrong_follows_the_root_and_not_the_share():
    whole, train = source(), np.arange(600)
    few, more = (
        set(np.flatnonzero(relabelled(whole, train, 0, label_noise=share) != whole.targets))
        for share in (0.1, 0.2)
    )
    other = set(np.flatnonzero(relabelled(whole, train, 1, label_noise=0.1) != whole.targets))
    assert few < more
    assert len(few & other) < 30


def test_the_source_stays_as_it_is():
    whole = source()
    relabelled(whole, np.arange(600), 0, label_noise=0.5)
    assert (whole.targets == np.arange(600) % 10).all()


def test_only_training_labels_change_and_the_digest_says_so():
    clean = prepare("wine", {})
    noisy = prepare("wine", {"label_noise": 0.2})
    assert (noisy.train.targets != clean.train.targets).sum() == round(0.2 * len(clean.train))
    for part in ("val", "test"):
        ours, theirs = getattr(noisy, part), getattr(clean, part)
        assert (ours.targets == theirs.targets).all()
        assert (ours.inputs == theirs.inputs).all()
    assert (noisy.train.inputs == clean.train.inputs).all()
    assert noisy.split_digest == clean.split_digest
    assert noisy.digest != clean.digest
    wrong = round(0.2 * len(clean.train))
    assert noisy.provenance["label_noise"] == {"part": "train", "wrong_labels": wrong}
    assert f"{wrong} of {len(clean.train)} training labels are wrong on purpose" in " ".join(
        noisy.notices
    )


def test_what_is_kept_on_disk_has_its_noise():
    from lrbench.tasks.data import catalog

    noisy = prepare("wine", {"label_noise": 0.2})
    catalog.forget()
    again = prepare("wine", {"label_noise": 0.2})
    assert again is not noisy
    assert again.digest == noisy.digest
    assert (again.train.targets == noisy.train.targets).all()


def resolved(*overrides: str):
    (arm,) = parse(["dataset=wine", "model=linear", "train.steps=5", *overrides])
    return resolve_run(compose(arm, None))


def test_a_run_without_noise_is_the_same_run_as_before_there_could_be_any():
    plain = resolved().spec
    assert "label_noise" not in plain.dataset.params
    assert resolved("dataset.label_noise=0").spec.digest == plain.digest
    noisy = resolved("dataset.label_noise=0.1").spec
    assert noisy.dataset.params["label_noise"] == 0.1
    assert noisy.digest != plain.digest


@pytest.mark.parametrize("value", ["1", "-0.1", "nan", "x"])
def test_a_share_that_is_none_is_refused(value):
    with pytest.raises(ConfigError, match=r"dataset\.label_noise"):
        resolved(f"dataset.label_noise={value}")


def test_a_regression_has_no_labels_to_make_wrong():
    (arm,) = parse(["dataset=diabetes", "dataset.label_noise=0.1"])
    with pytest.raises(ConfigError, match="label_noise"):
        compose(arm, None)
