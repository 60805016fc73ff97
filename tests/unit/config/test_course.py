"""The learning rate as far as it is known before a run: triggers, cycles and re-warming."""

from __future__ import annotations

from typing import Any

import pytest

from lrbench.config.course import KnownCourse, known_course, shortest_cycle
from lrbench.config.findings import Findings
from lrbench.config.lengths import Lengths
from lrbench.config.scheduling import fit_schedule
from lrbench.config.settings import Restart
from lrbench.config.triggering import checked_settings
from lrbench.errors import ConfigError, Problem
from lrbench.schedules.annealing import cosine
from lrbench.schedules.restarts import sgdr
from lrbench.spec.run import Component, DiagnosticsSpec, TrainSpec


def course(
    schedule: str,
    params: dict[str, Any] | None = None,
    *,
    trigger: str | None = None,
    settings: dict[str, Any] | None = None,
    steps: int = 200,
    beta2: float | None = None,
    **restart: Any,
) -> KnownCourse:
    """Of a run with ten updates an epoch."""
    lengths = Lengths(
        TrainSpec(steps=steps, batch_size=32, eval_every=10), DiagnosticsSpec(), None, 10
    )
    component, fitted = fit_schedule(
        Component(name=schedule, params=params or {}),
        lr=0.1,
        total_steps=steps,
        steps_per_epoch=10,
        is_rebuilt=trigger is not None,
    )
    watching = None
    if trigger is not None:
        watching = Component(name=trigger, params=checked_settings(trigger, settings or {}))
    findings = Findings({})
    found = known_course(
        Restart(**restart), watching, component, fitted, 0.1, beta2, lengths, findings
    )
    findings.raise_if_any()
    return found


def refused(*words: Any, **others: Any) -> Problem:
    with pytest.raises(ConfigError) as caught:
        course(*words, **others)
    (problem,) = caught.value.problems
    return problem


SGDR = {"first_cycle": 40, "cycle_mult": 2.0}
"""Cycles of 40, 80 and 160 steps, of which 80 lie in a run of 200."""


@pytest.mark.parametrize(
    ("typed", "beta2", "steps"),
    [
        (0, None, 0),
        (7, None, 7),
        ("1ep", None, 10),
        ("5%", None, 10),
        # 5 % of the shortest cycle that begins with a restart, 80.
        (None, None, 4),
        (None, 0.999, 4),
        (None, 0.2, 3),
    ],
)
def test_a_rise_is_as_typed_or_by_the_rule(typed: object, beta2: float | None, steps: int) -> None:
    assert course("sgdr", SGDR, rewarm=typed, beta2=beta2).rewarm == steps


def test_the_rise_is_part_of_the_rate_that_is_known() -> None:
    jumps, rises = course("sgdr", SGDR).schedule, course("sgdr", SGDR, rewarm=5).schedule
    before, top = jumps(39), jumps(44)
    assert jumps(40) == 1.0
    assert rises(40) == pytest.approx(before + (1.0 - before) / 5, rel=1e-12)
    assert rises(44) == top
    assert [rises(step) for step in range(40)] == [jumps(step) for step in range(40)]


def test_a_cycle_cut_short_counts_as_it_was_planned() -> None:
    # Of 50, 50, 50, 50 and 1: the last one is a cycle of 50 too.
    assert shortest_cycle(sgdr(first_cycle_steps=50, cycle_mult=1.0, total_steps=201), 201) == 50
    assert shortest_cycle(cosine(decay_steps=80), 80) == 80


def test_the_rule_never_makes_a_rise_that_does_not_fit_what_is_left_of_a_cycle() -> None:
    even = {"first_cycle": 100, "cycle_mult": 1.0, "tail": "truncate"}
    assert course("sgdr", even, steps=302, rewarm=None).rewarm == 2
    assert course("sgdr", even, steps=400, rewarm=None).rewarm == 5
    problem = refused("sgdr", even, steps=302, rewarm=5)
    assert (problem.key, problem.remedy) == ("restart.rewarm", "restart.rewarm=2")


def test_a_rise_that_is_no_length_is_refused() -> None:
    assert refused("sgdr", SGDR, rewarm=-1).relation == "must be at least 0 updates"
    assert refused("sgdr", SGDR, rewarm="0.01%").key == "restart.rewarm"


def test_with_a_trigger_the_known_rate_is_the_first_cycle_and_its_end() -> None:
    found = course("linear", trigger="plateau")
    # Four cycles may be, so that the first is planned for 50 steps.
    assert [found.schedule(step) for step in (0, 25, 49, 50, 120)] == pytest.approx(
        [1.0, 0.5, 0.02, 0.0, 0.0], abs=1e-12
    )
    assert found.schedule.restarts(200) == ()


def test_a_part_of_the_run_is_a_part_of_each_cycle_under_a_trigger() -> None:
    found = course("constant", {"warmup": "20%"}, trigger="plateau")
    # 20 % of the cycle of 50 are ten steps; of the run they would be 40.
    assert found.schedule(4) == pytest.approx(0.5)
    assert found.schedule(10) == 1.0


def test_the_rule_under_a_trigger_goes_by_the_shortest_cycle_it_may_begin() -> None:
    found = course("cosine", trigger="plateau", rewarm=None, steps=2000)
    # A restart at step 1499 leaves 501 steps for three cycles.
    assert found.rewarm == 167 // 20
    assert found.trigger is not None
    assert found.trigger.rewarm == found.rewarm


@pytest.mark.parametrize(
    ("trigger", "settings"),
    [("gradient_scheme", {}), ("plateau", {"on_plateau": "decay"}), ("snr", {})],
)
def test_where_the_rate_never_jumps_there_is_no_rise_to_wait_for(
    trigger: str, settings: dict[str, Any]
) -> None:
    rising = course("constant", trigger=trigger, settings=settings, rewarm=50)
    jumping = course("constant", trigger=trigger, settings=settings)
    assert rising.rewarm == 0
    assert rising.trigger == jumping.trigger


def test_a_schedule_that_restarts_by_itself_needs_no_trigger() -> None:
    problem = refused("sgdr", SGDR, trigger="plateau")
    assert (problem.key, problem.remedy) == ("schedule", "schedule=cosine")
    assert problem.got == "restarts at 40, 120"


def test_a_length_that_does_not_fit_the_shortest_cycle_is_refused_with_that_cycle() -> None:
    problem = refused("constant", {"warmup": 30}, trigger="plateau")
    assert problem.key == "schedule.warmup"
    assert problem.relation.startswith("must be shorter than the run (17 steps); here that is")
    assert problem.remedy == "schedule.warmup=5%"
    assert course("constant", {"warmup": 16}, trigger="plateau")


def test_a_rise_longer_than_a_cycle_that_may_begin_is_refused_with_the_longest() -> None:
    problem = refused("cosine", trigger="plateau", rewarm=18)
    assert (problem.key, problem.got, problem.remedy) == (
        "restart.rewarm",
        18,
        "restart.rewarm=17",
    )
    assert course("cosine", trigger="plateau", rewarm=17).rewarm == 17
