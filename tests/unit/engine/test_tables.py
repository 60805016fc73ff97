"""Schedules as tables."""

import hashlib
import math
import struct

import numpy as np
import pytest

from lrbench.engine.base import Restart
from lrbench.engine.tables import control_rates, restarts_of, table_digest, tabulate
from lrbench.errors import ScheduleError
from lrbench.schedules.base import Cycles, Schedule
from lrbench.schedules.events import PlannedRestart
from lrbench.spec.restart import RestartSpec

KEEP = RestartSpec()


def test_a_table_has_a_row_an_update_and_a_column_a_lane():
    schedules = [Schedule(lambda step: step + 1.0), Schedule(lambda step: 10.0 - step)]
    table = tabulate(schedules, [0.5, 2.0], 4)
    assert table.tolist() == [[0.5, 20.0], [1.0, 18.0], [1.5, 16.0], [2.0, 14.0]]
    assert table.dtype == np.float64


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, -1e-300])
@pytest.mark.parametrize("at", [0, 3, 6])
def test_a_factor_that_is_no_rate_is_refused_with_its_step(bad, at):
    schedules = [
        Schedule(lambda step: 1.0),
        Schedule(lambda step: bad if step == at else 1.0),
    ]
    with pytest.raises(ScheduleError, match=rf"step {at} is not") as caught:
        tabulate(schedules, [1.0, 1.0], 7)
    assert repr(caught.value.problems[0].got) == repr(bad)


def test_a_product_that_overflows_is_refused_and_zero_is_not():
    with pytest.raises(ScheduleError, match="step 0"):
        tabulate([Schedule(lambda step: 1e200)], [1e200], 2)
    assert tabulate([Schedule(lambda step: 0.0)], [1.0], 2).tolist() == [[0.0], [0.0]]


def test_restarts_have_the_length_their_cycle_has_in_this_run():
    starts = [0, 3, 8, 20]
    schedule = Schedule(lambda step: 1.0, Cycles(lambda i: starts[i] if i < len(starts) else None))
    assert restarts_of(schedule, 30, KEEP) == (
        Restart(3, 1, 5),
        Restart(8, 2, 12),
        Restart(20, 3, 10),
    )
    assert restarts_of(schedule, 20, KEEP) == (Restart(3, 1, 5), Restart(8, 2, 12))
    assert restarts_of(schedule, 9, KEEP) == (Restart(3, 1, 5), Restart(8, 2, 1))
    assert restarts_of(schedule, 3, KEEP) == ()


def test_the_digest_of_a_table_is_that_of_its_little_endian_bytes():
    rates = [0.1, 0.05, 0.0]
    wanted = hashlib.sha256(struct.pack("<3d", *rates)).hexdigest()
    assert table_digest(np.array(rates)) == wanted
    assert table_digest(np.array(rates, dtype=">f8")) == wanted
    assert table_digest(np.array([[r, 9.0] for r in rates])[:, 0]) == wanted
    assert table_digest(np.array(rates[::-1])) != wanted


def test_restarts_that_were_decided_on_keep_their_plans_and_causes():
    planned = (
        PlannedRestart(3, 1, 9, "restart", "plateau", 0.5, 0.25),
        PlannedRestart(8, 2, 2, "reset", "gradient", None, None),
    )
    starts = [0, 3, 8]
    cycles = Cycles(lambda i: starts[i] if i < len(starts) else None)
    schedule = Schedule(lambda step: 1.0, cycles, planned=planned)
    assert restarts_of(schedule, 30, KEEP) == (
        Restart(3, 1, 9, cause="plateau", statistic=0.5, threshold=0.25),
        Restart(8, 2, 2, cause="gradient"),
    )
    assert restarts_of(schedule, 8, KEEP) == restarts_of(schedule, 30, KEEP)[:1]
    reset = RestartSpec(momentum="reset")
    assert [restart.policy for restart in restarts_of(schedule, 30, reset)] == [reset, reset]


def test_a_control_goes_straight_from_before_the_restart_to_the_same_end():
    rates = [0.4, 0.3, 0.2, 1.0, 0.9, 0.8, 0.1, 0.7]
    assert control_rates(rates, 3, 7) == pytest.approx([0.4, 0.3, 0.2, 0.175, 0.15, 0.125, 0.1])
    assert control_rates(rates, 3, 7)[:3] == rates[:3]
    assert control_rates(rates, 3, 7)[-1] == rates[6]
    assert control_rates(rates, 3, 4) == rates[:4]
    assert control_rates(rates, 1, 8)[-1] == rates[7]


def test_a_control_may_rise_to_its_end():
    assert control_rates([0.1, 1.0, 1.0, 0.4], 1, 4) == pytest.approx([0.1, 0.2, 0.3, 0.4])
