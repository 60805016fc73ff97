from __future__ import annotations

from lrbench.stats.censored import TimeToTarget, time_to_target


def test_times_that_are_all_known_are_summarised_as_they_are():
    assert time_to_target([10, 30, 20], [100] * 3) == TimeToTarget(3, 3, 100, 20.0, 20.0)


def test_a_run_that_never_gets_there_counts_with_its_budget_in_the_restricted_mean():
    assert time_to_target([40, 60, None], [100] * 3) == TimeToTarget(2, 3, 100, 60.0, 200 / 3)


def test_a_median_past_the_budget_is_not_made_up():
    assert time_to_target([40, None], [100] * 2).median is None
    assert time_to_target([None, None], [100] * 2) == TimeToTarget(0, 2, 100, None, 100.0)


def test_a_longer_budget_is_no_advantage():
    assert time_to_target([90, 150], [100, 200]) == TimeToTarget(1, 2, 100, None, 95.0)


def test_of_no_runs_nothing_is_said():
    assert time_to_target([], []) == TimeToTarget(0, 0)
