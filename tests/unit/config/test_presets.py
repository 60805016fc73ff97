"""Sweeps that have a name: what they are made of, and how what is typed wins over it."""

from __future__ import annotations

from collections import Counter

import pytest

from lrbench.config.compose import compose
from lrbench.config.presets import preset, presets
from lrbench.config.resolve import resolve_run
from lrbench.errors import ConfigError


def test_a_preset_is_called_as_its_file_with_hyphens():
    assert "noisy-digits" in presets()
    assert preset("noisy-digits").path.stem == "noisy_digits"


def test_a_name_that_is_none_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="--preset noisy-digits"):
        preset("noisy-digit")


def test_noisy_digits_is_eleven_schedules_at_five_rates():
    arms = preset("noisy-digits").arms()
    assert len(arms) == 55
    rates = Counter(o.value for arm in arms for o in arm if o.key == "optimizer.lr")
    assert rates == dict.fromkeys((0.01, 0.03, 0.06, 0.12, 0.25), 11)
    assert preset("noisy-digits").seeds == "16"


def test_noisy_digits_comes_to_the_sizes_it_states():
    arm = preset("noisy-digits").arms(["schedule=constant", "optimizer.lr=0.03"])[0]
    run = resolve_run(compose(arm, None))
    assert run.spec.total_steps == 312
    assert run.spec.dataset.params["label_noise"] == 0.15
    assert "150 of 1000 training labels" in " ".join(run.notices)


def test_what_is_typed_replaces_the_presets_own():
    one = preset("noisy-digits")
    arms = one.arms(["optimizer.lr=0.5", "train.steps=10"])
    assert len(arms) == 11
    for arm in arms:
        settings = {o.key: o.value for o in arm}
        assert (settings["optimizer.lr"], settings["train.steps"]) == (0.5, 10)
        assert sum(o.key == "optimizer.lr" for o in arm) == 1


def test_a_schedule_that_is_typed_replaces_all_of_them():
    arms = preset("noisy-digits").arms(["schedule=rex,linear", "optimizer.lr=0.1"])
    assert [arm[-2].text for arm in arms] == ["schedule=rex", "schedule=linear"]


def test_what_is_typed_is_checked():
    with pytest.raises(ConfigError, match=r"optimizer\.lr"):
        preset("noisy-digits").arms(["optimizer.lr="])
