"""What differs between settings and environments, by the keys a user knows."""

from __future__ import annotations

from typing import Any

import pytest

from lrbench.record.comparison.changes import Change, differing_environment, differing_settings


def spec(**changes: Any) -> dict[str, Any]:
    return {
        "schedule": {"name": "sgdr", "target": None, "code": None, "params": {"first_cycle": 5}},
        "optimizer": {
            "name": "sgd",
            "lr": 0.1,
            "params": {"momentum": 0.9, "name": "x"},
            "momentum_schedule": {"name": "cosine", "params": {"decay": 4}},
        },
        "train": {"steps": 12},
        "seed": 0,
    } | changes


def manifest(**changes: Any) -> dict[str, Any]:
    return {
        "run_id": "x",
        "profile": {"torch": "2.6", "switches": {"threads": {"asked": 1}}, "digest": "a"},
        "environment": {
            "packages": {"numpy": "2.0", "torch": "2.6"},
            "python": "3.11.2",
            "os": "Linux",
            "cpu": {"model_name": "EPYC"},
            "git": {"commit": "c0", "branch": "main", "dirty": False, "diff": None},
        }
        | changes,
    }


def test_equal_settings_do_not_differ() -> None:
    assert differing_settings(spec(), spec()) == ()


def test_settings_have_the_keys_that_are_typed() -> None:
    other = spec(seed=1, train={"steps": 20})
    other["schedule"]["params"] = {"first_cycle": 6}
    other["optimizer"]["lr"] = 0.2
    other["optimizer"]["params"]["name"] = "y"
    other["optimizer"]["momentum_schedule"]["params"]["decay"] = 5
    assert differing_settings(spec(), other) == (
        Change("schedule.first_cycle", 5, 6),
        Change("optimizer.lr", 0.1, 0.2),
        Change("optimizer.momentum_schedule.decay", 4, 5),
        Change("optimizer.name", "x", "y"),
        Change("train.steps", 12, 20),
        Change("seed", 0, 1),
    )


def test_another_component_is_its_name_and_what_only_one_has() -> None:
    other = spec()
    other["schedule"] = {"name": "step", "target": "a:b", "code": None, "params": {"every": 3}}
    assert differing_settings(spec(), other) == (
        Change("schedule", "sgdr", "step"),
        Change("schedule._target_", None, "a:b"),
        Change("schedule.first_cycle", 5, None),
        Change("schedule.every", None, 3),
    )


def test_a_setting_that_was_not_there_before_is_the_same_as_null() -> None:
    other = spec()
    other["optimizer"]["weight_decay_schedule"] = None
    assert differing_settings(spec(), other) == ()


@pytest.mark.parametrize("other", [12.0, True, "12", [12]])
def test_values_that_python_takes_for_equal_or_alike_differ(other: Any) -> None:
    first = spec(train={"steps": 1 if other is True else 12})
    (change,) = differing_settings(first, spec(train={"steps": other}))
    assert change.other is other


def test_the_profile_goes_in_front_and_its_digest_is_no_fact() -> None:
    other = manifest(python="3.12.0", os="macOS", packages={"numpy": "2.1", "zstd": "1"})
    other["profile"] = {"torch": "2.7", "switches": {"threads": {"asked": 2}}, "digest": "b"}
    assert differing_environment(manifest(), other) == (
        Change("profile.torch", "2.6", "2.7"),
        Change("profile.switches.threads.asked", 1, 2),
        Change("python", "3.11.2", "3.12.0"),
        Change("packages.numpy", "2.0", "2.1"),
        Change("packages.torch", "2.6", None),
        Change("packages.zstd", None, "1"),
        Change("os", "Linux", "macOS"),
    )
    assert differing_environment(manifest(), manifest()) == ()


def test_of_git_the_commit_counts_and_not_the_branch() -> None:
    git = {"commit": "c1", "branch": "other", "dirty": False, "diff": "- a\n+ b"}
    assert differing_environment(manifest(), manifest(git=git)) == (
        Change("git.commit", "c0", "c1"),
    )
    (gone, clean) = differing_environment(manifest(), manifest(git=None))
    assert (gone, clean) == (
        Change("git.commit", "c0", None),
        Change("git.dirty", False, None),
    )


@pytest.mark.parametrize("odd", [{}, {"profile": [1], "environment": "x"}, {"environment": None}])
def test_facts_that_are_not_there_are_none(odd: dict[str, Any]) -> None:
    changes = differing_environment(manifest(), odd)
    assert {change.other for change in changes} == {None}
    assert len(changes) == 9
