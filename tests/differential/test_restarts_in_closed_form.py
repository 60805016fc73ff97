"""Restarts on quadratics whose expected loss is known exactly: what the ledger says of them.

Gradients are ``x + noise``; mean and variance of the weight follow a recursion, and so does the
expected loss ``(mean^2 + variance) / 2``. The loss of update t is that after it, as in the numbers
published with the recursions.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from lrbench.engine.tables import control_rates
from lrbench.record.layout import LAYER_COLUMNS, STEP_COLUMNS
from lrbench.restarts.facts import Moved, Opened, StateFacts
from lrbench.restarts.ledger import Ledger
from lrbench.restarts.metrics import loss_response

CYCLE = 100
NOTHING = (StateFacts(None, None, None, 1.0),)


def cosine(t):
    return (1 + math.cos(math.pi * (t % CYCLE) / CYCLE)) / 2


def with_momentum(scale, cycles=3, peak=0.05, beta=0.9, start=5.0):
    """Expected losses; the momentum buffer is multiplied by ``scale`` at each restart."""
    mean, covariance = np.array([start, 0.0]), np.zeros((2, 2))
    losses = []
    for t in range(cycles * CYCLE):
        if t and t % CYCLE == 0:
            policy = np.diag([1.0, scale])
            mean, covariance = policy @ mean, policy @ covariance @ policy
        lr = peak * cosine(t)
        step, noise = np.array([[1 - lr, -lr * beta], [1.0, beta]]), np.array([-lr, 1.0])
        mean, covariance = step @ mean, step @ covariance @ step.T + np.outer(noise, noise)
        losses.append((mean[0] ** 2 + covariance[0, 0]) / 2)
    return losses


def without_momentum(cycles, peak=0.5):
    return expected([peak * cosine(t) for t in range(cycles * CYCLE)])


def expected(rates, start=5.0):
    mean, variance = start, 0.0
    losses = []
    for lr in rates:
        mean, variance = (1 - lr) * mean, (1 - lr) ** 2 * variance + lr**2
        losses.append((mean**2 + variance) / 2)
    return losses


def rows_of(losses):
    """The ledger's rows, the validation loss being the expected loss itself."""
    ledger = Ledger([], STEP_COLUMNS, LAYER_COLUMNS)
    rows = []
    for t, loss in enumerate(losses):
        cells = dict.fromkeys(STEP_COLUMNS) | {"step": t, "lr": 1.0, "train_loss": loss}
        ledger.updates([tuple(cells.values())], [], [])
        done = t + 1
        if done % 25 == 0:
            ledger.look(done, loss)
        if done % CYCLE == 0 and ledger.is_open:
            rows.append(ledger.close(done, [Moved(None, None, None)])[0])
        if done % CYCLE == 0 and done < len(losses):
            cycle = done // CYCLE
            known = ("schedule", None, None, CYCLE, 0.0, 1.0, None, "keep", "kept")
            ledger.open(Opened(done, float(cycle), cycle, *known, NOTHING, NOTHING))
    return rows


def raw(losses, r):
    return loss_response(np.array(losses[r - CYCLE : r]), np.array(losses[r : r + CYCLE]), 1)


@pytest.mark.parametrize(
    ("scale", "peak", "at", "smooth_peak", "smooth_at"),
    [
        (1.0, 0.1608, 7, 0.1240, 24),
        (0.5, 0.1120, 23, 0.1063, 27),
        (0.0, 0.1084, 24, 0.1038, 31),
    ],
)
def test_a_momentum_reset_trims_the_spike_by_a_third_and_gains_nothing(
    scale, peak, at, smooth_peak, smooth_at
):
    losses = with_momentum(scale)
    unsmoothed = raw(losses, CYCLE)
    assert unsmoothed.level == pytest.approx(0.02215, abs=5e-6)
    assert unsmoothed.level + unsmoothed.height == pytest.approx(peak, abs=5e-5)
    assert unsmoothed.steps_to_peak == at

    first, second = rows_of(losses)
    assert first["window"] == 20
    smooth = [np.mean(losses[max(100, t - 19) : t + 1]) for t in range(100, 200)]
    level = np.mean(losses[80:100])
    assert first["loss_before"] == pytest.approx(level, rel=1e-14)
    assert first["spike"] == pytest.approx(max(smooth) - level, rel=1e-12)
    assert first["loss_before"] + first["spike"] == pytest.approx(smooth_peak, abs=5e-5)
    assert first["steps_to_peak"] == int(np.argmax(smooth)) == smooth_at
    assert first["spike_z"] == pytest.approx(
        first["spike"] / np.std(losses[80:100], ddof=1) * 20**0.5, rel=1e-12
    )
    assert first["overshoot_area"] == pytest.approx(
        sum(max(0.0, mean - level) for mean in smooth), rel=1e-12
    )
    for row in (first, second):
        assert row["val_loss_end"] == pytest.approx(0.021252, abs=5e-7)
    assert second["gain"] == pytest.approx(0, abs=1e-6)


def test_in_the_stationary_floor_a_restart_gains_exactly_nothing_and_takes_its_whole_cycle():
    losses = without_momentum(cycles=6)
    rows = rows_of(losses)
    assert len(rows) == 5
    for place, row in enumerate(rows, start=1):
        unsmoothed = raw(losses, place * CYCLE)
        assert unsmoothed.level == pytest.approx(0.014573, abs=5e-7)
        assert unsmoothed.level + unsmoothed.height == pytest.approx(0.1658, abs=5e-5)
        # Counted in updates made since the restart it is the fifth.
        assert unsmoothed.steps_to_peak + 1 == 5
        assert row["val_loss_before"] == pytest.approx(0.014573, abs=5e-7)
        # Not merely small: a cycle forgets where it began to a factor of 1e-22, so that its last
        # loss is the same float every time.
        assert row["gain"] == 0.0
        for recovery in (unsmoothed.recovery_steps, row["recovery_steps"]):
            # The level is reached again at the very last update, if rounding lets it be.
            assert recovery in (None, CYCLE - 1)
        r = place * CYCLE
        smooth = [np.mean(losses[max(r, t - 19) : t + 1]) for t in range(r, r + CYCLE)]
        level = np.mean(losses[r - 20 : r])
        assert row["spike"] == pytest.approx(max(smooth) - level, rel=1e-12)
        assert row["steps_to_peak"] == int(np.argmax(smooth))


def test_in_the_stationary_floor_a_restart_is_no_better_than_its_control():
    # The control is annealed in a straight line to the same rate at the same step.
    rates = [0.5 * cosine(t) for t in range(6 * CYCLE)]
    with_restarts = without_momentum(cycles=6)
    for place in range(1, 6):
        step, until = place * CYCLE, (place + 1) * CYCLE
        control = control_rates(rates, step, until)
        assert control[:step] == rates[:step]
        assert control[-1] == rates[until - 1]
        (*_, end) = expected(control)
        net_gain = end - with_restarts[until - 1]
        # Almost no rate is left to move it: it stays where it was, a little below.
        assert -0.03 * end < net_gain < 0


def test_a_restart_before_the_floor_is_reached_has_a_gain():
    losses = [loss + 0.001 * (3 - t // CYCLE) for t, loss in enumerate(without_momentum(cycles=3))]
    assert [row["gain"] for row in rows_of(losses)] == pytest.approx([0.001, 0.001], rel=1e-9)
