"""The truth check of schedules: what is wrong is found, with the step, and nothing else is."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch

from lrbench.checks.findings import Finding
from lrbench.checks.reference.catalog import exact
from lrbench.checks.schedule.applied import LONGEST, made, spread
from lrbench.checks.schedule.check import PROBES, Examination, examine
from lrbench.schedules.base import Cycles, Schedule
from lrbench.schedules.catalog import build_schedule

LINEAR: dict[str, Any] = {"decay": 10}
SGDR: dict[str, Any] = {"first_cycle": 10, "cycle_mult": 2.0, "final_factor": 0.1}

Change = Callable[[Schedule], Schedule]


def own(
    name: str, settings: Mapping[str, Any], steps: int, change: Change = lambda schedule: schedule
) -> Examination:
    """A schedule of the library, changed, beside the reference of what it should be."""

    def build() -> Schedule:
        return change(build_schedule(name, settings, steps))

    reference = exact(name, settings, steps)
    return examine(name, build(), settings, lr=0.1, total_steps=steps, exact=reference, build=build)


def users(
    function: Callable[[int], Any],
    steps: int,
    *,
    lr: float = 0.1,
    cycles: Cycles | None = None,
    build: Callable[[], Schedule] | None = None,
    **settings: Any,
) -> list[Finding]:
    """A function of the user's own."""
    schedule = Schedule(function) if cycles is None else Schedule(function, cycles)
    examined = examine(
        None,
        schedule,
        settings,
        lr=lr,
        total_steps=steps,
        exact=None,
        build=build or (lambda: schedule),
    )
    return list(examined.findings)


def factors(change: Callable[[Callable[[int], float], int], Any]) -> Change:
    """The schedule with other factors."""
    return lambda one: replace(one, factor=lambda step: change(one.factor, step))


def wrong(found: Examination | list[Finding]) -> dict[str, str]:
    findings = found if isinstance(found, list) else found.findings
    return {finding.check: finding.text for finding in findings if finding.kind == "wrong"}


def remarks(found: Examination | list[Finding]) -> dict[str, str]:
    findings = found if isinstance(found, list) else found.findings
    return {finding.check: finding.text for finding in findings if finding.kind == "remark"}


# --- the schedules of the library ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("constant", {}),
        ("linear", LINEAR),
        ("sgdr", SGDR),
        ("wsd", {"cooldown": 6, "warmup": 5, "warmup_form": "open"}),
        ("triangular2", {"half_cycle": 4}),
        ("exp_range", {"half_cycle": 7, "warmup": 1}),
        ("sequence", {"pieces": ["linear", "sgdr"], "boundaries": [5], "restart": True}),
    ],
)
@pytest.mark.parametrize("steps", [40, 12])
def test_a_right_schedule_has_nothing_wrong(
    name: str, settings: dict[str, Any], steps: int
) -> None:
    examined = own(name, settings, steps)
    assert wrong(examined) == {}
    assert examined.accuracy is not None
    assert examined.accuracy.updates == steps
    assert examined.accuracy.ulps < 4


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_runs_of_a_few_steps_can_be_checked(steps: int) -> None:
    assert wrong(own("cosine", {}, steps)) == {}


def test_the_largest_error_and_its_step_are_told() -> None:
    def nudge(factor: Callable[[int], float], step: int) -> float:
        return factor(step) + 3 * math.ulp(1.0) * (step == 7)

    accuracy = own("constant", {}, 20, factors(nudge)).accuracy
    assert accuracy is not None
    assert (accuracy.updates, accuracy.step) == (20, 7)
    # The rate is 0.1, where the spacing of floats is that of 1.0 over 16 and not over 10.
    assert accuracy.ulps == pytest.approx(4.8, abs=0.6)


# --- mutations ----------------------------------------------------------------------------------


def test_a_schedule_one_step_early_is_wrong() -> None:
    early = own("linear", LINEAR, 10, factors(lambda factor, step: factor(step + 1)))
    assert wrong(early)["formula"] == (
        "step 0 is made with 0.09 where 0.1 is due; so 10 of 10 updates differ, among them the "
        "first update, the last update; each has the rate of the step after it"
    )
    late = own("linear", LINEAR, 10, factors(lambda factor, step: factor(max(step - 1, 0))))
    assert "each has the rate of the step before it" in wrong(late)["formula"]
    assert "9 of 10 updates differ, among them the last update" in wrong(late)["formula"]


def test_a_halved_schedule_is_wrong() -> None:
    text = wrong(own("cosine", {}, 20, factors(lambda factor, step: factor(step) / 2)))["formula"]
    assert text.startswith("step 0 is made with 0.05 where 0.1 is due; so 20 of 20 updates differ")
    assert text.endswith("each has 0.5 times the rate that is due")


def test_a_missed_peak_at_a_restart_is_wrong() -> None:
    def missed(factor: Callable[[int], float], step: int) -> float:
        return 0.1 if step == 30 else factor(step)

    found = own("sgdr", SGDR, 70, factors(missed))
    assert wrong(found) == {
        "formula": "step 30 is made with 0.01 where 0.1 is due; so 1 of 70 updates differ, among "
        "them the restart at step 30"
    }


