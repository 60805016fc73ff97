from __future__ import annotations

import math

import pytest

from ledgers import layer, restart
from lrbench.report.restarts import spread, timing
from lrbench.report.restarts.arms import describe_arm
from lrbench.report.restarts.ledger import Ledger
from lrbench.stats.correlation import correlate
from lrbench.stats.variances import variance_ratio

BEFORE = [0.30, 0.31, 0.32, 0.33, 0.35]
AFTER = [0.10, 0.25, 0.18, 0.40, 0.33]


def ledger(rows, layers=(), *, seed=0, status="complete"):
    rows = [row | {"layers": [x for x in layers if x["step"] == row["step"]]} for row in rows]
    return Ledger(f"run-s{seed}", status, seed, tuple(rows), is_earlier=False, remarks=())


def arm(*ledgers, name="sgdr"):
    return describe_arm(name, ledgers)


def seeds(before=BEFORE, after=AFTER, **changes):
    return [
        ledger([restart(1, val_loss_before=a, val_loss_end=b, **changes)], seed=seed)
        for seed, (a, b) in enumerate(zip(before, after, strict=True))
    ]


def figure(found, what, name=None):
    return next(
        one for one in found.restarts[0].spreads if one.what.startswith(what) and one.layer == name
    )


def test_the_spread_of_losses_is_that_of_their_logarithms_seed_by_seed():
    one = figure(arm(*seeds()), "val. loss")
    expected = variance_ratio(list(map(math.log, BEFORE)), list(map(math.log, AFTER)))
    assert one.is_log
    assert one.found == expected
    assert one.found.ratio.value > 1


def test_losses_with_a_value_that_has_no_logarithm_are_compared_as_they_are():
    one = figure(arm(*seeds(after=[-0.1, *AFTER[1:]])), "val. loss")
    assert not one.is_log
    assert one.found == variance_ratio(BEFORE, [-0.1, *AFTER[1:]])


def test_the_peak_of_the_training_loss_is_its_level_and_the_spike():
    rows = [(0.5, 0.1), (0.52, 0.3), (0.49, 0.2), (0.55, 0.7)]
    found = arm(*[
        ledger([restart(1, loss_before=level, spike=spike)], seed=seed)
        for seed, (level, spike) in enumerate(rows)
    ])  # fmt: skip
    levels = [math.log(level) for level, _ in rows]
    peaks = [math.log(level + spike) for level, spike in rows]
    assert figure(found, "training loss").found.ratio == variance_ratio(levels, peaks).ratio


def test_each_layer_has_a_ratio_of_its_own_and_all_are_one_family():
    ledgers = []
    for seed, (before, after) in enumerate(zip(BEFORE, AFTER, strict=True)):
        layers = [
            layer(1, 0, "in", effective_step_before=before, effective_step_after=after),
            layer(1, 1, "out", effective_step_before=after, effective_step_after=before),
        ]
        ledgers.append(ledger([restart(1)], layers, seed=seed))
    found = arm(*ledgers)
    one, two = (figure(found, "update/rate", name) for name in ("in", "out"))
    assert one.found.ratio.value == pytest.approx(1 / two.found.ratio.value)
    assert (one.found.ratio.value > 1, two.found.ratio.value > 1) == (True, False)
    # What does not vary at all has no test, and counts in no family.
    tested = [each for each in found.restarts[0].spreads if each.found.p is not None]
    assert len(tested) == 2
    assert one.p_adjusted == pytest.approx(min(1, 2 * one.found.p))


def test_two_seeds_have_no_spread_to_speak_of():
    found = arm(*seeds(BEFORE[:2], AFTER[:2]))
    assert found.restarts[0].spreads == ()
    assert list(spread.tell(1, found.restarts[0].spreads)) == []


def test_a_change_that_is_sure_is_told_and_another_is_not():
    wide = [0.30 * math.exp(10 * (b - 0.32)) for b in BEFORE]
    told = " ".join(spread.tell(1, arm(*seeds(after=wide)).restarts[0].spreads))
    assert "raised" in told
    assert "n = 5" in told
    told = " ".join(spread.tell(1, arm(*seeds(wide, BEFORE)).restarts[0].spreads))
    assert "lowered" in told
    told = " ".join(spread.tell(1, arm(*seeds(after=BEFORE[::-1])).restarts[0].spreads))
    assert "x1.00 [" in told
    assert "raised" not in told
    assert "lowered" not in told


def arms_of(points):
    """An arm for each (length, relative spike), two seeds around that."""
    return [
        arm(
            *[
                ledger([restart(1, length=length, spike_relative=spike + off)], seed=seed)
                for seed, off in enumerate((-0.01, 0.01))
            ],
            name=f"sgdr {length}",
        )
        for length, spike in points
    ]


def association(found, timing_of, stability):
    return next(one for one in found if (one.timing, one.stability) == (timing_of, stability))


def test_a_point_is_a_restart_of_an_arm_with_the_mean_over_its_seeds():
    points = [(10, 0.1), (20, 0.3), (40, 0.2), (80, 0.9), (160, 1.5)]
    one = association(timing.associations(arms_of(points)), "cycle length", "spike, relative")
    assert one.found.n == 5
    expected = correlate([x for x, _ in points], [y for _, y in points])
    assert one.found.spearman.value == pytest.approx(expected.spearman.value)
    assert one.found.pearson.value == pytest.approx(expected.pearson.value)
    assert one.found.spearman.low is not None


def test_what_does_not_vary_goes_with_nothing():
    found = timing.associations(arms_of([(10, 0.1), (20, 0.3), (40, 0.2)]))
    assert {one.timing for one in found} == {"cycle length"}


def test_the_share_of_diverged_runs_is_one_of_arms():
    arms = []
    for place, diverged in enumerate((0, 1, 2, 3)):
        rows = [restart(1, length=10 * (place + 1))]
        ledgers = [
            ledger(rows, seed=seed, status="diverged" if seed < diverged else "complete")
            for seed in range(4)
        ]
        arms.append(arm(*ledgers, name=f"sgdr {place}"))
    one = association(timing.associations(arms), "cycle length", timing.DIVERGED)
    assert (one.points, one.found.n) == ("arm", 4)
    assert one.found.spearman.value == pytest.approx(1.0)
    told = " ".join(timing.tell([one]))
    assert "4 arms" in told
    assert "+1.00" in told


def test_long_cycles_do_not_wait_longer_by_themselves():
    # No loss is ever back: how long was waited is the length of the cycle, and says nothing of it.
    rows = [
        restart(1, length=length, recovery_steps=None, recovery_censored_at=length)
        for length in (10, 20, 40, 80, 160)
    ]
    arms = [arm(ledger([row]), name=str(place)) for place, row in enumerate(rows)]
    told = {(one.timing, one.stability) for one in timing.associations(arms)}
    assert ("cycle length", timing.BACK) not in told


def test_updates_until_back_are_cut_at_the_shortest_time_that_was_looked():
    rows = [
        restart(1, length=length, recovery_steps=back, recovery_censored_at=waited)
        for length, back, waited in ((10, 5, None), (20, 9, None), (40, None, 40), (80, 3, None))
    ]
    arms = [arm(ledger([row]), name=str(place)) for place, row in enumerate(rows)]
    one = association(timing.associations(arms), "cycle length", timing.BACK)
    assert one.found.pearson.value == pytest.approx(
        correlate([10, 20, 40, 80], [5, 9, 10, 3]).pearson.value
    )
