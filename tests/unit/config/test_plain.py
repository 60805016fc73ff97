"""The composition without Hydra comes to the same as Hydra's, or leaves it to Hydra."""

from __future__ import annotations

from typing import Any

import pytest

from lrbench.config.compose import compose
from lrbench.config.composed import Composed
from lrbench.config.home import GROUPS, options
from lrbench.config.overrides import parse
from lrbench.config.plain import compose_plain, plain_arms
from lrbench.errors import ConfigError


def plainly(*texts: str) -> list[Composed | None] | None:
    arms = plain_arms(texts)
    return None if arms is None else [compose_plain(arm) for arm in arms]


def by_hydra(*texts: str) -> list[Composed]:
    return [compose(arm) for arm in parse(texts, sweep=True)]


def typed(value: Any) -> Any:
    """A value with the types in it: 1, 1.0 and true are different settings."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    return type(value).__name__, value


def alike(*texts: str) -> None:
    plain = plainly(*texts)
    assert plain is not None
    for ours, theirs in zip(plain, by_hydra(*texts), strict=True):
        assert ours is not None
        assert typed(ours.values) == typed(theirs.values)
        assert ours.origins == theirs.origins
        assert (ours.typed, ours.is_own) == (theirs.typed, theirs.is_own)


@pytest.mark.parametrize(
    "text",
    [
        f"{group}={option}"
        for group in GROUPS
        for option in options(group)
        if option != "torch_adapter"
    ],
)
def test_every_option_comes_to_the_same(text: str) -> None:
    alike(text)


VALUES = """
7 -3 0 0.5 -0.25 1e-3 2E+4 1.5e3 1000000 10ep 20% 2.5% true false null
word Two_words _a1 truely nanny ep e3
"""


@pytest.mark.parametrize("value", VALUES.split())
def test_every_plain_value_is_read_as_hydra_reads_it(value: str) -> None:
    alike(f"schedule.warmup={value}")


@pytest.mark.parametrize(
    "texts",
    [
        ("schedule=sgdr,cosine,wsd", "optimizer.lr=0.1,0.2", "train.steps=100"),
        ("train.epochs=3",),
        ("train.steps=9", "train.epochs=3"),
        ("seed=3", "note=hello"),
        ("schedule=sgdr", "schedule.first_cycle=10%", "schedule.cycle_mult=1.5"),
        ("optimizer.lr=0.01,1E0,2e-1", "seed=1,2"),
        (),
    ],
)
def test_several_overrides_come_to_the_same(texts: tuple[str, ...]) -> None:
    alike(*texts)


@pytest.mark.parametrize(
    "text",
    [
        "schedule=glob(*)",
        "schedule=python:mine:saw",
        "schedule=torch_adapter",
        "schedule=nope",
        "schedule.nope=1",
        "schedule.name=cosine",
        "schedule.warmup=[1,2]",
        "schedule.warmup='1'",
        "schedule.warmup=1-sqrt",
        "schedule.warmup=010",
        "schedule.warmup=1_000",
        "schedule.warmup=.5",
        "schedule.warmup=5.",
        "schedule.warmup=+5",
        "schedule.warmup=nan",
        "schedule.warmup=INF",
        "schedule.warmup=True",
        "schedule.warmup=1,1",
        "schedule.warmup=1,",
        "optimizer.lr=0.1,0.10",
        f"seed={','.join(map(str, range(10_001)))}",
        "schedule._target_=a.b",
        "train=3",
        "+schedule.new=1",
        "schedule.a.b=1",
        "cosine",
        "schedule.warmup = 3",
        "hydra.job=3",
    ],
)
def test_what_is_not_plain_is_left_to_hydra(text: str) -> None:
    plain = plainly(text)
    assert plain is None or None in plain


def test_a_key_given_twice_is_left_to_hydra_which_refuses_it() -> None:
    texts = ("optimizer.lr=1", "optimizer.lr=2")
    assert plainly(*texts) is None
    with pytest.raises(ConfigError, match="must be set once"):
        by_hydra(*texts)