def test_a_wrong_last_value_is_wrong() -> None:
    def high(factor: Callable[[int], float], step: int) -> float:
        return 0.2 if step == 9 else factor(step)

    text = wrong(own("linear", LINEAR, 10, factors(high)))["formula"]
    assert "step 9 is made with 0.02 where 0.01 is due" in text
    assert "among them the last update" in text


def test_an_error_of_a_few_units_more_than_rounding_is_wrong() -> None:
    def nudged(by: float) -> dict[str, str]:
        change = factors(lambda factor, step: factor(step) * (1 + by))
        return wrong(own("constant", {}, 10, change))

    assert nudged(1e-13) == {}
    assert "formula" in nudged(1e-11)
    assert "0.1000000000 where" in nudged(1e-11)["formula"].replace(
        "0.100000000001", "0.1000000000"
    )


def test_a_decay_that_rises_behind_its_end_is_wrong() -> None:
    def periodic(factor: Callable[[int], float], step: int) -> float:
        return factor(step) if step <= 10 else (1 - math.cos(math.pi * step / 10 + math.pi)) / 2

    found = wrong(own("cosine", {}, 10, factors(periodic)))
    assert found == {
        "past the end": "step 11, behind the end, gets 0.002447 where 0 is due; behind the end it "
        "rises again: factor 0 at step 10, 0.02447 at step 11"
    }


def test_an_end_that_is_not_held_is_wrong() -> None:
    def drops(factor: Callable[[int], float], step: int) -> float:
        return factor(step) if step < 15 else 0.0

    settings = LINEAR | {"final_factor": 0.5}
    found = wrong(own("linear", settings, 10, factors(drops)))
    assert found == {"past the end": "step 15, behind the end, gets 0 where 0.05 is due"}


def test_an_exception_behind_the_end_is_wrong_in_a_schedule_of_the_library() -> None:
    def ends(factor: Callable[[int], float], step: int) -> float:
        if step > 11:
            raise IndexError("no more")
        return factor(step)

    found = wrong(own("linear", LINEAR, 10, factors(ends)))
    assert found == {"past the end": "behind the end, step 12 raises IndexError: no more"}


def test_restarts_that_are_missing_or_too_many_are_wrong() -> None:
    def moved(one: Schedule) -> Schedule:
        starts = (0, 10, 31)
        return replace(one, cycles=Cycles(lambda i: starts[i] if i < len(starts) else None))

    text = wrong(own("sgdr", SGDR, 70, moved))["restarts"]
    assert text == "restarts due and missing: 30; there and not due: 31"


def test_a_restart_that_is_no_whole_number_is_wrong() -> None:
    cycles = Cycles(lambda i: 10.0 * i if i else 0)  # type: ignore[arg-type,return-value]
    text = wrong(own("sgdr", SGDR, 70, lambda one: replace(one, cycles=cycles)))["restarts"]
    assert text == "cycle 1 begins at 10.0 of type float, it should be a whole number"


def test_factors_that_are_no_python_floats_are_wrong_in_a_schedule_of_the_library() -> None:
    text = wrong(own("constant", {}, 5, factors(lambda factor, step: 1)))["type"]
    assert text == "the factor at step 0 is of type int, not float"
    assert "type" in remarks(users(lambda step: 1, 5))


# --- functions of the user's own ----------------------------------------------------------------


def line(step: int) -> float:
    return max(0.0, 1 - step / 20)


def test_a_good_function_has_nothing_wrong_and_no_formula() -> None:
    found = users(line, 20)
    assert wrong(found) == {}
    assert remarks(found) == {
        "course": "from 1 at step 0 to 0.05 at step 19, highest 1 at step 0, lowest 0.05 at step "
        "19",
        "formula": "the rates are compared with no formula: lrbench has none of a function of your "
        "own",
    }


def test_a_function_that_forgets_is_no_function_of_the_step() -> None:
    asked: list[int] = []

    def impure(step: int) -> float:
        asked.append(step)
        return 0.4 if asked.count(7) > 1 and step == 7 else 0.5

    found = wrong(users(impure, 20))
    assert found["pure function"] == (
        "not a pure function of the step: step 7 gave 0.5 and then 0.4 (asked a second time)"
    )


def test_a_counter_inside_is_found_by_building_anew() -> None:
    class Counter:
        def __init__(self) -> None:
            self.factors: dict[int, float] = {}

        def __call__(self, step: int) -> float:
            # The same value for the same step, but whatever was asked first is the peak.
            return self.factors.setdefault(step, 1.0 / (1 + len(self.factors)))

    found = wrong(users(Counter(), 20, build=lambda: Schedule(Counter())))
    assert "(built anew, asked backwards)" in found["pure function"]
    assert found["resume"] == (
        "19 of 20 cuts go on with other factors: cut at step 1, step 1 gets 1 where 0.5 is due"
    )


