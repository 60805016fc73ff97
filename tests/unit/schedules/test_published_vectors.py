"""Values of other libraries, run once and frozen to the digits printed here."""

from __future__ import annotations

import pytest

from lrbench.schedules.base import Schedule
from lrbench.schedules.compose import warmup
from lrbench.schedules.cyclic import triangular
from lrbench.schedules.decay import cosine, multistep
from lrbench.schedules.restarts import sgdr

QUARTER = [1.0, 0.85355, 0.5, 0.14645]
EIGHTH = [1.0, 0.96194, 0.85355, 0.69134, 0.5, 0.30866, 0.14645, 0.03806]
SIXTEENTH = [1.0, 0.99039, 0.96194]
FIFTH = [1.0, 0.90451, 0.65451, 0.34549, 0.09549]
TENTH = [1.0, 0.9755, 0.9045, 0.7939, 0.6545, 0.5, 0.3455, 0.2061, 0.0955, 0.0245]
SEVENTH = [1.0, 0.95048, 0.81174, 0.61126, 0.38874, 0.18826, 0.04952]

VECTORS: dict[str, tuple[Schedule, int, list[float]]] = {
    "torch CosineAnnealingLR(T_max=10)": (cosine(decay_steps=10), 4, [*TENTH, 0.0]),
    "torch CosineAnnealingWarmRestarts(T_0=10)": (
        sgdr(first_cycle_steps=10, cycle_mult=1.0),
        4,
        [*TENTH, *TENTH, 1.0, 0.9755],
    ),
    "torch CyclicLR(.1, 1, step_size_up=4), first triangle": (
        triangular(half_cycle_steps=4, min_factor=0.1),
        5,
        [0.1, 0.325, 0.55, 0.775, 1.0, 0.775, 0.55, 0.325, 0.1],
    ),
    "torch and optax MultiStep [4], gamma .1": (
        multistep(milestones=(4,), gamma=0.1),
        5,
        [1.0, 1.0, 1.0, 1.0, 0.1, 0.1],
    ),
    "timm cosine t=5, cycle_limit=3, cycle_decay=.5": (
        sgdr(first_cycle_steps=5, cycle_mult=1.0, peak_decay=0.5, num_cycles=3),
        5,
        [
            *FIFTH,
            *[0.5, 0.45225, 0.32725, 0.17275, 0.04775],
            *[0.25, 0.22613, 0.16363, 0.08637, 0.02387],
            *[0.0, 0.0],
        ],
    ),
    "timm cosine t=4, cycle_mul=2, cycle_limit=3": (
        sgdr(first_cycle_steps=4, cycle_mult=2.0, num_cycles=3),
        5,
        [*QUARTER, *EIGHTH, *SIXTEENTH],
    ),
    "HF cosine W=3, T=10": (
        warmup(cosine(decay_steps=7), warmup_steps=3, form="zero"),
        5,
        [0.0, 0.33333, 0.66667, *SEVENTH],
    ),
    "HF cosine_warmup_with_min_lr W=3, T=10, r=.1": (
        # Its peak is the last step of the ramp and the first of the cosine, at once.
        warmup(
            cosine(decay_steps=8, final_factor=0.1, endpoint="inclusive"),
            warmup_steps=2,
            form="open",
        ),
        5,
        [0.33333, 0.66667, 1.0, 0.95544, 0.83057, 0.65013, 0.44987, 0.26943, 0.14456, 0.1],
    ),
    "HF cosine_with_restarts T=12, cycles=3": (
        sgdr(first_cycle_steps=4, cycle_mult=1.0, num_cycles=3),
        5,
        [*QUARTER, *QUARTER, *QUARTER, 0.0, 0.0],
    ),
    "HF cosine_with_restarts T=12, cycles=3, by filling the run": (
        sgdr(total_steps=12, num_cycles=3, cycle_mult=1.0),
        5,
        [*QUARTER, *QUARTER, *QUARTER, 0.0, 0.0],
    ),
}


@pytest.mark.parametrize("library", VECTORS)
def test_the_factors_are_those_of(library: str) -> None:
    factor, digits, expected = VECTORS[library]
    rounding = 0.5001 * 10.0**-digits
    got = [factor(step) for step in range(len(expected))]
    assert got == pytest.approx(expected, rel=0, abs=rounding)


def test_timm_drops_a_step_before_its_milestone_and_we_do_not() -> None:
    timm = [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.1, 0.01]  # MultiStep [4, 8], gamma .1
    ours = multistep(milestones=(4, 8), gamma=0.1)
    assert [ours(step + 1) for step in range(8)] == pytest.approx(timm, rel=1e-12)


def test_hf_cosine_rises_again_past_its_end_and_ours_holds() -> None:
    hf = [0.0, 0.04952, 0.18826]  # W=3, T=10, from step 10
    ours = warmup(cosine(decay_steps=7), warmup_steps=3, form="zero")
    assert [ours(step) for step in (10, 11, 12)] == [0.0, 0.0, 0.0]
    # The rise is its own fall, seen in a mirror at the end.
    assert [ours(step) for step in (9, 8)] == pytest.approx(hf[1:], rel=0, abs=5.001e-6)
