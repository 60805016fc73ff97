"""Our schedules beside those of optax, whose count is our step.

optax computes in float32 unless told otherwise; here it is told, and agrees to 1e-12 of the peak.
Lengths there count the warmup, ours do not.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it says while it is imported is not about schedules
    jax = pytest.importorskip("jax", reason="optax is not installed", exc_type=ImportError)
    optax = pytest.importorskip("optax", reason="optax is not installed", exc_type=ImportError)

from lrbench.schedules.annealing import cosine
from lrbench.schedules.base import Schedule
from lrbench.schedules.compose import scaled, sequence, warmup
from lrbench.schedules.decay import constant, exponential, linear, polynomial
from lrbench.schedules.drops import multistep, step
from lrbench.schedules.one_cycle import one_cycle
from lrbench.schedules.restarts import sgdr
from lrbench.schedules.table import table

BASE = 0.3


@pytest.fixture(autouse=True)
def float64() -> Iterator[None]:
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def values(schedule: Callable[[Any], Any], steps: int) -> list[float]:
    counts = jax.numpy.arange(steps)
    return [float(schedule(count)) for count in counts]


def agree(ours: Schedule, theirs: list[float]) -> None:
    assert [BASE * ours(t) for t in range(len(theirs))] == pytest.approx(
        theirs, rel=0, abs=1e-12 * BASE
    )


def test_linear_is_linear_and_both_hold_the_end() -> None:
    theirs = values(optax.linear_schedule(BASE, 0.1 * BASE, transition_steps=40), 50)
    agree(linear(decay_steps=40, final_factor=0.1), theirs)


@pytest.mark.parametrize("power", [0.9, 2])
def test_polynomial_is_polynomial_and_both_hold_the_end(power: float) -> None:
    theirs = values(optax.polynomial_schedule(BASE, 0.1 * BASE, power, transition_steps=40), 50)
    agree(polynomial(decay_steps=40, power=power, final_factor=0.1), theirs)


@pytest.mark.parametrize("exponent", [1.0, 2.5])
@pytest.mark.parametrize("alpha", [0.0, 0.2])
def test_cosine_is_cosine_with_its_exponent_and_both_hold_the_end(
    alpha: float, exponent: float
) -> None:
    theirs = values(optax.cosine_decay_schedule(BASE, 40, alpha, exponent), 50)
    agree(cosine(decay_steps=40, exponent=exponent, final_factor=alpha), theirs)


def test_exponential_is_exponential_until_ours_ends() -> None:
    theirs = values(optax.exponential_decay(BASE, transition_steps=40, decay_rate=0.01), 81)
    agree(exponential(decay_steps=40, final_factor=0.01), theirs[:41])
    agree(exponential(gamma=0.01 ** (1 / 40)), theirs)
    assert theirs[80] / BASE == pytest.approx(1e-4, rel=1e-9)
    assert exponential(decay_steps=40, final_factor=0.01)(80) == 0.01


def test_a_staircase_is_step() -> None:
    theirs = values(optax.exponential_decay(BASE, 7, 0.5, staircase=True), 50)
    agree(step(step_size_steps=7, gamma=0.5), theirs)


def test_a_boundary_is_a_milestone_to_the_step() -> None:
    theirs = values(optax.piecewise_constant_schedule(BASE, {4: 0.1, 8: 0.1}), 12)
    agree(multistep(milestones=(4, 8), gamma=0.1), theirs)


def test_the_decay_of_a_warmed_cosine_counts_the_warmup_there_and_not_here() -> None:
    theirs = values(
        optax.warmup_cosine_decay_schedule(0.1 * BASE, BASE, 8, 40, end_value=0.2 * BASE), 50
    )
    ours = cosine(decay_steps=40 - 8, final_factor=0.2)
    agree(warmup(ours, warmup_steps=8, warmup_form="zero", warmup_start=0.1), theirs)


@pytest.mark.parametrize("low", [0.0, 0.1])
def test_sgdr_is_sgdr_with_a_warmup_in_every_cycle(low: float) -> None:
    cycles = [
        {
            "init_value": low * BASE,
            "peak_value": BASE * peak,
            "warmup_steps": 3,
            "decay_steps": length,
            "end_value": low * BASE,
        }
        for length, peak in zip((10, 20, 40), (1.0, 0.5, 0.25), strict=True)
    ]
    theirs = values(optax.sgdr_schedule(cycles), 70)
    ours = sgdr(
        first_cycle_steps=10,
        cycle_mult=2.0,
        peak_decay=0.5,
        peak_decay_form="peak",
        cycle_warmup_steps=3,
        cycle_warmup_form="zero",
        final_factor=low,
    )
    agree(ours, theirs)


def test_joined_schedules_are_a_sequence() -> None:
    theirs = values(
        optax.join_schedules(
            [
                optax.linear_schedule(BASE, 0.5 * BASE, 10),
                optax.constant_schedule(0.2 * BASE),
                optax.cosine_decay_schedule(BASE, 10),
            ],
            [6, 15],
        ),
        40,
    )
    pieces = (
        linear(decay_steps=10, final_factor=0.5),
        scaled(of=constant(), scale_factor=0.2),
        cosine(decay_steps=10),
    )
    agree(sequence(pieces=pieces, boundaries=(6, 15)), theirs)


@pytest.mark.parametrize(("total", "rise"), [(10, 0.3), (40, 0.25)])
def test_one_cycle_has_its_peak_a_step_after_torchs_and_its_end_after_the_run(
    total: int, rise: float
) -> None:
    theirs = values(optax.cosine_onecycle_schedule(total, BASE, pct_start=rise), total + 10)
    ours = one_cycle(peak_steps=round(rise * total), endpoint="exclusive", total_steps=total)
    agree(ours, theirs)
    torchs = one_cycle(peak_steps=round(rise * total) - 1, total_steps=total)
    assert abs(BASE * torchs(total - 1) - theirs[total - 1]) > 1e-3 * BASE


def test_the_straight_one_cycle_falls_for_longer_than_it_rises_which_a_table_can() -> None:
    theirs = values(optax.linear_onecycle_schedule(20, BASE), 25)
    rows = {"steps": (0, 6, 17, 20), "factors": (0.04, 1.0, 0.04, 4e-6)}
    agree(table(between="linear", **rows), theirs)
    # Three phases of ours are back at the start after twice the rise.
    ours = one_cycle(peak_steps=6, phases=3, shape="linear", endpoint="exclusive", total_steps=20)
    assert BASE * ours(12) == pytest.approx(0.04 * BASE)
    assert theirs[12] / BASE == pytest.approx(0.47636, abs=5.001e-6)


def test_the_end_of_the_straight_one_cycle_is_a_part_of_its_start_and_not_of_its_peak() -> None:
    theirs = values(optax.linear_onecycle_schedule(20, 1.0), 21)
    assert theirs[20] == pytest.approx(1 / 25 / 1e4, rel=1e-9)
