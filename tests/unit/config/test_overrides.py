from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.config import overrides
from lrbench.config.overrides import parse
from lrbench.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("optimizer.lr=0.1", "optimizer.lr", 0.1),
        ("optimizer.lr=1e-3", "optimizer.lr", 0.001),
        ("train.steps=10", "train.steps", 10),
        ("optimizer.nesterov=true", "optimizer.nesterov", True),
        ("note=null", "note", None),
        ("note='null'", "note", "null"),
        ("note='a, b'", "note", "a, b"),
        ("note=''", "note", ""),
        ('note="a=b"', "note", "a=b"),
        ("model.hidden=[64,'a']", "model.hidden", [64, "a"]),
        ("model.extra={a:1,b:[2]}", "model.extra", {"a": 1, "b": [2]}),
        ("schedule.warmup=20%", "schedule.warmup", "20%"),
        ("schedule.warmup=10ep", "schedule.warmup", "10ep"),
        ("model._target_=mypkg.nets:Net", "model._target_", "mypkg.nets:Net"),
        ("dataset.root=/tmp/x-y", "dataset.root", "/tmp/x-y"),
    ],
)
def test_one_override(text: str, key: str, value: Any) -> None:
    ((found,),) = parse([text])
    assert (found.key, found.value, found.text) == (key, value, text)
    assert type(found.value) is type(value)


def test_arms_are_every_combination_and_the_last_axis_is_fastest() -> None:
    arms = parse(["a=1,2", "b=x", "c=range(0,3)"], sweep=True)
    assert [[o.text for o in arm] for arm in arms] == [
        [f"a={a}", "b=x", f"c={c}"] for a in (1, 2) for c in (0, 1, 2)
    ]
    assert [arm[2].value for arm in arms] == [0, 1, 2] * 2


def test_the_elements_of_an_axis_keep_their_types() -> None:
    arms = parse(["a=1,1.5,'1',true,[1,2],null"], sweep=True)
    assert [arm[0].value for arm in arms] == [1, 1.5, "1", True, [1, 2], None]


def test_nothing_typed_is_one_arm() -> None:
    assert parse([]) == parse([], sweep=True) == [()]


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(["a", "+b=1", "~c", "d=1,2", "e=", "f=1", "f=2", "=3", "g=[1"])
    assert len(caught.value.problems) == 8


def test_more_arms_than_anyone_means_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overrides, "MOST_ARMS", 12)
    assert len(parse(["a=range(12)"], sweep=True)) == 12
    assert len(parse(["a=range(4)", "b=range(3)"], sweep=True)) == 12
    for texts in (["a=range(13)"], ["a=range(1000000000)"], ["a=range(4)", "b=range(4)"]):
        with pytest.raises(ConfigError, match="12"):
            parse(texts, sweep=True)


@given(st.text(max_size=12))
def test_whatever_is_typed_parses_or_is_refused(text: str) -> None:
    for words in (text, f"{text}=1", f"optimizer.lr={text}", f"a={text},{text}"):
        for sweep in (False, True):
            with suppress(ConfigError):
                assert all(len(arm) == 1 for arm in parse([words], sweep=sweep))
