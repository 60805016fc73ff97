from __future__ import annotations

import pandas as pd
import pytest

from lrbench.errors import ConfigError
from lrbench.report.settings import (
    differing,
    differing_of,
    equal,
    flatten,
    header,
    label,
    parse_by,
    show,
)


def component(name, target=None, **params):
    return {"name": name, "target": target, "code": None, "params": params}


def spec(schedule, *, lr=0.1, dataset="digits", digest="aa", split=0, **params):
    data = {**component(dataset), "digest": digest}
    return {
        "dataset": data,
        "optimizer": {**component("sgd", momentum=0.9), "lr": lr},
        "schedule": component(schedule, **params),
        "seed": 3,
        "streams": {"split": split},
    }


def apart(*specs):
    flat = [flatten(one) for one in specs]
    keys = list(dict.fromkeys(key for one in flat for key in one))
    frame = pd.DataFrame({key: [one.get(key) for one in flat] for key in keys}, dtype=object)
    return differing(frame, keys), equal(frame, keys)


def test_settings_have_the_names_a_user_types():
    flat = flatten(spec("sgdr", first_cycle=20, milestones=[1, 2]))
    assert flat["schedule"] == "sgdr"
    assert flat["schedule.first_cycle"] == 20
    assert flat["schedule.milestones"] == "[1,2]"
    assert flat["optimizer.lr"] == 0.1
    assert "seed" not in flat


def test_a_setting_only_one_schedule_has_tells_no_arms_apart():
    differ, _ = apart(spec("constant"), spec("sgdr", first_cycle=20), spec("cosine", final=0.0))
    assert differ == ("schedule",)


def test_a_setting_two_arms_of_one_schedule_have_tells_them_apart():
    differ, same = apart(
        spec("constant"), spec("sgdr", first_cycle=20), spec("sgdr", first_cycle=9)
    )
    assert differ == ("schedule", "schedule.first_cycle")
    assert same["optimizer"] == "sgd"
    assert "schedule" not in same


def test_a_digest_does_not_repeat_what_the_name_says():
    differ, _ = apart(spec("sgdr", digest="aa"), spec("sgdr", dataset="wine", digest="bb"))
    assert differ == ("dataset",)


def test_a_digest_is_named_when_nothing_else_says_it():
    differ, _ = apart(spec("sgdr", digest="aa"), spec("sgdr", digest="bb"))
    assert differ == ("dataset.digest",)


def test_a_label_is_short_and_leaves_out_what_an_arm_has_not():
    settings = {"schedule": "sgdr", "optimizer.lr": 0.1, "schedule.first_cycle": None}
    assert label(settings) == "sgdr lr=0.1"


def test_headers_are_whole_keys_where_the_last_part_is_not_enough():
    keys = ["optimizer.lr", "model.width", "schedule.width"]
    assert [header(key, keys) for key in keys] == ["lr", "model.width", "schedule.width"]


def test_values_are_shown_as_typed_and_inert():
    assert show("model.bias", True) == "true"
    assert show("model.bias", None) == "-"
    assert "\x1b" not in show("model.note", "\x1b[2J")


def test_by_takes_the_names_a_user_types():
    assert parse_by("schedule.name, optimizer.lr,schedule", ["schedule", "optimizer.lr"]) == (
        "schedule",
        "optimizer.lr",
    )


def test_an_unknown_key_is_answered_with_the_nearest_and_those_that_differ():
    known = ["schedule", "optimizer.lr", *(f"model.a{k}" for k in range(50))]
    with pytest.raises(ConfigError) as caught:
        parse_by("optimizer.lrr,seed", known, apart=("schedule", "optimizer.lr"))
    first, second = caught.value.problems
    assert first.remedy == "--by optimizer.lr"
    assert "differing: schedule, optimizer.lr; 50 more" in first.relation
    assert "model" not in first.relation
    assert "seed" in second.relation


def test_what_only_one_engine_has_goes_with_the_engine():
    loop = {"compute.engine": "loop", "compute.profile": "native"}
    lanes = {"compute.engine": "lanes", "compute.profile": "strict", "compute.lanes": 16}
    keys = ["compute.engine", "compute.profile", "compute.lanes"]
    assert differing_of([loop, lanes], keys) == ("compute.engine",)
    assert differing_of([loop, lanes, lanes | {"compute.lanes": 8}], keys) == (
        "compute.engine",
        "compute.lanes",
    )
