"""Values of other libraries, run once and frozen to the digits printed here."""

from __future__ import annotations

import pytest

from lrbench.schedules.annealing import cosine, k_decay
from lrbench.schedules.base import Schedule
from lrbench.schedules.compose import warmup
from lrbench.schedules.cyclic import exp_range, triangular, triangular2
from lrbench.schedules.decay import polynomial
from lrbench.schedules.drops import multistep
from lrbench.schedules.horizon_free import inverse_sqrt
from lrbench.schedules.one_cycle import one_cycle
from lrbench.schedules.restarts import sgdr
from lrbench.schedules.table import table
from lrbench.schedules.wsd import wsd

QUARTER = [1.0, 0.85355, 0.5, 0.14645]
EIGHTH = [1.0, 0.96194, 0.85355, 0.69134, 0.5, 0.30866, 0.14645, 0.03806]
SIXTEENTH = [1.0, 0.99039, 0.96194]
FIFTH = [1.0, 0.90451, 0.65451, 0.34549, 0.09549]
TENTH = [1.0, 0.9755, 0.9045, 0.7939, 0.6545, 0.5, 0.3455, 0.2061, 0.0955, 0.0245]
FALL_OF_ONE_CYCLE = [1.0, 0.95048, 0.81175, 0.61126, 0.38874, 0.18826, 0.04952, 4e-6]
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
        sgdr(
            first_cycle_steps=5,
            cycle_mult=1.0,
            peak_decay=0.5,
            peak_decay_form="peak",
            num_cycles=3,
        ),
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
        warmup(cosine(decay_steps=7), warmup_steps=3, warmup_form="zero"),
        5,
        [0.0, 0.33333, 0.66667, *SEVENTH],
    ),
    "HF cosine_warmup_with_min_lr W=3, T=10, r=.1": (
        # Its peak is the last step of the ramp and the first of the cosine, at once.
        warmup(
            cosine(decay_steps=8, final_factor=0.1, endpoint="inclusive"),
            warmup_steps=2,
            warmup_form="open",
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
    "torch OneCycleLR(1.0, total_steps=10)": (
        # Its peak is step pct_start * total_steps - 1.
        one_cycle(peak_steps=2, total_steps=10),
        5,
        [0.04, 0.52, *FALL_OF_ONE_CYCLE],
    ),
    "optax cosine_onecycle(10, 1.0)": (
        # Its peak is step pct_start * total_steps, and its end lies after the run.
        one_cycle(peak_steps=3, endpoint="exclusive", total_steps=10),
        5,
        [0.04, 0.28, 0.76, *FALL_OF_ONE_CYCLE],
    ),
    "optax linear_onecycle(20, 1.0)": (
        # The fall back is as long as the rise in our three phases and .55 of the run in its.
        table(steps=(0, 6, 17, 20), factors=(0.04, 1.0, 0.04, 4e-6), between="linear"),
        5,
        [
            *[0.04, 0.2, 0.36, 0.52, 0.68, 0.84, 1.0, 0.91273, 0.82545],
            *[0.73818, 0.65091, 0.56364, 0.47636, 0.38909, 0.30182, 0.21455],
            *[0.12727, 0.04, 0.02667, 0.01334, 0.0],
        ],
    ),
    "torch CyclicLR(.1, 1, step_size_up=4, mode='triangular2')": (
        triangular2(half_cycle_steps=4, min_factor=0.1),
        4,
        [
            *[0.1, 0.325, 0.55, 0.775, 1.0, 0.775, 0.55, 0.325],
            *[0.1, 0.2125, 0.325, 0.4375, 0.55, 0.4375, 0.325, 0.2125, 0.1, 0.1562],
        ],
    ),
    "torch CyclicLR(.1, 1, step_size_up=4, mode='exp_range', gamma=.9)": (
        exp_range(half_cycle_steps=4, min_factor=0.1, gamma=0.9),
        4,
        [
            *[0.1, 0.3025, 0.4645, 0.5921, 0.6905, 0.4986, 0.3391, 0.2076],
            *[0.1, 0.1872, 0.2569, 0.3118, 0.3542],
        ],
    ),
    "HF wsd W=2, D=4, T=10, r=.1 (a cosine, and a warmup that begins at r)": (
        warmup(
            wsd(cooldown_steps=4, shape="cosine", final_factor=0.1, total_steps=8),
            warmup_steps=2,
            warmup_form="zero",
            warmup_start=0.1,
        ),
        4,
        [0.1, 0.55, 1.0, 1.0, 1.0, 1.0, 1.0, 0.8682, 0.55, 0.2318, 0.1],
    ),
    "HF inverse_sqrt W=4": (
        inverse_sqrt(warmup_steps=4, warmup_form="zero"),
        5,
        [0.0, 0.25, 0.5, 0.75, 1.0, 0.89443, 0.8165, 0.75593, 0.70711, 0.66667, 0.63246],
    ),
    "HF polynomial p=2, T=10, lr_end=.1": (
        polynomial(decay_steps=10, power=2.0, final_factor=0.1),
        3,
        [1.0, 0.829, 0.676, 0.541, 0.424, 0.325, 0.244, 0.181, 0.136, 0.109, 0.1],
    ),
    "timm cosine t=10, k_decay=1.5": (
        k_decay(decay_steps=10, k=1.5),
        5,
        [1.0, 0.99753, 0.98039, 0.93485, 0.85023, 0.72201, 0.55524, 0.36706, 0.18671, 0.05181, 0.0],
    ),
    "torch SWALR(.05, anneal_epochs=5, 'cos')": (
        cosine(decay_steps=5, final_factor=0.05),
        5,
        [1.0, 0.90928, 0.67178, 0.37822, 0.14072, 0.05, 0.05],
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


def test_torch_cosine_annealing_rises_again_past_its_end_and_ours_holds() -> None:
    torch = [0.0, 0.0245, 0.0955, 0.2061, 0.3455, 0.5, 0.6545, 0.7939, 0.9045, 0.9755, 1.0, 0.9755]
    ours = cosine(decay_steps=10)
    assert [ours(step) for step in range(10, 22)] == [0.0] * 12
    # Up to step 20 it is its own fall, seen in a mirror at the end; then it falls again.
    mirrored = [ours(step) for step in [*range(10, -1, -1), 1]]
    assert mirrored == pytest.approx(torch, rel=0, abs=5.001e-5)


@pytest.mark.parametrize("cycle", [1, 2])
def test_heights_above_the_end_are_no_peaks_where_the_end_is_not_zero(cycle: int) -> None:
    forms = {
        form: sgdr(
            first_cycle_steps=5,
            cycle_mult=1.0,
            peak_decay=0.5,
            peak_decay_form=form,  # type: ignore[arg-type]
            final_factor=0.2,
        )
        for form in ("peak", "amplitude")
    }
    assert forms["peak"](5 * cycle) == 0.5**cycle
    assert forms["amplitude"](5 * cycle) == pytest.approx(0.2 + 0.8 * 0.5**cycle, rel=1e-12)


def test_hf_cosine_rises_again_past_its_end_and_ours_holds() -> None:
    hf = [0.0, 0.04952, 0.18826]  # W=3, T=10, from step 10
    ours = warmup(cosine(decay_steps=7), warmup_steps=3, warmup_form="zero")
    assert [ours(step) for step in (10, 11, 12)] == [0.0, 0.0, 0.0]
    # The rise is its own fall, seen in a mirror at the end.
    assert [ours(step) for step in (9, 8)] == pytest.approx(hf[1:], rel=0, abs=5.001e-6)