def test_a_random_function_is_found_and_nobody_elses_numbers_are_drawn() -> None:
    before = random.getstate(), torch.get_rng_state()
    found = wrong(users(lambda step: random.random(), 20))
    assert {"pure function", "resume"} <= set(found)
    assert random.getstate() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (math.nan, "the factor at step 3 is nan, it should be finite"),
        (math.inf, "the factor at step 3 is inf, it should be finite"),
        (-0.1, "the factor at step 3 is -0.1, below 0"),
        ("1", "the factor at step 3 is '1', of type str; it should be a float"),
        (None, "the factor at step 3 is None, of type NoneType; it should be a float"),
        (True, "the factor at step 3 is True, of type bool; it should be a float"),
    ],
)
def test_a_factor_no_update_can_be_made_with_is_wrong(bad: Any, said: str) -> None:
    assert wrong(users(lambda step: bad if step == 3 else 1.0, 10)) == {"inside the run": said}


@pytest.mark.parametrize("error", [RuntimeError("no rate"), SystemExit("no rate")])
def test_what_a_function_raises_is_a_finding(error: BaseException) -> None:
    def explode(step: int) -> float:
        if step == 4:
            raise error
        return 1.0

    kind = type(error).__name__
    said = f"step 4 of a run of 10 raises {kind}: no rate"
    assert wrong(users(explode, 10)) == {"inside the run": said}
    behind = users(explode, 4)
    assert wrong(behind) == {}
    assert remarks(behind)["past the end"] == f"behind the end, step 4 raises {kind}: no rate"


def test_what_building_anew_raises_is_a_finding() -> None:
    def build() -> Schedule:
        raise OSError("the file is gone")

    found = wrong(users(line, 20, build=build))
    assert found["pure"] == "looking at 'pure' raised OSError: the file is gone"
    assert found["resume"] == "looking at 'resume' raised OSError: the file is gone"


def test_rates_in_place_of_factors_are_remarked() -> None:
    text = remarks(users(lambda step: 0.003, 10))["units"]
    assert text == (
        "the highest factor is 0.003, so that the highest rate is 0.0003: a schedule gives factors "
        "of optimizer.lr=0.1, not rates"
    )
    assert "the highest factor is 50" in remarks(users(lambda step: 50.0, 10))["units"]
    assert "units" not in remarks(own("scaled", {"of": "constant", "scale_factor": 0.001}, 10))


def test_a_cosine_of_the_users_own_that_rises_again_is_wrong_unless_it_has_cycles() -> None:
    def cosine(step: int) -> float:
        return 0.5 * (1 + math.cos(math.pi * step / 10))

    said = "behind the end it rises again: factor 0 at step 10, 0.02447 at step 11"
    assert wrong(users(cosine, 10)) == {"past the end": said}
    cyclic = users(cosine, 10, cycles=Cycles(lambda index: 20 * index, are_restarts=False))
    assert wrong(cyclic) == {}
    assert remarks(cyclic)["past the end"] == said


def test_cycles_that_do_not_advance_are_wrong() -> None:
    found = wrong(users(line, 20, cycles=Cycles(lambda index: 0)))
    assert found["restarts"] == "cycle 1 begins at step 0, it should begin after step 0"


# --- what is as it was asked for ----------------------------------------------------------------


def test_the_first_value_and_the_peak_of_a_warmup_are_told() -> None:
    zero = remarks(own("cosine", {"warmup": 5, "warmup_form": "zero"}, 20))
    assert zero["first value"] == "step 0 is made with rate 0 and changes no weight"
    assert zero["warmup"] == "it rises from 0 at step 0 to its highest factor 1, first at step 5"
    first = remarks(own("cosine", {"warmup": 5}, 20))
    assert first["warmup"] == "it rises from 0.2 at step 0 to its highest factor 1, first at step 4"
    assert "first value" not in first


def test_an_end_value_that_no_update_gets_is_told() -> None:
    settings = {"decay": 10, "final_factor": 0.5, "endpoint": "exclusive"}
    assert remarks(own("linear", settings, 10))["floor"] == (
        "the end value 0.5 is never reached: the lowest factor is 0.55, at step 9; it belongs to "
        "step 10, behind the run (endpoint=inclusive gives it to the last update)"
    )
    assert "floor" not in remarks(own("linear", settings | {"endpoint": "inclusive"}, 10))
    assert "floor" not in remarks(own("linear", settings, 11))


# --- the measurement ----------------------------------------------------------------------------


def test_the_way_of_the_weight_is_the_rate_exactly() -> None:
    rates = [0.1, 1e-300, 0.0, 1 / 3, 5.0]
    assert list(made(rates, 0.1)) == [(rate, rate) for rate in rates]


def test_long_runs_are_looked_at_here_and_there() -> None:
    steps = spread(10 * LONGEST, LONGEST, [123_456, 10 * LONGEST - 1])
    assert {0, 123_455, 123_456, 123_457, 10 * LONGEST - 1} <= set(steps)
    assert len(steps) <= LONGEST + 6
    assert spread(5, LONGEST) == [0, 1, 2, 3, 4]


def test_every_probe_says_in_a_sentence_what_it_looks_at() -> None:
    assert len(set(PROBES)) == len(PROBES)
    assert all(probe.__doc__ for probe in PROBES)
