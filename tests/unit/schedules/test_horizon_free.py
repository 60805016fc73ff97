"""Powers of time."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.errors import ScheduleError
from lrbench.schedules.compose import WarmupForm, ramp
from lrbench.schedules.horizon_free import anytime, inverse_sqrt, noam, power, rsqrt
from lrbench.schedules.shapes import SHAPES, Shape, curve

unhurried = settings(deadline=None, max_examples=30)  # a busy machine is no failure
CLOSED_FORM = {"rel": 1e-12, "abs": 0}


@unhurried
@given(warmup=st.integers(1, 200), t=st.integers(0, 2000))
def test_inverse_sqrt_is_a_ramp_and_the_root_of_the_warmup_over_the_step(
    warmup: int, t: int
) -> None:
    factor = inverse_sqrt(warmup_steps=warmup)
    expected = (t + 1) / warmup if t < warmup else math.sqrt(warmup / t)
    assert factor(t) == pytest.approx(expected, **CLOSED_FORM)


@pytest.mark.parametrize("form", ["first", "zero", "open", "cosine", "1-sqrt"])
def test_inverse_sqrt_has_its_peak_at_the_end_of_the_warmup_and_half_at_four_times_that(
    form: WarmupForm,
) -> None:
    factor = inverse_sqrt(warmup_steps=50, warmup_form=form, warmup_start=0.1)
    assert [factor(t) for t in range(50)] == pytest.approx(
        [0.1 + 0.9 * ramp(t, 50, form) for t in range(50)], rel=1e-12
    )
    assert (factor(50), factor(200), factor(800)) == (1.0, 0.5, 0.25)
    assert factor(51) < 1.0


@unhurried
@given(warmup=st.integers(1, 200), size=st.integers(1, 1024), t=st.integers(0, 2000))
def test_noam_with_a_model_size_is_the_formula_of_the_paper(warmup: int, size: int, t: int) -> None:
    factor = noam(warmup_steps=warmup, model_size=size, scale_factor=1.5)
    s = t + 1
    paper = 1.5 * size**-0.5 * min(s**-0.5, s * warmup**-1.5)
    assert factor(t) == pytest.approx(paper, **CLOSED_FORM)


@unhurried
@given(warmup=st.integers(1, 200), scale=st.floats(0.01, 10.0))
def test_noam_without_one_has_its_peak_at_the_last_step_of_the_warmup(
    warmup: int, scale: float
) -> None:
    factor = noam(warmup_steps=warmup, scale_factor=scale)
    assert factor(warmup - 1) == scale
    assert factor(0) == pytest.approx(scale / warmup, **CLOSED_FORM)
    assert factor(warmup) < scale
    assert factor(4 * warmup - 1) == pytest.approx(scale / 2, **CLOSED_FORM)


def test_the_peak_of_the_transformer_is_one_over_the_root_of_512_times_4000() -> None:
    factor = noam(warmup_steps=4000, model_size=512)
    assert factor(3999) == pytest.approx((512 * 4000) ** -0.5, **CLOSED_FORM)
    assert factor.conventions[0] == "warmup: 4000 steps, the first has 1/4000 of the peak"


@unhurried
@given(timescale=st.integers(1, 100), t=st.integers(0, 1000))
def test_rsqrt_without_a_cooldown_is_one_over_a_root(timescale: int, t: int) -> None:
    factor = rsqrt(timescale_steps=timescale, cooldown_steps=0, total_steps=10)
    assert factor(t) == pytest.approx(math.sqrt(timescale / (timescale + t)), **CLOSED_FORM)
    assert factor(3 * timescale) == 0.5


@unhurried
@given(total=st.integers(1, 100), data=st.data())
def test_rsqrt_cools_down_on_top_of_the_fall(total: int, data: st.DataObject) -> None:
    cooldown = data.draw(st.integers(1, total))
    plain = rsqrt(timescale_steps=7, cooldown_steps=0, total_steps=total)
    cooled = rsqrt(timescale_steps=7, cooldown_steps=cooldown, total_steps=total)
    start = total - cooldown
    for t in range(total):
        left = 1.0 if t < start else (total - t) / cooldown
        assert cooled(t) == pytest.approx(plain(t) * left, **CLOSED_FORM)
    assert cooled(total) == cooled(total + 50) == 0.0


@unhurried
@given(crossover=st.integers(1, 50), exponent=st.floats(0.1, 2.0), t=st.integers(0, 500))
def test_power_is_level_and_then_a_power_of_the_samples(
    crossover: int, exponent: float, t: int
) -> None:
    factor = power(crossover_steps=crossover, power=exponent, cooldown_steps=0, total_steps=10)
    expected = min(1.0, math.exp(-exponent * math.log((t + 1) / crossover)))
    assert factor(t) == pytest.approx(expected, **CLOSED_FORM)
    assert factor(crossover - 1) == 1.0 > factor(crossover)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cooldown", [1, 7, 20])
def test_the_power_law_cools_down_from_where_it_is(shape: Shape, cooldown: int) -> None:
    factor = power(
        crossover_steps=4, cooldown_steps=cooldown, shape=shape, final_factor=0.05, total_steps=20
    )
    plain = power(crossover_steps=4, cooldown_steps=0, total_steps=20)
    start = 20 - cooldown
    assert [factor(t) for t in range(start)] == [plain(t) for t in range(start)]
    fall = curve(shape, final_factor=0.05)
    expected = [fall(plain(start), 0.05, k / cooldown) for k in range(cooldown + 1)]
    assert [factor(start + k) for k in range(cooldown + 1)] == pytest.approx(expected, rel=1e-12)
    assert factor(99) == factor(20)


def test_the_power_schedule_of_the_paper_is_reached_by_its_mapping() -> None:
    # eta_max .02, a 4, b -.51, batches of 128 sequences of 4096 tokens.
    eta_max, a, b, sequences, tokens = 0.02, 4.0, -0.51, 128, 128 * 4096
    exact = (sequences * a / eta_max) ** (-1 / b) / tokens
    factor = power(crossover_steps=round(exact), cooldown_steps=0, total_steps=1)
    for t in (10**5, 10**6):
        paper = min(eta_max, sequences * a * (tokens * (t + 1)) ** b)
        # The crossover is rounded to a whole update.
        assert eta_max * factor(t) == pytest.approx(paper, rel=0.6 / exact)
        assert paper < eta_max


def test_a_cooldown_that_would_rise_is_refused() -> None:
    with pytest.raises(ScheduleError) as caught:
        power(crossover_steps=1, cooldown_steps=5, final_factor=0.5, total_steps=20)
    (problem,) = caught.value.problems
    relation = "must not be above the factor at which the cooldown begins"
    assert (problem.key, problem.relation, problem.got) == ("final_factor", relation, 0.5)


@unhurried
@given(timescale=st.integers(1, 100), exponent=st.floats(0.1, 2.0), t=st.integers(0, 1000))
def test_anytime_is_a_power_of_the_shifted_step(timescale: int, exponent: float, t: int) -> None:
    factor = anytime(power=exponent, timescale_steps=timescale)
    expected = math.exp(exponent * (math.log(timescale) - math.log(timescale + t)))
    assert factor(t) == pytest.approx(expected, rel=1e-11)


def test_anytime_with_a_timescale_of_one_is_one_over_the_root_of_the_count() -> None:
    factor = anytime(timescale_steps=1)
    assert [factor(t) for t in (0, 3, 8, 99)] == pytest.approx([1, 1 / 2, 1 / 3, 1 / 10])


@pytest.mark.parametrize(
    "builder",
    [
        lambda: rsqrt(timescale_steps=3, cooldown_steps=0, total_steps=9),
        lambda: power(crossover_steps=3, cooldown_steps=0, total_steps=9),
        lambda: anytime(timescale_steps=3),
        lambda: noam(warmup_steps=3),
        lambda: inverse_sqrt(warmup_steps=3),
    ],
)
def test_a_fall_without_an_end_says_so(builder) -> None:  # type: ignore[no-untyped-def]
    assert builder().conventions[-1].startswith("no end: ")
