from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.errors import ConfigError
from lrbench.spec.durations import is_duration, resolve, to_steps


@pytest.mark.parametrize("value", [0, 300, -3, "10ep", "2.5ep", "20%", "0.5%", "0ep"])
def test_the_three_forms_are_durations(value: Any) -> None:
    assert is_duration(value)


@pytest.mark.parametrize(
    "value",
    [
        True, None, 2.5, "", "ep", "%", "10", "-1ep", "1e3ep", " 1ep", "1ep ", "1 ep", "10epp",
        "1.ep", ".5ep", "nan%", "1_0ep", "١ep", "1,5%", "9" * 13 + "ep", [3], {"ep": 3}, "1ep\n",
    ],
)  # fmt: skip
def test_nothing_else_is(value: Any) -> None:
    assert not is_duration(value)
    if not isinstance(value, list | dict):
        with pytest.raises(ConfigError, match="key must be whole updates"):
            to_steps(value, steps_per_epoch=10, total_steps=100, key="key")


@given(
    number=st.decimals(min_value="0.01", max_value=1000, places=2),
    per_epoch=st.integers(1, 5000),
    total=st.integers(1, 10**6),
)
def test_lengths_are_rounded_once_and_halves_up(
    number: Decimal, per_epoch: int, total: int
) -> None:
    for text, exact in (
        (f"{number}ep", number * per_epoch),
        (f"{number}%", number * total / 100),
    ):
        nearest = int(exact + Decimal("0.5"))
        if nearest == 0:
            with pytest.raises(ConfigError, match="at least one update"):
                to_steps(text, steps_per_epoch=per_epoch, total_steps=total, key="key")
        else:
            found = to_steps(text, steps_per_epoch=per_epoch, total_steps=total, key="key")
            assert found == nearest


def test_halves_are_rounded_up_and_not_to_even() -> None:
    def steps(text: str) -> int:
        return to_steps(text, steps_per_epoch=1, total_steps=50, key="key")

    assert [steps(text) for text in ("1%", "3%", "5%", "2.5ep", "3.5ep")] == [1, 2, 3, 3, 4]


def test_a_part_of_nothing_is_no_length() -> None:
    with pytest.raises(ConfigError, match="key must be whole updates"):
        to_steps("20%", steps_per_epoch=10, total_steps=None, key="key")


def test_only_the_lengths_among_settings_are_resolved() -> None:
    settings = {"milestones": ["50%", "2ep", 7], "decay": None, "gamma": 0.1, "form": "10%"}
    found = resolve(settings, {"milestones", "decay"}, steps_per_epoch=10, total_steps=100)
    assert found == {"milestones": [50, 20, 7], "decay": None, "gamma": 0.1, "form": "10%"}
