"""Whatever a crash leaves of a record, the run goes on from it to the same bytes."""

from __future__ import annotations

import pytest

from faults import crash

pytestmark = pytest.mark.slow

STORIES = ("fresh", "brief", "resumed", "forced")
FEW = 11
"""Ordinarily one in so many states of a power failure is looked at, another one in each story."""


def every_state(model, story, share=1, begin=0):
    return crash.different(model(story))[begin::share]


@pytest.mark.parametrize("story", STORIES)
def test_a_run_that_is_killed_between_or_in_any_operations_goes_on_to_the_same_bytes(
    story, stories, resolved_stub, golden_stub, scratch
):
    states = every_state(crash.killed, stories[story])
    bad = crash.first_bad(states, resolved_stub, golden_stub, scratch / "state")
    assert bad is None, f"one of {len(states)} states: {bad}"
    assert len(states) > 30


@pytest.mark.parametrize("share", [FEW, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("story", STORIES)
def test_a_power_failure_at_any_moment_costs_no_more_than_the_work_since_the_last_checkpoint(
    story, share, stories, resolved_stub, golden_stub, scratch
):
    begin = STORIES.index(story) % share
    states = every_state(crash.powerless, stories[story], share, begin)
    bad = crash.first_bad(states, resolved_stub, golden_stub, scratch / "state")
    assert bad is None, f"one of {len(states)} states: {bad}"
    assert len(states) > 300 / share


@pytest.mark.parametrize("share", [FEW, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("story", ["fresh", "resumed"])
def test_a_disk_that_only_says_it_has_synced_costs_work_but_never_the_right_bytes(
    story, share, stories, resolved_stub, golden_stub, scratch
):
    states = every_state(crash.dishonest, stories[story], share)
    bad = crash.first_bad(states, resolved_stub, golden_stub, scratch / "state", is_trusted=False)
    assert bad is None, f"one of {len(states)} states: {bad}"
    assert len(states) > 300 / share
