"""Presets, names and hidden multipliers: what a policy is before anything is trained."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.restarts.policy import (
    PRESETS,
    is_full_reset,
    mismatch,
    policy_name,
    reset_counter,
    rewarm_steps,
)
from lrbench.spec.restart import RestartSpec

ADAM = (0.9, 0.999)


def hidden(betas=ADAM, **switches):
    return mismatch(RestartSpec(**switches), True, True, True, betas)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_preset_is_called_by_its_name(preset):
    name = "keep" if preset.name == "rewarm" else preset.name
    assert policy_name(RestartSpec(**preset.switches)) == name
    assert preset.sentence.endswith(".")
    assert "arXiv" in preset.sentence


def test_other_switches_are_told_in_words_and_the_length_of_rewarming_comes_last():
    assert policy_name(RestartSpec(rewarm=50)) == "rewarm=50"
    assert policy_name(RestartSpec(counter="reset", rewarm=7)) == "adam_rel+rewarm=7"
    spec = RestartSpec(momentum="reset", counter="keep", rewarm=5)
    assert policy_name(spec) == "momentum=reset+counter=keep+rewarm=5"
    assert policy_name(RestartSpec(momentum=0.5)) == "momentum=0.5"


def test_numbers_of_shrinking_are_told_only_where_they_do_something():
    assert policy_name(RestartSpec(shrink=0.3)) == "keep"
    spec = RestartSpec(weights="shrink_perturb", perturb=0.2)
    assert policy_name(spec) == "weights=shrink_perturb+shrink=0.4+perturb=0.2"


def test_what_the_states_are_called_is_no_part_of_the_policy():
    spec = RestartSpec(momentum="reset", state_names={"momentum": "buf"})
    assert policy_name(spec) == "reset_momentum"


@pytest.mark.parametrize(
    ("switches", "is_reset"),
    [
        ({}, False),
        ({"momentum": "reset"}, False),
        ({"first_moment": "reset"}, True),
        ({"second_moment": "reset"}, True),
        ({"second_moment": "reset", "counter": "keep"}, False),
        ({"first_moment": 0.5, "second_moment": "max"}, False),
        ({"counter": "reset"}, True),
    ],
)
def test_a_tied_counter_is_reset_with_any_moment_of_adam(switches, is_reset):
    assert reset_counter(RestartSpec(**switches)) is is_reset


def test_only_a_reset_of_all_with_the_counter_is_full():
    whole = PRESETS["full_reset"].switches
    assert is_full_reset(RestartSpec(**whole))
    assert is_full_reset(RestartSpec(**{**whole, "momentum": "delete"}))
    assert not is_full_reset(RestartSpec(**{**whole, "counter": "keep"}))
    assert not is_full_reset(RestartSpec(**{**whole, "first_moment": "keep"}))


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_no_preset_hides_a_multiplier(preset):
    assert hidden(**preset.switches) is None


BOTH = {"first_moment": "reset", "second_moment": "reset"}


@pytest.mark.parametrize(
    ("beta2", "multipliers"),
    [
        (0.999, "update 1 times 3.16, update 12 times 6.57"),
        (0.99, "update 1 times 1, update 13 times 2.13"),
        (0.95, "update 1 times 0.447"),
    ],
)
def test_zeroed_moments_with_a_kept_counter_are_named_with_their_multipliers(beta2, multipliers):
    told = hidden((0.9, beta2), **BOTH, counter="keep")
    assert told == f"first moment zeroed, second moment zeroed, counter kept: {multipliers}"


@pytest.mark.parametrize(
    ("switches", "factor"),
    [
        ({"first_moment": "reset", "counter": "keep"}, 0.1),
        ({"second_moment": "reset", "counter": "keep"}, 1 / math.sqrt(0.001)),
        # One zeroed, one not, and a counter that can be right for only one of them.
        ({"first_moment": "reset"}, math.sqrt(0.001)),
        ({"second_moment": "reset"}, 10.0),
        ({"first_moment": 0.5, "counter": "reset"}, 5.5 * math.sqrt(0.001)),
    ],
)
def test_the_multiplier_of_the_first_update_is_exact(switches, factor):
    assert f"update 1 times {factor:.3g}" in hidden(**switches)


@pytest.mark.parametrize(
    "switches",
    [
        {"counter": "reset"},
        {"counter": "reset", "weights": "rewind_best"},
        {"first_moment": 0.5},
        {"second_moment": "max"},
        {"momentum": "reset"},
        {"counter": "keep"},
    ],
)
def test_moments_and_counters_that_belong_together_hide_nothing(switches):
    assert hidden(**switches) is None


def test_what_the_optimizer_does_not_have_hides_nothing():
    spec = RestartSpec(**BOTH, counter="keep")
    assert mismatch(spec, False, False, False) is None
    assert mismatch(spec, True, True, False) is None
    assert mismatch(spec, False, True, True) == "second moment zeroed, counter kept"
    assert mismatch(RestartSpec(first_moment="reset"), True, False, True) is None


def test_a_largest_second_moment_has_no_multiplier_that_could_be_told():
    told = hidden(second_moment="max", counter="reset")
    assert told == "first moment kept, second moment at its largest, counter reset"


@given(
    first=st.sampled_from(["keep", "reset", 0.5]),
    second=st.sampled_from(["keep", "reset", "max", 0.5]),
    counter=st.sampled_from(["tied", "keep", "reset"]),
)
def test_one_of_two_moments_zeroed_is_always_named(first, second, counter):
    told = hidden(first_moment=first, second_moment=second, counter=counter)
    if (first == "reset") != (second == "reset"):
        assert told is not None
    if first == second == "reset":
        assert (told is None) == (counter != "keep")


@pytest.mark.parametrize(
    ("cycle", "beta2", "steps"),
    [
        (100_000, 0.999, 2000),
        (100_000, 0.95, 40),
        (100_000, 0.9, 20),
        (10_000, 0.999, 500),
        (10_000, None, 500),
        (7, 0.999, 1),
    ],
)
def test_rewarming_takes_as_long_as_the_second_moment_but_at_most_a_twentieth(cycle, beta2, steps):
    assert rewarm_steps(cycle, beta2) == steps
